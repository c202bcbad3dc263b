"""Select candidate pairs of images by nearest neighbours in two cheap embeddings.

Thumbnails in eight orientations find copies and neighbouring slices; VLAD (Jégou et al. 2010), an
aggregate of SIFT descriptors, finds crops and arbitrary rotations. faiss compares up to `EXACT`
images exactly, and more than that by cells of about `CELL` images (Sivic and Zisserman 2003), so
that the cost of an image hardly grows with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from medpipe.audits.images.features import (
    MIRROR,
    MIRRORED,
    ORIENTATIONS,
    SCALE,
    Features,
    Floats,
    Index,
)

BY_THUMBNAIL, BY_DESCRIPTORS, ELSEWHERE = 12, 8, 6
"""Candidates of each image: by its thumbnail, by its descriptors, and outside of its own group."""
EXACT, CELL, CELLS = 10_000, 64, 32
"""Images up to which all pairs are compared; images of a cell, and cells that are looked into, for
more.
"""
_WORDS, _SAMPLE, _AXES = 32, 20_000, 128
_BLOCK, _ROWS = 4096, 512
Candidates = dict[tuple[int, int, bool], None]
"""Pairs (first, second, whether one is mirrored), first < second, in the order they were found."""


class Embedding:
    """Vectors of N images, float32 ``(N, d)``, and functions that give those of some images flipped
    or turned, each with whether it mirrors.
    """

    def __init__(
        self, plain: Floats, turned: Sequence[tuple[bool, Callable[[Index], Floats]]]
    ) -> None:
        self._index, self._turned, self._count = _index(plain), turned, len(plain)

    def nearest(
        self, rows: Index, count: int, group: Index | None
    ) -> Iterator[tuple[int, int, bool]]:
        """For each of ``rows`` up to ``count`` other images, the most alike first, outside of the
        row's ``group`` if given, and whether the best orientation is a mirrored one.
        """
        if group is None:
            for at in range(0, len(rows), _BLOCK):
                yield from self._nearest(rows[at : at + _BLOCK], count, None)
        else:
            for of in np.unique(group[rows]):
                yield from self._nearest(
                    rows[group[rows] == of], count, np.flatnonzero(group == of)
                )

    def _nearest(
        self, rows: Index, count: int, without: Index | None
    ) -> Iterator[tuple[int, int, bool]]:
        depth = min(count + 1, self._count)
        told = self._parameters(without)
        found = [self._index.search(turn(rows), depth, params=told) for _, turn in self._turned]
        score, other = (np.concatenate([f[side] for f in found], axis=1) for side in (0, 1))
        row = np.repeat(rows, other.shape[1])
        mirrored = np.tile(np.repeat([m for m, _ in self._turned], depth), len(rows))
        order = np.lexsort((mirrored, -score.ravel(), row))
        row, other, mirrored, score = (
            row[order],
            other.ravel()[order],
            mirrored[order],
            score.ravel()[order],
        )
        left = dict.fromkeys(rows.tolist(), count)
        seen: set[tuple[int, int]] = set()
        for r, o, m, s in zip(
            row.tolist(), other.tolist(), mirrored.tolist(), score.tolist(), strict=True
        ):
            if s > 0 and o not in (-1, r) and left[r] and (r, o) not in seen:
                seen.add((r, o))
                left[r] -= 1
                yield r, o, m

    def _parameters(self, without: Index | None) -> Any:
        faiss = _faiss()
        allowed = None if without is None else faiss.IDSelectorNot(faiss.IDSelectorBatch(without))
        if self._count <= EXACT:
            return faiss.SearchParameters(sel=allowed)
        return faiss.SearchParametersIVF(sel=allowed, nprobe=CELLS)


def _faiss() -> Any:  # its annotations are partial
    import faiss

    return faiss


def _index(vectors: Floats) -> Any:
    faiss, (count, axes) = _faiss(), vectors.shape
    index = faiss.IndexFlatIP(axes)
    if count > EXACT:
        index = faiss.IndexIVFFlat(index, axes, count // CELL, faiss.METRIC_INNER_PRODUCT)
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.seed = 10, CELL, 0
        index.train(vectors)
    index.add(vectors)
    return index


def embeddings(features: Features) -> tuple[tuple[Embedding, int], ...]:
    """The two embeddings, each with the number of candidates that it gives for an image."""
    return (_of_thumbnails(features), BY_THUMBNAIL), (_of_descriptors(features), BY_DESCRIPTORS)


def candidates(
    found: Sequence[tuple[Embedding, int]], rows: Index, group: Index | None = None
) -> Candidates:
    """Pairs to be looked at more closely, of ``rows`` with any image outside of their ``group``."""
    pairs: Candidates = {}
    for embedding, count in found:
        for row, other, is_mirrored in embedding.nearest(
            rows, count if group is None else ELSEWHERE, group
        ):
            pairs.setdefault((min(row, other), max(row, other), is_mirrored))
    return pairs


def _of_thumbnails(features: Features) -> Embedding:
    """Thumbnails on their principal axes: turned ones differ by a few axes only, so few are
    enough.
    """
    chosen = _drawn(len(features), 5000)

    def flat(rows: Index, name: str) -> Floats:
        return np.ascontiguousarray(ORIENTATIONS[name](features.thumbnail[rows])).reshape(
            len(rows), -1
        )

    axes = _principal(np.concatenate([flat(chosen, name) for name in ORIENTATIONS]))

    def turned(name: str) -> Callable[[Index], Floats]:
        return lambda rows: _unit(flat(rows, name) @ axes)

    return Embedding(
        turned("as it is")(np.arange(len(features))),
        [(name in MIRRORED, turned(name)) for name in ORIENTATIONS],
    )


def _of_descriptors(features: Features) -> Embedding:
    words, every, sample = _words(features), np.arange(len(features)), _drawn(len(features), 1500)
    drawn = np.concatenate([_vlad(features, sample, words, order) for order in (None, MIRROR)])
    mean = drawn.mean(axis=0)
    axes = _principal(drawn - mean, whiten=True)
    plain, mirrored = (
        np.concatenate(
            [
                _unit((_vlad(features, every[at : at + _ROWS], words, order) - mean) @ axes)
                for at in range(0, len(every), _ROWS)
            ]
        )
        for order in (None, MIRROR)
    )
    return Embedding(
        plain, [(False, lambda rows: plain[rows]), (True, lambda rows: mirrored[rows])]
    )


def _drawn(count: int, most: int) -> Index:
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(
        np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-6), np.float32
    )


def _principal(vectors: Floats, *, whiten: bool = False) -> Floats:
    """Principal axes as columns, float32 ``(d, at most 128)``; whitened by half if asked for."""
    from sklearn.utils.extmath import randomized_svd

    wanted = min(_AXES, *vectors.shape)
    _, size, axes = randomized_svd(vectors, wanted, n_iter=2, random_state=0)
    weight = (
        1 / np.sqrt(np.maximum(size, 1e-6 * max(float(size[0]), 1e-6)))
        if whiten
        else np.ones(wanted)
    )
    return np.asarray(axes.T * weight, np.float32)


def _words(features: Features) -> Floats:
    """Centres of descriptors, float32 ``(at most 32, 128)``."""
    from sklearn.cluster import MiniBatchKMeans

    drawn = (
        features.descriptor[_drawn(len(features.descriptor), _SAMPLE)].astype(np.float32) / SCALE
    )
    count = min(_WORDS, len(np.unique(drawn, axis=0)))
    if not count:
        return np.zeros((1, 128), np.float32)
    found = MiniBatchKMeans(count, random_state=0, n_init=1, batch_size=4096).fit(drawn)
    return np.asarray(found.cluster_centers_, np.float32)


def _vlad(features: Features, images: Index, words: Floats, order: Index | None) -> Floats:
    """The sum of each word's residuals, each of length 1, float32 ``(n, words * 128)``."""
    found = np.zeros((len(images), len(words), 128), np.float32)
    half = 0.5 * (words * words).sum(axis=1)
    for row, image in enumerate(images.tolist()):
        seen = features.of(image)[1]
        seen = seen if order is None else seen[:, order]
        chosen = np.zeros((len(words), len(seen)), np.float32)
        chosen[(seen @ words.T - half).argmax(axis=1), np.arange(len(seen))] = 1
        found[row] = chosen @ seen - chosen.sum(axis=1, keepdims=True) * words
    found /= np.linalg.norm(found, axis=2, keepdims=True) + 1e-6
    return _unit(found.reshape(len(images), -1))
