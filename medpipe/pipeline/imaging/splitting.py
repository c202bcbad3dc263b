"""Training and evaluation images: as published, without relatives on both sides, and with them but
equal in everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from medpipe.errors import DataError
from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.imaging.grouping import Groups, groups_of
from medpipe.pipeline.imaging.imaging_settings import Data
from medpipe.pipeline.splits import Index, Subset, split_by_image, split_by_patient, whole


@dataclass(frozen=True, eq=False)
class _Known:
    """The images whose group is known, under the name by which `split_by_patient` asks for
    groups.
    """

    label: NDArray[np.int64]
    sample_id: NDArray[np.str_]
    groups: Mapping[str, Groups]


def splits_of(data: ImageData, written: Data) -> dict[str, Subset]:
    """``training`` and ``validation`` as written, and the other folder whole under its name in
    small letters.
    """
    if written.part not in data.parts:
        raise DataError(
            f"{data.source}: expected a folder {written.part}, got {', '.join(data.parts)}; restore"
            " the data set's layout"
        )
    groups = groups_of(data, written.part, written.groups, written.clusters_for or ())
    training, validation = divide(data.parts[written.part], written, groups)
    others = {
        name.lower(): whole(part) for name, part in data.parts.items() if name != written.part
    }
    if others.keys() & {"training", "validation"} or len(others) < len(data.parts) - 1:
        raise DataError(
            f"{data.source}: expected other folders than {written.part} by names of their own, not"
            f" training or validation, got {', '.join(data.parts)}; rename them, or split"
            " another one"
        )
    return {"training": training, "validation": validation, **others}


def divide(part: ImagePart, written: Data, groups: Groups | None) -> tuple[Subset, Subset]:
    """Training and validation images of a part, as written. ``groups`` str ``(N,)``: related images
    share one; ``""`` is unknown.

    Images of unknown group may be related to any other: ``disjoint`` and ``related`` leave them out
    on both sides. Raises `DataError` where groups are asked for and not given, or where a class has
    too few images.
    """
    if written.split == "random-by-image":
        training, validation = split_by_image(part, written.validation_fraction, written.split_seed)
    elif written.split == "by-patient":
        training, validation = split_by_patient(
            part, written.validation_fraction, written.split_seed
        )
    elif groups is None:
        raise DataError(
            f"split {written.split}: expected data.groups (clusters, patient_id or"
            " table:FILE.csv:COLUMN), got none"
        )
    else:
        training, validation = _by_relatives(part, written, groups)
    return (
        Subset(part, fraction_of(training, written.train_fraction, written.split_seed)),
        validation,
    )


def _by_relatives(part: ImagePart, written: Data, groups: Groups) -> tuple[Subset, Subset]:
    known = np.flatnonzero(groups != "")
    if not len(known):
        raise DataError(f"split {written.split}: expected images whose group is known, got none")
    grouped = _Known(part.label[known], part.sample_id[known], {"patient_id": groups[known]})
    others, held = split_by_patient(grouped, written.validation_fraction, written.split_seed)
    others_at, held_at = known[others.index], known[held.index]
    try:
        relatives, reported = train_test_split(
            held_at, test_size=0.5, stratify=part.label[held_at], random_state=written.split_seed
        )
    except ValueError as error:
        raise DataError(
            f"split {written.split}: expected at least two held-out images of every class, got"
            f" fewer ({error})"
        ) from error
    training = (
        others_at
        if written.split == "disjoint"
        else _exchanged(part.label, others_at, relatives, written.split_seed)
    )
    return Subset(part, training), Subset(part, reported)


def _exchanged(label: NDArray[np.int64], others: Index, relatives: Index, seed: int) -> Index:
    """``relatives`` in the place of as many of the ``others`` of the same class, drawn at
    random.
    """
    kept = []
    for kind in np.unique(label[others]):
        of_kind = others[label[others] == kind]
        leave = int((label[relatives] == kind).sum())
        if leave > len(of_kind):
            raise DataError(
                f"split related: expected at least {leave} training images of class {kind} to"
                f" exchange, got {len(of_kind)}"
            )
        kept.append(np.random.default_rng((seed, int(kind))).permutation(of_kind)[leave:])
    return np.sort(np.concatenate([*kept, relatives]))


def fraction_of(training: Subset, fraction: float, seed: int) -> Index:
    """The share of every class's images that is trained on, rounded up. A smaller share is
    contained in a larger one.
    """
    if fraction == 1:
        return training.index
    kept = []
    for kind in np.unique(training.label):
        of_kind = np.sort(training.index[training.label == kind])
        count = int(np.ceil(fraction * len(of_kind) - 1e-9))  # 0.1 * 30 is 3, not 4
        kept.append(np.random.default_rng((seed, int(kind))).permutation(of_kind)[:count])
    return np.sort(np.concatenate(kept))
