"""From the bytes of an image file to RGB pixels of one size, refusing what is not a plain, whole image."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medpipe.errors import DataError

MAX_PIXELS = 50_000_000
"""Larger pictures are refused before they are decoded."""

_FORMATS = ("JPEG", "PNG")
_PLAIN_MODES = ("1", "L", "RGB", "CMYK", "YCbCr", "LAB", "HSV")


@contextmanager
def strict_images() -> Iterator[None]:
    """Make Pillow's warnings about huge or damaged pictures errors; wraps a whole batch, for warning filters are not per thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("error", category=UserWarning, module="PIL")
        yield


def decode(content: bytes, where: str, size: int) -> NDArray[np.uint8]:
    """RGB pixels of an image file: uint8 ``(size, size, 3)``, resized as torchvision's ``Resize`` does with Pillow images.

    Else as `pixels`. Use within `strict_images`. Raises `DataError` naming ``where``.
    """
    return np.asarray(_read(content, where).resize((size, size), Image.Resampling.BILINEAR))


def pixels(content: bytes, where: str) -> NDArray[np.uint8]:
    """RGB pixels of an image file in its own size: uint8 ``(H, W, 3)``.

    JPEG and PNG are told by content, whatever the name says. Grey becomes three equal channels, 16-bit grey is scaled by
    its full range, transparency is laid over black; a rotation noted in EXIF is left alone, as in the published protocol.
    Use within `strict_images`. Raises `DataError` naming ``where``.
    """
    return np.asarray(_read(content, where))


def _read(content: bytes, where: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{where}: expected an image of at most {MAX_PIXELS} pixels, "
                                f"got {image.width} by {image.height}; leave it out")
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise DataError(f"{where}: expected one picture, got {frames} frames; keep one of them")
            image.load()
            return _to_rgb(image, where)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{where}: expected an image of at most {MAX_PIXELS} pixels, got a larger one; leave it out") from error
    except (OSError, SyntaxError, ValueError, EOFError, UserWarning) as error:
        raise DataError(f"{where}: expected a whole JPEG or PNG image, got something else or a damaged one; "
                        "get the file again") from error


def size_of(content: bytes, where: str) -> tuple[int, int]:
    """Width and height of an image file in pixels; only its header is read. Raises `DataError` naming ``where``."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, UserWarning, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{where}: expected a JPEG or PNG image, got something else or a damaged one; get the file again") from error


def resize_grey(planes: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Grey planes ``(N, H, W)`` in another size, as in `decode`: uint8 ``(N, size, size)``."""
    return np.stack([np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR)) for plane in planes])


def _to_rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(np.int64)  # Image.convert would clip at 255 instead of scaling
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"{where}: expected at most 16 bits a pixel, got values from {values.min()} to {values.max()}; convert it")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("P", "LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, (0, 0, 0, 255)), layered).convert("RGB")
    if image.mode in _PLAIN_MODES:
        return image.convert("RGB")
    raise DataError(f"{where}: expected grey, colour or palette pixels, got Pillow's mode {image.mode!r}; convert it")
