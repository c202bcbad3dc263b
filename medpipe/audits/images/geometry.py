"""Verify that two images show the same slice or scan: their keypoints agree on one transform.

**Method.** Descriptors of two images are matched (mutual nearest neighbours, Lowe's ratio test).
RANSAC looks for the similarity transform (scale, rotation, shift) on which most matches agree
within `TOLERANCE` pixels. The images are then laid over each other, and the local correlation is
taken in blocks, so that a common frame, logo or burnt-in text cannot make two images alike.

**Rule.** Slices of one scan lie in one frame of reference. The transform between them is the
identity or a flip or turn, and `PLACES` agreeing places are enough. With any other transform,
either nearly all matches agree, as between a slice and its crop, or `PLACES_TURNED` places are
asked for.

**Thresholds.** Measured on the brain MRI set, among candidate pairs of tumour images in known folds
of patients; see `docs/leakage.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.features import SIDE, SMALL, Features, Floats

RATIO, TOLERANCE = 0.85, 4.0
"""Of the distances to the nearest and the second descriptor; pixels at a side of 160."""
PLACES, PLACES_TURNED, PLACES_ALTERED = 28, 60, 16
AGREEING, SAME_SLICE = 0.55, 0.9
"""Least share of matches that agree, for any relation and for altered copies of one slice."""
DEGREES, SCALING = 1.0, math.log(1.02)
"""How far a transform may be from a flip or turn to count as the same frame of reference."""
SPREAD = 12.0
"""Pixels: least standard deviation of the agreeing places along their narrow axis."""
ALIKE, BLOCKS = 0.3, 0.6
"""Least correlation within a block, and least share of the inner blocks that reach it."""
_BLOCK, _ITERATIONS = 10, 300


@dataclass(frozen=True)
class Transform:
    """How image ``second`` lies on image ``first`` (mirrored first, if it is): a similarity with
    ``scale``, ``degrees``, and ``shift`` in pixels at a side of 160.
    """

    mirrored: bool
    scale: float
    degrees: float
    shift: tuple[float, float]

    @property
    def is_orientation(self) -> bool:
        """Whether it is one of the eight flips and turns, without scaling."""
        off = abs((self.degrees + 45) % 90 - 45)
        return off <= DEGREES and abs(math.log(self.scale)) <= SCALING

    @property
    def name(self) -> str:
        """How the second image was turned, for a reader: ``mirrored``, ``rotated by 7°``."""
        quarter = round(self.degrees / 90) % 4
        if not self.is_orientation:
            turned = f"rotated by {abs(self.degrees):.0f}°" if abs(self.degrees) >= 1 else ""
            scaled = (
                f"scaled by {1 / self.scale:.2f}" if abs(math.log(self.scale)) > SCALING else ""
            )
            return (
                ", ".join(w for w in ("mirrored" if self.mirrored else "", turned, scaled) if w)
                or "shifted"
            )
        names = (
            ("as it is", "turned by 270°", "turned by 180°", "turned by 90°"),
            ("mirrored", "transposed", "upside down", "transposed and turned by 180°"),
        )
        return names[self.mirrored][quarter]

    @property
    def snapped(self) -> Transform:
        """The nearest of the eight flips and turns, exactly."""
        quarter, end = round(self.degrees / 90) % 4, SIDE - 1.0
        return Transform(
            self.mirrored,
            1.0,
            90.0 * quarter,
            ((0.0, 0.0), (end, 0.0), (end, end), (0.0, end))[quarter],
        )

    @property
    def inverse(self) -> Transform:
        """How the first image lies on the second one."""
        back, shift = np.linalg.inv(self._rotation()), np.array(self.shift)
        flip, end = (
            (np.diag([-1.0, 1.0]), np.array([SIDE - 1.0, 0.0]))
            if self.mirrored
            else (np.eye(2), np.zeros(2))
        )
        matrix, shift = flip @ back @ flip, flip @ back @ (end - shift) + end
        return Transform(
            self.mirrored,
            1 / self.scale,
            math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])),
            (float(shift[0]), float(shift[1])),
        )

    def _rotation(self) -> NDArray[np.float64]:
        turn = math.radians(self.degrees)
        return self.scale * np.array(
            [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        )

    def matrix(self, side: int) -> Floats:
        """From places in the first image to places in the second, float32 ``(2, 3)``."""
        by, rotation = side / SIDE, self._rotation()
        # a pixel's centre is at x + 0.5, which is what scales with the side
        shift = by * (np.array(self.shift) + 0.5) - 0.5 + 0.5 * (1 - by) * rotation.sum(axis=1)
        return np.asarray(np.column_stack([rotation, shift]), np.float32)


@dataclass(frozen=True)
class Agreement:
    """``places`` of ``matches`` agree on ``transform``, and ``alike`` is the share of inner blocks
    alike. ``stretched`` matches agree on an affine transform: a copy may be padded or cropped to
    another shape.
    """

    matches: int
    places: int
    spread: float
    transform: Transform
    alike: float
    stretched: int = 0

    @property
    def share(self) -> float:
        """The share of matches that agree."""
        return self.places / self.matches

    @property
    def is_altered(self) -> bool:
        """Whether the two are altered copies of one slice."""
        is_stretched = (
            self.stretched >= PLACES_TURNED and self.stretched >= SAME_SLICE * self.matches
        )
        return is_stretched or (
            self._is_sound and self.places >= PLACES_ALTERED and self.share >= SAME_SLICE
        )

    @property
    def is_related(self) -> bool:
        """Whether the two are altered copies, or slices of one scan."""
        least = PLACES if self.transform.is_orientation else PLACES_TURNED
        return self.is_altered or (
            self._is_sound and self.places >= least and self.share >= AGREEING
        )

    @property
    def _is_sound(self) -> bool:
        return self.spread >= SPREAD and self.alike >= BLOCKS


def agreement(features: Features, first: int, second: int, mirrored: bool) -> Agreement | None:
    """What two images agree on, ``second`` mirrored if asked for; None where there are too few
    matches.
    """
    import cv2

    one, other = features.of(first), features.of(second, mirrored)
    at, to = _matches(one[1], other[1])
    if len(at) < PLACES_ALTERED:
        return None
    here, there = one[0][at], other[0][to]
    cv2.setRNGSeed(0)
    found: Any
    agrees: Any  # both are None where there is no transform, whatever the stubs say
    found, agrees = cv2.estimateAffinePartial2D(
        here, there, ransacReprojThreshold=TOLERANCE, maxIters=_ITERATIONS, confidence=0.99
    )
    if found is None or int(agrees.sum()) < PLACES_ALTERED:
        return None
    kept = here[agrees.ravel() > 0]
    spread = math.sqrt(max(0.0, float(np.linalg.eigvalsh(np.cov(kept.T))[0])))
    transform = Transform(
        mirrored,
        math.hypot(found[0, 0], found[1, 0]),
        math.degrees(math.atan2(found[1, 0], found[0, 0])),
        (float(found[0, 2]), float(found[1, 2])),
    )
    return Agreement(
        len(at),
        len(kept),
        spread,
        transform,
        _alike(features, first, second, transform),
        _stretched(here, there) if len(kept) < SAME_SLICE * len(at) else 0,
    )


def _stretched(here: Floats, there: Floats) -> int:
    """How many matches agree on an affine transform; 0 where these are too few or it is none of a
    picture.
    """
    import cv2

    if len(here) < PLACES:
        return 0
    found: Any
    agrees: Any
    found, agrees = cv2.estimateAffine2D(
        here, there, ransacReprojThreshold=TOLERANCE, maxIters=_ITERATIONS
    )
    if found is None or int(agrees.sum()) < PLACES:
        return 0
    kept = here[agrees.ravel() > 0]
    narrow = float(np.linalg.eigvalsh(np.cov(kept.T))[0])
    long, short = np.linalg.svd(found[:, :2])[1]
    return (
        len(kept) if narrow >= SPREAD**2 and long <= 2 * short and short > 0.4 and long < 2.5 else 0
    )


def overlaid(image: NDArray[np.float32], transform: Transform) -> Floats:
    """The second image as it lies on the first one, float32, of the same side."""
    import cv2

    side = len(image)
    turned = np.ascontiguousarray(image[:, ::-1] if transform.mirrored else image)
    return np.asarray(
        cv2.warpAffine(
            turned,
            transform.matrix(side),
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        ),
        np.float32,
    )


def _matches(one: Floats, other: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of descriptors that are each other's nearest and clearly nearer than the second."""
    if min(len(one), len(other)) < PLACES_ALTERED:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    product = one @ other.T
    nearest, back = product.argmax(axis=1), product.argmax(axis=0)
    rows = np.arange(len(one))
    best = product[rows, nearest]
    product[rows, nearest] = -1
    is_clear = 1 - best < RATIO**2 * (1 - product.max(axis=1))
    at = np.flatnonzero((back[nearest] == rows) & is_clear)
    return at, nearest[at]


def _alike(features: Features, first: int, second: int, transform: Transform) -> float:
    """The share of inner blocks with any texture in which the two images correlate."""
    one, other = (features.small[i].astype(np.float32) for i in (first, second))
    blocks = [_blocks(one), _blocks(overlaid(other, transform))]
    power = [np.maximum((b * b).sum(axis=1), 1e-3) for b in blocks]
    textured = np.maximum(*power) > _BLOCK
    if textured.sum() < 4:
        return 0.0
    product = (blocks[0] * blocks[1]).sum(axis=1) / np.sqrt(power[0] * power[1])
    return float((product[textured] > ALIKE).mean())


def _blocks(image: Floats) -> Floats:
    """Blocks of 10 by 10 pixels, but for the outermost, each less its mean, float32 ``(36,
    100)``.
    """
    count = SMALL // _BLOCK
    blocks = (
        image.reshape(count, _BLOCK, count, _BLOCK)
        .swapaxes(1, 2)[1:-1, 1:-1]
        .reshape(-1, _BLOCK**2)
    )
    return np.asarray(blocks - blocks.mean(axis=1, keepdims=True), np.float32)
