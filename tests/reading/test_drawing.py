"""Making a study: what is drawn and shown, that nothing but the picture is left, and what is
refused.
"""

from __future__ import annotations

import io
import stat
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

from made_up_readers import folders, key
from PIL import Image

from medpipe.errors import DataError, MissingDependency, SpecError
from medpipe.reader_study import shown_images
from medpipe.reader_study.drawing import Drawn, StudyConfig, draw
from medpipe.reader_study.shown_images import Folder, bent, decoded, encoded, fitted
from medpipe.reader_study.study import read_key, write_study
from medpipe.reader_study.unblinding import cues

SMALL = StudyConfig(images=24, repeats=6, controls=4, seed="one")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pools")
    folders(place)
    return place


def drawn(place: Path, wish: StudyConfig = SMALL) -> Drawn:
    return draw(Folder(place / "real"), Folder(place / "synthetic"), wish)


def chunks(png: bytes) -> list[bytes]:
    """The names of a PNG's chunks."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append(png[at + 4 : at + 8])
        at += 12 + length
    return found


def test_what_is_shown(place: Path) -> None:
    made = drawn(place)
    first = [i for i in made.study.items if i.repeat_of is None]
    assert Counter(i.origin for i in first) == {"real": 12, "synthetic": 12, "control": 4}
    assert len(made.study.items) == len(made.pictures) == 24 + 4 + 6
    assert len({(i.origin, i.source) for i in first}) == len(first), "an image is drawn once"
    by_id = {i.id: k for k, i in enumerate(made.study.items)}
    for item in made.study.items:
        if item.repeat_of is not None:
            before = made.study.items[by_id[item.repeat_of]]
            assert (
                before.shown_digest == item.shown_digest
                and before.origin == item.origin != "control"
            )
            assert by_id[item.id] - by_id[before.id] > 3, (
                "not so soon that the first answer is remembered"
            )
    assert made.study.size == 48 and made.enlarged == 0, (
        "the smallest side of all: nothing is enlarged"
    )


def test_nothing_but_pixels_is_left(place: Path) -> None:
    made = drawn(place)
    assert len({len(p) for p in made.pictures}) == 1, "one length, whatever is shown"
    assert {tuple(chunks(p)) for p in made.pictures} == {(b"IHDR", b"IDAT", b"IEND")}
    for png in made.pictures:
        with Image.open(io.BytesIO(png)) as image:
            assert (image.mode, image.size, image.info) == ("L", (48, 48), {})


def test_the_order_needs_the_images_not_only_the_seed(place: Path, tmp_path: Path) -> None:
    origins = [[i.origin for i in drawn(place).study.items] for _ in range(2)]
    assert origins[0] == origins[1], "the same seed and images: the same draw"
    real, synthetic = folders(tmp_path, seed=1)
    assert [i.origin for i in draw(Folder(real), Folder(synthetic), SMALL).study.items] != origins[
        0
    ]
    assert drawn(place).study.commitment != drawn(place).study.commitment, (
        "the nonce is never the same"
    )
    assert (
        drawn(place, replace(SMALL, seed=None)).study.seed
        != drawn(place, replace(SMALL, seed=None)).study.seed
    )


def test_neither_place_nor_repetition_tells_the_origin(place: Path) -> None:
    """Over many draws a synthetic image is as likely early as late and as likely to be shown twice
    as a real one.
    """
    early, twice = [], []
    for k in range(60):
        items = drawn(place, replace(SMALL, seed=f"s{k}", controls=0)).study.items
        early.append(np.mean([i.origin == "synthetic" for i in items[:10]]))
        twice.append(np.mean([i.origin == "synthetic" for i in items if i.repeat_of is not None]))
    assert np.mean(early) == pytest.approx(0.5, abs=3.5 * 0.5 / np.sqrt(600))
    assert np.mean(twice) == pytest.approx(0.5, abs=3.5 * 0.5 / np.sqrt(360))


def test_a_key_comes_back_as_it_was_is_private_and_is_never_overwritten(
    place: Path, tmp_path: Path
) -> None:
    made = drawn(place)
    key_path, page_path = write_study(tmp_path / "study", made.study, "<p>page</p>")
    assert (
        read_key(key_path) == made.study and read_key(key_path).commitment == made.study.commitment
    )
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    before = key_path.read_bytes()
    with pytest.raises(SpecError, match=r"key\.json: expected no study there yet"):
        write_study(tmp_path / "study", made.study, "other")
    key_path.unlink()
    with pytest.raises(SpecError, match=r"reading\.html: expected no study there yet"):
        write_study(tmp_path / "study", made.study, "other")
    assert page_path.read_text() == "<p>page</p>" and before and not key_path.exists(), (
        "nothing is left half-written"
    )


def test_any_change_of_the_key_changes_its_digest() -> None:
    study = key()
    first, second = study.items[0], study.items[1]
    swapped = replace(
        study,
        items=(
            replace(first, origin="synthetic"),
            replace(second, origin="real"),
            *study.items[2:],
        ),
    )
    changed = [swapped, replace(study, margin=0.2), replace(study, nonce="1" * 64)]
    assert len({s.commitment for s in [study, *changed]}) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": 6}, "at least 4 images of each origin, got 3 real and 3 synthetic"),
        ({"share": 0.95}, "raise --n"),
        ({"share": float("nan")}, "a share of synthetic images above 0 and below 1, got nan"),
        ({"share": float("inf")}, "a share of synthetic images above 0 and below 1, got inf"),
        ({"share": 1.0}, "a share of synthetic images above 0 and below 1, got 1"),
        ({"images": 60, "controls": 12}, "expected at least 42 different real images"),
        ({"share": 0.9, "images": 60}, "expected at least 54 different synthetic images"),
        ({"repeats": 13}, "at most half of the 24 images shown twice"),
        ({"margin": 0.5}, "a margin above 0 and below 0.5"),
        ({"size": 4}, "a size from 16 to 1024, got 4"),
        ({"size": 0}, "a size from 16 to 1024, got 0"),
        ({"title": "  "}, "a title of 1 to 200 letters"),
        ({"controls": -1}, "controls"),
    ],
)
def test_wishes_that_cannot_be_met(place: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        drawn(place, replace(SMALL, **change))  # type: ignore[arg-type]


def test_a_real_image_among_the_synthetic_ones_is_refused(tmp_path: Path) -> None:
    real, _ = folders(tmp_path)
    with pytest.raises(
        DataError,
        match=r"expected synthetic images that are no real ones, got class-.*pixel by pixel",
    ):
        draw(Folder(real), Folder(real), replace(SMALL, images=36))


def test_copies_within_a_folder_are_drawn_once(tmp_path: Path) -> None:
    real, synthetic = folders(tmp_path, synthetic=6)
    for k in range(10):
        (synthetic / f"copy-{k}.png").write_bytes((synthetic / "00000.png").read_bytes())
    with pytest.raises(DataError, match=r"at least 12 different synthetic images .*got 6"):
        draw(Folder(real), Folder(synthetic), SMALL)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n cut"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    real, synthetic = folders(tmp_path, synthetic=12)
    (synthetic / "00003.png").write_bytes(content)
    with pytest.raises(
        DataError, match=r"00003\.png: expected a whole JPEG or PNG image.*leave it out"
    ):
        draw(Folder(real), Folder(synthetic), SMALL)


@pytest.mark.parametrize("place_", ["nowhere", "empty"])
def test_no_images(tmp_path: Path, place_: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected (a folder of|JPEG or PNG images)"):
        Folder(tmp_path / place_)


def test_modes_and_turns() -> None:
    def stored(image: Image.Image, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, "PNG", **options)
        return buffer.getvalue()

    deep = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    grey = decoded(stored(Image.fromarray(deep)), "x", colour=False)
    assert grey[4, 0] == 130 and grey.max() == 255, "16 bits are scaled, not clipped"
    clear = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    assert decoded(stored(clear), "x", colour=False).max() == 0, "transparent is black"
    turned = Image.Exif()
    turned[0x0112] = 6
    wide = Image.fromarray(np.zeros((8, 16), np.uint8))
    assert decoded(stored(wide, exif=turned), "x", colour=False).shape == (16, 8)
    assert decoded(stored(Image.new("RGB", (8, 8), (200, 10, 10))), "x", colour=True)[
        0, 0
    ].tolist() == [200, 10, 10]


def test_fitting_and_bending() -> None:
    pixels = np.tile(np.arange(100, dtype=np.uint8), (60, 1))
    assert fitted(pixels, 60, "crop").tolist() == pixels[:, 20:80].tolist(), (
        "the middle, untouched where no size changes"
    )
    assert fitted(pixels, 60, "stretch")[0, [0, -1]].tolist() == [0, 99]
    square = fitted(pixels, 60, "crop")
    assert sorted(bent(square, 1.0).ravel()) != [] and (bent(square, 1.0) != square).mean() > 0.5
    assert len(encoded(square)) == len(encoded(np.zeros((60, 60), np.uint8)))


def test_cues_find_a_brighter_set_and_not_its_clean_twin() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 200, (40, 16, 16), dtype=np.uint8)
    synthetic = np.arange(40) % 2 == 0
    brighter = np.where(synthetic[:, None, None], pixels + 40, pixels).astype(np.uint8)
    assert "brightness" in [c.name for c in cues(brighter, synthetic) if c.tells]
    told = [
        any(c.tells for c in cues(rng.integers(0, 200, (40, 16, 16), dtype=np.uint8), synthetic))
        for _ in range(60)
    ]
    assert np.mean(told) <= 0.2  # 5 % are meant; DeLong's interval is a little narrow at 20 of each


def test_without_pillow_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(
        MissingDependency,
        match=r"needs pillow, which is not installed; run: pip install 'medpipe\[train\]'",
    ):
        shown_images.encoded(np.zeros((4, 4), np.uint8))
