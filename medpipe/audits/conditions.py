"""Figures taken under different conditions, and comparisons that change more than they credit.

**Purpose.** A gap between training and validation means overfitting only if both were measured
alike; a gain belongs to what was changed only if nothing else was.

**Method.** ``unequal_conditions``: for each difference, the recorded conditions of its two parts
are compared. ``two_changes_at_once``: for each comparison, the recorded attributes of the two
systems are compared, less those to which the text gives the credit.

**Limits.** What the records do not hold is not seen; attributes that come with the credited one by
nature should be credited with it.

**Example.** Training accuracy as a running mean under augmentation, validation accuracy after the
epoch without: their difference is no gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from medpipe.audits.result import AuditResult, ids
from medpipe.formatting import capital, listed
from medpipe.specs.figures import Comparison, Figures, Scalar


def unequal_conditions(figures: Figures) -> Iterator[AuditResult]:
    """One result for each difference both of whose parts have recorded conditions."""
    for relation in figures.relations:
        a, b = (figures.quantity(name) for name in relation.of[:2])
        if relation.kind != "difference" or not (a.conditions and b.conditions):
            continue
        result = figures.quantity(relation.result)
        seen = partial(
            AuditResult,
            "unequal_conditions",
            relation.id,
            rests_on=ids(result, a, b),
            bears_on=(*ids(result), relation.id),
        )
        differing = _differing(a.conditions, b.conditions)
        shown = "; ".join(f"{name}: {_word(x)} against {_word(y)}" for name, x, y in differing)
        if differing:
            said = (
                f"{result.printed[0].text} ({result.what}) is {a.what} minus {b.what}, but the two"
                " were not measured alike."
            )
            yield seen("undermines", said, shown)
        else:
            yield seen("clean", f"{capital(result.what)}: both parts were measured alike.")


def two_changes_at_once(figures: Figures) -> Iterator[AuditResult]:
    """One result for each comparison of two recorded systems."""
    for comparison in figures.comparisons:
        if comparison.systems:
            yield _compared(figures, comparison)


def _compared(figures: Figures, comparison: Comparison) -> AuditResult:
    one, other = (figures.system(name) for name in comparison.systems)
    seen = partial(
        AuditResult,
        "two_changes_at_once",
        comparison.id,
        bears_on=(comparison.id,),
        rests_on=ids(figures.quantity(comparison.first), figures.quantity(comparison.second)),
    )
    differing = _differing(one.attributes, other.attributes)
    beside = [d for d in differing if d[0] not in comparison.credits]
    shown = "; ".join(f"{name}: {_word(x)} against {_word(y)}" for name, x, y in differing)
    alike = [
        name
        for name in comparison.credits
        if name in one.attributes and one.attributes[name] == other.attributes.get(name)
    ]
    if alike:
        return seen(
            "undermines",
            f"“{comparison.said}” credits {listed(alike)}; {one.what} and {other.what} do not"
            " differ in that.",
            shown or "no recorded difference",
        )
    if not beside or (not comparison.credits and len(differing) == 1):
        return seen(
            "clean",
            f"“{comparison.said}”: {one.what} and {other.what} differ in nothing but what is"
            " credited.",
            shown,
        )
    credited = (
        f"credits {listed(comparison.credits)}" if comparison.credits else "names no single cause"
    )
    return seen(
        "undermines",
        f"“{comparison.said}” {credited}; {one.what} and {other.what} also differ in"
        f" {listed(name for name, _, _ in beside)}, so that the difference cannot be given to one"
        " cause.",
        shown,
    )


def _differing(
    a: Mapping[str, Scalar], b: Mapping[str, Scalar]
) -> list[tuple[str, Scalar, Scalar]]:
    return [(name, a[name], b[name]) for name in a if name in b and a[name] != b[name]]


def _word(value: Scalar) -> str:
    return (
        "none"
        if value is None
        else ("yes" if value else "no")
        if isinstance(value, bool)
        else str(value)
    )
