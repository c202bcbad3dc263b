from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.pipeline.models.lstm import PAD, UNKNOWN, LSTMClassifier, Vocabulary

WORDS = st.lists(st.sampled_from(["Aa", "aa", "b", "C", "d", "e-1", "@", "."]), max_size=9).map(
    " ".join
)


def published(masked: bool = False) -> LSTMClassifier:
    return LSTMClassifier(
        vocabulary=8000,
        classes=5,
        embedding=128,
        hidden=256,
        layers=2,
        bidirectional=True,
        dropout=0.3,
        masked=masked,
    )


def small(masked: bool) -> LSTMClassifier:
    torch.manual_seed(1)
    return LSTMClassifier(
        vocabulary=20,
        classes=3,
        embedding=4,
        hidden=5,
        layers=2,
        bidirectional=True,
        dropout=0.3,
        masked=masked,
    ).eval()


@pytest.mark.parametrize("masked", [False, True])
def test_the_published_number_of_parameters(masked: bool) -> None:
    assert sum(p.numel() for p in published(masked).parameters()) == 3_394_053


@given(st.lists(WORDS, max_size=8), st.integers(3, 8), st.integers(1, 9), st.integers(1, 12))
def test_vocabulary_and_encoding(sentences: list[str], size: int, words: int, length: int) -> None:
    vocabulary = Vocabulary(sentences, size=size, words=words)
    counts = Counter(w for s in sentences for w in s.lower().split()[:words])
    known = [word for word, _ in counts.most_common(size - 2)]
    assert len(vocabulary) == len(known) + 2 <= size
    rows = vocabulary.encode(sentences, length)
    assert rows.shape == (len(sentences), length)
    for row, sentence in zip(rows.tolist(), sentences, strict=True):
        expected = [
            known.index(w) + 2 if w in known else UNKNOWN for w in sentence.lower().split()[:length]
        ] or [UNKNOWN]
        assert row == expected + [PAD] * (length - len(expected))


def test_equally_frequent_words_are_numbered_as_met() -> None:
    assert Vocabulary(["b a c", "c"], size=5, words=9).encode(["a b c d"], 4).tolist() == [
        [4, 3, 2, 1]
    ]


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 4))
def test_masked_logits_do_not_depend_on_padding(lengths: list[int], more: int) -> None:
    model = small(masked=True)
    words = torch.zeros((len(lengths), max(lengths) + more), dtype=torch.int64)
    for row, n in zip(words, lengths, strict=True):
        row[:n] = torch.arange(2, 2 + n)
    with torch.inference_mode():
        together = model(words, torch.tensor(lengths))
        alone = torch.cat(
            [model(row[None, :n], torch.tensor([n])) for row, n in zip(words, lengths, strict=True)]
        )
    torch.testing.assert_close(together, alone)


def test_unmasked_logits_do_depend_on_padding_as_published() -> None:
    words = torch.tensor([[3, 4, 5]])
    padded = torch.nn.functional.pad(words, (0, 5))
    for masked, differ in ((False, True), (True, False)):
        model = small(masked)
        with torch.inference_mode():
            one, other = model(words, torch.tensor([3])), model(padded, torch.tensor([3]))
        assert bool((one - other).abs().max() > 1e-4) is differ


def test_both_models_agree_where_there_is_no_padding() -> None:
    words = torch.randint(2, 20, (4, 6), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(
            small(True)(words, torch.full((4,), 6)), small(False)(words, torch.full((4,), 6))
        )


def test_what_is_classified_is_the_last_state_of_each_direction() -> None:
    model = small(masked=True)
    words, lengths = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]]), torch.tensor([3, 4])
    with torch.inference_mode():
        got = model(words, lengths)
        states, _ = model.lstm(model.embedding(words[:1, :3]))
        last = torch.cat(
            [states[:, -1, :5], states[:, 0, 5:]], dim=1
        )  # forward at the last word, backward at the first
        torch.testing.assert_close(got[:1], model.linear(last))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=6),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 3),
)
def test_the_way_for_a_cpu_is_that_of_packed_sequences(
    lengths: list[int], layers: int, bidirectional: bool, more: int
) -> None:
    torch.manual_seed(2)
    model = LSTMClassifier(
        vocabulary=20,
        classes=3,
        embedding=4,
        hidden=5,
        layers=layers,
        bidirectional=bidirectional,
        dropout=0.3,
        masked=True,
    ).eval()
    embedded = torch.randn(
        len(lengths), max(lengths) + more, 4
    )  # what stands in the padding must not matter
    counts = torch.tensor(lengths)
    gradients = []
    for read in (model.read_dense, model.read_packed):
        model.zero_grad()
        states = read(embedded, counts)
        states.square().sum().backward()
        gradients.append(
            [
                states.detach(),
                *(p.grad.clone() for p in model.lstm.parameters() if p.grad is not None),
            ]
        )
    assert len(gradients[0]) == 1 + 4 * layers * (1 + bidirectional)
    for dense, packed in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, packed, atol=1e-5, rtol=1e-5)


def test_dropout_between_layers_stands_in_the_dense_way_too() -> None:
    model = small(masked=True).train()
    embedded, counts = (
        torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0)),
        torch.tensor([4, 2, 3]),
    )
    torch.manual_seed(0)
    one, other = model.read_dense(embedded, counts), model.read_dense(embedded, counts)
    assert not torch.equal(one, other)
    assert torch.equal(
        model.eval().read_dense(embedded, counts), model.read_dense(embedded, counts)
    )
    dropped = model.train()._drop(torch.ones(200, 200))
    assert dropped.unique().tolist() == pytest.approx(
        [0, 1 / 0.7]
    ) and dropped.mean().item() == pytest.approx(1, abs=0.02)
