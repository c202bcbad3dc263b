"""Figures and statements with nothing behind them.

**Purpose.** A figure that no computation produced is not a result; "no X" without a measure of X is
an opinion; a credential in published code is a danger to its owner and to the data.

**Method.** ``unsupported``: quantities whose record says that a constant, an unconditional print or
nothing produced them. ``unmeasured_absence``: statements of absence with no quantity that would
show what is said to be absent. ``credential``: disclosures on record.

**Limits.** What produced a figure is read off the published code by whoever wrote the records.
Something computed elsewhere and not published looks the same as something not computed; the
statement says "in what was published".

**Example.** An accuracy column that the code fills with a literal is no measurement of the exported
model.
"""

from __future__ import annotations

from collections.abc import Iterator

from medpipe.audits.result import AuditResult, at, ids
from medpipe.specs.figures import Figures

MADE_BY = {
    "constant": "a constant written into the code",
    "unconditional_print": "a line that the code prints whatever its figures are",
    "nothing": "nothing in what was published",
}


def unsupported(figures: Figures) -> Iterator[AuditResult]:
    """One result for each quantity that no computation produced."""
    for quantity in figures.quantities:
        if quantity.made_by in MADE_BY:
            first = quantity.printed[0]
            note = f" {quantity.made_note.rstrip('.')}." if quantity.made_note else ""
            said = (
                f"{at(first)} gives {first.text} as {quantity.what}; what produced it is"
                f" {MADE_BY[quantity.made_by]}.{note}"
            )
            yield AuditResult(
                "unsupported", quantity.id, "undermines", said, "", ids(quantity), ids(quantity)
            )


def unmeasured_absence(figures: Figures) -> Iterator[AuditResult]:
    """One result for each statement that something is not there."""
    for absence in figures.absences:
        measures = [figures.quantity(name) for name in absence.measured_by]
        if measures:
            said = f"“{absence.said}” rests on {', '.join(q.what for q in measures)}."
            yield AuditResult(
                "unmeasured_absence", absence.id, "clean", said, "", ids(*measures), (absence.id,)
            )
        else:
            said = (
                f"{at(absence)} says “{absence.said}”; nothing in what was published measures"
                f" {absence.of}, so it could not have been seen."
            )
            yield AuditResult(
                "unmeasured_absence", absence.id, "undermines", said, "", (), (absence.id,)
            )


def credential(figures: Figures) -> Iterator[AuditResult]:
    """One result for each disclosure on record."""
    for d in figures.disclosures:
        said = f"{at(d)} holds {d.what}. Whoever owns it should withdraw it."
        yield AuditResult("credential", d.id, "narrows", said, "", (), (d.id,))
