"""The game: equal seeds give equal networks, a killed run ends as one that was not, and every
setting does what it says.
"""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from medpipe.errors import MedpipeError, SpecError
from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.config import parse
from medpipe.pipeline.machine import open_machine, seed_all
from medpipe.pipeline.synthesis.gan_training import TrainingResult, play, shown_epochs
from medpipe.pipeline.synthesis.generating import (
    as_images,
    as_pixels,
    between,
    generate,
    latent_points,
)
from medpipe.pipeline.synthesis.generator_data import Images
from medpipe.pipeline.synthesis.losses import discriminator_loss, generator_loss
from medpipe.pipeline.synthesis.networks import build_networks
from medpipe.pipeline.synthesis.synthesis_settings import ImageSynthesis
from medpipe.pipeline.training import weights_of

SEEN, UNSEEN = np.arange(0, 40), np.arange(200, 230)
EVERYTHING = {
    "model.spectral": True,
    "training.input_noise": 0.1,
    "training.noise_decay": True,
    "training.ema": 0.9,
    "training.generator_steps": 2,
    "model.upsampling": "transposed",
}
STEPS = 4  # of 12 images each, in an epoch


@pytest.fixture(autouse=True)
def few_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpipe.pipeline.synthesis.gan_training.SCORED", 16)


class Stop(BaseException):
    """Stands for the end of the process."""


def changed(config: dict[str, Any], change: dict[str, Any]) -> ImageSynthesis:
    config = copy.deepcopy(config)
    for path, value in change.items():
        section, key = path.split(".")
        config[section][key] = value
    return parse(ImageSynthesis, config, "image_synthesis")


def game(
    images: Images,
    config: dict[str, Any],
    folder: Path,
    *,
    seed: int = 3,
    stop_at: int | None = None,
    **change: Any,
) -> TrainingResult:
    """One process: train from scratch or from what is in ``folder``; end without warning at the
    ``stop_at``-th report of progress.
    """
    written = changed(config, change)
    machine = open_machine("cpu", written.training.precision)
    seed_all(seed)
    calls = itertools.count(1)

    def progress(done: int, total: int, message: str) -> None:
        if next(calls) == stop_at:
            raise Stop

    networks = build_networks(written.model, written.training.ema)
    return play(
        networks,
        images.planes(64),
        SEEN,
        UNSEEN,
        written.training,
        seed=seed,
        machine=machine,
        store=CheckpointStore(folder, {"seed": seed}),
        progress=progress,
        save_every_s=0.0,
    )


def same(one: TrainingResult, other: TrainingResult) -> bool:
    def rows(played: TrainingResult) -> list[dict[str, float]]:
        return [{k: v for k, v in row.items() if k != "epoch_s"} for row in played.history]

    ours, theirs = (
        [weights_of(n) for n in (p.networks.maker, p.networks.discriminator)] for p in (one, other)
    )
    weights = all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
        for a, b in zip(ours, theirs, strict=True)
    )
    shown = all(
        np.array_equal(images, other.over_time[epoch]) for epoch, images in one.over_time.items()
    )
    return weights and shown and rows(one) == rows(other)


def test_equal_seeds_give_equal_networks(
    phantoms: Images, tiny: dict[str, Any], tmp_path: Path
) -> None:
    one, again, other = (
        game(phantoms, tiny, tmp_path / name, seed=seed)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert same(one, again) and not same(one, other)
    assert [row["epoch"] for row in one.history] == [1, 2, 3] and list(one.over_time) == [1, 2, 3]
    assert all(
        0 <= row[f"{name}_score"] <= 1
        for row in one.history
        for name in ("real", "fake", "held_out")
    )
    assert all(
        row["generator_gradient"] > 0 and row["discriminator_gradient"] > 0 for row in one.history
    )


@pytest.mark.parametrize("change", [{}, EVERYTHING, {"training.precision": "bf16"}])
def test_a_killed_run_ends_as_one_that_was_not(
    phantoms: Images, tiny: dict[str, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    whole = game(phantoms, tiny, tmp_path / "whole", **change)
    for stop_at in (1, 3, STEPS + 2, STEPS):
        with pytest.raises(Stop):
            game(phantoms, tiny, tmp_path / "killed", stop_at=stop_at, **change)
    killed = game(phantoms, tiny, tmp_path / "killed", **change)
    assert same(whole, killed) and sum("resumed in epoch" in note for note in killed.notes) >= 2
    again = game(phantoms, tiny, tmp_path / "killed", **change)
    assert same(whole, again) and again.training_s == killed.training_s


def test_a_plateau_lowers_the_rates_again_after_a_kill(
    phantoms: Images, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpipe.pipeline.synthesis.gan_training.PATIENCE", 0)
    change = {"training.discriminator_rate": 0.05, "training.epochs": 5}
    whole = game(phantoms, tiny, tmp_path / "whole", **change)
    assert whole.history[-1]["discriminator_rate"] < 0.05
    with pytest.raises(Stop):
        game(phantoms, tiny, tmp_path / "killed", stop_at=4 * STEPS + 2, **change)
    assert same(whole, game(phantoms, tiny, tmp_path / "killed", **change))
    constant = game(
        phantoms, tiny, tmp_path / "constant", **change, **{"training.schedule": "constant"}
    )
    assert {row["discriminator_rate"] for row in constant.history} == {0.05}


@pytest.fixture(scope="module")
def as_it_is(
    phantoms: Images, tiny_config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    return game(
        phantoms, tiny_config, tmp_path_factory.mktemp("as_it_is"), **{"training.epochs": 1}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"training.real_target": 0.9, "training.fake_target": 0.1},
        {"training.input_noise": 0.1},
        {"training.loss": "saturating"},
        {"training.generator_steps": 3},
        {"training.ema": 0.5},
        {"model.dropout": 0.0},
        {"model.spectral": True},
        {"model.output": "none"},
        {"model.normalisation": "none"},
        {"model.activation": "sigmoid"},
        {"model.initialisation": "torch"},
        {"training.discriminator_rate": 0.0001},
    ],
)
def test_every_setting_changes_the_game(
    phantoms: Images,
    tiny: dict[str, Any],
    tmp_path: Path,
    as_it_is: TrainingResult,
    change: dict[str, Any],
) -> None:
    assert not same(as_it_is, game(phantoms, tiny, tmp_path, **{"training.epochs": 1, **change}))


def test_losses_are_those_of_the_probabilities(tiny: dict[str, Any]) -> None:
    logits = torch.tensor([-3.0, 0.2, 2.0], dtype=torch.float64)
    chance = torch.sigmoid(logits)
    assert generator_loss(logits, "non_saturating").item() == pytest.approx(
        -chance.log().mean().item()
    )
    assert generator_loss(logits, "saturating").item() == pytest.approx(
        (1 - chance).log().mean().item()
    )
    recipe = changed(tiny, {"training.real_target": 0.9, "training.fake_target": 0.1}).training
    expected = [
        functional.binary_cross_entropy(chance, torch.full_like(chance, target)).item()
        for target in (0.9, 0.1)
    ]
    assert discriminator_loss(logits, logits, recipe).item() == pytest.approx(sum(expected) / 2)


def test_a_loss_that_diverges_is_told(
    phantoms: Images, tiny: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(
        MedpipeError, match=r"expected finite losses in epoch 1, got .*lower the learning rates"
    ):
        game(
            phantoms,
            tiny,
            tmp_path,
            **{
                "training.generator_rate": 1e30,
                "training.discriminator_rate": 1e30,
                "model.output": "none",
                "model.normalisation": "none",
            },
        )


def test_pixels_go_there_and_back(tiny: dict[str, Any]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    images = as_images(pixels, torch.device("cpu"))
    assert images.shape == (3, 3, 64, 64) and images.min() >= -1 and images.max() <= 1
    assert (
        np.array_equal(as_pixels(images), pixels)
        and as_pixels(torch.full((1, 3, 2, 2), 7.0)).min() == 255
    )


def test_an_image_depends_on_its_own_point_alone(tiny: dict[str, Any]) -> None:
    generator = build_networks(changed(tiny, {}).model, None).generator
    points, machine = latent_points(5, 1, 0), open_machine("cpu", "fp32")
    assert np.array_equal(
        generate(generator, points, machine)[2:3], generate(generator, points[2:3], machine)
    )
    assert (
        generator.training
        and torch.equal(points, latent_points(5, 1, 0))
        and not torch.equal(points, latent_points(5, 1, 1))
    )


def test_ways_between_points_keep_their_length() -> None:
    first, second = latent_points(2, 0, 0)
    way = between(first, second, 8)
    assert torch.allclose(way[0], first, atol=1e-5) and torch.allclose(way[-1], second, atol=1e-5)
    assert way.norm(dim=1).min() > 0.9 * min(first.norm(), second.norm())
    assert shown_epochs(30) == (1, 2, 4, 8, 15, 30) and shown_epochs(1) == (1,)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.width", 0),
        ("model.dropout", 1.0),
        ("model.upsampling", "bilinear"),
        ("training.real_target", 0.4),
        ("training.fake_target", 0.5),
        ("training.input_noise", -0.1),
        ("training.batch_size", 1),
        ("training.ema", 1.0),
        ("training.loss", "hinge"),
        ("training.generator_steps", 0),
        ("training.precision", "fp16"),
        ("data.held_out", 0.9),
        ("data.first", 0),
        ("observe.generated", 5),
        ("audit.images", 3),
    ],
)
def test_bad_settings_are_refused(tiny: dict[str, Any], path: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf"image_synthesis\.{path}"):
        changed(tiny, {path: value})
