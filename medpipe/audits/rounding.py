"""Which true values a printed figure leaves open: its rounding interval, made smaller where only
some counts could have been printed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from medpipe.specs.figures import RELATIONS_OF_TWO, Quantity
from medpipe.specs.printed_values import Printed


@dataclass(frozen=True)
class Range:
    """A closed range of values; None where it has no end."""

    low: Fraction | None
    high: Fraction | None

    def meets(self, other: Range) -> bool:
        """Whether the two have a value in common."""
        return (self.low is None or other.high is None or self.low <= other.high) and (
            self.high is None or other.low is None or other.low <= self.high
        )


def printed_range(printed: Printed) -> Range:
    """The values that round to a printed figure."""
    return Range(printed.low, printed.high)


def rough_range(printed: Printed) -> Range:
    """The values that a figure may stand for if it was cut off instead of rounded, or if trailing
    zeros of a whole number are no digits.

    Cutting off only makes a figure smaller, so the true value lies further from nought. A limit, or
    a figure that is said to be rough, is what it says.
    """
    exact = printed_range(printed)
    if printed.bound is not None or printed.about or exact.low is None or exact.high is None:
        return exact
    zeros = max(Fraction(0), printed.zeros - printed.step) / 2
    cut = printed.step / 2 - printed.step / 10**9  # short of the next figure
    return Range(
        exact.low - zeros - (cut if printed.value <= 0 else 0),
        exact.high + zeros + (cut if printed.value >= 0 else 0),
    )


def counts(printed: Printed | Range, n: int) -> range:
    """The whole counts of ``n`` whose share could have been printed so; may be empty."""
    low = 0 if printed.low is None else max(0, math.ceil(printed.low * n))
    high = n if printed.high is None else min(n, math.floor(printed.high * n))
    return range(low, high + 1)


def true_range(quantity: Quantity, printed: Printed) -> Range:
    """`printed_range`, for a proportion of known n only as wide as the counts that could have been
    printed so.
    """
    if quantity.kind == "proportion" and quantity.n is not None:
        possible = counts(printed, quantity.n)
        if possible:
            return Range(Fraction(possible[0], quantity.n), Fraction(possible[-1], quantity.n))
    return printed_range(printed)


def combine(kind: str, parts: Sequence[Range], weights: Sequence[int] = ()) -> Range | None:
    """The values that a relation (`medpipe.specs.figures.Relation`) can give.

    None where that is not known, as with a divisor around 0. ``weights``: those of a weighted mean.
    """
    if any(p.low is None or p.high is None for p in parts):
        return None
    ends = [(p.low, p.high) for p in parts if p.low is not None and p.high is not None]
    lows, highs = [low for low, _ in ends], [high for _, high in ends]
    if kind in ("sum", "mean"):
        weighted = [Fraction(w) for w in weights] or [Fraction(1)] * len(ends)
        whole = sum(weighted) if kind == "mean" else Fraction(1)
        weighted = [w / whole for w in weighted]
        low, high = (
            sum((w * end for w, end in zip(weighted, side, strict=True)), Fraction(0))
            for side in (lows, highs)
        )
        return Range(low, high)
    if kind == "product":
        product = ends[0]
        for end in ends[1:]:
            corners = [a * b for a in product for b in end]
            product = min(corners), max(corners)
        return Range(*product)
    if kind == "largest_magnitude":
        least = [
            Fraction(0) if low <= 0 <= high else min(abs(low), abs(high)) for low, high in ends
        ]
        return Range(max(least), max(max(abs(low), abs(high)) for low, high in ends))
    if kind not in RELATIONS_OF_TWO or len(ends) != 2:
        raise ValueError(
            f"expected a relation and as many figures as it takes, got {kind!r} of {len(ends)}"
        )
    return _of_two(kind, *ends)


def _of_two(kind: str, a: tuple[Fraction, Fraction], b: tuple[Fraction, Fraction]) -> Range | None:
    if kind == "difference":
        return Range(a[0] - b[1], a[1] - b[0])
    above, below = (b, a) if kind == "relative_change" else (a, b)  # (a - b) / a is 1 - b / a
    if below[0] <= 0 <= below[1]:
        return None  # a divisor that may be nothing gives no range
    corners = [x / y for x in above for y in below]
    if kind == "ratio":
        return Range(min(corners), max(corners))
    if kind == "relative_change":
        return Range(1 - max(corners), 1 - min(corners))
    if min(corners) <= 0:
        return None  # no logarithm
    one, other = math.log10(min(corners)), math.log10(max(corners))
    inside = Fraction(0) if one <= 0 <= other else Fraction(min(abs(one), abs(other)))
    return Range(inside, Fraction(max(abs(one), abs(other))))
