"""Image loaders: one digest whatever the packing, RGB whatever the mode, one sentence of error
whatever the fault.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from medpipe.errors import DataError, UnavailableError, UnknownNameError
from medpipe.pipeline.data import decoding, pixel_cache
from medpipe.pipeline.data.decoding import decode, strict_images
from medpipe.pipeline.data.digests import image_digest
from medpipe.pipeline.data.images import MRI_CLASSES, ImageData, load_images

NAME = "brain-tumor-mri-dataset"
DEMONSTRATION_DIGEST = "sha256:aab6892594e1e2f5391bb4d93bc1385d02862069a68d3ae053a8bb6950d76d8c"
Files = dict[str, bytes]
Writer = Callable[[Path, Mapping[str, bytes]], Path]
REAL = Path(os.environ.get("MEDPIPE_DATA", "absent"))


@pytest.fixture
def mri(tmp_path: Path, mri_files: Files, zipped: Writer) -> ImageData:
    zipped(tmp_path / "home" / f"{NAME}.zip", mri_files)
    return load_images(NAME)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(content: bytes, size: int = 4) -> np.ndarray:
    with strict_images():
        return decode(content, "folder/a.jpg", size)


def test_parts_labels_and_ids(mri: ImageData) -> None:
    part = mri.parts["Training"]
    assert list(mri.parts) == ["Training", "Testing"] and mri.classes == MRI_CLASSES
    assert part.label.dtype == np.int64 and part.label.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert part.sample_id[:3].tolist() == [
        "Training/glioma/Tr_0.jpg",
        "Training/glioma/Tr_1.jpg",
        "Training/meningioma/Tr_0.jpg",
    ]
    assert part.groups == {}


def test_zip_and_folder_give_the_same_digest_and_pixels(
    tmp_path: Path, mri: ImageData, mri_files: Files, unpacked: Writer
) -> None:
    unpacked(
        tmp_path / "folder" / NAME,
        {**dict(reversed(mri_files.items())), "Training/.DS_Store": b"x"},
    )
    other = load_images(NAME, tmp_path / "folder")
    assert other.digest == mri.digest
    assert np.array_equal(other.parts["Testing"].pixels(8), mri.parts["Testing"].pixels(8))
    name = "Testing/notumor/Te_1.jpg"
    (tmp_path / "folder" / NAME / name).write_bytes(mri_files[name] + b"\0")
    assert image_digest(NAME, tmp_path / "folder") != mri.digest


def test_pixels_are_those_of_pillow(mri: ImageData, mri_files: Files) -> None:
    part = mri.parts["Training"]
    pixels = part.pixels(16)
    assert pixels.shape == (8, 16, 16, 3) and pixels.dtype == np.uint8
    for row, name in zip(pixels, part.sample_id, strict=True):
        expected = (
            Image.open(io.BytesIO(mri_files[name]))
            .convert("RGB")
            .resize((16, 16), Image.Resampling.BILINEAR)
        )
        assert np.array_equal(row, np.asarray(expected))


def test_pixels_are_cached_outside_the_data_folder(
    tmp_path: Path, mri: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted((tmp_path / "home").rglob("*"))
    first = mri.parts["Training"].pixels(8)
    assert sorted((tmp_path / "home").rglob("*")) == before
    monkeypatch.setattr(pixel_cache, "decode", lambda *_: pytest.fail("decoded again"))
    second = mri.parts["Training"].planes(8)
    assert np.array_equal(first, second.rgb(range(8)))
    second.planes[:] = 0  # a caller may write into what it got; the cache stays as it was
    assert np.array_equal(first, mri.parts["Training"].pixels(8))


def test_grey_images_are_kept_as_one_plane_beside_coloured_ones(
    tmp_path: Path, mri_files: Files, zipped: Writer, picture: Callable[..., bytes]
) -> None:
    coloured = {
        "Training/notumor/Tr_0.jpg": picture(1, "RGB"),
        "Training/pituitary/Tr_1.jpg": picture(2, "CMYK"),
    }
    zipped(tmp_path / "home" / f"{NAME}.zip", {**mri_files, **coloured})
    part = load_images(NAME).parts["Training"]
    made, mapped = part.planes(8), part.planes(8)
    assert made.channels.tolist() == mapped.channels.tolist() == [1, 1, 1, 1, 3, 1, 1, 3]
    (path,) = (tmp_path / "cache" / "pixels").iterdir()
    assert path.stat().st_size == 8 + 12 * 64
    for planes in (made, mapped):
        assert any(
            isinstance(base, np.memmap) for base in (planes.planes.base, planes.planes.base.base)
        )
        for name, row in zip(part.sample_id, planes.rgb(range(8)), strict=True):
            assert np.array_equal(row, decoded({**mri_files, **coloured}[name], 8))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-5],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: b"\0" + raw[1:],
        lambda raw: raw + raw,
    ],
)
def test_a_damaged_cache_is_made_again(
    tmp_path: Path, mri: ImageData, damage: Callable[[bytes], bytes]
) -> None:
    first = mri.parts["Training"].pixels(8).copy()
    (path,) = (tmp_path / "cache" / "pixels").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert np.array_equal(mri.parts["Training"].pixels(8), first)
    assert [p.read_bytes() for p in (tmp_path / "cache" / "pixels").iterdir()] == [whole]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, mri: ImageData) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert mri.parts["Training"].pixels(8).shape == (8, 8, 8, 3)


def test_a_file_changed_since_loading_is_refused(
    tmp_path: Path, mri_files: Files, unpacked: Writer, picture: Callable[..., bytes]
) -> None:
    root = unpacked(tmp_path / "home" / NAME, mri_files)
    data = load_images(NAME)
    (root / "Training/glioma/Tr_1.jpg").write_bytes(picture(7))
    with pytest.raises(DataError, match="as it was when it was loaded"):
        data.parts["Training"].pixels(8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Training/glioma/readme.txt": b"x"}, "got 'Training/glioma/readme.txt'"),
        ({"Training/astrocytoma/a.jpg": b"x"}, "got 'Training/astrocytoma/a.jpg'"),
        ({"Validation/glioma/a.jpg": b"x"}, "got 'Validation/glioma/a.jpg'"),
        ({"a.jpg": b"x"}, "got 'a.jpg'"),
    ],
)
def test_files_outside_the_layout_are_refused(
    tmp_path: Path, mri_files: Files, unpacked: Writer, change: Files, says: str
) -> None:
    unpacked(tmp_path / "home" / NAME, {**mri_files, **change})
    with pytest.raises(DataError) as caught:
        load_images(NAME)
    assert says in str(caught.value)


def test_a_class_without_images_is_refused(
    tmp_path: Path, mri_files: Files, unpacked: Writer
) -> None:
    unpacked(
        tmp_path / "home" / NAME,
        {name: c for name, c in mri_files.items() if "Testing/pituitary" not in name},
    )
    with pytest.raises(DataError, match="got none in Testing/pituitary"):
        load_images([NAME, "demonstration"])


def bomb(width: int) -> bytes:
    """A PNG that declares ``width`` squared pixels, of which none are there."""
    stream = io.BytesIO()
    PngImagePlugin.putchunk(stream, b"IHDR", width.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is text",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        bomb(8_000),
        bomb(11_000),
        bomb(60_000),
        saved(Image.new("L", (40, 40), 9), "JPEG")[:-60],
        saved(Image.effect_noise((40, 40), 50))[:-200],
        saved(Image.new("L", (4, 4)), "GIF"),
        saved(
            Image.new("L", (4, 4)), "PNG", save_all=True, append_images=[Image.new("L", (4, 4), 9)]
        ),
    ],
)
def test_what_is_no_plain_whole_image_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(DataError, match=r"folder/a\.jpg"):
        decoded(content)


def test_a_broken_image_in_the_set_is_named(
    tmp_path: Path, mri_files: Files, zipped: Writer
) -> None:
    zipped(tmp_path / "home" / f"{NAME}.zip", {**mri_files, "Testing/glioma/Te_0.jpg": b"no image"})
    with pytest.raises(DataError, match=r"zip/Testing/glioma/Te_0\.jpg"):
        load_images(NAME).parts["Testing"].pixels(8)
    assert not list((tmp_path / "cache").rglob("*.planes"))


def test_every_mode_becomes_rgb() -> None:
    levels = np.array([[0, 16_448], [32_896, 65_535]], dtype=np.uint16)
    assert decoded(saved(Image.fromarray(levels)), 2)[..., 0].tolist() == [[0, 64], [128, 255]]
    red = (200, 10, 30)
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, *red])
    clear = Image.new("RGBA", (2, 2), (*red, 255))
    clear.putpixel((0, 0), (255, 255, 255, 0))
    for image in (Image.new("RGB", (2, 2), red), palette, clear):
        assert decoded(saved(image), 2)[1, 1].tolist() == list(red)
    assert decoded(saved(clear), 2)[0, 0].tolist() == [0, 0, 0]
    assert decoded(saved(Image.new("1", (2, 2), 1)), 2).tolist() == np.full((2, 2, 3), 255).tolist()
    assert decoded(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), 8)[
        4, 4
    ] == pytest.approx([255, 0, 0], abs=8)


@pytest.mark.parametrize("size", [0, -1, 5000])
def test_sizes_are_bounded(mri: ImageData, size: int) -> None:
    with pytest.raises(DataError, match="1 to 1024"):
        mri.parts["Training"].pixels(size)


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"medpipe data fetch {NAME}") as caught:
        load_images(NAME, tmp_path)
    assert str(tmp_path / f"{NAME}.zip") in str(caught.value)
    with pytest.raises(UnknownNameError):
        load_images("brain")
    assert load_images([NAME, "demonstration"]).source == "demonstration"


def test_demonstration_is_the_same_everywhere() -> None:
    data = load_images("demonstration")
    assert data.digest == DEMONSTRATION_DIGEST
    assert decoding.resize_grey(np.zeros((1, 96, 96), np.uint8), 64).shape == (1, 64, 64)
    patients = [set(part.groups["patient_id"].tolist()) for part in data.parts.values()]
    assert len(patients[0]) == 120 and len(patients[1]) == 40 and not patients[0] & patients[1]
    for part in data.parts.values():
        assert sorted(part.sample_id.tolist()) == part.sample_id.tolist() and len(
            set(part.sample_id)
        ) == len(part)
        assert {
            name: sorted(set(part.groups[name])) for name in ("sex", "age_band", "scanner", "site")
        } == {
            "sex": ["female", "male"],
            "age_band": ["adult", "child", "older"],
            "scanner": ["1.5T", "3.0T"],
            "site": ["A", "B", "C"],
        }
        for person in set(part.groups["patient_id"].tolist()):
            assert len(set(part.label[part.groups["patient_id"] == person])) == 1


def test_demonstration_is_learnable_but_not_solved() -> None:
    from sklearn.linear_model import LogisticRegression

    train, test = load_images("demonstration").parts.values()
    features = [part.pixels(24)[..., 0].reshape(len(part), -1) / 255 for part in (train, test)]
    model = LogisticRegression(max_iter=300, C=0.05).fit(features[0], train.label)
    assert 0.38 < model.score(features[1], test.label) < 0.8


@pytest.mark.skipif(
    not (REAL / f"{NAME}.zip").is_file(), reason=f"MEDPIPE_DATA names no folder with {NAME}.zip"
)
def test_real_images() -> None:
    data = load_images(NAME, REAL)
    assert {name: len(part) for name, part in data.parts.items()} == {
        "Training": 5_712,
        "Testing": 1_311,
    }
    assert np.bincount(data.parts["Training"].label).tolist() == [1_321, 1_339, 1_595, 1_457]


def test_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_DATA", str(tmp_path))
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path / "cache"))
    for part in ("learn", "report"):
        for k, kind in enumerate(("sick", "well")):
            for i in range(3):
                path = tmp_path / "mine" / part / kind / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (40, 40), 100 * k + 10 * i).save(path)
    data = load_images("folder:mine")
    assert (data.source, data.classes, list(data.parts)) == (
        "folder:mine",
        ("sick", "well"),
        ["learn", "report"],
    )
    assert data.parts["learn"].label.tolist() == [0, 0, 0, 1, 1, 1] and data.parts["report"].pixels(
        33
    ).shape == (6, 33, 33, 3)
    assert load_images(f"folder:{tmp_path / 'mine'}").digest == data.digest
    (tmp_path / "mine" / "learn" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"nothing but the images of a data set, got 'learn/notes\.txt'"
    ):
        load_images("folder:mine")
    with pytest.raises(UnavailableError, match="folder:none"):
        load_images("folder:none")
