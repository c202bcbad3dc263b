"""Which images the generator sees, which real ones it does not, and which of both are compared with
each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.imaging.grouping import PATIENT, cluster_of
from medpipe.pipeline.splits import Index, split_by_patient
from medpipe.pipeline.synthesis.synthesis_settings import Data


@dataclass(frozen=True, eq=False)
class Images:
    """All images of a data set in one row, part after part. ``part`` and ``cluster``: str ``(N,)``;
    images of one cluster are copies of each other, or of one patient where patients are known.
    ``every``: the same with their planes.
    """

    every: ImagePart
    part: NDArray[np.str_]
    cluster: NDArray[np.str_]
    classes: tuple[str, ...]

    def planes(self, size: int) -> Planes:
        """All of them, ``size`` by ``size``."""
        return self.every.planes(size)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Places in `Images` of what the generator sees, in the order of their paths, and of what it
    does not see and that is no copy of it.
    """

    seen: Index
    unseen: Index


def in_one_row(data: ImageData) -> Images:
    """The parts of a data set that has its clusters (`with_clusters`), joined."""
    parts, name = list(data.parts.values()), cluster_of(data)

    def planes(size: int) -> Planes:
        each = [part.planes(size) for part in parts]
        return Planes(
            np.concatenate([p.channels for p in each]), np.concatenate([p.planes for p in each])
        )

    every = ImagePart(
        np.concatenate([p.label for p in parts]),
        np.concatenate([p.sample_id for p in parts]),
        {},
        planes,
    )
    cluster = np.concatenate([p.groups[name] for p in parts])
    return Images(
        every, np.repeat(list(data.parts), [len(p) for p in parts]), cluster, data.classes
    )


def choose(images: Images, written: Data) -> Chosen:
    """As written. Raises `DataError` where there are too few images, or none that stays unseen."""
    here = np.flatnonzero(images.part == written.part)
    if not len(here):
        raise DataError(
            f"data.part: expected one of {', '.join(dict.fromkeys(images.part.tolist()))}, got"
            f" {written.part!r}"
        )
    here = here[np.argsort(images.every.sample_id[here], kind="stable")]
    if written.first is not None:
        if written.first > len(here):
            raise DataError(
                f"data.first: expected at most the {len(here)} images of {written.part}, got"
                f" {written.first}"
            )
        here = here[: written.first]
    held: Index = np.array([], dtype=np.int64)
    if written.held_out:
        here, held = _apart(images, here, written)
    if written.train_sample is not None:
        here = here[
            _as_many_of_each(images.every.label[here], written.train_sample, written.sample_seed)
        ]
    if not written.held_out:
        held = np.flatnonzero(~np.isin(images.cluster, images.cluster[here]))
    if not len(held):
        raise DataError(
            "data.held_out: expected real images that the generator does not see, got none; hold"
            " out a share of them"
        )
    return Chosen(here, held)


def _apart(images: Images, here: Index, written: Data) -> tuple[Index, Index]:
    """Whole clusters on either side, classes in like proportions; both sides in the order they came
    in.
    """
    related = replace(
        images.every,
        label=images.every.label[here],
        sample_id=images.every.sample_id[here],
        groups={PATIENT: images.cluster[here]},
    )
    seen, held = split_by_patient(related, written.held_out, written.sample_seed)
    return here[np.sort(seen.index)], here[np.sort(held.index)]


def _as_many_of_each(label: NDArray[np.int64], count: int, seed: int) -> Index:
    """Places of ``count`` images, as many of each class (one more of the first ones where it does
    not go in), in their order.
    """
    kinds = np.unique(label)
    drawn = []
    for i, kind in enumerate(kinds.tolist()):
        wanted, of_kind = (
            count // len(kinds) + (i < count % len(kinds)),
            np.flatnonzero(label == kind),
        )
        if wanted > len(of_kind):
            raise DataError(
                f"data.train_sample: expected at most {len(of_kind)} images of class {kind}, got"
                f" {wanted} asked for"
            )
        drawn.append(np.random.default_rng((seed, kind)).permutation(of_kind)[:wanted])
    return np.sort(np.concatenate(drawn))


def pools(
    images: Images, chosen: Chosen, at_most: int, seed: int, *, as_seen: bool
) -> tuple[Index, Index]:
    """Seen and unseen images to compare with each other, drawn at random: as many on either side,
    of each class as many on either side, and of every cluster one image, so that all are
    independent of each other.

    ``as_seen``: classes in the proportions of what was seen, for what is asked of a distribution;
    else as many of each class as both sides have, for what is asked of having been seen. Raises
    `DataError` where fewer than two of a side are left.
    """
    label = images.every.label
    sides = [
        _one_of_each_cluster(images, side, (seed, number))
        for number, side in enumerate((chosen.seen, chosen.unseen))
    ]
    kinds, count = np.unique(label[chosen.seen], return_counts=True)
    there = np.min([[int((label[side] == kind).sum()) for kind in kinds] for side in sides], axis=0)
    parts = count if as_seen else there
    share = parts / max(parts.sum(), 1)
    largest = np.min(there[share > 0] / share[share > 0], initial=at_most)
    wanted = np.floor(largest * share + 1e-9).astype(int)
    if wanted.sum() < 2:
        raise DataError(
            "synthesis: expected unseen images of every class that the generator sees, got too few;"
            " hold out a share of them"
        )
    seen, unseen = (
        np.concatenate(
            [side[label[side] == kind][:n] for kind, n in zip(kinds, wanted, strict=True)]
        )
        for side in sides
    )
    return np.sort(seen), np.sort(unseen)


def _one_of_each_cluster(images: Images, side: Index, key: Sequence[int]) -> Index:
    """One image of each cluster, in random order."""
    shuffled = np.random.default_rng(key).permutation(side)
    return shuffled[np.sort(np.unique(images.cluster[shuffled], return_index=True)[1])]
