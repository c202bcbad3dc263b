"""Is a published difference larger than what chance alone would give?

**Purpose.** "Better" asks that the difference is larger than its own sampling error, and than what
one configuration varies from run to run.

**Method.** ``sampling_error``: Newcombe's 95 % interval of the difference of two independent
proportions. Where both stand for the same samples, also the best case that the printed figures
allow: every sample on which the two differ speaks for the better one, and McNemar's exact test gets
that. ``power``: the smallest difference that n samples show with 80 % power at 5 %, unpaired;
paired, at least six samples must differ. ``run_spread``: the difference against the range and a 95
% t interval of repeats of one configuration.

**Limits.** The published figures alone do not tell how samples pair; between the unpaired answer
and the best case anything is possible, which is then called suspicious. Clustered samples make
every interval here too narrow, never too wide. Two repeats tell little of the spread.

**Example.** 98.86 % and 98.60 % of 1,143 images differ by 3 images; even if all three speak for one
side, p = 0.25.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.special import stdtrit

from medpipe.audits.result import AuditResult, ids, number
from medpipe.audits.rounding import counts
from medpipe.formatting import plural
from medpipe.metrics.intervals import (
    Interval,
    detectable,
    mcnemar,
    newcombe,
    proportion_standard_error,
)
from medpipe.specs.figures import Comparison, Figures, Quantity

LEVEL = 0.05
POWER = 0.80
LEAST_DISCORDANT = 6
"""Fewest samples on which two models must differ, all one way, for McNemar's exact test to fall
below 5 %: 2 / 2**6 = 0.03.
"""


def sampling_error(figures: Figures) -> Iterator[AuditResult]:
    """For each comparison of two proportions of known n: is the difference larger than chance?"""
    for comparison in figures.comparisons:
        pair = _proportions(figures, comparison)
        if pair is not None:
            yield _against_chance(comparison, *pair)


def power(figures: Figures) -> Iterator[AuditResult]:
    """For each comparison: could the stated n have shown a difference of the claimed size?"""
    for comparison in figures.comparisons:
        pair = _proportions(figures, comparison)
        if pair is not None:
            yield _power(comparison, *pair)


def run_spread(figures: Figures) -> Iterator[AuditResult]:
    """For each comparison with repeats of one configuration: is the difference larger than their
    spread?
    """
    for comparison in figures.comparisons:
        if comparison.repeats is not None:
            yield _against_spread(figures, comparison, comparison.repeats)


def value(quantity: Quantity) -> float:
    """The number of a quantity, as first printed."""
    return float(quantity.numbers()[0][1].value)


def difference_interval(first: Quantity, second: Quantity) -> Interval | None:
    """Newcombe's interval of the difference of two printed proportions; None where one has no n, is
    no proportion, or only a limit.
    """
    if first.n is None or second.n is None or not (_is_share(first) and _is_share(second)):
        return None
    return newcombe(value(first), first.n, value(second), second.n)


def _is_share(quantity: Quantity) -> bool:
    """Whether the printed figure is one share of 0 to 1, which a limit such as ``<2%`` is not."""
    if quantity.kind != "proportion":
        return False
    printed = quantity.numbers()[0][1]
    return printed.bound is None and 0 <= printed.value <= 1


def _proportions(
    figures: Figures, comparison: Comparison
) -> tuple[Quantity, Quantity, Interval] | None:
    first, second = figures.quantity(comparison.first), figures.quantity(comparison.second)
    interval = difference_interval(first, second)
    return None if interval is None else (first, second, interval)


def _against_chance(
    comparison: Comparison, first: Quantity, second: Quantity, interval: Interval
) -> AuditResult:
    shown = (
        f"{number(interval.estimate, 'points', 2)}, 95 % interval"
        f" {number(interval.low, 'points', 2)} to {number(interval.high, 'points', 2)} (Newcombe, n"
        f" = {first.n:,} and {second.n:,}, as if unpaired)"
    )
    said = (
        f"{comparison.quoted}: {first.printed[0].text} ({first.what}) against "
        f"{second.printed[0].text} ({second.what})"
    )
    seen = partial(
        AuditResult,
        "sampling_error",
        comparison.id,
        rests_on=ids(first, second),
        bears_on=(comparison.id,),
    )
    ahead = (
        interval
        if comparison.better == "higher"
        else Interval(-interval.high, -interval.estimate, -interval.low, interval.n, "")
    )
    if ahead.high < 0:
        return seen(
            "refutes",
            f"{said}; by these figures it is the other way round, by more than chance alone would"
            " give.",
            shown,
        )
    if ahead.low > 0:
        return seen(
            "clean", f"{said}; the difference is larger than chance alone would give.", shown
        )
    best = best_case(first, second, comparison.better) if comparison.paired else None
    if best is None:
        return seen(
            "undermines",
            f"{said}; a difference of this size is within what chance gives at this n.",
            shown,
        )
    discordant, p = best
    shown += (
        f"; best case when paired: all of {plural(discordant, 'differing sample')} one way, "
        f"McNemar p = {p:.2g}"
    )
    if p > LEVEL:
        return seen(
            "undermines",
            f"{said}; they differ by at most {discordant} of {first.n:,} samples, and even if all"
            f" of these speak for one side, chance is not excluded (p = {p:.2g}).",
            shown,
        )
    return seen(
        "narrows",
        f"{said}; taken as independent the difference is within chance, and paired it may or may"
        " not be; the published figures do not tell.",
        shown,
        certain=False,
    )


def best_case(first: Quantity, second: Quantity, better: str) -> tuple[int, float] | None:
    """The most samples by which the first of two proportions of the same n can be better, and
    McNemar's exact p of all these one way.

    None where the two have not the same n, or a figure is the share of no count.
    """
    if first.n != second.n or first.n is None:
        return None
    ahead, behind = (
        counts(q.numbers()[0][1], first.n)
        for q in ((first, second) if better == "higher" else (second, first))
    )
    if not ahead or not behind:
        return None
    discordant = max(0, ahead[-1] - behind[0])
    return discordant, mcnemar(discordant, 0)


def _power(
    comparison: Comparison, first: Quantity, second: Quantity, interval: Interval
) -> AuditResult:
    assert first.n is not None and second.n is not None  # `difference_interval` has looked
    error = math.hypot(
        proportion_standard_error(value(first), first.n),
        proportion_standard_error(value(second), second.n),
    )
    smallest = detectable(error, 1 - LEVEL, POWER)
    shown = f"unpaired, 80 % power at 5 %: {number(smallest, 'points', 2)}"
    least = smallest
    if comparison.paired and first.n == second.n:
        least = LEAST_DISCORDANT / first.n
        shown += (
            f"; paired, at the very least {LEAST_DISCORDANT} of {first.n:,} samples:"
            f" {number(least, 'points', 2)}"
        )
    size = abs(interval.estimate)
    seen = partial(
        AuditResult, "power", comparison.id, rests_on=ids(first, second), bears_on=(comparison.id,)
    )
    said = (
        f"{comparison.quoted}: {first.n:,} and {second.n:,} samples show differences from about "
        f"{number(smallest, 'points', 2)} on"
    )
    claimed = f"; the claimed one is {number(size, 'points', 2)}"
    if size >= smallest:
        return seen("clean", f"{said}{claimed}.", shown)
    if size >= least:
        return seen("narrows", f"{said} unless they are paired{claimed}.", shown, certain=False)
    return seen(
        "narrows", f"{said}{claimed}, which is less than this test could have shown.", shown
    )


def _against_spread(figures: Figures, comparison: Comparison, name: str) -> AuditResult:
    repeats = next(r for r in figures.repeats if r.id == name)
    runs = [figures.quantity(q) for q in repeats.of]
    first, second = figures.quantity(comparison.first), figures.quantity(comparison.second)
    every = [q.numbers()[0][1].value for q in runs]
    values = np.array([float(v) for v in every])
    # exact, because a difference as large as the range is not larger
    size, wide = (
        abs(first.numbers()[0][1].value - second.numbers()[0][1].value),
        max(every) - min(every),
    )
    kind = "points" if first.kind == "proportion" else first.kind
    # the difference of two single runs has sqrt(2) times the spread of one
    reach = (
        float(stdtrit(len(values) - 1, 1 - LEVEL / 2)) * float(values.std(ddof=1)) * math.sqrt(2)
    )
    shown = (
        f"difference {number(size, kind)}; {len(values)} runs of {repeats.what}:"
        f" {', '.join(q.printed[0].text for q in runs)}, range {number(wide, kind)}; 95 % of"
        f" differences of two runs lie within {number(reach, kind)} (t)"
    )
    said = (
        f"{comparison.quoted}: the difference between {first.what} and {second.what} is "
        f"{number(size, kind)}"
    )
    seen = partial(
        AuditResult,
        "run_spread",
        comparison.id,
        arithmetic=shown,
        rests_on=ids(*runs, first, second),
        bears_on=(comparison.id,),
    )
    if size <= wide:
        return seen(
            "undermines",
            f"{said}; runs of one configuration ({repeats.what}) already lie {number(wide, kind)}"
            " apart.",
        )
    if size <= reach:
        return seen(
            "narrows",
            f"{said}; with {len(values)} runs to judge the spread by, chance is not excluded.",
            certain=False,
        )
    return seen("clean", f"{said}, more than repeated runs differ.")
