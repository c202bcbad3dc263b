"""Observations: the label, prediction and probability of each sample. Scores are computed from
them, never stored instead of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

Array = NDArray[Any]
PROBABILITY_ROUNDING = 2e-3
"""Probabilities are stored as float16; rows may miss one, and the largest may tie, by this much."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Named arrays over the same N samples.

    ``arrays`` maps a name to an array whose first axis has length N. Names with a meaning of their
    own:

    - ``sample_id``: str ``(N,)``, unique and stable between runs (required);
    - ``y_true``, ``y_pred``: integers ``(N,)``, indices into ``classes``;
    - ``y_prob``: float ``(N, C)``, rows sum to 1, finite; kept as float16;
    - every other string array ``(N,)`` is a group column (``sex``, ``patient_id``, ``abstract_id``,
      …), and any other array ``(N,)`` can be used as one (`column`); the empty string means "not
      known", as do NaN, None, ``<NA>`` and ``NaT``.

    ``cluster`` names the group column whose samples depend on each other (sentences of one
    abstract, images of one patient); None where samples are taken as independent. Raises
    `DataError`.
    """

    arrays: Mapping[str, Array]
    classes: tuple[str, ...] = ()
    cluster: str | None = None
    _n: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        arrays = {name: _compact(name, np.asarray(a)) for name, a in self.arrays.items()}
        object.__setattr__(self, "arrays", arrays)
        object.__setattr__(self, "classes", tuple(self.classes))
        if "sample_id" not in arrays:
            raise DataError(
                "observations: expected an array 'sample_id', got "
                + (", ".join(arrays) or "no arrays")
            )
        ids = arrays["sample_id"]
        if ids.dtype.kind not in "Uiu" or ids.ndim != 1:
            raise DataError(
                f"observations: expected texts (N,) in 'sample_id', got {ids.dtype} {ids.shape}"
            )
        n = ids.shape[0]
        object.__setattr__(self, "_n", n)
        if n == 0:
            raise DataError("observations: expected at least one sample, got none")
        for name, a in arrays.items():
            if a.ndim == 0 or a.shape[0] != n:
                raise DataError(
                    f"observations: expected {n} rows in {name!r} as in 'sample_id', got shape"
                    f" {a.shape}"
                )
        if len(set(arrays["sample_id"].tolist())) != n:
            raise DataError("observations: expected unique sample ids, got duplicates")
        self._check_labels()
        if self.cluster is not None and (
            self.cluster not in arrays
            or arrays[self.cluster].ndim != 1
            or self.cluster == "sample_id"
        ):
            raise DataError(
                f"observations: expected a group column {self.cluster!r} to cluster by, got"
                f" {', '.join(self.groups) or 'none'}"
            )

    def _check_labels(self) -> None:
        count = len(self.classes)
        for name in ("y_true", "y_pred"):
            if name not in self.arrays:
                continue
            a = self.arrays[name]
            if a.ndim != 1 or a.dtype.kind not in "iu":
                raise DataError(
                    f"observations: expected integers (N,) in {name!r}, got {a.dtype} {a.shape}"
                )
            if a.min() < 0 or a.max() >= count:
                raise DataError(
                    f"observations: expected {name!r} in 0..{count - 1}, got {a.min()}..{a.max()}"
                )
        if "y_prob" in self.arrays:
            p = self.arrays["y_prob"].astype(np.float64)
            if p.shape != (self._n, count):
                raise DataError(
                    f"observations: expected 'y_prob' of shape {(self._n, count)}, got {p.shape}"
                )
            if (
                not np.isfinite(p).all()
                or p.min() < 0
                or np.abs(p.sum(axis=1) - 1).max() > count * PROBABILITY_ROUNDING
            ):
                raise DataError(
                    "observations: expected finite probabilities whose rows sum to 1 in 'y_prob',"
                    " got others"
                )
            if "y_pred" in self.arrays and not self._follows_probabilities(p):
                raise DataError(
                    "observations: expected 'y_pred' to be the most probable class of 'y_prob' (or,"
                    " of two classes, the one that a threshold on the probability of the second"
                    " gives), got others"
                )

    def _follows_probabilities(self, p: Array) -> bool:
        """Whether the predictions are the most probable class, or, of two classes, those at some
        threshold.
        """
        if self.is_most_probable:
            return True
        positive = self.arrays["y_pred"] == 1
        if p.shape[1] != 2 or positive.all() or not positive.any():
            return bool(p.shape[1] == 2)
        return bool(p[positive, 1].min() >= p[~positive, 1].max() - PROBABILITY_ROUNDING)

    @property
    def is_most_probable(self) -> bool:
        """Whether each prediction is the most probable class, as far as the probabilities are
        stored exactly.
        """
        p = self.arrays["y_prob"].astype(np.float64)
        chosen = np.take_along_axis(p, self.arrays["y_pred"].astype(np.int64)[:, None], axis=1)[
            :, 0
        ]
        return not (p.max(axis=1) - chosen > PROBABILITY_ROUNDING).any()

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, name: str) -> Array:
        if name not in self.arrays:
            raise DataError(
                f"observations: expected an array {name!r}, got {', '.join(self.arrays)}"
            )
        return self.arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the group columns."""
        return tuple(
            n
            for n, a in self.arrays.items()
            if a.dtype.kind == "U" and a.ndim == 1 and n != "sample_id"
        )

    def column(self, name: str) -> Array:
        """A group column of any dtype as text ``(N,)``; the empty string where the value is
        missing.
        """
        a = self[name]
        if a.ndim != 1:
            raise DataError(
                f"observations: expected one value for each sample in {name!r}, got shape {a.shape}"
            )
        return _text(a)

    def take(self, index: Array | Sequence[int]) -> Observations:
        """The samples at ``index`` (integers or a boolean mask), without repeats."""
        return Observations(
            {n: a[np.asarray(index)] for n, a in self.arrays.items()}, self.classes, self.cluster
        )


def _compact(name: str, a: Array) -> Array:
    """The smallest faithful type: probabilities float16, labels uint8 or int32, text
    fixed-width.
    """
    if a.dtype.kind == "O":
        a = _text(a)
    if name == "y_prob":
        if a.dtype.kind not in "fiu":
            raise DataError(f"observations: expected numbers in 'y_prob', got {a.dtype}")
        return a.astype(np.float16)
    if name in ("y_true", "y_pred") and a.dtype.kind in "iu" and a.size:
        return a.astype(np.uint8 if a.min() >= 0 and a.max() < 256 else np.int32)
    return a


MISSING = ("", "nan", "none", "<na>", "nat")
"""How a missing value is spelt, in any case, by numpy, pandas and Python."""


def _text(a: Array) -> Array:
    """Values as text: whole numbers without a fraction, also beside missing ones; the empty string
    for what is missing.
    """
    known, index = np.unique(a.astype(np.str_), return_inverse=True)
    whole = a.dtype.kind == "f" and bool((a[np.isfinite(a)] % 1 == 0).all())
    spelt = [
        "" if k.strip().lower() in MISSING else k.removesuffix(".0") if whole else k
        for k in known.tolist()
    ]
    return np.array(spelt, np.str_)[index] if len(spelt) else a.astype(np.str_)
