"""Check whether a split of images is free of leakage, and make a split that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from medpipe.audits.images.duplicates import joined
from medpipe.audits.images.groups import Groups
from medpipe.audits.images.split_check import check_split, look_across
from medpipe.audits.proportions import Share, share
from medpipe.errors import DataError
from medpipe.formatting import listed
from medpipe.metrics.intervals import Interval
from medpipe.pipeline.data.image_groups import grey
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.imaging.leaked_images import training_part

TRAIN, TEST = "train", "test"
FOLDS, SEED, ROUNDS = 5, 0, 3
Index = NDArray[np.int64]


@dataclass(frozen=True)
class SplitAudit:
    """Of the images of ``part``: the shares that have a copy, or a slice of the same patient, in
    ``trained_on``, and the share ``second`` that the second method finds, beside the share
    ``expected`` of images of different patients. ``is_free``: no relative is known, and the second
    method finds no more than by chance.
    """

    part: str
    trained_on: str
    copies: Share
    patients: Share
    second: Share
    expected: Interval
    is_free: bool


def audit_split(
    data: ImageData,
    found: Groups,
    split: Mapping[str, str],
    train: str = "",
    known: NDArray[np.str_] | None = None,
) -> tuple[SplitAudit, ...]:
    """What each part of a split shares with the part trained on. ``split``: part by image;
    ``known``: groups str ``(N,)``, ``""`` where unknown.

    Images that the split does not name are left out. Raises `DataError` where the split is about
    other images, has one part only, or does not tell which part is trained on.
    """
    ids = _ids(data)
    part_of = np.array([split.get(i, "") for i in ids.tolist()])
    parts = sorted(set(part_of.tolist()) - {""})
    if not parts:
        raise DataError(
            f"split: expected paths of images such as {str(ids[0])!r} in the column image, got"
            f" others, {next(iter(split), '')!r} first"
        )
    trained_on = training_part(parts, train)
    if not trained_on or len(parts) < 2:
        raise DataError(
            "split: expected a part whose name begins with train and at least one other, got"
            f" {listed(parts)}; --train NAME names the part that is trained on"
        )
    training, pixels = np.flatnonzero(part_of == trained_on), grey(data)
    patient = with_known(found.patient, known)
    return tuple(
        _part(
            name,
            trained_on,
            ids,
            pixels,
            (found.slice, patient),
            training,
            np.flatnonzero(part_of == name),
        )
        for name in parts
        if name != trained_on
    )


def _part(
    name: str,
    trained_on: str,
    ids: NDArray[np.str_],
    pixels: NDArray[np.uint8],
    groups: tuple[Index, Index],
    training: Index,
    here: Index,
) -> SplitAudit:
    names, cluster = ids[here].tolist(), groups[1][here].astype(str).tolist()
    copies, patients = (
        share(kind, np.isin(group[here], group[training]), names, cluster)
        for kind, group in zip(("copies", "patients"), groups, strict=True)
    )
    second = check_split(look_across(pixels, training, here), names, cluster)
    return SplitAudit(
        name,
        trained_on,
        copies,
        patients,
        second.found,
        second.expected,
        not copies.count and not patients.count and second.passes,
    )


def clean_split(
    data: ImageData, found: Groups, known: NDArray[np.str_] | None = None
) -> dict[str, str]:
    """A split of all images, by path: a fifth of every class for `TEST`, the rest for `TRAIN`.

    No group of related images, and no group ``known`` str ``(N,)`` (``""`` where unknown), is on
    both sides. Pairs that the second method finds across are joined, and the split is made again.
    Raises `DataError` where a class has too few groups.
    """
    ids, pixels = _ids(data), grey(data)
    label = np.concatenate([part.label for part in data.parts.values()])
    group = with_known(found.patient, known)
    for _ in range(ROUNDS):
        few = [
            kind for k, kind in enumerate(data.classes) if len(np.unique(group[label == k])) < FOLDS
        ]
        if few:
            raise DataError(
                f"{data.source}: expected at least {FOLDS} groups of related images in each class"
                f" to split, got fewer in {listed(few)}; add images of other patients"
            )
        training, test = next(
            StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED).split(label, label, group)
        )
        nearest = look_across(pixels, training, test)
        across = np.flatnonzero(nearest.flagged)
        if not len(across):
            break
        links = np.column_stack([test[across], nearest.other[across]])
        group = joined(len(ids), [*_chains(group), *((int(a), int(b)) for a, b in links)])
    is_test = np.isin(np.arange(len(ids)), test)
    return {
        image: TEST if held else TRAIN
        for image, held in zip(ids.tolist(), is_test.tolist(), strict=True)
    }


def with_known(patient: Index, known: NDArray[np.str_] | None) -> Index:
    """Inferred groups joined with known ones."""
    if known is None:
        return patient
    told = np.flatnonzero(known != "")
    number = np.unique(known[told], return_inverse=True)[1]
    first = {int(n): int(told[np.flatnonzero(number == n)[0]]) for n in np.unique(number)}
    return joined(
        len(patient),
        [*_chains(patient), *((first[int(n)], int(i)) for n, i in zip(number, told, strict=True))],
    )


def _chains(group: Index) -> list[tuple[int, int]]:
    """Each image with the first of its group."""
    first = np.unique(group, return_index=True)[1]
    place = np.unique(group, return_inverse=True)[1]
    return [(int(first[n]), i) for i, n in enumerate(place.tolist()) if first[n] != i]


def _ids(data: ImageData) -> NDArray[np.str_]:
    return np.concatenate([part.sample_id for part in data.parts.values()])
