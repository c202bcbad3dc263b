"""Select the samples that a measure counts, and group classes where it asks for that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence import Observations
from medpipe.evidence.observations import PROBABILITY_ROUNDING
from medpipe.specs.claim import Measure

SIDES = ("negative", "positive")


def selected(observations: Observations, measure: Measure) -> Observations:
    """The samples whose true class is ``among`` those named, with the classes collapsed into two
    where some are ``positive``.

    A call stays on the side of the class that was called: tumour against no tumour is judged by the
    answers given, not by new ones made of summed probabilities, which are dropped. With a
    ``threshold`` the calls are those that it gives on the probability of the positive side. Raises
    `DataError` for a class the data does not have, and for calls at a threshold that the measure
    does not state.
    """
    if measure.among:
        wanted = np.isin(observations["y_true"], _indices(observations, measure.among))
        if not wanted.any():
            raise DataError(f"measure: expected samples of {', '.join(measure.among)}, got none")
        observations = observations.take(wanted)
    if measure.threshold is not None:
        return _called_at(observations, measure.threshold, measure.positive)
    if (
        "y_prob" in observations
        and "y_pred" in observations
        and measure.metric is not None
        and not observations.is_most_probable
    ):
        _refuse_unstated(observations)
    return _collapsed(observations, measure.positive) if measure.positive else observations


def _called_at(o: Observations, threshold: float, positive: Sequence[str]) -> Observations:
    """The samples called positive from the threshold on. A probability within rounding of it keeps
    the call that was made.
    """
    if "y_prob" not in o:
        raise DataError(
            f"measure: expected probabilities 'y_prob' to call at the threshold {threshold:g}, got"
            " none"
        )
    if not positive and len(o.classes) != 2:
        raise DataError(
            "measure: expected two classes or the 'positive' ones for a threshold, got"
            f" {len(o.classes)} classes"
        )
    sides = _indices(o, positive) if positive else [1]
    probability = o["y_prob"].astype(np.float64)[:, sides].sum(axis=1)
    calls = probability >= threshold
    if "y_pred" in o:
        made, near = (
            np.isin(o["y_pred"], sides),
            np.abs(probability - threshold) <= PROBABILITY_ROUNDING,
        )
        if not o.is_most_probable and (made != calls)[~near].any():
            raise DataError(
                f"measure: expected predictions at the threshold {threshold:g}, got some at one "
                f"{_threshold_of(probability, made)}"
            )
        calls = np.where(near, made, calls)
    two = o if not positive else _collapsed(o, positive)
    kept = {name: array for name, array in two.arrays.items() if name != "y_prob"}
    return Observations(kept | {"y_pred": calls.astype(np.int64)}, two.classes, o.cluster)


def _refuse_unstated(o: Observations) -> None:
    probability = o["y_prob"].astype(np.float64)[:, 1]
    raise DataError(
        f"the predictions were made at a threshold {_threshold_of(probability, o['y_pred'] == 1)}"
        f" of the probability of {o.classes[1]}, not at 0.5; state it in the claim, as in measure:"
        " {threshold: 0.3}"
    )


def _threshold_of(probability: NDArray[np.float64], called: NDArray[np.bool_]) -> str:
    """Where a threshold must lie for these calls, in words."""
    below = probability[~called].max() if not called.all() else 0.0
    above = probability[called].min() if called.any() else 1.0
    return f"between {below:.3f} and {above:.3f}"


def _collapsed(o: Observations, positive: Sequence[str]) -> Observations:
    side = np.zeros(len(o.classes), np.int64)
    side[_indices(o, positive)] = 1
    if side.all():
        raise DataError(
            f"measure: expected a class beside the positive ones, got {', '.join(positive)}"
        )
    arrays = {
        name: array
        for name, array in o.arrays.items()
        if name not in ("y_true", "y_pred", "y_prob")
    }
    return Observations(
        arrays
        | {name: side[o[name].astype(np.int64)] for name in ("y_true", "y_pred") if name in o},
        SIDES,
        o.cluster,
    )


def _indices(o: Observations, names: Sequence[str]) -> list[int]:
    absent = [name for name in names if name not in o.classes]
    if absent:
        raise DataError(
            f"measure: expected classes among {', '.join(o.classes) or 'none'}, got"
            f" {', '.join(absent)}"
        )
    return [o.classes.index(name) for name in names]
