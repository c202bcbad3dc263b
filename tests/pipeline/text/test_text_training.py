from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.machine import open_machine, seed_all
from medpipe.pipeline.models.lstm import LSTMClassifier, Vocabulary
from medpipe.pipeline.prediction import Meter
from medpipe.pipeline.text.samples import Words
from medpipe.pipeline.text.sentence_training import Watched, train_text
from medpipe.pipeline.text.text_settings import TextTraining
from medpipe.pipeline.training import Trained, total_steps, weights_of

RECIPE = TextTraining(
    optimizer="adamw",
    learning_rate=0.01,
    weight_decay=0.01,
    batch_size=8,
    epochs=3,
    patience=None,
    reported_epoch="best",
    precision="fp32",
    chosen_on="selection",
    pool_batches=3,
)
HALVES = {"selection": np.arange(0, 20, 2), "validation": np.arange(1, 20, 2)}


class Stop(BaseException):
    """Stands for the end of the process."""


def sentences(count: int, seed: int) -> Words:
    draw = np.random.default_rng(seed)
    label = draw.integers(0, 3, count)
    text = [
        " ".join(f"w{5 * c + draw.integers(0, 8)}" for _ in range(draw.integers(1, 12)))
        for c in label
    ]
    return Words(
        Vocabulary([f"w{i}" for i in range(18)], size=20, words=1),
        text,
        label,
        length=10,
        masked=True,
    )


def once(
    folder: Path,
    recipe: TextTraining = RECIPE,
    *,
    stop_at: int | None = None,
    dropout: float = 0.3,
    measure: Any = None,
) -> Trained:
    seed_all(3)
    calls = itertools.count(1)

    def progress(done: int, total: int, message: str) -> None:
        if next(calls) == stop_at:
            raise Stop

    model = LSTMClassifier(
        vocabulary=20,
        classes=3,
        embedding=4,
        hidden=5,
        layers=2,
        bidirectional=True,
        dropout=dropout,
        masked=True,
    )
    training, watched = sentences(37, 0), sentences(20, 1)
    meter = Meter(progress, total_steps(37, 20, recipe))
    return train_text(
        model,
        training,
        Watched(watched, HALVES),
        recipe,
        seed=3,
        machine=open_machine("cpu", "fp32"),
        store=CheckpointStore(folder, {}),
        meter=meter,
        save_every_s=0.0,
        measure=measure,
    )


def same(one: Trained, other: Trained) -> bool:
    def rows(t: Trained) -> list[dict[str, float]]:
        return [{k: v for k, v in row.items() if k != "epoch_s"} for row in t.history]

    weights, others = weights_of(one.model), weights_of(other.model)
    return (
        rows(one) == rows(other)
        and np.array_equal(one.running, other.running)
        and all(torch.equal(weights[k], others[k]) for k in weights)
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return once(tmp_path_factory.mktemp("whole"))


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 24), min_size=1, max_size=4))
def test_a_bucketed_training_interrupted_anywhere_ends_the_same(
    tmp_path_factory: pytest.TempPathFactory, uninterrupted: Trained, stops: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("stopped")
    for stop in stops:
        with contextlib.suppress(Stop):
            once(folder, stop_at=stop)
    assert same(once(folder), uninterrupted)


def test_the_epoch_is_chosen_on_the_selection_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([(0.5, 0.9), (0.7, 0.1), (0.6, 0.8)])

    def validate(loop: Any) -> dict[str, float]:
        selection, validation = next(scores)
        return {
            "selection_accuracy": selection,
            "validation_accuracy": validation,
            "validation_loss": 1.0,
        }

    monkeypatch.setattr("medpipe.pipeline.text.sentence_training._TextLoop._validate", validate)
    assert once(tmp_path).reported_epoch == 2


def test_each_split_is_watched_for_itself(tmp_path: Path, uninterrupted: Trained) -> None:
    every = once(tmp_path, RECIPE.model_copy(update={"chosen_on": "validation"}))
    assert set(uninterrupted.history[0]) >= {
        "selection_loss",
        "selection_accuracy",
        "validation_loss",
        "validation_accuracy",
    }
    for row in every.history:
        assert row["selection_accuracy"] * 10 == pytest.approx(
            round(row["selection_accuracy"] * 10)
        )
    samples, machine = sentences(20, 1), open_machine("cpu", "fp32")
    with torch.inference_mode():
        right = every.model(**samples.batch(np.arange(20), None)).argmax(1).numpy() == samples.label
    row = every.history[every.reported_epoch - 1]
    assert row["validation_accuracy"] == pytest.approx(right[1::2].mean()) and row[
        "selection_accuracy"
    ] == pytest.approx(right[::2].mean())
    assert machine.processes == 1


def test_a_batch_in_parts_is_the_same_batch(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 2, "optimizer": "adam"})
    whole, parts = (
        once(tmp_path / str(n), recipe.model_copy(update={"accumulate": n}), dropout=0.0)
        for n in (1, 3)
    )
    for name, weight in weights_of(whole.model).items():
        torch.testing.assert_close(weights_of(parts.model)[name], weight, atol=2e-4, rtol=1e-3)
    assert whole.steps == parts.steps


def test_decay_is_coupled_to_the_gradient_in_adam_and_apart_in_adamw(tmp_path: Path) -> None:
    """The unknown word, which never occurs here, has no gradient of its own: coupled decay moves it
    by whole steps of Adam.
    """
    left = {}
    for optimizer in ("adam", "adamw"):
        recipe = RECIPE.model_copy(
            update={"optimizer": optimizer, "epochs": 1, "reported_epoch": "last"}
        )
        seed_all(3)
        before = nn.Embedding(20, 4, padding_idx=0).weight[1].detach()
        after = weights_of(once(tmp_path / optimizer, recipe).model)["embedding.weight"][1]
        left[optimizer] = (before - after).abs()
    assert bool((left["adam"] > 0.02).all())
    torch.testing.assert_close(
        left["adamw"], before.abs() * (1 - (1 - 1e-4) ** 5), atol=1e-6, rtol=1e-3
    )


def test_measurements_stand_in_the_rows(tmp_path: Path) -> None:
    trained = once(
        tmp_path, measure=lambda model: {"size": float(sum(p.numel() for p in model.parameters()))}
    )
    assert [row["size"] for row in trained.history] == [
        float(sum(p.numel() for p in trained.model.parameters()))
    ] * 3
