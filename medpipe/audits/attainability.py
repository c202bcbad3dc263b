"""Which counts could have printed a percentage?

**Purpose.** A share of n samples is a whole count divided by n: most percentages with two decimals
cannot come from a thousand samples.

**Method.** Every count c of 0 … n whose c / n rounds to the printed figure is listed, exactly.

**Limits.** Where one count weighs less than a unit of the last printed digit (n above 10,000 at two
decimals of per cent) every figure can be attained and nothing is learnt; the result then says so. A
figure that was cut off, not rounded, is allowed for and called suspicious; so is a figure of a
results table that may be no count at all, such as a mean over folds.

**Example.** Of 1,143 images 1,130 print 98.86 %; no count prints 98.90 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from medpipe.audits.result import AuditResult, at, places
from medpipe.audits.rounding import counts, rough_range
from medpipe.formatting import capital
from medpipe.specs.figures import Figures, Printing, Quantity
from medpipe.specs.printed_values import Printed, read_printed


def attainable(figures: Figures) -> Iterator[AuditResult]:
    """One result for every printed proportion of known n that gives more than a limit."""
    for quantity in figures.quantities:
        if quantity.kind == "proportion" and quantity.n is not None:
            yield from (
                _examined(quantity, p, n, quantity.n)
                for p, n in quantity.numbers()
                if n.bound is None
            )


def _examined(quantity: Quantity, printing: Printing, printed: Printed, n: int) -> AuditResult:
    possible = counts(printed, n)
    seen = partial(
        AuditResult, "attainable", printing.id, rests_on=(printing.id,), bears_on=(printing.id,)
    )
    if possible:
        which = f"{possible[0]:,}" if len(possible) == 1 else f"{possible[0]:,} to {possible[-1]:,}"
        said = (
            f"{capital(quantity.what)}: {printing.text} of {n:,} samples can be attained (by"
            f" {which} of them)."
        )
        if n * printed.step >= 1:
            said += " So can every other figure of as many digits: nothing is learnt."
        return seen("clean", said, f"{which} of {n:,} prints {printing.text}")
    below = min(max(math.floor(printed.value * n), 0), n - 1)
    decimals = places(printed.step)
    near = " and ".join(
        f"{c:,} of {n:,} is {100 * c / n:.{decimals}f} %" for c in (below, below + 1)
    )
    said = (
        f"{at(printing)} prints {printing.text} as {quantity.what}, of {n:,} samples; no count of"
        f" {n:,} gives that ({near})."
    )
    doubts = list(quantity.unless)
    if counts(rough_range(printed), n):
        doubts.append("digits were cut off instead of rounded")
    scaled = quantity.other_scale
    if scaled is not None and counts(read_printed(scaled, quantity.id), n):
        doubts.append("the sign for per cent is missing or one too many")
    if doubts:
        only_if = ", or if ".join(doubts)
        return seen("narrows", f"{said} It is possible only if {only_if}.", near, certain=False)
    return seen("refutes", f"{said} Either the figure or the number of samples is wrong.", near)
