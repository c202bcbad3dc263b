"""Images as worse scanners, other protocols and careless storage leave them; each kind has one
level, stated in the protocol.

The kinds are those of magnitude MRI (Gudbjartsson and Patz 1995 on noise; Sled et al. 1998 on
intensity non-uniformity) and of handling (Hendrycks and Dietterich 2019). What is drawn depends on
the image's place in its split alone, so every model reads the same images.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Pixels = NDArray[np.uint8]
WHITE = 255.0


def corrupted(kind: str, level: float, pixels: Pixels, place: int) -> Pixels:
    """A spoilt copy of the image uint8 ``(H, W, 3)``; ``place`` keys what is drawn. ``kind`` as in
    `KINDS`, ``level`` as it says.
    """
    return KINDS[kind](pixels, level, np.random.default_rng((sorted(KINDS).index(kind), place)))


def rician_noise(pixels: Pixels, level: float, draw: np.random.Generator) -> Pixels:
    """Rician noise, that of magnitude images: ``level`` is the standard deviation of either channel
    as a share of white.
    """
    height, width, _ = pixels.shape
    real, imaginary = draw.normal(0, level * WHITE, (2, height, width, 1))
    return _rounded(np.hypot(pixels + real, imaginary))


def bias_field(pixels: Pixels, level: float, draw: np.random.Generator) -> Pixels:
    """A smooth multiplicative field, a polynomial of degree two over the image, from 1 - ``level``
    to 1 + ``level``.
    """
    height, width, _ = pixels.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    field = np.tensordot(draw.normal(size=5), np.stack([x, y, x * y, x**2, y**2]), axes=1)
    field = 2 * (field - field.min()) / np.ptp(field) - 1
    return _rounded(pixels * (1 + level * field[..., None]))


def blur(pixels: Pixels, level: float, draw: np.random.Generator) -> Pixels:
    """Gaussian blur: ``level`` is the standard deviation as a share of the image's width."""
    sigma = level * pixels.shape[1]
    return _rounded(ndimage.gaussian_filter(pixels.astype(np.float32), (sigma, sigma, 0)))


def less_contrast(pixels: Pixels, level: float, draw: np.random.Generator) -> Pixels:
    """Contrast about the image's mean, multiplied by ``level``."""
    mean = pixels.mean()
    return _rounded(mean + level * (pixels - mean))


def jpeg(pixels: Pixels, level: float, draw: np.random.Generator) -> Pixels:
    """Stored as JPEG of quality ``level`` (libjpeg's scale to 95) and read again."""
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "JPEG", quality=int(level))
    with Image.open(stored) as image:
        return np.asarray(image.convert("RGB"))


KINDS: dict[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "noise": rician_noise,
    "bias_field": bias_field,
    "blur": blur,
    "contrast": less_contrast,
    "jpeg": jpeg,
}


def _rounded(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, WHITE), dtype=np.uint8)
