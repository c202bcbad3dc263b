"""A keyed spread-spectrum watermark in the lower mid-band of an image's 8 by 8 DCT blocks, for grey
and RGB uint8 images.

The key gives each coefficient of the band a sign. ``mark`` moves coefficients towards their signs
as far as the promised PSNR allows, those first that gain most for least: the image is known when it
is marked, so nothing is left to chance. Each lands where a JPEG of quality 60 rounds away from
zero. ``detect`` lets every coefficient vote by a curve that falls again for large ones, which are
the picture's own, and sums the votes with the key's signs.

**False alarms.** Whatever the image, the signs of a key that it was not marked with are fair coins.
A sum of fixed votes with fair signs, divided by the root of the sum of their squares, exceeds z
with at most 3.178 times the normal tail (Bentkus and Dzindzalieta, Bernoulli 21, 2015):
`Detection.false_alarm` is that bound, and needs no assumption about images.

It does not survive cropping at the top or left, resizing, flips, turns, or anybody who holds the
key or many images marked with it. A mark can be copied from one image onto another. docs/marking.md
has what was measured.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.special import ndtr

from medpipe.errors import DataError
from medpipe.marking.key import Key

Image = NDArray[np.uint8]
_Reals = NDArray[np.float64]

PSNR: Final = 43.0
"""What a marked image keeps at least, in dB, over all pixels and channels."""
FALSE_ALARM: Final = 1e-6
"""An image counts as marked where an unmarked one would look so with at most this probability."""
SMALLEST: Final = 64
"""Shorter side in pixels from which finding the mark again is promised."""

MAX_PIXELS: Final = 2**24
"""Larger images are refused: looking through one of this size takes seconds and 0.6 GB."""

_BLOCK: Final = 8
_BAND: Final = np.array([(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0)])
"""Row and column in the block: every coefficient that the JPEG standard's table divides by 14 or
less; eight, so a block takes a byte.
"""
_STEP: Final = np.array([11.0, 10.0, 12.0, 12.0, 14.0, 14.0, 13.0, 14.0])
"""What the JPEG standard's luminance table (T.81, K.1) divides them by at quality 50; quality 60
takes 0.8 of it.
"""
_GOAL: Final = 0.56
"""Where a moved coefficient lands, in steps: beyond 0.4, where quality 60 rounds to zero, and 0.5,
where quality 50 does.
"""
_TURN: Final = 0.8
"""Where a vote begins to count less again, in steps."""
_LUMA: Final = np.array([0.299, 0.587, 0.114])
_TAIL: Final = 3.178
_REFINED: Final = 3
_HALVINGS: Final = 12
_DEAREST: Final = 4000.0


@dataclass(frozen=True)
class Detection:
    """What the key says about an image.

    ``z``: the sum of votes in standard deviations. ``false_alarm``: at most how probable so large a
    z is for an image that was not marked with this key, 0 to 1. ``blocks``: how many blocks were
    looked at.
    """

    z: float
    false_alarm: float
    blocks: int

    @property
    def marked(self) -> bool:
        """Whether the mark was found; if not, nothing follows: absence of a mark proves nothing."""
        return self.false_alarm <= FALSE_ALARM


def detect(image: Image, key: Key) -> Detection:
    """Look for the mark of ``key``. ``image``: uint8 ``(H, W)`` or ``(H, W, 3)``. Raises
    `DataError` for another array.
    """
    votes = _votes(_band(_luma(_checked(image))))
    power = float(np.sqrt((votes**2).sum()))
    z = float((votes * _signs(key, votes.shape)).sum() / power) if power > 0 else 0.0
    return Detection(z, min(1.0, _TAIL * float(ndtr(-z))), votes.shape[0] * votes.shape[1])


def mark(image: Image, key: Key) -> Image:
    """A marked copy, of the same shape, with a PSNR of at least `PSNR`. ``image``: uint8 ``(H, W)``
    or ``(H, W, 3)``.

    The same change goes into all three channels, so grey stays grey. An image without a whole block
    of 8 by 8 comes back as it is. Raises `DataError` for another array.
    """
    band = _band(_luma(_checked(image)))
    signs = _signs(key, band.shape)
    allowed = 255.0**2 / 10 ** (PSNR / 10)
    cheapest, dearest, best = 0.0, _DEAREST, image.copy()
    for _ in range(_HALVINGS if band.size else 0):
        price = (cheapest + dearest) / 2
        tried = _moved(image, signs, _goals(signs * band, price), allowed)
        if _distance(tried, image) <= allowed:
            cheapest, best = price, tried
        else:
            dearest = price
    return best


def psnr(one: Image, other: Image) -> float:
    """Peak signal-to-noise ratio of two images of one shape, in dB; infinite for equal ones."""
    distance = _distance(one, other)
    return float(10 * np.log10(255.0**2 / distance)) if distance else float("inf")


def _goals(along: _Reals, price: float) -> _Reals:
    """How far along its sign each coefficient should come at least, in steps, ``-inf`` where it
    stays: of staying, going to zero and going beyond, what is worth most when a whole vote is worth
    ``price`` of squared change.
    """
    worth, goals = np.zeros_like(along), np.full_like(along, -np.inf)
    for goal in (0.0, _GOAL):
        moved = np.maximum(along, goal)
        gain = price * (_votes(moved) - _votes(along)) - ((moved - along) * _STEP) ** 2
        goals = np.where(gain > worth, goal, goals)
        worth = np.maximum(gain, worth)
    return goals


def _moved(image: Image, signs: _Reals, goals: _Reals, allowed: float) -> Image:
    """The image with coefficients moved to their goals; again, where rounding and the ends of the
    range held them back.
    """
    moved = image
    for _ in range(1 + _REFINED):
        short = np.maximum(0.0, goals - signs * _band(_luma(moved)))
        change = _pixels(short * signs)
        if moved.ndim == 3:
            change = change[..., None]
        rows, columns = change.shape[:2]
        new = moved.copy()
        new[:rows, :columns] = np.clip(np.rint(moved[:rows, :columns] + change), 0, 255).astype(
            np.uint8
        )
        moved = new
        if _distance(moved, image) > allowed:
            break
    return moved


def _votes(band: _Reals) -> _Reals:
    return band / (1 + (np.abs(band) / _TURN) ** 4)


def _band(luma: _Reals) -> _Reals:
    """The band's coefficients in steps, ``(rows, columns, 8)``, of all whole blocks from the top
    left corner.
    """
    rows, columns = (side // _BLOCK for side in luma.shape)
    blocks = (
        luma[: rows * _BLOCK, : columns * _BLOCK]
        .reshape(rows, _BLOCK, columns, _BLOCK)
        .transpose(0, 2, 1, 3)
    )
    if not blocks.size:
        return np.zeros((rows, columns, len(_BAND)))
    coefficients: _Reals = (
        dctn(blocks, axes=(2, 3), norm="ortho")[:, :, _BAND[:, 0], _BAND[:, 1]] / _STEP
    )
    return coefficients


def _pixels(band: _Reals) -> _Reals:
    """The change of pixels that a change of the band's coefficients is, ``(8 rows, 8 columns)``."""
    rows, columns = band.shape[:2]
    blocks = np.zeros((rows, columns, _BLOCK, _BLOCK))
    blocks[:, :, _BAND[:, 0], _BAND[:, 1]] = band * _STEP
    pixels: _Reals = (
        idctn(blocks, axes=(2, 3), norm="ortho")
        .transpose(0, 2, 1, 3)
        .reshape(rows * _BLOCK, columns * _BLOCK)
    )
    return pixels


def _signs(key: Key, shape: tuple[int, ...]) -> _Reals:
    """A sign for each coefficient, from a stream for each row of blocks; where it stands alone
    counts, not the image's size.
    """
    rows, columns = shape[:2]
    stream = b"".join(
        hashlib.shake_256(b"medpipe mark 1\0" + key.secret + row.to_bytes(4, "big")).digest(columns)
        for row in range(rows)
    )
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8)).reshape(rows, columns, len(_BAND))
    signs: _Reals = np.where(bits == 1, -1.0, 1.0)
    return signs


def _luma(image: Image) -> _Reals:
    luma: _Reals = np.asarray(image @ _LUMA if image.ndim == 3 else image, dtype=np.float64)
    return luma


def _distance(one: Image, other: Image) -> float:
    """Mean squared difference; 0 for images without pixels."""
    return float(((one.astype(np.float64) - other) ** 2).mean()) if one.size else 0.0


def _checked(image: Image) -> Image:
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        raise DataError(
            f"watermark: expected 8-bit pixels (H, W) or (H, W, 3), got {image.dtype}"
            f" {image.shape}; convert the image"
        )
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise DataError(
            f"watermark: expected at most {MAX_PIXELS:,} pixels, got {image.shape[1]} by"
            f" {image.shape[0]}; make it smaller"
        )
    return image
