"""Does a printed interval fit its figure, and the number of samples?

**Purpose.** An interval holds its own figure, and the interval of a share of n samples cannot be
much narrower than chance allows.

**Method.** The figure's rounding interval must meet the printed one. For a share of known n the
printed width, plus its rounding, is held against 90 % of the narrower of Wald's and Wilson's
interval of the printed level (95 % unless it is printed).

**Limits.** Whether brackets hold a confidence interval is not always said: all results are
suspicious only. An interval that is too wide is not examined, for clusters make it wide. A spread
after ± is read, but it may be of anything.

**Example.** 90.1% (95% CI 87.4-92.3) of 624 samples agrees: Wilson's interval is 87.5 to 92.2 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from medpipe.audits.result import AuditResult, at, number, span
from medpipe.audits.rounding import Range, printed_range
from medpipe.formatting import capital
from medpipe.metrics.intervals import normal_quantile, wilson
from medpipe.specs.figures import Figures, Quantity
from medpipe.specs.printed_values import read_printed

NARROW = 0.9


def printed_interval(figures: Figures) -> Iterator[AuditResult]:
    """One result for each figure that is printed with an interval."""
    for quantity in figures.quantities:
        if quantity.interval:
            yield _examined(quantity)


def _examined(quantity: Quantity) -> AuditResult:
    (printing, printed), (first, last, level) = quantity.numbers()[0], quantity.interval
    low, high = read_printed(first, printing.id), read_printed(last, printing.id)
    seen = partial(
        AuditResult,
        "printed_interval",
        printing.id,
        rests_on=(printing.id,),
        bears_on=(printing.id,),
    )
    said = f"{at(printing)} prints {printing.text} as {quantity.what}"
    shown = f"interval {span(low.value, high.value, quantity.kind)}"
    if low.value > high.value or not Range(low.low, high.high).meets(printed_range(printed)):
        return seen(
            "undermines",
            f"{said}; the interval does not hold the figure. It is possible only if it is an "
            "interval of something else.",
            shown,
            certain=False,
        )
    if (
        quantity.n is None
        or quantity.kind != "proportion"
        or not 0 <= printed.value <= 1
        or not 50 <= float(level) < 100
    ):
        return seen(
            "clean", f"{capital(quantity.what)}: the printed interval holds the figure.", shown
        )
    p, n, confidence = float(printed.value), quantity.n, float(level) / 100
    score = wilson(p * n, n, confidence)
    least = min(
        score.high - score.low, 2 * normal_quantile(confidence) * math.sqrt(p * (1 - p) / n)
    )
    width = float(high.value - low.value + low.step / 2 + high.step / 2)
    usual = span(score.low, score.high, quantity.kind)
    shown += f"; Wilson's {level} % interval of {n:,} samples is {usual}"
    if width < NARROW * least:
        return seen(
            "narrows",
            f"{said}; the interval is {number(width, 'points')} wide at most, and chance alone"
            f" makes it {number(least, 'points')} for {n:,} samples. It is possible only if it is"
            f" no {level} % interval of one count.",
            shown,
            certain=False,
        )
    return seen(
        "clean",
        f"{capital(quantity.what)}: the printed interval holds the figure and is as wide as chance "
        "makes it.",
        shown,
    )
