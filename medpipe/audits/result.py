"""What an audit of figures hands over, before it is known which claims it bears on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from medpipe.formatting import plural
from medpipe.specs.figures import Disclosure, Printing, Quantity, Statement


@dataclass(frozen=True)
class AuditResult:
    """One thing that an audit saw in the records.

    ``key`` names the record that was examined; with ``audit`` it is the finding's id.
    ``arithmetic`` shows the working. ``rests_on`` are the ids of the printings used; ``bears_on``
    the ids (of printings or records) whose claims are touched. ``certain`` is False where an
    innocent reading is left, which the statement then names.
    """

    audit: str
    key: str
    severity: str
    statement: str
    arithmetic: str = ""
    rests_on: tuple[str, ...] = ()
    bears_on: tuple[str, ...] = ()
    certain: bool = True


def at(record: Printing | Statement | Disclosure) -> str:
    """Where a figure or a statement stands, for a sentence: ``README.md (Part 1, table of
    models)``.
    """
    return f"{record.document} ({record.place})"


def ids(*quantities: Quantity) -> tuple[str, ...]:
    """The ids of all printings of some quantities."""
    return tuple(p.id for q in quantities for p in q.printed)


def number(value: Fraction | float, kind: str, places: int | None = None) -> str:
    """A value as a sentence has it: ``78.94 %``, ``0.25 points``, ``3,394,053``, ``25.551``."""
    exact = float(value)
    if exact and round(exact, 15) == 0:
        return f"{exact:.3g}"
    if kind in ("proportion", "points"):
        text = f"{100 * exact:.{3 if places is None else places}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        text = "0" if text == "-0" else text
        return f"{text} %" if kind == "proportion" else plural(text, "point")
    if kind == "count":
        return f"{exact:,.0f}" if exact == round(exact) else f"{exact:,.2f}"
    return f"{exact:.4g}" if places is None else f"{exact:.{places}f}"


def places(*steps: Fraction) -> int:
    """Decimals that show half of the finest of some steps, for `number` and `span` of percentages:
    3 for a step of 0.01 %.
    """
    finest = min((s for s in steps if s), default=Fraction(1)) * 100
    return max(3, next(n for n in range(1, 70) if finest * 10**n >= 1) + 1)


def span(
    low: Fraction | float, high: Fraction | float, kind: str, decimals: int | None = None
) -> str:
    """A range of values: ``0.23 to 0.25 points``; ``decimals`` of percentages, 3 unless told."""
    decimals = decimals if kind in ("proportion", "points") else None
    first, last = number(low, kind, decimals), number(high, kind, decimals)
    if first == last:
        return first
    unit = " %" if kind == "proportion" else " points" if kind == "points" else ""
    return f"{first.removesuffix(unit)} to {last}"
