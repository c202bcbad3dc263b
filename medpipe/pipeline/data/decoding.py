"""Decode an image file to RGB pixels of one size and refuse damaged or unsupported files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from medpipe.errors import DataError

MAX_PIXELS = 50_000_000
"""Larger pictures are refused before they are decoded."""

_FORMATS = ("JPEG", "PNG")
_KINDS = (
    (b"GIF8", 0, "a GIF image"),
    (b"II*\0", 0, "a TIFF image"),
    (b"MM\0*", 0, "a TIFF image"),
    (b"DICM", 128, "a DICOM file"),
    (b"WEBP", 8, "a WebP image"),
    (b"BM", 0, "a BMP image"),
)
"""First bytes, where they stand, and the kind of file."""

_PLAIN_MODES = ("1", "L", "RGB", "CMYK", "YCbCr", "LAB", "HSV")


@contextmanager
def strict_images() -> Iterator[None]:
    """Make Pillow's warnings about huge or damaged pictures errors; wraps a whole batch, for
    warning filters are not per thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("error", category=UserWarning, module="PIL")
        yield


def decode(content: bytes, where: str, size: int) -> NDArray[np.uint8]:
    """RGB pixels of an image file: uint8 ``(size, size, 3)``, resized as torchvision's ``Resize``
    does with Pillow images.

    Else as `pixels`. Use within `strict_images`. Raises `DataError` naming ``where``.
    """
    return np.asarray(_read(content, where).resize((size, size), Image.Resampling.BILINEAR))


def pixels(content: bytes, where: str) -> NDArray[np.uint8]:
    """RGB pixels of an image file in its own size: uint8 ``(H, W, 3)``.

    JPEG and PNG are told by content, whatever the name says. Grey becomes three equal channels,
    16-bit grey is scaled by its full range, transparency is laid over black; a rotation noted in
    EXIF is left alone, as in the published protocol. Use within `strict_images`. Raises `DataError`
    naming ``where``.
    """
    return np.asarray(_read(content, where))


def _read(content: bytes, where: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"{where}: expected an image of at most {MAX_PIXELS} pixels, "
                    f"got {image.width} by {image.height}; give it in a smaller size"
                )
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise DataError(
                    f"{where}: expected one picture, got {frames} frames; give one of them"
                )
            ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint's import turns it on for all
            image.load()
            return _to_rgb(image, where)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{where}: expected an image of at most {MAX_PIXELS} pixels, got a larger one; "
            "give it in a smaller size"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, UserWarning) as error:
        raise not_an_image(content, where) from error


def size_of(content: bytes, where: str) -> tuple[int, int]:
    """Width and height of an image file in pixels; only its header is read. Raises `DataError`
    naming ``where``.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            return image.size
    except (
        OSError,
        SyntaxError,
        ValueError,
        UserWarning,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise not_an_image(content, where) from error


def not_an_image(content: bytes, where: str) -> DataError:
    """The error for a file that cannot be read as JPEG or PNG: what it is instead, as far as its
    first bytes say.
    """
    kind = next((kind for start, at, kind in _KINDS if content[at : at + len(start)] == start), "")
    if not content:
        got = "an empty file; see whether its copy was finished"
    elif kind:
        got = f"{kind}; convert it"
    elif content.startswith((b"\xff\xd8", b"\x89PNG")):
        got = "one that is cut short or damaged; see whether its copy was finished"
    else:
        got = "a file of another kind"
    return DataError(f"{where}: expected a whole JPEG or PNG image, got {got}")


def resize_grey(planes: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Grey planes ``(N, H, W)`` in another size, as in `decode`: uint8 ``(N, size, size)``."""
    return np.stack(
        [
            np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR))
            for plane in planes
        ]
    )


def _to_rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(
            np.int64
        )  # Image.convert would clip at 255 instead of scaling
        if values.min() < 0 or values.max() > 65535:
            raise DataError(
                f"{where}: expected at most 16 bits a pixel, got values from {values.min()} to"
                f" {values.max()}; convert it"
            )
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("P", "LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        return Image.alpha_composite(
            Image.new("RGBA", layered.size, (0, 0, 0, 255)), layered
        ).convert("RGB")
    if image.mode in _PLAIN_MODES:
        return image.convert("RGB")
    raise DataError(
        f"{where}: expected grey, colour or palette pixels, got Pillow's mode {image.mode!r};"
        " convert it"
    )
