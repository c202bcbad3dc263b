"""Page one has to stay one page: this measures what goes on it in the report's own type, and takes
what fits.

The sizes are those of ``templates/report.css``; a test renders a crowded case and sees that page
one still ends on page one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from medpipe.formatting import listed, plural
from medpipe.judging import Outcome
from medpipe.judging.wording import show_interval
from medpipe.report.figures.svg import text_width
from medpipe.report.labels import as_sentence, day, first_clause, parameter_name, value
from medpipe.report.report_data import ClaimResult, ReportData
from medpipe.report.sentences import Row, box, headline_order

PAGE = 738.0  # points between the margins
TEXT, BOX, CLAIM, PRINTED, FOUND = 481.0, 401.0, 123.0, 55.0, 89.0  # widths in points
MOST_ROWS = 12
LEAST_ROWS = 4
LEVELS = ((640, 2), (450, 2), (450, 1), (450, 0), (260, 0), (0, 0))
"""Characters for the sentences of a row, and claims named in a list: what one wishes for first,
then ever less.
"""


@dataclass(frozen=True)
class PageOne:
    """What stands on page one."""

    title: str
    about: str
    rows: tuple[Row, Row, Row]
    evidence: str
    trust: str
    headline: tuple[ClaimResult, ...]


def page_one(case: ReportData, version: str) -> PageOne:
    """Fill page one: first all sentences that one wishes for, then fewer of them, until some rows
    of the table fit too.
    """
    subject = case.specs.subject
    title = shorten(subject.name, 110, placeholder=" …")
    system = as_sentence(shorten(first_clause(subject.about), 220, placeholder=" …"))
    about = (
        f"{system} Revision {shorten(subject.revision, 60, placeholder=' …')}, audited"
        f" {day(case.created)} with medpipe {version}, profile “{case.profile.id}”:"
        f" {shorten(case.profile.title, 110, placeholder=' …')}."
    )
    evidence, trust = _evidence(case), _trust(case)
    for room, most in LEVELS:
        rows = box(case, room, most)
        headline = _fitting(case, PAGE - _fixed(case, title, about, rows, evidence, trust))
        if len(headline) >= min(LEAST_ROWS, len(case.items)):
            break
    return PageOne(title, about, rows, evidence, trust, headline)


def line_count(text: str, size: float, width: float) -> int:
    """Lines that a text takes; words are set one after the other, as a browser does."""
    count, at = 1, 0.0
    space = text_width(" ", size)
    for word in text.split():
        wide = text_width(word, size)
        if at and at + wide > width:
            count, at = count + 1, 0.0
        at += wide + space
    return count


def _fixed(
    case: ReportData, title: str, about: str, rows: Sequence[Row], evidence: str, trust: str
) -> float:
    """Height of everything but the rows of the table."""
    head = 24 + 23 * line_count(title, 19.6, TEXT) + 2 + 15 * line_count(about, 10.5, TEXT) + 6
    head += 13 * line_count(case.not_measured, 9.5, TEXT) + 3 if case.not_measured else 0
    boxed = 8 + sum(
        8
        + sum(
            12.6 * line_count(s, 9.5, BOX) + 2
            for s in (*r.sentences, *([r.rest] if r.rest else []))
        )
        for r in rows
    )
    stated = sum(
        12.6 * line_count(label + s, 9.5, TEXT) + 3
        for label, s in (("Grade of evidence. ", evidence), ("Trust level. ", trust))
    )
    legend = 12 * line_count(_legend(case), 8.5, TEXT) + 4
    return head + boxed + stated + 29 + legend + 81


def _legend(case: ReportData) -> str:
    """The words below the table, as the template puts them together, but for their marks."""
    found = [(p, counts(case, p)["published"]) for p in case.parts]
    found.append(("Asked by medpipe beside them", asked(case)))
    said = [
        (name, c["total"], [*c["outcomes"], ("undermined", c["undermined"])])
        for name, c in found
        if c["total"]
    ]
    return "00 of 000 claims; the next tables list all of them. " + " ".join(
        f"{name}, {plural(total, 'published claim')}: "
        f"{' · '.join(f'● {n} {word}' for word, n in numbers if n)}."
        for name, total, numbers in said
    )


def counts(case: ReportData, part: str) -> dict[str, Any]:
    """How the published claims of a part were judged, and apart from them what medpipe asks beside
    them.
    """
    theirs, ours = (
        [i for i in case.of_part(part) if i.claim.is_asked is own] for own in (False, True)
    )
    return {
        "part": part,
        "title": case.specs.subject.parts[part],
        "published": counted(theirs),
        "asked": counted(ours),
    }


def asked(case: ReportData) -> dict[str, Any]:
    """How all that medpipe asks beside the published claims was judged."""
    return counted([i for i in case.items if i.claim.is_asked])


def counted(items: Sequence[ClaimResult]) -> dict[str, Any]:
    """How claims were judged: each outcome with its number, and how many mean something else."""
    count = Counter(i.verdict.outcome for i in items)
    undermined = sum(i.verdict.validity.value == "undermined" for i in items)
    return {
        "total": len(items),
        "undermined": undermined,
        "outcomes": [(o.value, count[o]) for o in Outcome],
    }


def _fitting(case: ReportData, left: float) -> tuple[ClaimResult, ...]:
    chosen: list[ClaimResult] = []
    for item in headline_order(case.items)[:MOST_ROWS]:
        v = item.verdict
        found = "–" if v.interval is None else show_interval(v.interval, v.unit)
        lines = max(
            line_count(text, 8.5, width)
            for text, width in (
                (f"{item.number} {item.claim.title}", CLAIM),
                (item.printed, PRINTED),
                (found, FOUND),
            )
        )
        left -= 12 * lines + 4.8
        if left < 0:
            break
        chosen.append(item)
    return tuple(sorted(chosen, key=lambda i: i.number))


def _evidence(case: ReportData) -> str:
    """The grade of evidence, in a sentence."""
    tested = Counter(i.verdict.grade for i in case.items if i.verdict.grade is not None)
    parts = [f"{grade} for {plural(tested[grade], 'claim')}" for grade in case.grades]
    none = len(case.items) - sum(tested.values())
    said = as_sentence(listed([*parts, *([f"none for {none}"] if none else [])]))
    if case.is_demonstration:
        return f"{said} medpipe makes demonstration data itself; it says nothing about the claims."
    decisive = Counter(
        f"{parameter_name(d.path)} {value(d.used)} instead of {value(d.published)}"
        for i in case.items
        for d in i.decisive
    )
    if decisive:
        shown = [shorten(text, 80, placeholder=" …") for text, _ in decisive.most_common(5)]
        more = f"; and {len(decisive) - len(shown)} more" if len(decisive) > len(shown) else ""
        said += f" Not as published: {'; '.join(shown)}{more}."
    return said


def _trust(case: ReportData) -> str:
    count = Counter(i.trust for i in case.items)
    said = []
    if count["L2"]:
        said.append(
            f"L2 recomputed for {plural(count['L2'], 'claim')}: medpipe check-report computes the"
            " verdict again from the attached per-sample predictions"
        )
    if count["L1"]:
        said.append(
            f"L1 bound for {plural(count['L1'], 'claim')}: as the run reported it, unchanged since"
        )
    return (
        "; ".join(said) or "None: no claim was tested"
    ) + ". The models did not run again for this file."
