"""The chapter on what the published figures show by themselves: findings that need no run, by the
question they answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medpipe.audits.questions import QUESTIONS, question
from medpipe.evidence.finding import Finding
from medpipe.formatting import plural
from medpipe.report.labels import spans
from medpipe.report.report_data import ReportData

MOST_PLACES = 4
MARKS: Mapping[str, tuple[str, str]] = {
    "refutes": ("○", "refutes"),
    "undermines": ("▽", "undermines"),
    "narrows": ("◇", "narrows"),
    "clean": ("✓", "in order"),
}


def published_figures(case: ReportData) -> dict[str, Any]:
    """What the template shows; ``groups`` is empty where the specifications record no figures."""
    found = [
        *(f for f in case.found if f.of == "figures"),
        *(f for f in case.findings if f.of == "figures" and f.severity == "clean"),
    ]
    places = {p.id: f"{p.text}: {p.document}, {p.place}" for _, p in case.specs.figures.printings()}
    order = [*QUESTIONS, *(f.audit for f in found if f.audit not in QUESTIONS)]
    groups = [
        _group(case, audit, [f for f in found if f.audit == audit], places)
        for audit in dict.fromkeys(order)
    ]
    worse = [f for f in found if f.severity != "clean"]
    refuting = sum(f.proves for f in worse)
    return {
        "groups": sorted(
            (g for g in groups if g["examined"]), key=lambda g: not g["rows"]
        ),  # questions with nothing found come last
        "figures": len(places),
        "documents": len(case.specs.subject.documents),
        "examined": len(found),
        "refuting": refuting,
        "other": len(worse) - refuting,
        "suspicious": sum(not f.certain for f in worse),
        "claims": _claims(case),
    }


def _group(
    case: ReportData, audit: str, found: Sequence[Finding], places: Mapping[str, str]
) -> dict[str, Any]:
    asked, answered = question(audit)
    worse = [f for f in found if f.severity != "clean"]
    return {
        "question": asked,
        "how": answered,
        "examined": len(found),
        "clean": len(found) - len(worse),
        "clean_claims": spans(_numbers(case, [f for f in found if f.severity == "clean"])),
        "rows": [_row(case, f, places) for f in worse],
    }


def _row(case: ReportData, f: Finding, places: Mapping[str, str]) -> dict[str, Any]:
    mark, word = MARKS[f.severity]
    return {
        "number": case.finding_number(f),
        "mark": mark,
        "word": word if f.certain else f"{word}, suspicious only",
        "statement": f.statement,
        "arithmetic": f.arithmetic,
        "claims": spans(_numbers(case, [f])) or "none",
        "places": _few([places[name] for name in f.figures if name in places]),
    }


def _few(places: Sequence[str]) -> list[str]:
    """The first places, and how many more there are; all of them stand in the attached findings."""
    return [
        *places[:MOST_PLACES],
        *(
            [f"and {plural(len(places) - MOST_PLACES, 'more place')}"]
            if len(places) > MOST_PLACES
            else []
        ),
    ]


def _numbers(case: ReportData, found: Sequence[Finding]) -> list[int]:
    touched = {c for f in found for c in f.claims}
    return [i.number for i in case.items if i.claim.id in touched]


def _claims(case: ReportData) -> list[dict[str, Any]]:
    """Every claim with the findings that bear on it, by part."""
    return [
        {
            "title": case.specs.subject.parts[part],
            "rows": [
                _touched(case, i.claim.id, i.number, i.claim.title, i.verdict.outcome.value)
                for i in case.of_part(part)
            ],
        }
        for part in case.parts
    ]


def _touched(case: ReportData, claim: str, number: int, title: str, outcome: str) -> dict[str, Any]:
    numbers = case.findings_on(claim)
    clean = sum(
        f.of == "figures" and f.severity == "clean" and claim in f.claims for f in case.findings
    )
    return {
        "number": number,
        "title": title,
        "outcome": outcome,
        "findings": ", ".join(numbers) or "none",
        "clean": plural(clean, "check") if clean else "–",
    }
