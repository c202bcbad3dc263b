from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from medpipe.errors import MedpipeError, SpecError
from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.config import Training
from medpipe.pipeline.machine import Machine, open_machine, seed_all
from medpipe.pipeline.prediction import Meter, predict, probabilities
from medpipe.pipeline.training import Trained, total_steps, train, weights_of

RECIPE = Training(
    optimizer="adam",
    learning_rate=0.02,
    weight_decay=0.001,
    batch_size=8,
    epochs=3,
    patience=None,
    reported_epoch="best",
    precision="fp32",
)


class Points:
    """Two noisy clouds; training adds noise of its own, a function of (epoch, sample)."""

    def __init__(self, count: int, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.label = draw.integers(0, 2, count)
        self.points = (draw.normal(size=(count, 1, 4, 4)) + self.label[:, None, None, None]).astype(
            np.float32
        )

    def batch(self, index: np.ndarray, epoch: int | None) -> dict[str, torch.Tensor]:
        noise = [
            0 if epoch is None else np.random.default_rng((epoch, i)).normal(size=(1, 4, 4))
            for i in index.tolist()
        ]
        rows = self.points[index] + np.stack([np.broadcast_to(n, (1, 4, 4)) for n in noise])
        return {
            "x": (
                torch.from_numpy(rows.astype(np.float32)).contiguous(
                    memory_format=torch.channels_last
                )
            )
        }


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(24, 2),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)  # type: ignore[no-any-return]  # nn.Module's call is not typed


class Stop(BaseException):
    """Stands for the end of the process."""


def once(
    folder: Path,
    *,
    recipe: Training = RECIPE,
    stop_at: int | None = None,
    save_every_s: float = 0.0,
    seed: int = 3,
    machine: Machine | None = None,
    plateau: bool = True,
) -> Trained:
    """One process: train from scratch or from what is in ``folder``; end without warning at the
    ``stop_at``-th report of progress.
    """
    seed_all(seed)
    calls = itertools.count(1)

    def progress(done: int, total: int, message: str) -> None:
        if next(calls) == stop_at:
            raise Stop

    training, validation = Points(37, 0), Points(20, 1)
    meter = Meter(progress, total_steps(37, 20, recipe))
    return train(
        Net(),
        training,
        validation,
        recipe,
        seed=seed,
        machine=machine or open_machine("cpu", recipe.precision),
        store=CheckpointStore(folder, {"seed": seed}),
        meter=meter,
        plateau=plateau,
        save_every_s=save_every_s,
    )


def same(one: Trained, other: Trained) -> bool:
    def rows(t: Trained) -> list[dict[str, float]]:
        return [{k: v for k, v in row.items() if k != "epoch_s"} for row in t.history]

    weights, others = weights_of(one.model), weights_of(other.model)
    return (
        rows(one) == rows(other)
        and np.array_equal(one.running, other.running)
        and one.reported_epoch == other.reported_epoch
        and one.steps == other.steps
        and weights.keys() == others.keys()
        and all(torch.equal(weights[k], others[k]) for k in weights)
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return once(tmp_path_factory.mktemp("whole"))


def test_equal_seeds_give_equal_weights_and_others_do_not(
    tmp_path: Path, uninterrupted: Trained
) -> None:
    assert same(once(tmp_path / "again"), uninterrupted)
    assert not same(once(tmp_path / "other", seed=4), uninterrupted)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 24), min_size=1, max_size=5), st.sampled_from([0.0, 1e9]))
def test_a_run_interrupted_anywhere_ends_as_if_it_had_not_been(
    tmp_path_factory: pytest.TempPathFactory,
    uninterrupted: Trained,
    stops: list[int],
    save_every_s: float,
) -> None:
    folder = tmp_path_factory.mktemp("stopped")
    interruptions = 0
    for stop in stops:
        try:
            once(folder, stop_at=stop, save_every_s=save_every_s)
        except Stop:
            interruptions += 1
    resumed = once(folder, save_every_s=save_every_s)
    assert same(resumed, uninterrupted)
    assert sum("resumed" in note for note in resumed.notes) <= interruptions


def test_history_scalars_and_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    seed_all(1)
    recipe = RECIPE.model_copy(update={"reported_epoch": "last"})
    meter = Meter(lambda *p: seen.append(p), total_steps(37, 20, recipe))
    trained = train(
        Net(),
        Points(37, 0),
        Points(20, 1),
        recipe,
        seed=1,
        machine=open_machine("cpu", "fp32"),
        store=CheckpointStore(tmp_path, {}),
        meter=meter,
    )
    assert (
        [row["epoch"] for row in trained.history] == [1, 2, 3]
        and trained.reported_epoch == 3
        and trained.steps == 15
    )
    assert set(trained.history[0]) == {
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "epoch_s",
    }
    assert trained.history[-1]["train_accuracy"] == np.mean(trained.running == Points(37, 0).label)
    logits = predict(trained.model, Points(20, 1), open_machine("cpu", "fp32"), lambda n: None)
    assert (
        np.mean(logits.argmax(axis=1) == Points(20, 1).label)
        == trained.history[-1]["validation_accuracy"]
    )
    done = [d for d, _, _ in seen]
    assert (
        done == sorted(done)
        and done[-1] == seen[-1][1] == 17
        and "epoch 2 of 3, validation accuracy" in seen[8][2]
    )
    assert trained.training_s > 0


def test_every_epoch_sees_every_sample_once_in_an_order_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[list[int]]] = {}
    real = Points.batch

    def batch(points: Points, index: np.ndarray, epoch: int | None) -> dict[str, torch.Tensor]:
        if epoch is not None:
            seen.setdefault(epoch, []).append(index.tolist())
        return real(points, index, epoch)

    monkeypatch.setattr(Points, "batch", batch)
    once(tmp_path / "a")
    first = {epoch: list(itertools.chain(*batches)) for epoch, batches in seen.items()}
    assert all(sorted(order) == list(range(37)) for order in first.values())
    assert [len(b) for b in seen[1]] == [8, 8, 8, 8, 5]
    assert len({tuple(order) for order in first.values()}) == 3
    seen.clear()
    once(tmp_path / "b", seed=4)
    assert list(itertools.chain(*seen[1])) != first[1]


def test_training_learns(tmp_path: Path) -> None:
    trained = once(tmp_path, recipe=RECIPE.model_copy(update={"epochs": 12}))
    assert max(row["validation_accuracy"] for row in trained.history) >= 0.85


def test_the_best_epoch_is_the_first_of_equals_and_patience_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.7, 0.7, 0.6, 0.65, 0.9])
    snapshots: list[dict[str, torch.Tensor]] = []

    def validate(loop: Any) -> dict[str, float]:
        snapshots.append(copy.deepcopy(weights_of(loop.model)))
        return {"validation_loss": 1.0, "validation_accuracy": next(scores)}

    monkeypatch.setattr("medpipe.pipeline.training._Loop._validate", validate)
    trained = once(tmp_path, recipe=RECIPE.model_copy(update={"epochs": 6, "patience": 3}))
    assert len(trained.history) == 5 and trained.reported_epoch == 2
    assert all(
        torch.equal(value, snapshots[1][name]) for name, value in weights_of(trained.model).items()
    )


def test_the_plateau_lowers_the_rate_after_ten_epochs_without_a_better_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "medpipe.pipeline.training._Loop._validate",
        lambda _: {"validation_loss": 1.0, "validation_accuracy": 0.5},
    )
    recipe = RECIPE.model_copy(update={"epochs": 14, "reported_epoch": "last"})
    with pytest.raises(Stop):
        once(
            tmp_path / "a", recipe=recipe, stop_at=80
        )  # in the last epoch: the lower rate must come back too
    resumed, whole = once(tmp_path / "a", recipe=recipe), once(tmp_path / "b", recipe=recipe)
    assert [row["learning_rate"] for row in resumed.history] == pytest.approx(
        [0.02] * 12 + [0.002] * 2
    )
    assert same(resumed, whole)
    assert {
        row["learning_rate"] for row in once(tmp_path / "c", recipe=recipe, plateau=False).history
    } == {0.02}


def test_after_the_end_only_weights_and_running_predictions_stay(
    tmp_path: Path, uninterrupted: Trained
) -> None:
    once(tmp_path)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert {"checkpoint.json", "weights.safetensors"} < set(sizes) and len(sizes) == 3
    again = once(tmp_path, stop_at=3)  # nothing is trained, so nothing is reported a third time
    assert same(again, uninterrupted)


def test_a_diverging_loss_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MedpipeError, match="finite loss in epoch 1"):
        once(tmp_path, recipe=RECIPE.model_copy(update={"learning_rate": 1e30}))


def test_adamw_and_bf16(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"optimizer": "adamw", "precision": "bf16", "epochs": 1})
    one, other = once(tmp_path / "a", recipe=recipe), once(tmp_path / "b", recipe=recipe)
    assert same(one, other)
    assert all(v.dtype in (torch.float32, torch.int64) for v in weights_of(one.model).values())


def test_probabilities_are_the_softmax() -> None:
    logits = np.array([[0, 1, 2], [1000, 0, -1000]], dtype=np.float32)
    expected = torch.softmax(torch.from_numpy(logits).double(), dim=1).numpy()
    assert probabilities(logits) == pytest.approx(expected)


@pytest.mark.parametrize("device", ["tpu", "cuda"])
def test_a_device_that_is_not_there_is_refused(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SpecError, match=r"^device: expected auto"):
        open_machine(device, "fp32")
