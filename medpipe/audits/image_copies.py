"""Which images are copies of each other, and which are slices so alike that they are likely of one patient.

**Purpose.** An image of the evaluation whose copy was trained on measures memory. Copies seldom are equal bytes: they are stored again,
resized, flipped, turned, brightened or cropped.

**Method.** Every image is compared with every other in its eight orientations and cropped by up to 5 %, as thumbnails of 12 by 12
pixels; its nearest one is then aligned (an affine transform, by the enhanced correlation coefficient of Evangelidis and Psarakis 2008)
at 128 pixels. Beside that all pairs are compared at 64 pixels as they are, in eight orientations. The measure is normalised
cross-correlation, which neither brightness nor contrast changes.

**Thresholds**, measured on the brain MRI set, whose tumour patients other auditors have traced and sorted into five folds: of 1,647 pairs
at `COPY` or more 1,646 were of one fold, where chance would give a fifth. Of 300 planted copies, cropped by 1 to 5 % and a third each
mirrored and turned, 96.7 % were aligned to it. Of 430 pairs between `NEIGHBOUR` and `COPY` 396 were of one fold.

**Limits.** Only the nearest image is aligned, so of many cropped copies not every pair is named. A copy under a strong change of tone, or
cropped by more, may pass as a neighbour or not be seen. What is alike by nature (slices without content) may be called a copy.
`NEIGHBOUR` is calibrated on brain MRI and holds for nothing else without another look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

SIDE = 128
"""Pixels a side of the images compared."""

COPY, NEIGHBOUR = 0.99, 0.95
Grey = NDArray[np.uint8]
Vectors = NDArray[np.float32]
_THUMB, _MIDDLE, _CROP = 12, 64, 3
_LIKELY = 0.93
"""Below this correlation of thumbnails no pair is looked at closer: 99 % of planted crops were above 0.96."""
_ROWS = 1024
ORIENTATIONS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "as it is": lambda a: a, "mirrored": lambda a: a[..., ::-1], "upside down": lambda a: a[..., ::-1, :],
    "turned by 180°": lambda a: a[..., ::-1, ::-1], "transposed": lambda a: a.swapaxes(-1, -2),
    "turned by 90°": lambda a: a.swapaxes(-1, -2)[..., ::-1, :], "turned by 270°": lambda a: a.swapaxes(-1, -2)[..., ::-1],
    "transposed and turned by 180°": lambda a: a.swapaxes(-1, -2)[..., ::-1, ::-1]}
"""What a copy may be, by name: each maps the last two axes."""


@dataclass(frozen=True)
class Pair:
    """Images ``first`` < ``second`` by their places; ``score`` is their correlation, ``how`` the orientation of one to the other."""

    first: int
    second: int
    score: float
    how: str


def alike(images: Grey) -> tuple[Pair, ...]:
    """All pairs found at `NEIGHBOUR` or more among grey images uint8 ``(N, 128, 128)``, the most alike first; each pair once.

    Seconds grow with N²: 7,000 images take half a minute on one core. Raises `DataError` for images of another size.
    """
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"copies: expected grey images (N, {SIDE}, {SIDE}), got {images.shape}")
    found: dict[tuple[int, int], Pair] = {}
    for pair in (*_equal(images), *_nearest_aligned(images)):
        key = (pair.first, pair.second)
        if key not in found or found[key].score < pair.score:
            found[key] = pair
    return tuple(sorted(found.values(), key=lambda p: (-p.score, p.first, p.second)))


def groups(count: int, pairs: Sequence[Pair], least: float = COPY) -> NDArray[np.int64]:
    """The cluster of each of ``count`` images, int64 ``(N,)``, numbered by first appearance: joined by pairs of at least ``least``.

    A chain of copies is one cluster; at `COPY` links are so sure that chains do not run from patient to patient.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = [(p.first, p.second) for p in pairs if p.score >= least]
    first, second = (np.array(side, np.int64) for side in (zip(*kept, strict=True) if kept else ((), ())))
    label = connected_components(coo_array((np.ones(len(first)), (first, second)), shape=(count, count)), directed=False)[1]
    return np.asarray(label, np.int64)


def _vectors(images: NDArray[Any]) -> Vectors:
    """Images ``(N, h, w)`` as rows of mean 0 and length 1, so that a product of rows is their correlation; an even image is a row of 0."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-3), np.float32)


def _shrunk(images: NDArray[Any], side: int) -> NDArray[np.float32]:
    import cv2

    return np.stack([cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) for image in images])


def _equal(images: Grey) -> Iterator[Pair]:
    """All pairs that are copies as they are, in one of the orientations."""
    middle = _shrunk(images, _MIDDLE)
    thumb = _vectors(_shrunk(images, _THUMB)).reshape(-1, _THUMB, _THUMB)
    fine = _vectors(middle).reshape(-1, _MIDDLE, _MIDDLE)
    plain, plain_fine = thumb.reshape(len(images), -1), fine.reshape(len(images), -1)
    for how, turn in ORIENTATIONS.items():
        turned = np.ascontiguousarray(turn(thumb)).reshape(len(images), -1)
        turned_fine = np.ascontiguousarray(turn(fine)).reshape(len(images), -1)
        for start in range(0, len(images), _ROWS):
            rows, columns = np.nonzero(plain[start:start + _ROWS] @ turned[start:].T >= COPY - 0.01)  # coarse pixels vary a little more
            keep = rows < columns
            rows, columns = rows[keep] + start, columns[keep] + start
            for at in range(0, len(rows), _ROWS):
                one, other = rows[at:at + _ROWS], columns[at:at + _ROWS]
                score = np.einsum("ij,ij->i", plain_fine[one], turned_fine[other])
                for k in np.flatnonzero(score >= COPY):
                    yield Pair(int(one[k]), int(other[k]), min(float(score[k]), 1.0), how)


def _nearest_aligned(images: Grey) -> Iterator[Pair]:
    """Each image with the one that its thumbnail resembles most under any orientation and crop, aligned."""
    score, other, how, window = _nearest(images)
    likely = np.flatnonzero(score >= _LIKELY).tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        aligned = pool.map(lambda i: _aligned(images[i], images[other[i]], how[i], window[i]), likely)
        for i, found in zip(likely, aligned, strict=True):
            if found >= NEIGHBOUR:
                yield Pair(min(i, int(other[i])), max(i, int(other[i])), found, how[i])


def _windows(side: int) -> tuple[tuple[int, int, int], ...]:
    """Crops of a square as (left, top, side): none, and about 5 % off towards each corner and all around."""
    cut = max(1, round(_CROP * side / _MIDDLE))
    corners = tuple((x, y, side - cut) for x in (0, cut) for y in (0, cut))
    return ((0, 0, side), *corners, (cut // 2, cut // 2, side - cut))


def _nearest(images: Grey) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str], list[int]]:
    """Of each image the best correlation of thumbnails, with which image, in which orientation and which of the windows of that one."""
    count = len(images)
    middle, plain = _shrunk(images, _MIDDLE), _vectors(_shrunk(images, _THUMB))
    best, other = np.full(count, -1, np.float32), np.zeros(count, np.int64)
    how, where = [""] * count, [0] * count
    for number, (x, y, side) in enumerate(_windows(_MIDDLE)):
        cropped = _vectors(_shrunk(middle[:, y:y + side, x:x + side], _THUMB)).reshape(-1, _THUMB, _THUMB)
        for name, turn in ORIENTATIONS.items():
            turned = np.ascontiguousarray(turn(cropped)).reshape(count, -1)
            for start in range(0, count, _ROWS):
                block = plain[start:start + _ROWS] @ turned.T
                block[np.arange(len(block)), np.arange(start, start + len(block))] = -1
                place = block.argmax(axis=1)
                top = block[np.arange(len(block)), place]
                for k in np.flatnonzero(top > best[start:start + _ROWS]).tolist():
                    best[start + k], other[start + k], how[start + k], where[start + k] = top[k], place[k], name, number
    return best, other, how, where


def _aligned(image: NDArray[np.uint8], other: NDArray[np.uint8], how: str, window: int) -> float:
    """The correlation of two images after an affine alignment that begins at a window of the other; -1 where none is found."""
    import cv2

    turn = ORIENTATIONS[how]
    x, y, side = _windows(SIDE)[window]
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y:y + side, x:x + side] = True
    rows, columns = np.nonzero(turn(mask))
    start = np.array([[side / SIDE, 0, columns.min()], [0, side / SIDE, rows.min()]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4)
    try:
        found, _ = cv2.findTransformECC(np.ascontiguousarray(image, np.float32), np.ascontiguousarray(turn(other), np.float32), start,
                                        cv2.MOTION_AFFINE, stop, np.ones((SIDE, SIDE), np.uint8), 3)
    except cv2.error:  # it does not converge where nothing is alike, or on an even image
        return -1.0
    return min(float(found), 1.0)
