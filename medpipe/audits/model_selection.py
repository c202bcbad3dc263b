"""What the figure was chosen by: the best of several, and a set that both chose and reports.

**Purpose.** The best of k results is better than the model that it names; a set that chose the
model can no longer test it.

**Method.** ``selection_on_validation``: where the set that chose is the set that is reported on,
the optimism is at most the mean of the largest of k independent normal errors times the standard
error of one result at its n; k results that resemble each other gain less. Where the candidates are
printed, the one that the rule takes is compared with the one reported.

**Limits.** An upper bound, not the optimism itself. The largest figure is taken to be the best; a
loss must not be given. Choices that nobody wrote down (abandoned configurations) are not counted.

**Example.** The best of 5 epochs at 78.94 % of 5,000: the standard error is 0.58 points, the mean
of the largest of 5 is 1.16 of these: at most 0.67 points.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from medpipe.audits.result import AuditResult, ids, number
from medpipe.audits.rounding import printed_range
from medpipe.audits.sampling_error import value
from medpipe.formatting import capital
from medpipe.metrics.intervals import expected_maximum, proportion_standard_error
from medpipe.specs.figures import Figures, Quantity, Selection


def selection_on_validation(figures: Figures) -> Iterator[AuditResult]:
    """One result for each selection that is on record."""
    for selection in figures.selections:
        reported = figures.quantity(selection.reported)
        candidates = [figures.quantity(name) for name in selection.candidates]
        seen = partial(
            AuditResult,
            "selection_on_validation",
            rests_on=ids(reported, *candidates),
            bears_on=(*ids(reported), selection.id),
        )
        passed_over = _passed_over(selection, reported, candidates)
        if passed_over:
            yield seen(
                f"{selection.id}.taken",
                "narrows",
                passed_over,
                ", ".join(q.printed[0].text for q in candidates),
            )
        yield seen(selection.id, *_examined(selection, reported, candidates))


def _passed_over(
    selection: Selection, reported: Quantity, candidates: list[Quantity]
) -> str | None:
    """A sentence where a better figure than the reported one was passed over; None where none
    was.
    """
    if not candidates:
        return None
    best = max(candidates, key=value)
    if value(best) <= value(reported) or printed_range(best.numbers()[0][1]).meets(
        printed_range(reported.numbers()[0][1])
    ):
        return None
    why = (
        "the last was taken, not the best"
        if selection.rule == "last"
        else "it is not the best of those printed"
    )
    return (
        f"{capital(selection.what)}: {reported.printed[0].text} is reported; {best.printed[0].text}"
        f" ({best.what}) is higher: {why}."
    )


def _examined(
    selection: Selection, reported: Quantity, candidates: list[Quantity]
) -> tuple[str, str, str]:
    """Severity, statement and working."""
    start = capital(selection.what)
    if selection.chosen_on != selection.reported_on:
        return (
            "clean",
            f"{start}: chosen on {selection.chosen_on}, reported on {selection.reported_on}.",
            "",
        )
    count = selection.count or len(candidates)
    if selection.rule != "best" or count < 2 or reported.n is None or reported.kind != "proportion":
        return (
            "narrows",
            (
                f"{start}: {selection.chosen_on} steered the training and is also what the figure"
                " is reported on; no untouched data stands behind it."
            ),
            "",
        )
    error = proportion_standard_error(value(reported), reported.n)
    bound = expected_maximum(count) * error
    shown = (
        f"standard error of {reported.printed[0].text} at n = {reported.n:,}:"
        f" {number(error, 'points', 2)}; mean of the largest of {count} standard normal values:"
        f" {expected_maximum(count):.2f}; product: {number(bound, 'points', 2)}"
    )
    return (
        "narrows",
        (
            f"{start}: the best of {count} was chosen on {selection.chosen_on} and is reported on"
            f" the same; {reported.printed[0].text} is too high by up to"
            f" {number(bound, 'points', 2)} on average."
        ),
        shown,
    )
