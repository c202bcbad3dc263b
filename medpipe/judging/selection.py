"""Which samples a measure counts, and as what: some of the true classes alone, or one side of the classes against the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medpipe.claims.claim import Measure
from medpipe.errors import DataError
from medpipe.evidence import Observations

SIDES = ("negative", "positive")


def selected(observations: Observations, measure: Measure) -> Observations:
    """The samples whose true class is ``among`` those named, with the classes collapsed into two where some are ``positive``.

    A call stays on the side of the class that was called: tumour against no tumour is judged by the answers given, not by new ones made
    of summed probabilities, which are dropped. Raises `DataError` for a class the data does not have.
    """
    if measure.among:
        wanted = np.isin(observations["y_true"], _indices(observations, measure.among))
        if not wanted.any():
            raise DataError(f"measure: expected samples of {', '.join(measure.among)}, got none")
        observations = observations.take(wanted)
    return _collapsed(observations, measure.positive) if measure.positive else observations


def _collapsed(o: Observations, positive: Sequence[str]) -> Observations:
    side = np.zeros(len(o.classes), np.int64)
    side[_indices(o, positive)] = 1
    if side.all():
        raise DataError(f"measure: expected a class beside the positive ones, got {', '.join(positive)}")
    arrays = {name: array for name, array in o.arrays.items() if name not in ("y_true", "y_pred", "y_prob")}
    return Observations(arrays | {name: side[o[name].astype(np.int64)] for name in ("y_true", "y_pred")}, SIDES, o.cluster)


def _indices(o: Observations, names: Sequence[str]) -> list[int]:
    absent = [name for name in names if name not in o.classes]
    if absent:
        raise DataError(f"measure: expected classes among {', '.join(o.classes) or 'none'}, got {', '.join(absent)}")
    return [o.classes.index(name) for name in names]
