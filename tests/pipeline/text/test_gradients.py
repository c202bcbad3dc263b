from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from medpipe.pipeline.models.lstm import LSTMClassifier, Vocabulary
from medpipe.pipeline.text.gradients import norms_by_distance, norms_by_layer, ratios
from medpipe.pipeline.text.samples import Words


def made(masked: bool, bidirectional: bool = True, layers: int = 2) -> tuple[LSTMClassifier, Words]:
    torch.manual_seed(0)
    model = LSTMClassifier(
        vocabulary=20,
        classes=3,
        embedding=4,
        hidden=5,
        layers=layers,
        bidirectional=bidirectional,
        dropout=0.5,
        masked=masked,
    )
    sentences = [
        " ".join(f"w{(3 * i + j) % 18}" for j in range(n)) for i, n in enumerate((6, 3, 8))
    ]
    words = Words(
        Vocabulary([f"w{i}" for i in range(18)], size=20, words=1),
        sentences,
        np.array([0, 2, 1]),
        length=10,
        masked=masked,
    )
    return model, words


@pytest.mark.parametrize("masked", [True, False])
def test_a_gradient_is_what_a_small_change_of_the_embedding_does(masked: bool) -> None:
    """Against finite differences, sentence by sentence, in a network that reads one way only."""
    model, words = made(masked, bidirectional=False)
    model = model.double().eval()
    found = norms_by_distance(model, words, [0, 2, 5])
    for i in range(3):
        batch = words.batch(np.array([i]), None)
        embedded = model.embedding(batch["words"]).detach()
        last = int(batch["lengths"]) - 1 if masked else embedded.shape[1] - 1
        for column, distance in enumerate([0, 2, 5]):
            if distance > last:
                assert np.isnan(found[i, column])
                continue
            slopes = []
            for k in range(4):
                moved = []
                for step in (1e-6, -1e-6):
                    other = embedded.clone()
                    other[0, last - distance, k] += step
                    logits = model.linear(model.read(other, batch["lengths"]))
                    moved.append(
                        functional.cross_entropy(logits, torch.tensor([words.label[i]])).item()
                    )
                slopes.append((moved[0] - moved[1]) / 2e-6)
            assert found[i, column] == pytest.approx(np.linalg.norm(slopes), rel=1e-3, abs=1e-8)


def test_nothing_is_left_changed() -> None:
    model, words = made(True)
    model.train()
    state = torch.get_rng_state()
    before = [p.clone() for p in model.parameters()]
    norms_by_distance(model, words, [0, 1])
    norms_by_layer(model, words, np.arange(3))
    assert model.training and torch.equal(state, torch.get_rng_state())
    assert all(
        p.grad is None and torch.equal(p, q)
        for p, q in zip(model.parameters(), before, strict=True)
    )


def test_layers_are_named_and_their_norms_are_those_of_backward() -> None:
    model, words = made(True)
    found = norms_by_layer(model, words, np.arange(3))
    assert list(found) == ["embedding", "lstm_l0", "lstm_l1", "linear"]
    model.eval()
    functional.cross_entropy(
        model(**words.batch(np.arange(3), None)), torch.as_tensor(words.label)
    ).backward()
    expected = (
        torch.cat(
            [
                p.grad.ravel()
                for name, p in model.named_parameters()
                if "l1" in name and p.grad is not None
            ]
        )
        .norm()
        .item()
    )
    assert found["lstm_l1"] == pytest.approx(expected, rel=1e-5)


def test_ratios_leave_out_sentences_that_do_not_reach() -> None:
    norms = np.array([[1, 2, 0.5], [1, 4, np.nan], [1, 0, 0]], np.float32)
    assert ratios(norms, [0, 1, 32], 32).tolist() == [0.25]
