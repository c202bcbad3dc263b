"""Which images are copies of each other under another tone: sharpened, equalised, brightened until they clip.

**Purpose.** Sets are often enlarged by such changes. Correlation of grey values (`medpipe.audits.image_copies`) allows for brightness and
contrast alone: a sharpened copy resembles its original no more than the next slice does.

**Method.** What such a change leaves is where edges lie. Every image becomes a band of its frequencies (the difference of two Gaussian
blurs), divided by the band's strength around each pixel; the correlation of two such bands is compared at 24 pixels for all pairs in eight
orientations, and where it reaches `_LIKELY` again at 128 pixels: as they are, and aligned where nothing else joins the two images; of two
clusters of copies the most alike pair is aligned.

**Thresholds**, on the brain MRI set, as `docs/imaging_comparison.md` says: among pairs of tumours whose patients other auditors have
traced, those at `EDGES` or more are copies by grey values, too; slices of one patient next to each other reach 0.90 at most. Aligned,
these reach 0.92 and copies 0.95 and more.

**Limits.** A copy under another tone that is cropped as well, by more than thumbnails bear, is not seen; nor is one so overexposed that its
edges are gone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.image_copies import ORIENTATIONS, SIDE, Pair, groups
from medpipe.errors import DataError

EDGES, ALIGNED = 0.90, 0.94
"""The least correlation of a copy's edges as they are, and after an alignment, which brings other slices nearer, too."""
SHIFTED_FROM = 0.60
"""From this correlation on a pair is aligned, where nothing else joins it."""
_COARSE, _LIKELY = 24, 0.86
_THUMB, _FINE, _BROAD = (0.7, 2.0, 11), (1.0, 2.5, 27), (1.5, 4.0, 27)
"""Pixels of the two blurs and of what is around: of thumbnails, of whole images, and of whole images to align them by."""
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
    scored = _scored(images, likely, set(known))
    found = {key: pair for key, pair in scored.items() if pair.score >= EDGES}
    cluster = _joined(len(images), [*known, *found])
    apart = _between(cluster, [p for p in scored.values() if SHIFTED_FROM <= p.score < EDGES])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        again = pool.map(lambda p: replace(p, score=_aligned(images[p.first], images[p.second], p.how)), apart)
        found |= {(p.first, p.second): p for p in again if p.score >= ALIGNED}
    return tuple(sorted(found.values(), key=lambda p: (-p.score, p.first, p.second)))


def _between(cluster: NDArray[np.int64], pairs: Collection[Pair]) -> list[Pair]:
    """The most alike pair of each two clusters: one alignment is enough to join them, and alignments are what takes the time."""
    best: dict[tuple[int, int], Pair] = {}
    for p in sorted(pairs, key=lambda p: (-p.score, p.first, p.second)):
        one, other = sorted((int(cluster[p.first]), int(cluster[p.second])))
        if one != other:
            best.setdefault((one, other), p)
    return list(best.values())


def _scored(images: NDArray[np.uint8], likely: Mapping[str, NDArray[np.int64]], known: set[tuple[int, int]]) -> dict[tuple[int, int], Pair]:
    """The likely pairs that are not known, each in its best orientation, with the correlation of their edges at 128 pixels."""
    places = np.unique(np.concatenate(list(likely.values())))
    edges = _edges(images[places], SIDE, np.float16)  # half precision keeps a correlation to the third digit and halves the memory
    of_place = np.full(len(images), -1, np.int64)
    of_place[places] = np.arange(len(places))
    blocks = [(how, block) for how, met in likely.items() for block in _blocks([(a, b) for a, b in met.tolist() if (a, b) not in known])]

    def correlations(part: tuple[str, Sequence[tuple[int, int]]]) -> list[float]:
        how, block = part
        one, other = (edges[of_place[list(side)]].astype(np.float32) for side in zip(*block, strict=True))
        return list(np.einsum("nij,nij->n", one, ORIENTATIONS[how](other)).tolist())

    found: dict[tuple[int, int], Pair] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (how, block), scores in zip(blocks, pool.map(correlations, blocks), strict=True):
            for key, score in zip(block, scores, strict=True):
                if key not in found or found[key].score < score:
                    found[key] = Pair(*key, min(score, 1.0), how)
    return found


def _blocks(pairs: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    yield from (pairs[start:start + _PAIRS] for start in range(0, len(pairs), _PAIRS))


def _joined(count: int, pairs: Collection[tuple[int, int]]) -> NDArray[np.int64]:
    return groups(count, [Pair(a, b, 1.0, "") for a, b in pairs])


def _aligned(image: NDArray[np.uint8], other: NDArray[np.uint8], how: str) -> float:
    """The correlation of edges after an affine alignment, where the two images overlap; -1 where none is found."""
    import cv2

    one, turned = (np.ascontiguousarray(x, np.float32) for x in (image, ORIENTATIONS[how](other)))
    stop, size = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4), (SIDE, SIDE)
    try:
        _, warp = cv2.findTransformECC(_band(one, *_BROAD), _band(turned, *_BROAD), np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE,
                                       stop, np.ones(size, np.uint8), 1)
    except cv2.error:  # it does not converge where nothing is alike
        return -1.0
    inverse = cv2.WARP_INVERSE_MAP
    both = cv2.warpAffine(np.ones(size, np.float32), warp, size, flags=cv2.INTER_NEAREST | inverse) > 0
    moved = np.asarray(cv2.warpAffine(turned, warp, size, flags=cv2.INTER_LINEAR | inverse), np.float32)
    seen = [_band(x, *_FINE)[both].astype(np.float64) for x in (one, moved)]
    return float(np.corrcoef(seen[0], seen[1])[0, 1]) if both.mean() > 0.5 else -1.0


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

    bands = np.zeros((len(images), side, side), kind)

    def fill(place: int) -> None:
        small = cv2.resize(images[place].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        edge = _band(small, *(_THUMB if side == _COARSE else _FINE))
        edge -= edge.mean()
        length = float(np.linalg.norm(edge))
        if length > 1:
            bands[place] = edge / length

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(len(images))))
    return bands


def _band(grey: NDArray[np.float32], fine: float, coarse: float, around: int) -> NDArray[np.float32]:
    """What lies between two blurs of ``fine`` and ``coarse`` pixels, over its strength within ``around`` pixels."""
    import cv2

    edge: Any = cv2.GaussianBlur(grey, (0, 0), fine) - cv2.GaussianBlur(grey, (0, 0), coarse)
    strength = np.maximum(cv2.blur(edge * edge, (around, around)), 0)  # running sums may fall a little below
    return np.asarray(edge / (np.sqrt(strength) + _FLOOR * cv2.meanStdDev(grey)[1].item() + 1e-3), np.float32)
