"""Alterations planted into images, each at three strengths, to measure what a search for copies
finds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Change = Callable[[Image.Image, int], Image.Image]
STRENGTHS = (0, 1, 2)
"""Weak, medium, strong."""


def _gamma(image: Image.Image, strength: int) -> Image.Image:
    power = (0.8, 1.5, 2.2)[strength]
    return image.point([round(255 * (v / 255) ** power) for v in range(256)])


def _noise(image: Image.Image, strength: int) -> Image.Image:
    drawn = np.random.default_rng(strength).normal(
        0, (4, 10, 20)[strength], (image.height, image.width)
    )
    return Image.fromarray(np.clip(np.asarray(image, np.float64) + drawn, 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, strength: int) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=(60, 30, 12)[strength])
    return Image.open(stored).convert("L")


def _crop(image: Image.Image, strength: int) -> Image.Image:
    off = round(image.width * (0.03, 0.07, 0.12)[strength])
    return image.crop((off, off // 2, image.width - off // 3, image.height - off)).resize(
        image.size
    )


def _border(image: Image.Image, strength: int) -> Image.Image:
    width = round(image.width * (0.03, 0.06, 0.12)[strength])
    return ImageOps.expand(image, width, fill=200).resize(image.size)


def _text(image: Image.Image, strength: int) -> Image.Image:
    drawn = image.copy()
    for line in range(2 * (strength + 1)):
        ImageDraw.Draw(drawn).text((4, 4 + 14 * line), f"PATIENT {line} 1975-03-0{line}", fill=255)
    return drawn


def _rotated(image: Image.Image, strength: int) -> Image.Image:
    return image.rotate((3, 10, 25)[strength], Image.Resampling.BICUBIC)


def _turned(image: Image.Image, strength: int) -> Image.Image:
    return (
        ImageOps.mirror(image),
        image.transpose(Image.Transpose.ROTATE_90),
        image.transpose(Image.Transpose.TRANSPOSE),
    )[strength]


ALTERATIONS: Mapping[str, Change] = {
    "contrast": lambda image, s: ImageEnhance.Contrast(image).enhance((0.8, 1.4, 2.0)[s]),
    "gamma": _gamma,
    "sharpened": lambda image, s: image.filter(ImageFilter.UnsharpMask(2, (80, 150, 300)[s], 0)),
    "blurred": lambda image, s: image.filter(
        ImageFilter.GaussianBlur(image.width / 256 * (0.7, 1.2, 2.0)[s])
    ),
    "noise": _noise,
    "posterised": lambda image, s: ImageOps.posterize(image, (4, 3, 2)[s]),
    "JPEG": _jpeg,
    "cropped": _crop,
    "border": _border,
    "burnt-in text": _text,
    "rotated": _rotated,
    "flipped or turned": _turned,
}
"""Kind of alteration → what it does to a grey image at a strength."""


def stacked(images: list[Image.Image], side: int) -> NDArray[np.uint8]:
    """Images as grey planes uint8 ``(N, side, side)``."""
    return np.stack(
        [np.asarray(i.convert("L").resize((side, side), Image.Resampling.BILINEAR)) for i in images]
    )
