"""Features by which images are compared: a normalised thumbnail, a small image and SIFT
descriptors.

Local normalisation (subtract the local mean, divide by the local standard deviation) cancels
brightness, contrast and gamma. Descriptors are RootSIFT (Arandjelović and Zisserman 2012), stored
as bytes. Mirroring an image permutes the values of its descriptors, so that none is computed twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

SIDE = 160
"""Pixels a side of the images that are compared."""
THUMBNAIL, SMALL = 24, 80
KEYPOINTS = 300
SQUEEZED, FAINT = 0.65, 0.08
"""Least ratio of a subject's sides that is natural; of an image's range: what is darker is
background.
"""
SCALE = 510
"""A descriptor's value is stored as a byte: the square root of a share, times this."""
Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

ORIENTATIONS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "as it is": lambda a: a,
    "mirrored": lambda a: a[..., ::-1],
    "upside down": lambda a: a[..., ::-1, :],
    "turned by 180°": lambda a: a[..., ::-1, ::-1],
    "transposed": lambda a: a.swapaxes(-1, -2),
    "turned by 90°": lambda a: a.swapaxes(-1, -2)[..., ::-1, :],
    "turned by 270°": lambda a: a.swapaxes(-1, -2)[..., ::-1],
    "transposed and turned by 180°": lambda a: a.swapaxes(-1, -2)[..., ::-1, ::-1],
}
"""The eight flips and turns of a square, by name: each maps the last two axes."""
MIRRORED = ("mirrored", "upside down", "transposed", "transposed and turned by 180°")

_LAYOUT = np.arange(128).reshape(4, 4, 8)
MIRROR = _LAYOUT[::-1][:, :, (-np.arange(8)) % 8].reshape(-1)
"""Where the values of a descriptor (4 by 4 cells, 8 directions) go when the image is mirrored."""


@dataclass(frozen=True, eq=False)
class Features:
    """Of N images: ``thumbnail`` float32 ``(N, 24, 24)`` of mean 0 and length 1 (0 for an even
    image), ``small`` float16 ``(N, 80, 80)``, ``start`` int64 ``(N + 1,)``: keypoints of image i
    are ``start[i]`` to ``start[i + 1]`` of ``point`` float32 ``(P, 2)`` (x, y) and
    ``descriptor`` uint8 ``(P, 128)``.
    """

    thumbnail: Floats
    small: NDArray[np.float16]
    start: Index
    point: Floats
    descriptor: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.thumbnail)

    def of(self, image: int, mirrored: bool = False) -> tuple[Floats, Floats]:
        """Keypoints and descriptors of one image, or of its mirror image."""
        here = slice(self.start[image], self.start[image + 1])
        point = self.point[here]
        found: Floats = self.descriptor[here].astype(np.float32) / np.float32(SCALE)
        if not mirrored:
            return point, found
        return (
            np.array([SIDE - 1, 0], np.float32) + np.array([-1, 1], np.float32) * point,
            found[:, MIRROR],
        )


def describe(images: Grey) -> Features:
    """Features of grey images uint8 ``(N, 160, 160)``. Raises `DataError` for another size."""
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
        raise DataError(
            f"leakage: expected grey images uint8 (N, {SIDE}, {SIDE}), "
            f"got {images.dtype} {images.shape}"
        )
    count = len(images)
    thumbnail = np.zeros((count, THUMBNAIL, THUMBNAIL), np.float32)
    small = np.zeros((count, SMALL, SMALL), np.float16)

    def one(place: int) -> tuple[Floats, NDArray[np.uint8]]:
        thumbnail[place] = _thumbnail(images[place])
        small[place] = _normalised(_resized(images[place], SMALL), 0.8, 4)
        return _keypoints(images[place])

    found = list(in_threads(one, range(count)))
    start = np.cumsum([0, *(len(point) for point, _ in found)])
    nothing = (np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    point, descriptor = (np.concatenate(side) for side in zip(nothing, *found, strict=True))
    return Features(thumbnail, small, start.astype(np.int64), point, descriptor)


def unsqueezed(images: Grey) -> tuple[Index, Grey]:
    """The places of images whose subject is squeezed, int64 ``(M,)``, and each cut to its subject
    and stretched to the full square, uint8 ``(M, h, h)``.
    """
    found = list(in_threads(_unsqueezed, images))
    places = [place for place, view in enumerate(found) if view is not None]
    views = [view for view in found if view is not None]
    return np.array(places, np.int64), np.stack(views) if views else images[:0]


def _unsqueezed(image: Grey) -> Grey | None:
    import cv2

    blurred: Any = cv2.GaussianBlur(image, (0, 0), 2)
    y, x = np.nonzero(blurred > blurred.min() + FAINT * (float(blurred.max()) - blurred.min()))
    if not len(y):
        return None
    (top, bottom), (left, right) = (np.percentile(side, (0.5, 99.5)).astype(int) for side in (y, x))
    height, width = bottom + 1 - top, right + 1 - left
    if min(height, width) >= SQUEEZED * max(height, width) or min(height, width) < THUMBNAIL:
        return None
    return np.asarray(cv2.resize(image[top : bottom + 1, left : right + 1], image.shape), np.uint8)


def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """The results in order. Each thread computes alone: threads of BLAS and OpenCV would
    compete.
    """
    import cv2
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(work, items)
    finally:
        cv2.setNumThreads(before)


def _resized(image: Grey, side: int) -> Floats:
    import cv2

    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _normalised(image: Floats, fine: float, around: float) -> Floats:
    """An image less its surroundings, over their standard deviation; ``fine``: blurred by first."""
    import cv2

    blurred: Any = cv2.GaussianBlur(image, (0, 0), fine) if fine else image
    rest = blurred - cv2.GaussianBlur(image, (0, 0), around)
    return np.asarray(
        rest / (np.sqrt(cv2.GaussianBlur(rest * rest, (0, 0), around)) + 4), np.float32
    )


def _thumbnail(image: Grey) -> Floats:
    import cv2

    found = cv2.resize(
        _normalised(_resized(image, 64), 1, 4), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA
    )
    found -= found.mean()
    length = float(np.linalg.norm(found))
    return np.asarray(found / length if length > 1e-3 else np.zeros_like(found), np.float32)


def _keypoints(image: Grey) -> tuple[Floats, NDArray[np.uint8]]:
    import cv2

    flat = _normalised(np.asarray(image, np.float32), 0, 8)
    sift = cv2.SIFT_create(nfeatures=KEYPOINTS, contrastThreshold=0.02)  # type: ignore[attr-defined]
    points, found = sift.detectAndCompute(np.clip(flat * 40 + 128, 0, 255).astype(np.uint8), None)
    if found is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    root = np.sqrt(found / (found.sum(axis=1, keepdims=True) + 1e-6)) * SCALE
    kept = np.clip(np.rint(root), 0, 255).astype(np.uint8)[:KEYPOINTS]
    return np.array([p.pt for p in points[:KEYPOINTS]], np.float32), kept
