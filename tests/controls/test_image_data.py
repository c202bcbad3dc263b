"""Audits of image data on drawn heads: planted copies, wrong labels, a mark in the corner, other
exporters are found; clean twins pass.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the training extra is not installed")

from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import sampled_from
from PIL import ExifTags, Image

from medpipe.audits.images.groups import SHEETS
from medpipe.pipeline.data.image_files import FileMarks, marks_of
from medpipe.pipeline.data.images import ImageData, ImagePart, load_images
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.experiments import image_baselines, image_data_audit
from medpipe.running.experiment import ExperimentResult, RunContext

DATA = {
    "source": "planted",
    "part": "Training",
    "split": "by-patient",
    "validation_fraction": 0.25,
    "split_seed": 3,
}
Pixels = NDArray[np.uint8]


def clean() -> ImageData:
    """One slice of each drawn patient, so that nothing is alike."""
    whole = load_images("demonstration")

    def one_each(part: ImagePart) -> ImagePart:
        _, first = np.unique(part.groups["patient_id"], return_index=True)
        return changed(part, first)

    return replace(whole, parts={name: one_each(part) for name, part in whole.parts.items()})


def changed(
    part: ImagePart,
    index: Any,
    change: Callable[[Pixels, NDArray[np.int64]], Pixels] | None = None,
    ids: Any = None,
    label: Any = None,
) -> ImagePart:
    """Some images of a part, their pixels changed by ``change(pixels, label)``."""
    here = part.label[index]

    def planes(size: int) -> Planes:
        chosen = part.pixels(size)[index].copy()
        return Planes.of(chosen if change is None else change(chosen, here))

    return ImagePart(
        here if label is None else label,
        part.sample_id[index] if ids is None else ids,
        {name: column[index] for name, column in part.groups.items()},
        planes,
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., ExperimentResult]:
    """Run an experiment of data on planted data."""
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path))

    def made(experiment: Any, data: ImageData, **model: Any) -> ExperimentResult:
        monkeypatch.setattr(experiment, "load_images", lambda source: data)
        result: ExperimentResult = experiment.run(
            {"data": DATA, **model}, 0, RunContext(tmp_path, "cpu")
        )
        return result

    return made


def test_the_clean_twin_passes(run: Callable[..., ExperimentResult]) -> None:
    found = run(image_data_audit, clean())
    counted = {
        name: value
        for name, value in found.scalars.items()
        if name.endswith("_count") and "neighbour" not in name and "second_method" not in name
    }
    assert set(counted) == {
        f"{split}_{flag}_count"
        for split in ("validation", "testing")
        for flag in ("image_copy", "label_contradicted")
    } | {"training_label_contradicted_count"}
    assert not any(
        counted.values()
    )  # neighbours and the second method are for heads that grew: drawn ones are all of one family
    assert not [
        note for note in found.notes if "image_copy" in note or "label_contradicted" in note
    ]


def test_planted_copies_and_a_contradicted_label_are_counted_and_named(
    run: Callable[..., ExperimentResult],
) -> None:
    data = clean()
    training = data.parts["Training"]
    copied = np.arange(0, len(training), 4)
    label = training.label[copied].copy()
    label[0] = (label[0] + 1) % 4
    ids = np.array([f"Testing/copy/{i}.png" for i in copied])
    testing = changed(training, copied, lambda p, _: p[:, :, ::-1], ids, label)
    found = run(image_data_audit, replace(data, parts={"Training": training, "Testing": testing}))
    trained = set(found.observations["training"]["sample_id"].tolist())
    of = {ids[k]: str(training.sample_id[i]) for k, i in enumerate(copied)}
    seen = found.observations["testing"]
    for sample, flag in zip(seen["sample_id"].tolist(), seen["image_copy"].tolist(), strict=True):
        assert bool(flag) is (of[sample] in trained)
    assert seen["label_contradicted"].tolist() == [1] + [0] * (len(copied) - 1)
    note = next(n for n in found.notes if n.startswith("testing, label_contradicted"))
    assert ids[0] in note and of[ids[0]] in note and "mirrored" in note
    sheet = found.observations[SHEETS]
    assert sheet["pixels"].shape == (len(sheet), 96, 96) and set(sheet["sample_id"].tolist()) & set(
        ids.tolist()
    )
    assert {"the first", "mirrored"} <= set(sheet["altered"].tolist())


@pytest.mark.parametrize(("planted", "most"), [(True, 1.0), (False, 0.5)])
def test_a_mark_that_gives_the_class_away_is_found_by_the_border(
    run: Callable[..., ExperimentResult], planted: bool, most: float
) -> None:
    def mark(pixels: Pixels, label: NDArray[np.int64]) -> Pixels:
        side = pixels.shape[1]
        for image, k in zip(pixels, label if planted else np.zeros_like(label), strict=True):
            image[: max(1, side // 32), : (k + 1) * side // 8] = 255
        return pixels

    whole = load_images("demonstration")
    data = replace(
        whole,
        parts={
            name: changed(part, np.arange(len(part)), mark) for name, part in whole.parts.items()
        },
    )
    found = run(image_baselines, data, model={"kind": "border", "width": 2})
    accuracy = {
        name: float(np.mean(o["y_true"] == o["y_pred"]))
        for name, o in found.observations.items()
        if name != "training"
    }
    assert all(a > 0.95 if planted else a < most for a in accuracy.values()), accuracy


def test_other_exporters_are_told_by_their_files(
    run: Callable[..., ExperimentResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_images("demonstration")

    def marks(shifted: bool) -> Any:
        return lambda _: {
            name: tuple(
                FileMarks(512, 512, "L", "a" if not shifted or k < 2 else "b", "")
                for k in part.label
            )
            for name, part in data.parts.items()
        }

    for shifted, low, high in ((True, 0.4, 1.0), (False, 0.0, 0.4)):
        monkeypatch.setattr(image_baselines, "file_marks", marks(shifted))
        seen = run(image_baselines, data, model={"kind": "file"}).observations["testing"]
        assert low <= np.mean(seen["y_true"] == seen["y_pred"]) <= high
        sides = np.mean((seen["y_true"] < 2) == (seen["y_pred"] < 2))
        assert bool(sides == 1.0) is shifted


@pytest.mark.parametrize(
    "kind", [{"kind": "blurred", "side": 8}, {"kind": "nearest", "side": 32}, {"kind": "majority"}]
)
def test_baselines_report_on_the_samples_of_the_classifier(
    run: Callable[..., ExperimentResult], kind: dict[str, Any]
) -> None:
    found = run(image_baselines, load_images("demonstration"), model=kind)
    assert set(found.observations) == {"training", "validation", "testing"}
    assert (
        found.observations["validation"].cluster == "patient_id"
        and "y_prob" in found.observations["testing"]
    )
    patients = [
        set(found.observations[name]["patient_id"].tolist()) for name in ("training", "validation")
    ]
    assert not patients[0] & patients[1]


def test_marks_tell_exporters_apart() -> None:
    def stored(**how: Any) -> FileMarks:
        content = io.BytesIO()
        Image.new("L", (40, 30)).save(content, **how)
        return marks_of(content.getvalue(), "x")

    one, other, png = (
        stored(format="JPEG", quality=75),
        stored(format="JPEG", quality=90),
        stored(format="PNG"),
    )
    assert one.tables != other.tables and one.tables and png.tables == ""
    assert (one.width, one.height, one.mode) == (40, 30, "L")
    assert stored(format="JPEG", quality=75, comment=b"scanner").extras == "comment"
    assert (one.format, png.format, one.sampling, png.sampling) == ("JPEG", "PNG", "other", "")
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "Exporter 2"
    assert (
        stored(format="JPEG", exif=exif).software == "Exporter 2"
        and one.software == png.software == ""
    )


@settings(max_examples=40, deadline=None)
@given(
    one=arrays(np.uint8, (24, 31)),
    other=arrays(np.uint8, (24, 31)),
    how=sampled_from(
        [{"format": "PNG"}, {"format": "JPEG", "quality": 60}, {"format": "JPEG", "quality": 95}]
    ),
)
def test_files_that_differ_in_content_alone_have_the_same_metadata(
    one: Pixels, other: Pixels, how: dict[str, Any]
) -> None:
    found = []
    for pixels in (one, other):
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, **how)
        found.append(marks_of(content.getvalue(), "x"))
    assert found[0] == found[1]
