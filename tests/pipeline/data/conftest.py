"""Small data sets in the layouts of the real ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

RCT_TEXT = (
    '###101\nBACKGROUND\tPain is common .\nMETHODS\tWe gave @ mg , "twice"'
    " .\n\n###102\nOBJECTIVE\tTo compare A with B .\nRESULTS\tNo difference ( p = @.@ )"
    " .\nCONCLUSIONS\tÜber all , no .\n\n"
)


@pytest.fixture(autouse=True)
def own_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or writes the data, cache and credentials of whoever runs it, or what
    WeasyPrint's import does to Pillow.
    """
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    for name in (
        "KAGGLE_API_TOKEN",
        "KAGGLE_USERNAME",
        "KAGGLE_KEY",
        "MEDPIPE_GITHUB_URL",
        "http_proxy",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-kaggle"))
    monkeypatch.setenv("MEDPIPE_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def rct_text() -> str:
    """Two abstracts of five sentences in the ``###id`` format."""
    return RCT_TEXT


def make_picture(
    seed: int, mode: str = "L", size: tuple[int, int] = (20, 24), kind: str = "JPEG"
) -> bytes:
    """An image file of random blocks."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    image = Image.frombytes(mode, (4, 4), blocks.tobytes()).resize(size)
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """``picture(seed, mode, size, kind)``: an image file of random blocks."""
    return make_picture


@pytest.fixture
def mri_files() -> dict[str, bytes]:
    """Two images of each class of each part, by relative path."""
    return {
        f"{part}/{kind}/{part[:2]}_{i}.jpg": make_picture(100 * a + 10 * b + i)
        for a, part in enumerate(("Training", "Testing"))
        for b, kind in enumerate(("glioma", "meningioma", "notumor", "pituitary"))
        for i in range(2)
    }


Files = Mapping[str, bytes]


@pytest.fixture
def unpacked() -> Callable[[Path, Files], Path]:
    """``unpacked(root, files)``: files by relative path, in a folder."""

    def write(root: Path, files: Files) -> Path:
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root

    return write


@pytest.fixture
def zipped() -> Callable[[Path, Files], Path]:
    """``zipped(path, files)``: files by name, in a zip file."""

    def write(path: Path, files: Files) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path

    return write
