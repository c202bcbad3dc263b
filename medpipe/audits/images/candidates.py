"""Which pairs of images are worth a closer look: nearest neighbours by two cheap embeddings.

Thumbnails in eight orientations find copies and neighbouring slices; VLAD (Jégou et al. 2010), an
aggregate of SIFT descriptors, finds crops and arbitrary rotations. Both are compared exactly, in
blocks: for 100,000 images this is still cheaper than extracting the descriptors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.features import MIRROR, MIRRORED, ORIENTATIONS, SCALE, Features, Floats, Index

BY_THUMBNAIL, BY_DESCRIPTORS, ELSEWHERE = 12, 8, 6
"""Candidates of each image: by its thumbnail, by its descriptors, and outside of its own group."""
_WORDS, _SAMPLE, _AXES = 32, 20_000, 128
_BLOCK = 512
Candidates = dict[tuple[int, int, bool], None]
"""Pairs (first, second, whether one is mirrored), first < second, in the order they were found."""


class Embedding:
    """Vectors of N images, and those of each image flipped and turned, each float32 ``(N, d)``."""

    def __init__(self, plain: Floats, turned: Sequence[tuple[bool, Floats]]) -> None:
        self.plain, self.turned = plain, turned

    def nearest(self, rows: Index, count: int, group: Index | None) -> Iterator[tuple[int, int, bool]]:
        """For each of ``rows`` up to ``count`` other images, the most alike first, outside of the
        row's ``group`` if given, and whether the best orientation is a mirrored one.
        """
        count = min(count, len(self.plain) - 1)
        if count < 1:
            return
        for start in range(0, len(rows), _BLOCK):
            here = rows[start:start + _BLOCK]
            best = self.plain[here] @ self.turned[0][1].T
            for _, other in self.turned[1:]:
                np.maximum(best, self.plain[here] @ other.T, out=best)
            best[np.arange(len(here)), here] = -2
            if group is not None:
                best[group[here][:, None] == group[None, :]] = -2
            place = np.argpartition(-best, count - 1, axis=1)[:, :count]
            score = np.take_along_axis(best, place, 1)
            order = np.argsort(-score, axis=1, kind="stable")
            place, score = np.take_along_axis(place, order, 1), np.take_along_axis(score, order, 1)
            is_mirrored = self._mirrored(here, place)
            for row, *found in zip(here.tolist(), place.tolist(), score.tolist(), is_mirrored.tolist(), strict=True):
                yield from ((row, p, m) for p, s, m in zip(*found, strict=True) if s > 0)

    def _mirrored(self, rows: Index, place: Index) -> NDArray[np.bool_]:
        """Whether the orientation in which each pair is most alike is a mirrored one."""
        sides = {False: np.full(place.shape, -2, np.float32), True: np.full(place.shape, -2, np.float32)}
        for is_mirrored, other in self.turned:
            score = np.einsum("rd,rkd->rk", self.plain[rows], other[place])
            np.maximum(sides[is_mirrored], score, out=sides[is_mirrored])
        return sides[True] > sides[False]


def embeddings(features: Features) -> tuple[tuple[Embedding, int], ...]:
    """The two embeddings, each with the number of candidates that it gives for an image."""
    return (_of_thumbnails(features), BY_THUMBNAIL), (_of_descriptors(features), BY_DESCRIPTORS)


def candidates(found: Sequence[tuple[Embedding, int]], rows: Index, group: Index | None = None) -> Candidates:
    """Pairs to be looked at more closely, of ``rows`` with any image outside of their ``group``."""
    pairs: Candidates = {}
    for embedding, count in found:
        for row, other, is_mirrored in embedding.nearest(rows, count if group is None else ELSEWHERE, group):
            pairs.setdefault((min(row, other), max(row, other), is_mirrored))
    return pairs


def _of_thumbnails(features: Features) -> Embedding:
    """Thumbnails on their principal axes: turned ones differ by a few axes only, so few are enough."""
    flat = features.thumbnail.reshape(len(features), -1)
    by_name: Mapping[str, Floats] = {
        name: np.ascontiguousarray(turn(features.thumbnail)).reshape(len(features), -1)
        for name, turn in ORIENTATIONS.items()}
    chosen = _drawn(len(features), 5000)
    axes = _principal(np.concatenate([values[chosen] for values in by_name.values()]))
    return Embedding(_unit(flat @ axes), [(name in MIRRORED, _unit(values @ axes)) for name, values in by_name.items()])


def _of_descriptors(features: Features) -> Embedding:
    words, every, sample = _words(features), np.arange(len(features)), _drawn(len(features), 1500)
    drawn = np.concatenate([_vlad(features, sample, words, order) for order in (None, MIRROR)])
    mean = drawn.mean(axis=0)
    axes = _principal(drawn - mean, whiten=True)
    plain, mirrored = (
        np.concatenate([_unit((_vlad(features, every[at:at + _BLOCK], words, order) - mean) @ axes)
                        for at in range(0, len(every), _BLOCK)]) for order in (None, MIRROR))
    return Embedding(plain, [(False, plain), (True, mirrored)])


def _drawn(count: int, most: int) -> Index:
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-6), np.float32)


def _principal(vectors: Floats, *, whiten: bool = False) -> Floats:
    """Principal axes as columns, float32 ``(d, at most 128)``; whitened by half if asked for."""
    from sklearn.utils.extmath import randomized_svd

    wanted = min(_AXES, *vectors.shape)
    _, size, axes = randomized_svd(vectors, wanted, n_iter=2, random_state=0)
    weight = 1 / np.sqrt(np.maximum(size, 1e-6 * max(float(size[0]), 1e-6))) if whiten else np.ones(wanted)
    return np.asarray(axes.T * weight, np.float32)


def _words(features: Features) -> Floats:
    """Centres of descriptors, float32 ``(at most 32, 128)``."""
    from sklearn.cluster import MiniBatchKMeans

    drawn = features.descriptor[_drawn(len(features.descriptor), _SAMPLE)].astype(np.float32) / SCALE
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
