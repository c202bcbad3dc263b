"""Every confusion matrix of two classes that gives the printed scores, counted exactly.

For each count of true positives, each score leaves a range of false positives; what is left of all
ranges together are the matrices. Whole numbers throughout, so that no matrix on the edge of a
rounding interval is lost or won. `second_opinion` asks ``mlscorecheck`` the same, so that nobody is
accused on one implementation alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.rounding import Range, counts

MOST_POSITIVES = 2_000_000
"""True positives are tried one by one: more than these would take seconds."""
NAMES = {
    "accuracy": "acc",
    "precision": "ppv",
    "recall": "sens",
    "specificity": "spec",
    "f1": "f1p",
}
"""What mlscorecheck calls the scores."""
Ints = NDArray[Any]


def matrices(
    positives: int, negatives: int, scores: Mapping[str, Range]
) -> tuple[int, tuple[int, int] | None]:
    """How many confusion matrices have every score (`NAMES`) in its range, and (true positives,
    false positives) of one of them.

    A precision where nothing is predicted positive may be 0 or 1: libraries differ. Raises
    `ValueError` for more than `MOST_POSITIVES`.
    """
    if positives > MOST_POSITIVES:
        raise ValueError(f"expected at most {MOST_POSITIVES:,} positives, got {positives:,}")
    hits = counts(scores.get("recall", Range(None, None)), positives)
    if not hits:
        return 0, None
    small = (positives + negatives) * 2 * max(_denominators(scores.values()), default=1) < 2**62
    tp: Ints = np.arange(hits[0], hits[-1] + 1, dtype=np.int64 if small else object)
    low, high = np.zeros_like(tp), np.full_like(tp, negatives)
    for name, values in scores.items():
        if name != "recall":
            least, most = _false_positives(name, values, tp, positives, negatives)
            low, high = np.maximum(low, least), np.minimum(high, most)
    ways = np.maximum(high - low + 1, 0)
    first = int(np.argmax(ways > 0))
    return int(ways.sum()), (int(tp[first]), int(low[first])) if ways[first] > 0 else None


def _denominators(ranges: Any) -> Iterator[int]:
    for r in ranges:
        yield from (
            max(abs(end.numerator), end.denominator) for end in (r.low, r.high) if end is not None
        )


def _false_positives(
    name: str, values: Range, tp: Ints, positives: int, negatives: int
) -> tuple[Ints, Ints]:
    """The fewest and the most false positives that each count of true positives leaves one
    score.
    """
    if name == "specificity":
        right = counts(values, negatives)
        return _ends(tp, negatives - right[-1], negatives - right[0]) if right else _none(tp)
    if name == "accuracy":
        right = counts(values, positives + negatives)
        return (tp + negatives - right[-1], tp + negatives - right[0]) if right else _none(tp)
    # precision: tp / (tp + fp); F1: 2 tp / (tp + fp + positives)
    times, besides = (1, 0) if name == "precision" else (2, positives)
    least, most = np.zeros_like(tp), np.full_like(tp, negatives)
    if values.low is not None and values.low > 0:
        most = times * tp * values.low.denominator // values.low.numerator - tp - besides
        if values.low > 1 or (
            values.high is not None and values.high < 1
        ):  # nothing called positive: 0 or 1, nothing else
            most = np.where(tp > 0, most, -1)
    if values.high is not None and values.high > 0:
        least = -(-times * tp * values.high.denominator // values.high.numerator) - tp - besides
    elif values.high is not None:  # only no true positive at all gives 0
        least = np.where(tp > 0, negatives + 1, 0 if values.high == 0 else negatives + 1)
    return least, most


def _ends(tp: Ints, low: int, high: int) -> tuple[Ints, Ints]:
    return np.full_like(tp, low), np.full_like(tp, high)


def _none(tp: Ints) -> tuple[Ints, Ints]:
    return _ends(tp, 1, 0)


def second_opinion(positives: int, negatives: int, scores: Mapping[str, Range]) -> bool | None:
    """Whether ``mlscorecheck`` finds a confusion matrix; None where it cannot be asked (limits such
    as ``<2%``, too many digits).
    """
    closed = {
        NAMES[name]: (r.low, r.high)
        for name, r in scores.items()
        if r.low is not None and r.high is not None
    }
    reach = {name: float(high - low) / 2 for name, (low, high) in closed.items()}
    if len(closed) < 2 or min(reach.values()) < 1e-7:
        return None
    from mlscorecheck.check.binary import (
        check_1_testset_no_kfold,
    )  # takes a second to import: only where somebody would be accused

    with _quiet():
        found: dict[str, Any] = check_1_testset_no_kfold(
            testset={"p": positives, "n": negatives},
            scores={name: float(low + high) / 2 for name, (low, high) in closed.items()},
            eps=reach,
            numerical_tolerance=min(1e-9, min(reach.values()) / 1000),
        )
    return not found["inconsistency"]


@contextmanager
def _quiet() -> Iterator[None]:
    """mlscorecheck tells its working on the console."""
    log = logging.getLogger("mlscorecheck")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)
