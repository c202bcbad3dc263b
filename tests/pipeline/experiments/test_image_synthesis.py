"""The experiment on the package's own images: what it returns, and that a run that was ended goes
on to the same.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from medpipe.errors import DataError, SpecError
from medpipe.pipeline.config import parse
from medpipe.pipeline.experiments import image_synthesis
from medpipe.pipeline.synthesis import (
    audit_network,
    generator_observations,
    sample_images,
    usefulness,
)
from medpipe.pipeline.synthesis.synthesis_settings import ImageSynthesis
from medpipe.registry import resolve
from medpipe.running.experiment import ExperimentResult, RunContext
from medpipe.specs import load_specs

CONFIG = {
    "data": {
        "source": ["absent", "demonstration"],
        "part": "Training",
        "first": 200,
        "held_out": 0.5,
    },
    "model": {
        "width": 2,
        "upsampling": "nearest",
        "normalisation": "batch",
        "output": "tanh",
        "activation": "leaky",
        "dropout": 0.25,
        "spectral": False,
        "initialisation": "normal",
    },
    "training": {
        "loss": "non_saturating",
        "real_target": 1.0,
        "fake_target": 0.0,
        "input_noise": 0.0,
        "generator_rate": 0.0002,
        "discriminator_rate": 0.0002,
        "beta1": 0.5,
        "beta2": 0.999,
        "schedule": "constant",
        "batch_size": 32,
        "epochs": 2,
        "precision": "fp32",
    },
    "audit": {"epochs": 1, "images": 20},
    "observe": {
        "generated": 30,
        "real": 24,
        "usefulness": True,
        "useful_images": 20,
        "useful_epochs": 1,
    },
}
SPLITS = {
    "quality",
    "memory",
    "pairs",
    "membership",
    "seen",
    "samples",
    "over_time",
    "interpolation",
    "worst",
    "trained_on_synthetic",
    "trained_on_real",
    "trained_balanced",
    "trained_unbalanced",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synthesis")


@pytest.fixture(scope="module")
def result(folder: Path) -> ExperimentResult:
    with pytest.MonkeyPatch.context() as patch:
        small(patch, folder)
        return image_synthesis.run(CONFIG, 5, RunContext(folder / "work", "cpu"))


def small(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Keep things in ``folder``, take the package's own images for those of a set that is absent,
    and test on few images.
    """
    plain = audit_network.trained_and_not
    patch.setenv("MEDPIPE_CACHE", str(folder / "cache"))
    patch.setattr(image_synthesis, "load_images", lambda source: load(source))
    for module in (audit_network, usefulness):
        patch.setattr(
            module,
            "trained_and_not",
            lambda images, most: (plain(images, most)[0], plain(images, most)[1][::4]),
        )


def load(source: Any) -> Any:
    from medpipe.pipeline.data.images import load_images

    return load_images("demonstration")


def test_is_registered() -> None:
    assert resolve("experiment", "image_synthesis") is image_synthesis.run


def test_what_is_seen_and_what_is_not(result: ExperimentResult) -> None:
    o = result.observations
    assert set(o) == SPLITS
    seen, quality = o["seen"], o["quality"]
    assert set(seen["label"].tolist()) == {"glioma", "meningioma"} and seen["sample_id"][
        0
    ].startswith("Training/glioma/")
    assert len(seen) == len(set(seen["sample_id"].tolist())) and 90 <= len(seen) <= 110
    of = {
        name: quality.take(quality["origin"] == name)
        for name in ("generated", "training", "held_out")
    }
    assert (
        len(of["generated"]) == 30 and len(of["training"]) == len(of["held_out"]) == 23
    )  # 24 at most, classes as seen
    assert set(of["training"]["sample_id"]) <= set(seen["sample_id"]) and not set(
        of["held_out"]["sample_id"]
    ) & set(seen["sample_id"])
    assert (
        set(of["generated"]["label"]) == {""}
        and of["generated"]["sample_id"][0] == "generated/00000"
    )
    assert quality["features"].shape == (76, 20) and quality["features"].dtype == np.float16
    assert (
        quality.classes == ("glioma", "meningioma", "notumor", "pituitary")
        and quality["y_prob"].dtype == np.float16
    )
    patients = [
        {name.split("/")[2].split("-")[0] for name in side["sample_id"].tolist()}
        for side in (seen, of["held_out"])
    ]
    assert not patients[0] & patients[1]


def test_nearest_images_pairs_and_attacks(result: ExperimentResult) -> None:
    memory, pairs, membership = (
        result.observations[name] for name in ("memory", "pairs", "membership")
    )
    assert len(memory) == 53 and set(memory["origin"].tolist()) == {"generated", "held_out"}
    for name in ("nearest_training", "nearest_held_out"):
        assert (
            memory[name].dtype == np.float32
            and memory[name].min() >= -1
            and memory[name].max() <= 1
        )
    held = memory.take(memory["origin"] == "held_out")
    assert (held["nearest_held_out_id"] != held["sample_id"]).all() and (
        held["feature_held_out"] > 0
    ).all()
    assert set(memory["nearest_training_id"]) <= set(result.observations["seen"]["sample_id"])
    assert [int((pairs["origin"] == name).sum()) for name in ("generated", "training")] == [15, 11]
    used = [image for pair in pairs["sample_id"].tolist() for image in pair.split(" and ")]
    assert (
        len(used) == len(set(used)) and pairs["ms_ssim"].min() >= 0 and pairs["ms_ssim"].max() <= 1
    )
    assert (
        len(membership) == 46
        and (membership["generator"] < 0).all()
        and np.isfinite(membership["discriminator"]).all()
    )


def test_pictures(result: ExperimentResult) -> None:
    for name, count in (("samples", 20), ("over_time", 32), ("interpolation", 32), ("worst", 10)):
        assert len(result.observations[name]) == count
        assert result.observations[name]["pixels"].dtype == np.uint8 and result.observations[name][
            "pixels"
        ].shape == (count, 64, 64)
    worst, shown = result.observations["worst"], result.observations["over_time"]
    assert (
        worst["training_pixels"].shape == (10, 64, 64) and (np.diff(worst["likeness"]) <= 0).all()
    )
    assert sorted(set(shown["epoch"].tolist())) == [1, 2]


def test_usefulness_is_paired(result: ExperimentResult) -> None:
    o = result.observations
    ids = o["trained_on_real"]["sample_id"].tolist()
    assert not set(ids) & set(o["seen"]["sample_id"])
    for name in ("trained_on_synthetic", "trained_balanced", "trained_unbalanced"):
        assert o[name]["sample_id"].tolist() == ids and np.array_equal(
            o[name]["y_true"], o["trained_on_real"]["y_true"]
        )
    assert np.array_equal(o["trained_unbalanced"]["y_prob"], o["trained_on_real"]["y_prob"])
    assert not np.array_equal(o["trained_on_synthetic"]["y_prob"], o["trained_on_real"]["y_prob"])
    assert o["trained_on_real"].cluster == "cluster"


def test_scalars_history_and_weights(result: ExperimentResult) -> None:
    weights = load_file(result.files["weights"])
    assert (
        sum(
            w.size
            for name, w in weights.items()
            if "running" not in name and "num_batches" not in name
        )
        == result.scalars["generator_parameters"]
    )
    assert (
        result.scalars["classes_in_data"] == 4
        and 0 <= result.scalars["audit_network_accuracy"] <= 1
    )
    assert result.scalars["audit_network_n"] > 20 and result.scalars["training_s"] > 0
    assert [row["epoch"] for row in result.history] == [1, 2]
    assert {
        "generator_loss",
        "discriminator_loss",
        "generator_gradient",
        "discriminator_gradient",
        "real_score",
        "fake_score",
        "held_out_score",
    } <= result.history[0].keys()
    assert result.resolved["data"] == {**CONFIG["data"], "source": "demonstration"}
    assert any("stands in for absent" in note for note in result.notes) and any(
        "others right" in note for note in result.notes
    )


def test_a_run_goes_on_where_it_was_ended(
    result: ExperimentResult, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, folder)

    class Stop(BaseException):
        pass

    def until(stage: str, part: int) -> Any:
        def progress(done: int, total: int, message: str) -> None:
            seen.append((done, total))
            if message.startswith(stage) and (stops := stops_at.setdefault(message, 0)) < part:
                stops_at[message] = stops + 1
            elif message.startswith(stage):
                raise Stop

        stops_at: dict[str, int] = {}
        return progress

    seen: list[tuple[int, int]] = []
    for stage, part in (("training", 2), ("usefulness", 1)):
        with pytest.raises(Stop):
            image_synthesis.run(CONFIG, 5, RunContext(folder / "again", "cpu", until(stage, part)))
    again = image_synthesis.run(
        CONFIG, 5, RunContext(folder / "again", "cpu", lambda *p: seen.append(p[:2]))
    )
    for name, o in result.observations.items():
        assert all(
            np.array_equal(o[array], again.observations[name][array]) for array in o.arrays
        ), name
    assert again.files["weights"].read_bytes() == result.files["weights"].read_bytes()
    assert seen[-1][0] == seen[-1][1] and all(0 <= done <= total for done, total in seen)


def test_membership_and_worst_find_a_generator_that_replays(
    result: ExperimentResult, folder: Path
) -> None:
    """A planted fault: the 'generated' images are seen ones, turned; a clean twin: they are unseen
    ones.
    """
    from medpipe.pipeline.imaging.grouping import with_clusters
    from medpipe.pipeline.synthesis.generator_data import choose, in_one_row, pools
    from medpipe.pipeline.synthesis.synthesis_settings import Data

    images = in_one_row(with_clusters(load(None)))
    chosen = choose(images, Data(source="demonstration", part="Training", held_out=0.5))
    seen, unseen = pools(images, chosen, 40, 0, as_seen=False)
    empty = np.zeros((len(seen), 512), np.float16), np.full((len(seen), 4), 0.25)

    def side(origin: str, places: Any, turned: int = 0) -> generator_observations.Side:
        pixels = np.ascontiguousarray(
            np.rot90(images.planes(64).rgb(places.tolist()), turned, (1, 2))
        )
        ids = (
            images.every.sample_id[places]
            if origin != "generated"
            else np.array([f"generated/{i:05d}" for i in range(len(places))])
        )
        return generator_observations.Side(origin, ids, np.full(len(places), ""), pixels, *empty)

    replayed = generator_observations.memory(
        side("generated", seen, 1), side("training", seen), side("held_out", unseen)
    )
    made = replayed["origin"] == "generated"
    assert (
        replayed["nearest_training"][made] == pytest.approx(1, abs=1e-5)
        and (replayed["nearest_held_out"][made] < 0.999).all()
    )
    assert np.median(
        replayed["nearest_training"][~made] - replayed["nearest_held_out"][~made]
    ) == pytest.approx(0, abs=0.03)
    found = sample_images.worst(images, chosen, side("generated", seen, 1))
    assert found["likeness"] == pytest.approx(1, abs=1e-5) and set(found["training_id"]) <= set(
        images.every.sample_id[seen]
    )


def test_balancing_fills_up_the_rare_classes() -> None:
    label = np.array([0] * 10 + [1] * 4 + [2] * 1 + [0] * 5 + [1] * 3 + [2] * 20 + [3] * 5)
    added = usefulness.balancing(label, np.arange(15), np.arange(15, 48))
    assert np.bincount(label[added], minlength=4).tolist() == [0, 3, 9, 0] and added.min() >= 15


def test_every_protocol_of_synthesis_is_one_of_its_own(repository: Path) -> None:
    protocols = {
        p.id: p
        for p in load_specs(repository / "specs").protocols.values()
        if p.experiment == "image_synthesis"
    }
    assert {
        "synthesis.dcgan",
        "synthesis.dcgan_described",
        "synthesis.collapse",
        "synthesis.overfit",
        "synthesis.vanish",
    } <= set(protocols)
    for protocol in protocols.values():
        parse(ImageSynthesis, protocol.parameters, protocol.id)


def test_bad_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match=r"image_synthesis\.model\.depth: expected only known keys"):
        image_synthesis.run(
            {**CONFIG, "model": {**CONFIG["model"], "depth": 3}}, 1, RunContext(tmp_path, "cpu")
        )
    monkeypatch.setattr(image_synthesis, "load_images", load)
    config = copy.deepcopy(CONFIG)
    config["data"] |= {"first": 100_000}
    with pytest.raises(DataError, match=r"data\.first"):
        image_synthesis.run(config, 1, RunContext(tmp_path, "cpu"))
    assert not list(tmp_path.iterdir())
