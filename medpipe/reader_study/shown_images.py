"""Pictures of any file, made alike: one size, one mode, no metadata, and files of one length
whatever they show.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError, MissingDependency

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]
Fit = Literal["crop", "stretch"]
MAX_PIXELS = 50_000_000
SUFFIXES = (".jpg", ".jpeg", ".png")


class Pool(Protocol):
    """Where images are drawn from: a folder, or anything else that has names and bytes, such as the
    samples of a bundle.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each image, unique and sorted."""

    def read(self, name: str) -> bytes:
        """The image as a JPEG or PNG file. Raises `DataError`."""


class Folder:
    """All JPEG and PNG files below a folder. Raises `DataError` where there is none."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise DataError(
                f"{path}: expected a folder of JPEG or PNG images, got"
                f" {'a file' if path.exists() else 'nothing'}"
            )
        self.path = path
        self.names = tuple(
            sorted(
                p.relative_to(path).as_posix()
                for p in path.rglob("*")
                if p.suffix.lower() in SUFFIXES and p.is_file()
            )
        )
        if not self.names:
            raise DataError(
                f"{path}: expected JPEG or PNG images in the folder or below it, got none"
            )

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"{self.path / name}: expected a file that can be read, got:"
                f" {error.strerror or error}"
            ) from error

    def __str__(self) -> str:
        return str(self.path)


def decoded(content: bytes, where: str, *, colour: bool) -> Pixels:
    """Pixels as the file shows them: uint8 ``(h, w)``, or ``(h, w, 3)`` with ``colour``. Raises
    `DataError` naming ``where``.

    A turn noted in EXIF is made, 16-bit grey is scaled by its full range, transparency is laid over
    black.
    """
    pillow = _pillow()
    try:
        with _strict(pillow), pillow.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_PIXELS or getattr(image, "n_frames", 1) != 1:
                raise DataError(
                    f"{where}: expected one picture of at most {MAX_PIXELS:,} pixels, got more;"
                    " leave it out"
                )
            image.load()
            return np.asarray(_plain(pillow, image).convert("RGB" if colour else "L"))
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        UserWarning,
        pillow.DecompressionBombError,
        RuntimeWarning,
    ) as error:
        raise DataError(
            f"{where}: expected a whole JPEG or PNG image, got something else or a damaged one;"
            " leave it out"
        ) from error


def fitted(pixels: Pixels, size: int, fit: Fit) -> Pixels:
    """A square of ``size``: the middle of the picture (``crop``), or all of it squeezed
    (``stretch``); Lanczos where it is resized.
    """
    pillow = _pillow()
    height, width = pixels.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    if pixels.shape[:2] == (size, size):
        return np.ascontiguousarray(pixels)
    return np.asarray(
        pillow.fromarray(np.ascontiguousarray(pixels)).resize(
            (size, size), pillow.Resampling.LANCZOS
        )
    )


def bent(pixels: Pixels, phase: float) -> Pixels:
    """A control that anybody can see: a square picture's rows and columns are shifted along a wave
    of a tenth of its side.
    """
    side = len(pixels)
    wave = np.rint(side / 10 * np.sin(2 * np.pi * (2.5 * np.arange(side) / side) + phase)).astype(
        np.int64
    )
    rows, columns = np.arange(side)[:, None], np.arange(side)[None, :]
    return np.ascontiguousarray(
        pixels[(rows + wave[None, :]) % side, (columns + wave[:, None]) % side]
    )


def encoded(pixels: Pixels) -> bytes:
    """A PNG without compression or metadata: its length follows from size and mode alone, never
    from what it shows.
    """
    buffer = io.BytesIO()
    _pillow().fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def _plain(pillow: Any, image: Image) -> Image:
    from PIL import ImageOps

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("more than 16 bits")
        image = pillow.fromarray(((values + 128) // 257).astype(np.uint8))
    turned: Image = ImageOps.exif_transpose(image)
    if turned.mode in ("P", "LA", "PA", "RGBA") or "transparency" in turned.info:
        layered = turned.convert("RGBA")
        turned = pillow.alpha_composite(pillow.new("RGBA", layered.size, (0, 0, 0, 255)), layered)
    return turned


@contextmanager
def _strict(pillow: Any) -> Iterator[None]:
    """Pillow's warnings about huge or damaged pictures are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        warnings.filterwarnings("error", category=UserWarning, module="PIL")
        yield


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("pillow", "train", "making a reader study") from error
    return Image
