"""The manifest of synthetic images: strict, atomic, readable for ever."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from medpipe.errors import SpecError
from medpipe.evidence.files import sha256
from medpipe.marking import manifest as module
from medpipe.marking.key import Key
from medpipe.marking.manifest import (
    SyntheticImage,
    SyntheticManifest,
    listed,
    parse_manifest,
    pixel_digest,
    read_manifest,
    write_manifest,
)
from medpipe.marking.watermark import detect

IMAGE = np.arange(48, dtype=np.uint8).reshape(6, 8)
ENTRY = listed("a.png", b"bytes", IMAGE, marked=True)
RELEASED = "tests/data/synthetic-manifest-1"


def document(**changes: Any) -> dict[str, Any]:
    entry = {
        "name": "a.png",
        "sha256": "0" * 64,
        "pixels": "1" * 64,
        "width": 8,
        "height": 6,
        "marked": True,
    }
    return {"version": 1, "run": "run-1-s0", "key": "0" * 16, "images": [entry]} | changes


def with_entry(**changes: Any) -> dict[str, Any]:
    return document(images=[document()["images"][0] | changes])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for manifest in (SyntheticManifest((ENTRY,), "run-1-s0", "0" * 16), SyntheticManifest(())):
        write_manifest(tmp_path / "m.json", manifest)
        assert read_manifest(tmp_path / "m.json") == manifest


def test_an_image_is_found_by_bytes_or_pixels() -> None:
    manifest = SyntheticManifest((ENTRY,))
    assert (
        manifest.find(sha256(b"bytes"))
        == manifest.find(sha256(b"others"), pixel_digest(IMAGE))
        == ENTRY
    )
    assert (
        manifest.find(sha256(b"others")) is None
        and manifest.find(sha256(b"others"), pixel_digest(IMAGE[::-1])) is None
    )
    assert manifest.sizes == {(8, 6)}


@settings(max_examples=50)
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6)),
    st.integers(0, 35),
    st.integers(1, 255),
)
def test_a_pixel_digest_tells_pixels_and_nothing_else(
    image: NDArray[np.uint8], at: int, by: int
) -> None:
    assert (
        pixel_digest(image)
        == pixel_digest(np.stack([image] * 3, axis=-1))
        == pixel_digest(np.asfortranarray(image))
    )
    other = image.copy()
    other.flat[at % other.size] ^= np.uint8(by)
    assert pixel_digest(other) != pixel_digest(image)
    if image.shape[0] != image.shape[1]:
        assert pixel_digest(image.reshape(image.shape[::-1])) != pixel_digest(image)


def test_saving_again_without_loss_keeps_the_pixel_digest() -> None:
    pil = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)

    def again(kind: str, **options: Any) -> NDArray[np.uint8]:
        stream = io.BytesIO()
        pil.fromarray(image).save(stream, kind, **options)
        return np.asarray(pil.open(stream))

    assert (
        pixel_digest(again("PNG", compress_level=1))
        == pixel_digest(again("PNG", optimize=True))
        == pixel_digest(image)
    )
    assert pixel_digest(again("JPEG", quality=90)) != pixel_digest(image)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "exactly the keys"),
        (document(version=2), "format version 1, got 2"),
        (document(more=1), "'more'"),
        ({k: v for k, v in document().items() if k != "run"}, "exactly the keys"),
        (document(images={}), "images: expected a list"),
        (document(run=""), "run: expected"),
        (document(run="a\x1b[31m"), "run: expected"),
        (document(run=7), "run: expected"),
        (document(key="xyz"), "key: expected"),
        (document(images=[1]), r"images\[0\]: expected exactly"),
        (with_entry(extra=1), "'extra'"),
        (with_entry(name=""), r"images\[0\].name"),
        (with_entry(sha256="A" * 64), r"images\[0\].sha256"),
        (with_entry(pixels=None), "pixels"),
        (with_entry(width=0), "width: expected 1 to"),
        (with_entry(height=True), "height"),
        (with_entry(width=1.5), "width"),
        (with_entry(marked=1), "marked: expected true or false"),
    ],
)
def test_anything_else_is_refused(data: Any, says: str) -> None:
    parse_manifest(json.dumps(document()).encode(), "m.json")
    with pytest.raises(SpecError, match=f"m\\.json.*{says}"):
        parse_manifest(json.dumps(data).encode(), "m.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"version":1,"version":1}', b"[" * 100_000, b'{"version":NaN}'],
)
def test_what_is_no_strict_json_is_refused(content: bytes) -> None:
    with pytest.raises(SpecError, match=r"m\.json"):
        parse_manifest(content, "m.json")


def test_files_that_cannot_be_read_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SpecError, match="No such file"):
        read_manifest(tmp_path / "none.json")
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    write_manifest(tmp_path / "m.json", SyntheticManifest(()))
    with pytest.raises(SpecError, match="at most 10 bytes"):
        read_manifest(tmp_path / "m.json")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpecError, match="a place for a manifest"):
        write_manifest(tmp_path / "file" / "m.json", SyntheticManifest(()))


def test_a_failed_write_leaves_the_old_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.json"
    write_manifest(path, SyntheticManifest((ENTRY,)))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SpecError, match="No space left"):
        write_manifest(path, SyntheticManifest(()))
    assert read_manifest(path).images == (ENTRY,) and list(tmp_path.iterdir()) == [path]


def test_version_1_stays_readable_and_its_mark_is_found(repository: Path) -> None:
    """Written by the first release; never to be made again."""
    pil = pytest.importorskip("PIL.Image")
    folder = repository / RELEASED
    manifest = read_manifest(folder / "synthetic-manifest.json")
    assert (manifest.run, manifest.key) == ("run-0123456789ab-s0", Key(bytes(range(32))).id)
    assert [(image.name, image.marked) for image in manifest.images] == [
        ("disc.png", True),
        ("disc.png", False),
    ]
    content = (folder / "disc.png").read_bytes()
    pixels = np.asarray(pil.open(io.BytesIO(content)))
    assert (
        manifest.find(sha256(content))
        == manifest.find("", pixel_digest(pixels))
        == SyntheticImage(
            "disc.png",
            "a4722db5fc29b130f35b738039cbe20bfb083d4bb768380c85f43c8ca2e09365",
            "4653e3194cc7a109429eed7d371f37531dfefa0f9cd0cbe63b578e062ddb695f",
            64,
            64,
            True,
        )
    )
    assert detect(pixels, Key(bytes(range(32)))).z == pytest.approx(11.903959)
