"""Group dependent images: copies of one slice, and likely slices of one patient.

Copies of one slice are joined transitively. Slices are then joined into patients, the surest link
first. A link between two slices is weaker evidence than a copy, and a chain of weak links would run
from patient to patient. So two groups that both hold several slices are joined only if a second
link supports the first, or if one link is strong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.duplicates import KINDS, SAME_PATIENT, Match, joined

STRONG = 40
"""Agreeing places of one link that is enough to join two groups of several slices."""
SUPPORT = 2
"""Links that are needed otherwise."""
FOUND_OF_PLANTED = (1422, 1440)
"""Altered copies that the search joined to their original, of those planted among real slices; see
`docs/leakage.md`.
"""
SHEETS = "contact_sheets"
"""The split of a run's observations that holds images of the largest groups."""
CONFIDENCE: Mapping[str, float] = {
    "identical": 1.0,
    "copy": 0.98,
    "altered": 0.67,
    SAME_PATIENT: 0.98,
}
"""The share of such links that join images of one patient is at least this; see `docs/leakage.md`.
"""
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """``images``: two or more places; ``kind``: of its loosest link that was needed; ``slices``:
    distinct slices.
    """

    images: tuple[int, ...]
    kind: str
    slices: int

    @property
    def confidence(self) -> float:
        """The least share of links of this kind that join images of one patient, as measured."""
        return CONFIDENCE[self.kind]


@dataclass(frozen=True, eq=False)
class Groups:
    """Of N images the number of the ``slice`` and of the ``patient``, int64 ``(N,)``, each numbered
    by first appearance, and the ``links`` that joined them.
    """

    slice: Index
    patient: Index
    links: tuple[Match, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups of two or more images, the largest first."""
        loosest: dict[int, int] = {}
        slices = {
            of: len(np.unique(self.slice[self.patient == of]))
            for of in {int(self.patient[m.first]) for m in self.links}
        }
        for link in self.links:
            of = int(self.patient[link.first])
            if link.is_copy or slices[of] > 1:
                loosest[of] = max(loosest.get(of, 0), KINDS.index(link.kind))
        found = [
            Group(tuple(np.flatnonzero(self.patient == of).tolist()), KINDS[kind], slices[of])
            for of, kind in loosest.items()
        ]
        return tuple(sorted(found, key=lambda g: (-len(g.images), g.images)))


def group(count: int, matches: Sequence[Match]) -> Groups:
    """Groups of ``count`` images, joined by ``matches``."""
    copies = [m for m in matches if m.kind != SAME_PATIENT]
    weak = sorted(
        (m for m in matches if m.kind == SAME_PATIENT), key=lambda m: (-m.places, m.first, m.second)
    )
    slices = joined(count, [(m.first, m.second) for m in copies])
    patients, links = _joined_by_support(slices, weak)
    return Groups(_numbered(slices), _numbered(patients), (*copies, *links))


def _joined_by_support(slices: Index, links: Sequence[Match]) -> tuple[Index, list[Match]]:
    """The patient of each image, int64 ``(N,)``, and the links that joined slices to patients."""
    sets = _Sets(slices)
    used: list[Match] = []
    waiting = list(links)
    while waiting:
        support = sets.support(links)
        left = []
        for link in waiting:
            sides = sets.sides(link)
            if sides[0] == sides[1]:
                used.append(link)
            elif (
                link.places >= STRONG or sets.smaller(sides) == 1 or len(support[sides]) >= SUPPORT
            ):
                sets.join(sides)
                used.append(link)
            else:
                left.append(link)
        if len(left) == len(waiting):
            break
        waiting = left
    return sets.roots()[slices], used


class _Sets:
    """Disjoint sets of slices, each known by one of them."""

    def __init__(self, slices: Index) -> None:
        self._slices = slices.tolist()
        self._parent = list(range(int(slices.max(initial=-1)) + 1))
        self._size = [1] * len(self._parent)

    def sides(self, link: Match) -> tuple[int, int]:
        one, other = sorted(self._root(self._slices[i]) for i in (link.first, link.second))
        return one, other

    def smaller(self, sides: tuple[int, int]) -> int:
        return min(self._size[side] for side in sides)

    def join(self, sides: tuple[int, int]) -> None:
        self._parent[sides[1]] = sides[0]
        self._size[sides[0]] += self._size[sides[1]]

    def support(self, links: Sequence[Match]) -> Mapping[tuple[int, int], set[tuple[int, int]]]:
        """The pairs of slices that link each two sets."""
        found: defaultdict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        for link in links:
            one, other = sorted((self._slices[link.first], self._slices[link.second]))
            found[self.sides(link)].add((one, other))
        return found

    def roots(self) -> Index:
        return np.array([self._root(of) for of in range(len(self._parent))], np.int64)

    def _root(self, of: int) -> int:
        while self._parent[of] != of:
            self._parent[of] = self._parent[self._parent[of]]
            of = self._parent[of]
        return of


def _numbered(label: Index) -> Index:
    """Labels as numbers by first appearance."""
    _, first, place = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place].astype(np.int64)


def combined(known: NDArray[np.str_], inferred: NDArray[np.str_]) -> NDArray[np.str_]:
    """Known groups str ``(N,)``, ``""`` where unknown, extended by ``inferred`` groups str
    ``(N,)``.

    An image of unknown group takes the known one of its inferred group. Where an inferred group
    holds images of several known groups, all of its images become unknown: it is not clear where
    they belong, and a split leaves them out.
    """
    found = known.astype(np.str_)
    for of in np.unique(inferred):
        here = np.flatnonzero(inferred == of)
        names = np.unique(known[here][known[here] != ""])
        if len(names):
            found[here] = names[0] if len(names) == 1 else ""
    return found
