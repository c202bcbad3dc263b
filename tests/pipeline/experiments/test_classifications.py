from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from torch import nn

from medpipe.errors import DataError, SpecError, UnavailableError
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.experiments import mri_classification, text_classification
from medpipe.pipeline.imaging import grouping
from medpipe.pipeline.text import text_models
from medpipe.running.experiment import ExperimentResult, RunContext

RUNS = (("a", 1), ("b", 1), ("c", 2))


def context(folder: Path, **more: Any) -> RunContext:
    return RunContext(folder, "cpu", **more)


def equal(one: ExperimentResult, other: ExperimentResult) -> bool:
    return all(
        np.array_equal(o[name], other.observations[split][name])
        for split, o in one.observations.items()
        for name in o.arrays
    )


@pytest.mark.parametrize("padding", ["unmasked", "masked"])
def test_text(tmp_path: Path, tiny_text: Any, text_config: dict[str, Any], padding: str) -> None:
    text_config["model"]["padding"] = padding
    seen: list[tuple[int, int, str]] = []
    result = text_classification.run(
        text_config, 5, context(tmp_path, progress=lambda *p: seen.append(p))
    )
    expected = dict(text_config["data"], dev_rows=25)
    assert result.resolved == {**text_config, "data": expected}
    assert {name: len(o) for name, o in result.observations.items()} == {
        "training_running": 44,
        "validation": 20,
        "testing": 31,
    }
    for name, o in result.observations.items():
        assert (
            o.cluster == "abstract_id"
            and o.classes == ("x", "y", "z")
            and ("y_prob" in o) is (name != "training_running")
        )
    assert result.observations["testing"]["sample_id"][:4].tolist() == [
        "c0:0",
        "c0:1",
        "c0:2",
        "c1:3",
    ]
    best = max(row["validation_accuracy"] for row in result.history)
    validation = result.observations["validation"]
    assert np.mean(validation["y_true"] == validation["y_pred"]) == pytest.approx(best)
    running = result.observations["training_running"]
    assert np.mean(running["y_true"] == running["y_pred"]) == pytest.approx(
        result.history[-1]["train_accuracy"]
    )
    weights = load_file(result.files["weights"])
    assert result.files["weights"] == tmp_path / "weights.safetensors" and weights[
        "embedding.weight"
    ].shape == (40, 6)
    assert result.scalars["parameters"] == sum(w.size for w in weights.values())
    assert (
        result.scalars["steps"] == 6 * len(result.history) and result.scalars["samples_train"] == 44
    )
    assert (
        result.data_digests
        == text_classification.data_digests(text_config)
        == {"tiny": "sha256:tiny-text"}
    )
    assert (result.notes, result.device) == ([], "cpu")
    assert seen[-1][0] == seen[-1][1] and seen[-1][2] == "evaluation on the testing split"


def test_text_seeds(tmp_path: Path, tiny_text: Any, text_config: dict[str, Any]) -> None:
    one, same, other = (
        text_classification.run(text_config, seed, context(tmp_path / name)) for name, seed in RUNS
    )
    assert equal(one, same) and not equal(one, other)
    again = text_classification.run(text_config, 1, context(tmp_path / "a"))
    assert equal(one, again) and again.history == one.history


def test_the_sound_variant_reports_on_other_abstracts_than_it_chose_on(
    tmp_path: Path, tiny_text: Any, text_config: dict[str, Any]
) -> None:
    published = text_classification.run(text_config, 5, context(tmp_path / "published"))
    text_config["model"]["padding"] = "masked"
    text_config["data"]["split"] = "abstracts"
    text_config["training"] |= {
        "optimizer": "adamw",
        "chosen_on": "selection",
        "pool_batches": 3,
        "accumulate": 2,
    }
    sound, again = (
        text_classification.run(text_config, 5, context(tmp_path / name)) for name in "ab"
    )
    assert equal(sound, again) and [*sound.observations] == [
        "training_running",
        "selection",
        "validation",
        "testing",
    ]
    assert (
        sound.resolved["training"] == text_config["training"]
        and sound.resolved["data"]["split"] == "abstracts"
    )
    ids = {name: set(o["sample_id"].tolist()) for name, o in sound.observations.items()}
    assert ids["selection"] | ids["validation"] == set(
        published.observations["validation"]["sample_id"].tolist()
    )
    assert (
        sound.observations["testing"]["sample_id"].tolist()
        == published.observations["testing"]["sample_id"].tolist()
    )
    abstracts = [
        set(sound.observations[name]["abstract_id"].tolist())
        for name in ("selection", "validation")
    ]
    assert all(abstracts) and not abstracts[0] & abstracts[1]
    best = max(row["selection_accuracy"] for row in sound.history)
    for name in ("selection", "validation"):
        o = sound.observations[name]
        row = sound.history[int(sound.scalars["reported_epoch"]) - 1]
        assert np.mean(o["y_true"] == o["y_pred"]) == pytest.approx(row[f"{name}_accuracy"])
    assert row["selection_accuracy"] == best
    rows = text_classification.load_text("tiny").parts["train"].groups["abstract_id"][:60]
    trained = sound.observations["training_running"]
    assert len(trained) == np.isin(rows, trained["abstract_id"]).sum() <= 44


def test_the_vocabulary_comes_from_the_first_rows_of_the_file(
    tmp_path: Path, tiny_text: Any, text_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []
    real = text_models.Vocabulary
    monkeypatch.setattr(
        text_models,
        "Vocabulary",
        lambda sentences, **k: (seen.append(tuple(sentences)), real(sentences, **k))[1],
    )
    text_config["model"]["vocabulary_texts"] = 7
    text_config["training"]["epochs"] = 1
    text_classification.run(text_config, 1, context(tmp_path))
    assert seen == [text_classification.load_text("tiny").parts["train"].sentences[:7]]


def test_text_without_a_test_part_and_with_a_stand_in(
    tmp_path: Path, tiny_text: Callable[..., None], text_config: dict[str, Any]
) -> None:
    tiny_text(test=False)
    text_config["data"]["source"] = ["pubmed-rct-20k", "tiny"]
    text_config["training"]["epochs"] = 1
    result = text_classification.run(text_config, 1, context(tmp_path))
    assert (
        set(result.observations) == {"training_running", "validation"}
        and result.resolved["data"]["source"] == "tiny"
    )
    assert result.notes == ["tiny stands in for pubmed-rct-20k, which was not found"]


def test_a_transformer(
    tmp_path: Path, tiny_text: Any, tiny_bert: Path, text_config: dict[str, Any]
) -> None:
    text_config["model"] = {"kind": "transformer", "checkpoint": str(tiny_bert), "length": 12}
    text_config["training"] |= {
        "optimizer": "adamw",
        "epochs": 1,
        "patience": None,
        "reported_epoch": "last",
    }
    text_config["training"] |= {"pool_batches": 3, "accumulate": 2}
    one, other = (
        text_classification.run(text_config, 1, context(tmp_path / name)) for name in "ab"
    )
    assert equal(one, other) and one.resolved["model"] == text_config["model"]
    assert one.notes[-1].startswith("training began from weights with the digest sha256:")
    text_config["training"]["precision"] = "bf16"
    half = text_classification.run(text_config, 1, context(tmp_path / "bf16"))
    assert half.resolved["training"]["precision"] == "bf16" and not equal(one, half)
    text_config["model"]["checkpoint"] = str(tmp_path / "none")
    with pytest.raises(UnavailableError, match="transformer weights"):
        text_classification.run(text_config, 1, context(tmp_path / "c"))


@pytest.mark.parametrize("split", ["random-by-image", "by-patient"])
def test_images(
    tmp_path: Path, tiny_images: None, image_config: dict[str, Any], split: str
) -> None:
    image_config["data"]["split"] = split
    one, same, other = (
        mri_classification.run(image_config, seed, context(tmp_path / name)) for name, seed in RUNS
    )
    assert equal(one, same) and not equal(one, other)
    assert one.resolved == image_config and one.notes == []
    assert (
        one.data_digests
        == mri_classification.data_digests(image_config)
        == {"tiny": "sha256:tiny-images"}
    )
    sizes = {name: len(o) for name, o in one.observations.items()}
    assert sizes["testing"] == 12 and sizes["training_running"] + sizes["validation"] == 48
    ids = [
        one.observations[name]["sample_id"].tolist()
        for name in ("training_running", "validation", "testing")
    ]
    assert len({i for part in ids for i in part}) == 60
    assert {o.cluster for o in one.observations.values()} == {"patient_id"}
    assert len(one.history) == one.scalars["reported_epoch"] == 2
    validation = one.observations["validation"]
    assert np.mean(validation["y_true"] == validation["y_pred"]) == pytest.approx(
        one.history[-1]["validation_accuracy"]
    )
    patients = {
        name: set(one.observations[name]["patient_id"].tolist())
        for name in ("training_running", "validation")
    }
    assert bool(patients["training_running"] & patients["validation"]) is (
        split == "random-by-image"
    )


@pytest.mark.parametrize("groups", ["patient_id", "clusters", "table:folds.csv:fold"])
def test_the_control_reports_on_the_same_images_and_trains_on_their_relatives(
    tmp_path: Path,
    tiny_images: None,
    image_config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    groups: str,
) -> None:
    data = mri_classification.load_images("tiny").parts["Training"]
    relatives = data.groups["patient_id"]
    monkeypatch.setattr(
        grouping,
        "clusters",
        lambda data: {name: part.groups["patient_id"] for name, part in data.parts.items()},
    )
    monkeypatch.setenv("MEDPIPE_DATA", str(tmp_path))
    rows = [f"{image},{patient}" for image, patient in zip(data.sample_id, relatives, strict=True)]
    (tmp_path / "folds.csv").write_text("\n".join(["image,fold", *rows]), encoding="utf-8")
    sound, control = (
        mri_classification.run(
            {**image_config, "data": {**image_config["data"], "split": split, "groups": groups}},
            1,
            context(tmp_path / split),
        )
        for split in ("disjoint", "related")
    )
    ids = {name: o["sample_id"].tolist() for name, o in sound.observations.items()}
    assert ids["validation"] == control.observations["validation"]["sample_id"].tolist()
    trained, mixed = (r.observations["training_running"] for r in (sound, control))
    assert np.bincount(trained["y_true"]).tolist() == np.bincount(mixed["y_true"]).tolist()
    held = set(sound.observations["validation"]["patient_id"].tolist())
    assert not held & set(trained["patient_id"].tolist()) and held & set(
        mixed["patient_id"].tolist()
    )
    assert sound.resolved["data"]["groups"] == groups
    assert ("folds.csv" in sound.data_digests) is groups.startswith("table:")


def test_a_table_of_groups_that_is_not_there_or_about_others(
    tmp_path: Path, tiny_images: None, image_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDPIPE_DATA", str(tmp_path))
    image_config["data"] |= {"split": "disjoint", "groups": "table:folds.csv:fold"}
    with pytest.raises(UnavailableError, match=r"expected the table .*folds\.csv, got none"):
        mri_classification.run(image_config, 1, context(tmp_path / "a"))
    (tmp_path / "folds.csv").write_text("image,fold\nother.png,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected paths of images such as 'Training/000"):
        mri_classification.run(image_config, 1, context(tmp_path / "b"))


def test_what_is_looked_at_beside_the_evaluation_splits(
    tmp_path: Path, tiny_images: None, image_config: dict[str, Any]
) -> None:
    plain = mri_classification.run(image_config, 1, context(tmp_path / "a"))
    levels = {"noise": 0.2, "jpeg": 5}
    image_config["observe"] = {"training": True, "calibration": True, "corruptions": levels}
    seen = mri_classification.run(image_config, 1, context(tmp_path / "b"))
    assert seen.resolved == image_config
    assert set(seen.observations) - set(plain.observations) == {
        "training_evaluated",
        "testing_noise",
        "testing_jpeg",
        "testing_reported",
        "testing_calibrated",
    }
    for name, o in plain.observations.items():  # looking changes nothing
        assert np.array_equal(o["y_pred"], seen.observations[name]["y_pred"])
    testing = seen.observations["testing"]
    for kind in levels:
        spoilt = seen.observations[f"testing_{kind}"]
        assert np.array_equal(spoilt["sample_id"], testing["sample_id"]) and not np.array_equal(
            spoilt["y_prob"], testing["y_prob"]
        )
    evaluated = seen.observations["training_evaluated"]
    assert (
        np.array_equal(evaluated["sample_id"], seen.observations["training_running"]["sample_id"])
        and "y_prob" in evaluated
    )
    before, after = (seen.observations[f"testing_{name}"] for name in ("reported", "calibrated"))
    assert np.array_equal(before["y_pred"], after["y_pred"]) and 0 < len(before) < len(testing)
    assert 0.05 <= seen.scalars["testing_temperature"] <= 20


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pictures_and_explanations_are_of_the_weights_that_were_kept(
    tmp_path: Path, precision: str, image_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: ImageData = mri_classification.load_images("demonstration")
    monkeypatch.setattr(mri_classification, "load_images", lambda source: loaded)
    image_config["data"] |= {"source": "demonstration", "validation_fraction": 0.9}
    image_config["training"] |= {"epochs": 1, "batch_size": 16, "precision": precision}
    image_config["observe"] = {"explained": 12, "gallery": True}
    seen = mri_classification.run(image_config, 1, context(tmp_path))
    explained, gallery, testing = (
        seen.observations[name] for name in ("testing_explained", "gallery", "testing")
    )
    assert len(explained) == 12 and np.array_equal(
        explained["explained"], explained["y_pred"]
    )  # the network explained is the one observed
    assert {name for name in seen.scalars if name.startswith("testing_explanation_")}
    assert len(gallery) >= 10 and gallery["pixels"].shape == gallery["saliency"].shape == (
        len(gallery),
        33,
        33,
    )
    places = {sample: i for i, sample in enumerate(testing["sample_id"].tolist())}
    first = places[str(gallery["sample_id"][0])]
    assert np.array_equal(gallery["pixels"][0], loaded.parts["Testing"].pixels(33)[first, ..., 0])


def test_a_learning_curve_keeps_what_is_reported_on(
    tmp_path: Path, tiny_images: None, image_config: dict[str, Any]
) -> None:
    every = mri_classification.run(image_config, 1, context(tmp_path / "a")).observations
    image_config["data"]["train_fraction"] = 0.5
    half = mri_classification.run(image_config, 1, context(tmp_path / "b")).observations
    assert np.array_equal(half["validation"]["sample_id"], every["validation"]["sample_id"])
    assert set(half["training_running"]["sample_id"].tolist()) < set(
        every["training_running"]["sample_id"].tolist()
    )
    assert len(half["training_running"]) == 4 * 5  # of 4 * 9


def test_compiling_is_asked_for(
    tmp_path: Path, tiny_images: None, image_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []
    inductor = nn.Module.compile

    def eagerly(
        model: nn.Module,
    ) -> None:  # the same operations, without building code for them, which takes a minute
        compiled.append(model)
        inductor(model, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", eagerly)
    plain = mri_classification.run(image_config, 1, context(tmp_path / "plain"))
    assert not compiled
    image_config["training"]["compile"] = True
    built = mri_classification.run(image_config, 1, context(tmp_path / "compiled"))
    assert len(compiled) == 1 and built.resolved == image_config and equal(plain, built)
    assert load_file(built.files["weights"]).keys() == load_file(plain.files["weights"]).keys()
    image_config["training"]["compiled"] = True
    with pytest.raises(SpecError, match=r"training\.compiled"):
        mri_classification.run(image_config, 1, context(tmp_path))


def test_a_real_residual_network(
    tmp_path: Path, image_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: ImageData = mri_classification.load_images("demonstration")
    monkeypatch.setattr(mri_classification, "load_images", lambda source: loaded)
    image_config["data"] |= {"source": "demonstration", "validation_fraction": 0.9}
    image_config["training"] |= {"epochs": 1, "batch_size": 16}
    result = mri_classification.run(image_config, 1, context(tmp_path))
    assert result.scalars["parameters"] == 11_178_564 and "layer4.1.bn2.running_var" in load_file(
        result.files["weights"]
    )
    assert {"patient_id", "sex", "scanner"} <= set(result.observations["testing"].groups)


def test_a_part_that_is_not_there(
    tmp_path: Path, tiny_images: None, image_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = mri_classification.load_images("tiny")
    only = ImageData("tiny", data.classes, {"Testing": data.parts["Testing"]}, data.digest)
    monkeypatch.setattr(mri_classification, "load_images", lambda source: only)
    with pytest.raises(DataError, match="expected a folder Training, got Testing"):
        mri_classification.run(image_config, 1, context(tmp_path))


def test_data_that_cannot_be_had_is_unavailable(
    tmp_path: Path, text_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDPIPE_DATA", str(tmp_path))
    text_config["data"]["source"] = "structured-abstracts"
    with pytest.raises(UnavailableError):
        text_classification.run(text_config, 1, context(tmp_path / "w"))
    with pytest.raises(UnavailableError):
        text_classification.data_digests(text_config)
