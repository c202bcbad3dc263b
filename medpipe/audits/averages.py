"""Scores of more than two classes, averaged over them: is there a confusion matrix that gives them?

`averaged` tries every way to spread the errors over the classes where there are few enough, and
otherwise holds the scores against what is true of every confusion matrix:

- a recall weighted by class size is the accuracy, and so are all micro averages: one count of right
  answers must print them all;
- a macro recall is highest where the largest classes have the errors, lowest where the smallest
  have them.

What holds without a number of samples is in `medpipe.audits.readings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.rounding import Range, counts
from medpipe.formatting import plural
from medpipe.specs.figures import Scores

MOST_WAYS = 4_000_000
TOLERANCE = 1e-12
"""Far below any printed digit, far above what adding a few fractions in floating point loses."""
ARE_ACCURACY = {
    "weighted": ("accuracy", "recall"),
    "micro": ("accuracy", "precision", "recall", "f1"),
    "macro": ("accuracy",),
}
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Answer(NamedTuple):
    """Whether scores can belong together, and the working; ``proved``: where they can, whether a
    confusion matrix is known.
    """

    possible: bool
    shown: str
    proved: bool = True


def averaged(s: Scores, ranges: Mapping[str, Range], *, harmonic: bool = False) -> Answer | None:
    """Whether averages over classes allow the scores; None where there is nothing to go by.

    ``ranges``: the values that each score may have. ``harmonic``: F1 is made of the averaged
    precision and recall.
    """
    if s.n is None or s.average is None:
        return None
    same = [name for name in ARE_ACCURACY[s.average] if name in ranges]
    right = [k for k in _all_of([counts(ranges[name], s.n) for name in same]) if 0 <= k <= s.n]
    if same and not right:
        what = f"{s.average} {' and '.join(same[1:])} are the accuracy: " if len(same) > 1 else ""
        return Answer(False, f"{what}no count of {s.n:,} gives {' and '.join(same)}")
    if s.average == "micro":
        return (
            Answer(True, f"micro averages are the accuracy: {right[0]:,} of {s.n:,} gives them")
            if len(same) > 1
            else None
        )
    sizes = np.array(list(s.classes.values()), dtype=np.int64)
    if same and len(sizes):
        if sum(_ways(s.n - k, len(sizes)) for k in right) <= MOST_WAYS:
            return _searched(s.average, sizes, right, ranges, harmonic)
        if s.average == "macro" and "recall" in ranges:
            least, most = (
                macro_recall(sorted(s.classes.values()), k) for k in (right[0], right[-1])
            )
            if not Range(least.low, most.high).meets(ranges["recall"]):
                return Answer(
                    False,
                    f"{right[0]:,} to {right[-1]:,} of {s.n:,} right give a macro recall of"
                    f" {float(least.low or 0):.4f} to {float(most.high or 0):.4f}",
                )
    if len(same) > 1:
        shown = f"{right[0]:,} of {s.n:,} gives {' and '.join(same)}"
        return Answer(True, shown, proved=len(same) == len(ranges))
    return None


def _all_of(ranges: Iterable[range]) -> range:
    """What some ranges of counts have in common."""
    every = list(ranges)
    return range(max((r.start for r in every), default=0), min((r.stop for r in every), default=0))


def _ways(errors: int, classes: int) -> int:
    return comb(errors + classes - 1, classes - 1) ** 2


def macro_recall(sizes: list[int], right: int) -> Range:
    """The least and the most that a macro recall can be with ``right`` right answers; ``sizes``
    ascending.
    """

    def filled(order: list[int]) -> Fraction:
        left, total = right, Fraction(0)
        for size in order:
            hit = min(size, left)
            left, total = left - hit, total + Fraction(hit, size)
        return total / len(order)

    return Range(
        filled(sizes[::-1]), filled(sizes)
    )  # a right answer counts most in the smallest class


def _searched(
    average: str, sizes: Ints, right: Iterable[int], ranges: Mapping[str, Range], harmonic: bool
) -> Answer:
    """Try every way to spread the errors over true classes (missed) and predicted classes (false
    alarms).
    """
    n = int(sizes.sum())
    weights = sizes / n if average == "weighted" else np.full(len(sizes), 1 / len(sizes))
    wanted = {name: r for name, r in ranges.items() if name in ("precision", "recall", "f1")}
    tried = 0
    for k in right:
        errors = n - k
        spread = compositions(errors, len(sizes))
        for missed in spread[(spread <= sizes).all(axis=1)]:
            recall = float(weights @ ((sizes - missed) / sizes))
            if not _inside(np.array([recall]), wanted.get("recall"))[0]:
                continue
            alarms = spread[((spread + missed) <= errors).all(axis=1)]
            tried += len(alarms)
            precision, f1 = _scores(missed, alarms, sizes, weights)
            if harmonic:
                f1 = np.divide(
                    2 * precision * recall,
                    precision + recall,
                    out=np.zeros_like(precision),
                    where=precision + recall > 0,
                )
            if (_inside(precision, wanted.get("precision")) & _inside(f1, wanted.get("f1"))).any():
                return Answer(
                    True,
                    f"{k:,} of {n:,} right; a way to spread "
                    f"{plural(errors, 'error')} gives them all",
                )
    return Answer(
        False,
        f"{plural(tried, 'way')} to spread the errors over the classes were "
        "tried; none gives them all",
    )


def _inside(values: Floats, wanted: Range | None) -> NDArray[np.bool_]:
    low = -np.inf if wanted is None or wanted.low is None else float(wanted.low)
    high = np.inf if wanted is None or wanted.high is None else float(wanted.high)
    return np.asarray((values >= low - TOLERANCE) & (values <= high + TOLERANCE))


def _scores(missed: Ints, alarms: Ints, sizes: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """Averaged precision and F1, float64 ``(ways,)``, of every row of ``alarms``, int64 ``(ways,
    classes)``.
    """
    hit = (sizes - missed).astype(np.float64)
    called = hit + alarms
    precision = np.divide(hit, called, out=np.zeros_like(called), where=called > 0) @ weights
    return precision, (2 * hit / (2 * hit + missed + alarms)) @ weights


def compositions(total: int, parts: int) -> Ints:
    """Every way to write ``total`` as ``parts`` ordered counts from 0: int64 ``(ways, parts)``."""
    bars = np.array(
        list(combinations(range(total + parts - 1), parts - 1)), dtype=np.int64
    ).reshape(-1, parts - 1)
    edges = np.hstack(
        [np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), total + parts - 1)]
    )
    return np.asarray(np.diff(edges, axis=1) - 1, dtype=np.int64)
