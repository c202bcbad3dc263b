"""Which images are copies of each other under another tone: sharpened, equalised, brightened until they clip.

**Purpose.** Sets are often enlarged by such changes. Correlation of grey values (`medpipe.audits.image_copies`) allows for brightness and
contrast alone: a sharpened copy resembles its original no more than the next slice does.

**Method.** What such a change leaves is where edges lie. Every image becomes a band of its frequencies (the difference of two Gaussian
blurs), divided by the band's strength around each pixel; the correlation of two such bands is compared at 24 pixels for all pairs in eight
orientations, and where it reaches `_LIKELY` again at 128 pixels.

**Threshold**, on the brain MRI set, as `docs/imaging_comparison.md` says: of pairs of tumours whose patients other auditors have traced,
those at `EDGES` or more are copies by grey values, too, and none is of two folds; slices next to each other stay below.

**Limits.** Nothing is aligned: a copy that is cropped or shifted by more than a pixel or two of 128 is for `image_copies` to find.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.image_copies import ORIENTATIONS, SIDE, Pair
from medpipe.errors import DataError

EDGES = 0.94
_COARSE, _LIKELY = 24, 0.90
_ROWS, _PAIRS = 1024, 128
_FLOOR = 0.05
"""Of an image's deviation: edges fainter than this are not raised to the strength of others, or noise would count as much as a skull."""


def retoned(images: NDArray[np.uint8], known: Collection[tuple[int, int]] = ()) -> tuple[Pair, ...]:
    """Pairs whose edges lie alike among grey images uint8 ``(N, 128, 128)``, but for those ``known`` (first, second); the most alike first.

    ``score`` is the correlation of edges, at least `EDGES`. Seconds grow with N². Raises `DataError` for images of another size.
    """
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"copies: expected grey images (N, {SIDE}, {SIDE}), got {images.shape}")
    likely = {how: met for how, met in _likely(images) if len(met)}
    if not likely:
        return ()
    places = np.unique(np.concatenate(list(likely.values())))
    edges = _edges(images[places], SIDE, np.float16)  # half precision keeps a correlation to the third digit and halves the memory
    of_place = np.full(len(images), -1, np.int64)
    of_place[places] = np.arange(len(places))
    left_out, found = set(known), dict[tuple[int, int], Pair]()
    for how, met in likely.items():
        wanted = np.array([pair for pair in map(tuple, met.tolist()) if pair not in left_out], np.int64).reshape(-1, 2)
        for start in range(0, len(wanted), _PAIRS):
            block = wanted[start:start + _PAIRS]
            one, other = (edges[of_place[block[:, side]]].astype(np.float32) for side in (0, 1))
            score = np.einsum("nij,nij->n", one, ORIENTATIONS[how](other))
            for k in np.flatnonzero(score >= EDGES).tolist():
                pair = Pair(int(block[k, 0]), int(block[k, 1]), min(float(score[k]), 1.0), how)
                key = (pair.first, pair.second)
                if key not in found or found[key].score < pair.score:
                    found[key] = pair
    return tuple(sorted(found.values(), key=lambda p: (-p.score, p.first, p.second)))


def _likely(images: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Pairs alike at 24 pixels as places int64 ``(n, 2)``, the first the smaller one, by orientation."""
    coarse = _edges(images, _COARSE, np.float32)
    plain = coarse.reshape(len(coarse), -1)
    for how, turn in ORIENTATIONS.items():
        turned = np.ascontiguousarray(turn(coarse)).reshape(len(coarse), -1)
        met = []
        for start in range(0, len(plain), _ROWS):
            near = np.argwhere(plain[start:start + _ROWS] @ turned[start:].T >= _LIKELY)
            met.append(near[near[:, 0] < near[:, 1]] + start)
        yield how, np.concatenate(met)


def _edges(images: NDArray[np.uint8], side: int, kind: type[np.floating[Any]]) -> NDArray[Any]:
    """Bands ``(N, side, side)`` of mean 0 and length 1, so that a product is a correlation; an even image becomes 0."""
    import cv2

    fine, coarse, around = (0.7, 2.0, 11) if side == _COARSE else (1.5, 4.0, 27)  # pixels
    bands = np.zeros((len(images), side, side), kind)
    for band, image in zip(bands, images, strict=True):
        small = cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        edge: Any = cv2.GaussianBlur(small, (0, 0), fine) - cv2.GaussianBlur(small, (0, 0), coarse)
        strength = np.maximum(cv2.blur(edge * edge, (around, around)), 0)  # running sums may fall a little below
        edge /= np.sqrt(strength) + _FLOOR * small.std() + 1e-3
        edge -= edge.mean()
        length = float(np.linalg.norm(edge))
        if length > 1:
            band[:] = edge / length
    return bands


def known_of(pairs: Sequence[Pair], least: float) -> set[tuple[int, int]]:
    """The places of pairs that score at least ``least``."""
    return {(p.first, p.second) for p in pairs if p.score >= least}
