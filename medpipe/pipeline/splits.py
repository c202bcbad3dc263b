"""Which samples are used for what: the published sampling and the published split, and the sound
split beside it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations

Index = NDArray[np.int64]


class Part(Protocol):
    """What `Subset` needs of a part of a data set: ``label`` int64 ``(N,)``, ``sample_id`` and each
    group str ``(N,)``.
    """

    @property
    def label(self) -> NDArray[np.int64]: ...
    @property
    def sample_id(self) -> NDArray[np.str_]: ...
    @property
    def groups(self) -> Mapping[str, NDArray[np.str_]]: ...


@dataclass(frozen=True, eq=False)
class Subset:
    """The samples ``index`` of a part, in that order."""

    part: Part
    index: Index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def label(self) -> NDArray[np.int64]:
        """int64 ``(N,)``, indices into the classes."""
        return self.part.label[self.index]

    def observe(self, classes: Sequence[str], cluster: str, **seen: NDArray[Any]) -> Observations:
        """Observations of these samples: ids, labels and groups from the data, ``seen``
        (``y_pred``, ``y_prob``) from a model.

        ``cluster`` is left out where the data has no such group.
        """
        groups = {name: column[self.index] for name, column in self.part.groups.items()}
        arrays = {
            "sample_id": self.part.sample_id[self.index],
            "y_true": self.label,
            **seen,
            **groups,
        }
        return Observations(arrays, tuple(classes), cluster if cluster in groups else None)


def whole(part: Part) -> Subset:
    """All samples of a part in their order."""
    return Subset(part, np.arange(len(part.label)))


def sample_rows(available: int, rows: int, sample: int, seed: int) -> Index:
    """Draw ``sample`` of the first ``rows`` rows without replacement; fewer where there are fewer.

    Draws and orders as ``pandas.DataFrame.sample(n, random_state=seed)`` does. Raises `DataError`
    where there are no rows.
    """
    if available < 1:
        raise DataError(
            "sampling: expected at least one row to draw from, got none; check the data set"
        )
    rows = min(rows, available)
    drawn = np.random.RandomState(seed).choice(rows, size=min(sample, rows), replace=False)
    return drawn.astype(np.int64)


def split_by_image(part: Part, fraction: float, seed: int) -> tuple[Subset, Subset]:
    """Training and validation samples as published: at random by image, stratified by class,
    ignoring patients.

    Samples are taken in the order of their ids, so the split does not depend on how a folder lists
    its files. The validation part holds ``ceil(fraction * N)`` samples. Raises `DataError` where a
    class or a part would be too small.
    """
    order = np.argsort(part.sample_id, kind="stable")
    try:
        train, validation = train_test_split(
            order, test_size=fraction, stratify=part.label[order], random_state=seed
        )
    except ValueError as error:
        raise DataError(
            "split by image: expected enough images of every class for a validation part of"
            f" {fraction:g}, got {len(order)} images ({error})"
        ) from error
    return Subset(part, train), Subset(part, validation)


def split_by_patient(part: Part, fraction: float, seed: int) -> tuple[Subset, Subset]:
    """Training and validation samples without a common patient, stratified by class as far as
    patients allow.

    The validation part is one of ``round(1 / fraction)`` folds. Raises `DataError` where patients
    are not known.
    """
    patients = part.groups.get("patient_id")
    if patients is None or (patients == "").any():
        raise DataError(
            "split by patient: expected a patient_id for every image, got images without; use"
            " split: random-by-image"
        )
    order = np.argsort(part.sample_id, kind="stable")
    folds = max(2, math.floor(1 / fraction + 0.5))
    if len(np.unique(patients)) < folds:
        raise DataError(
            f"split by patient: expected at least {folds} patients, got {len(np.unique(patients))}"
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a class with fewer patients than folds cannot stand in each of them; one fold is all that
        # is used here
        warnings.filterwarnings("ignore", "The least populated class in y", UserWarning)
        try:
            train, validation = next(splitter.split(order, part.label[order], patients[order]))
        except ValueError as error:
            raise DataError(
                f"split by patient: expected at least {folds} images of a class, got fewer"
                f" ({error})"
            ) from error
    return Subset(part, order[train]), Subset(part, order[validation])
