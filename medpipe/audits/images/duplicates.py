"""Find duplicate images and slices of the same patient.

**Purpose.** An image of the evaluation whose copy, or whose neighbouring slice, was trained on
measures memory.

**Method.** In stages, each cheap enough for the next: equal bytes, equal pixels, equal pictures in
eight orientations (`COPY`), then altered copies and neighbouring slices. For the last two,
candidates come from two embeddings (`candidates`), and the proof from geometry (`geometry`). Groups
that are larger than the number of candidates are searched again for what lies outside of them.

**Limits.** An image with fewer than 16 keypoints (blank, or very smooth) can only be found equal.
Two patients in the same position may agree by chance, at the rate in `docs/leakage.md`; thresholds
for slices of one patient are calibrated on brain MRI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.candidates import (
    BY_DESCRIPTORS,
    BY_THUMBNAIL,
    Candidates,
    candidates,
    embeddings,
)
from medpipe.audits.images.features import SIDE, Features, Grey, describe, in_threads, unsqueezed
from medpipe.audits.images.geometry import (
    PLACES,
    PLACES_TURNED,
    Agreement,
    Transform,
    agreement,
    overlaid,
)
from medpipe.audits.images.template import without_template

IDENTICAL, COPIED, ALTERED, SAME_PATIENT = "identical", "copy", "altered", "same patient likely"
KINDS = (IDENTICAL, COPIED, ALTERED, SAME_PATIENT)
"""Kinds of a relation, the closest first."""
COPY = 0.99
"""Least correlation of grey values, once laid over each other, of copies that were not altered."""
_CHUNK = 64
_UNTURNED = Transform(False, 1.0, 0.0, (0.0, 0.0))
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Match:
    """Images ``first`` < ``second``, by their places, are related as ``kind`` says.

    ``score``: correlation of grey values laid over each other. ``places`` of ``matches`` keypoints
    agree on ``transform``; both are 0 where equal bytes or pixels need no such proof. ``squeezed``:
    one of them only after its subject was cut out and stretched to a square.
    """

    first: int
    second: int
    kind: str
    score: float
    transform: Transform
    places: int = 0
    matches: int = 0
    squeezed: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether both show the same slice."""
        return self.kind != SAME_PATIENT

    @property
    def how(self) -> str:
        """How one comes from the other, for a reader."""
        if self.squeezed:
            return "squeezed"
        return self.transform.name if self.kind != ALTERED else f"{self.transform.name}, altered"


def find_matches(
    images: Grey, digests: Sequence[str] = (), told: Progress = lambda done, total: None
) -> tuple[Match, ...]:
    """All related pairs that were found among grey images uint8 ``(N, 160, 160)``, the closest
    first.

    ``digests``: of each image's file or full pixels; equal ones are identical. Each set of
    identical images enters the search once. Raises `DataError` for images of another size.
    """
    unique, same = _identical(images, digests)
    narrow, views = unsqueezed(images[unique])
    found: dict[tuple[int, int], Match] = {}
    for match in _searched(np.concatenate([images[unique], views]), told):
        mapped = _mapped(match, unique, narrow)
        if mapped is not None and not (mapped.squeezed and (mapped.first, mapped.second) in found):
            found[mapped.first, mapped.second] = mapped
    return tuple(
        sorted(
            [*same, *found.values()],
            key=lambda m: (KINDS.index(m.kind), -m.score, m.first, m.second),
        )
    )


def _mapped(match: Match, unique: NDArray[np.int64], narrow: NDArray[np.int64]) -> Match | None:
    """A match among images that occur once and the views of ``narrow`` ones, as one of images; None
    where a view proves too little: after stretching, images share no frame of reference.
    """
    first, second = (
        int(unique[i if i < len(unique) else narrow[i - len(unique)]])
        for i in (match.first, match.second)
    )
    if match.second < len(unique):
        return replace(match, first=first, second=second)
    if first == second or match.places < PLACES_TURNED:
        return None
    kind = SAME_PATIENT if match.kind == SAME_PATIENT else ALTERED
    turned = match.transform if first < second else match.transform.inverse
    return replace(
        match,
        first=min(first, second),
        second=max(first, second),
        kind=kind,
        transform=turned,
        squeezed=True,
    )


def _identical(images: Grey, digests: Sequence[str]) -> tuple[NDArray[np.int64], list[Match]]:
    """The first of each set of identical images, and each other one with its first."""
    first: dict[object, int] = {}
    unique, same = [], []
    for place, image in enumerate(images):
        keys = (*(("file", d) for d in digests[place : place + 1]), ("pixels", image.tobytes()))
        known = next((first[key] for key in keys if key in first), None)
        if known is None:
            unique.append(place)
        else:
            same.append(Match(known, place, IDENTICAL, 1.0, _UNTURNED))
        for key in keys:
            first.setdefault(key, place if known is None else known)
    return np.array(unique, np.int64), same


def _searched(images: Grey, told: Progress) -> Iterator[Match]:
    if len(images) < 2:
        return
    features = without_template(describe(images))
    indexed = embeddings(features)
    every = np.arange(len(images))
    pairs = candidates(indexed, every)
    found = list(_proven(images, features, pairs, told))
    yield from found
    group = joined(len(images), [(m.first, m.second) for m in found])
    crowded = every[np.bincount(group)[group] > min(BY_DESCRIPTORS, BY_THUMBNAIL)]
    again = {p: None for p in candidates(indexed, crowded, group) if p not in pairs}
    yield from _proven(images, features, again, told)


def joined(count: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The number of each image's group where pairs are joined transitively, int64 ``(N,)``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sides = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(sides.shape[1]), (sides[0], sides[1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _proven(images: Grey, features: Features, pairs: Candidates, told: Progress) -> Iterator[Match]:
    chunks = [list(pairs)[at : at + _CHUNK] for at in range(0, len(pairs), _CHUNK)]

    def one(chunk: list[tuple[int, int, bool]]) -> list[Match]:
        return [m for pair in chunk if (m := _match(images, features, *pair)) is not None]

    for done, found in enumerate(in_threads(one, chunks), 1):
        yield from found
        told(done, len(chunks))


def _match(
    images: Grey, features: Features, first: int, second: int, mirrored: bool
) -> Match | None:
    found = agreement(features, first, second, mirrored)
    if found is None or not found.is_related:
        return None
    transform, score = found.transform, _correlation(images[first], images[second], found.transform)
    if transform.is_orientation:  # as estimated it may be off by a fraction of a pixel
        exact = _correlation(images[first], images[second], transform.snapped)
        transform, score = (transform.snapped, exact) if exact > score else (transform, score)
    return Match(first, second, _kind(found, score), score, transform, found.places, found.matches)


def _kind(found: Agreement, score: float) -> str:
    if score >= COPY:
        return COPIED
    return (
        ALTERED
        if found.is_altered and max(found.places, found.stretched) >= PLACES
        else SAME_PATIENT
    )


def _correlation(one: Grey, other: Grey, transform: Transform) -> float:
    """Of grey values where the two images overlap."""
    here, there = np.asarray(one, np.float32), overlaid(np.asarray(other, np.float32), transform)
    both = overlaid(np.ones((SIDE, SIDE), np.float32), transform) > 0.99
    if both.sum() < 100:
        return 0.0
    a, b = here[both] - here[both].mean(), there[both] - there[both].mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))
