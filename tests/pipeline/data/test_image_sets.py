"""Anybody's folders of images: what can be read is read, every other file is listed with one
sentence, and nothing half-done is left.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medpipe.errors import DataError
from medpipe.pipeline.data.image_layout import WHOLE
from medpipe.pipeline.data.image_sets import read_image_set

pytest.importorskip("cv2", reason="the training extra is not installed")


def picture(seed: int, mode: str = "L", form: str = "PNG", **how: Any) -> bytes:
    values = np.random.default_rng(seed).integers(0, 255, (40, 50)).astype(np.uint8)
    image = (
        Image.fromarray(values.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(values).convert(mode)
    )
    stored = io.BytesIO()
    image.save(stored, form, **how)
    return stored.getvalue()


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


GOOD = {
    f"{part}/{kind}/{i}.png": picture(10 * p + 3 * k + i)
    for p, part in enumerate(("train", "test"))
    for k, kind in enumerate(("a", "b"))
    for i in range(3)
}


def test_parts_classes_and_marks(tmp_path: Path) -> None:
    found = read_image_set(written(tmp_path, GOOD))
    assert found.problems == () and found.data.classes == ("a", "b")
    assert {name: part.label.tolist() for name, part in found.data.parts.items()} == {
        n: [0, 0, 0, 1, 1, 1] for n in ("test", "train")
    }
    assert found.data.parts["test"].sample_id[0] == "test/a/0.png" and found.data.parts[
        "test"
    ].pixels(32).shape == (6, 32, 32, 3)
    assert (found.marks["train"][0].width, found.marks["train"][0].height) == (50, 40)


def test_a_zip_file_is_the_same_set(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
    assert (
        read_image_set(tmp_path / "set.zip").data.digest
        == read_image_set(written(tmp_path / "set", GOOD)).data.digest
    )


def test_a_set_without_parts(tmp_path: Path) -> None:
    found = read_image_set(
        written(
            tmp_path,
            {
                name.removeprefix("train/"): c
                for name, c in GOOD.items()
                if name.startswith("train")
            },
        )
    )
    assert list(found.data.parts) == [WHOLE] and len(found.data.parts[WHOLE]) == 6


BAD = {
    "zero.png": (b"", "expected a whole JPEG or PNG image"),
    "cut.png": (picture(1)[:200], "expected a whole JPEG or PNG image"),
    "cut.jpg": (picture(1, form="JPEG")[:400], "expected a whole JPEG or PNG image"),
    "text.jpg": (b"<html>", "expected a whole JPEG or PNG"),
    "notes.txt": (b"x", "got a file elsewhere or of another kind"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_file_that_cannot_be_used_is_listed_and_the_rest_is_read(
    tmp_path: Path, name: str
) -> None:
    content, says = BAD[name]
    found = read_image_set(written(tmp_path, {**GOOD, f"train/a/{name}": content}))
    (problem,) = found.problems
    assert problem.path == f"train/a/{name}" and says in problem.what
    assert sum(len(part) for part in found.data.parts.values()) == len(GOOD)


def test_a_giant_image_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    stored = io.BytesIO()
    Image.new("1", (9000, 9000)).save(stored, "PNG")
    (problem,) = read_image_set(
        written(tmp_path, {**GOOD, "train/a/giant.png": stored.getvalue()})
    ).problems
    assert "at most 50000000 pixels" in problem.what


@pytest.mark.parametrize(
    ("mode", "form"),
    [("I;16", "PNG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG")],
)
def test_other_kinds_of_pixels_are_read(tmp_path: Path, mode: str, form: str) -> None:
    found = read_image_set(
        written(tmp_path, {**GOOD, f"train/a/x.{form.lower()}": picture(5, mode, form)})
    )
    assert found.problems == () and found.marks["train"][3].mode in (mode, "I")


def test_a_class_that_only_one_part_has_and_a_stray_folder_are_named(tmp_path: Path) -> None:
    files = {**GOOD, "train/c/0.png": picture(90), "other/0.png": picture(91)}
    found = read_image_set(written(tmp_path, files))
    assert {p.path for p in found.problems} == {"test/c", "other/0.png"}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "found none"),
        ({"a/x.txt": b"x"}, "expected images"),
        ({"a/0.png": picture(0)}, "at least two classes, got a"),
        ({"a/0.png": b"", "b/0.png": b""}, "at least two classes, got none"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path: Path, files: dict[str, bytes], says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_image_set(written(tmp_path, files))


@pytest.mark.parametrize("layout", ["c", "train/c", "val"])
@pytest.mark.parametrize("is_zip", [False, True])
def test_an_empty_folder_is_named(tmp_path: Path, layout: str, is_zip: bool) -> None:
    files = {
        name if "/" in layout or layout == "val" else name.removeprefix("train/"): c
        for name, c in GOOD.items()
        if "/" in layout or layout == "val" or name.startswith("train")
    }
    place = written(tmp_path / "set", files)
    if is_zip:
        place = tmp_path / "set.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr(f"{layout}/", "")
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        (place / layout).mkdir()
        (place / ".hidden").mkdir()
    (problem,) = read_image_set(place).problems
    assert (problem.path, problem.what) == (
        layout,
        "expected readable images in this folder, got none",
    )


def test_a_class_of_which_no_image_can_be_read_is_named_beside_its_files(tmp_path: Path) -> None:
    found = read_image_set(written(tmp_path, {**GOOD, "train/c/0.png": b"", "test/c/0.png": b""}))
    assert [p.path for p in found.problems] == [
        "test/c",
        "test/c/0.png",
        "train/c",
        "train/c/0.png",
    ]


def test_images_too_deep_are_refused_with_their_depth(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"got them 3 folders deep, such as in one/a/x; .* by --layout: class/image"
    ):
        read_image_set(
            written(
                tmp_path,
                {
                    f"{above}/0.png": picture(0)
                    for above in ("one/a/x", "one/b/y", "two/a/x", "two/b/y")
                },
            )
        )


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="expected a folder, zip file or tar file of images, found none"
    ):
        read_image_set(tmp_path / "nowhere")
