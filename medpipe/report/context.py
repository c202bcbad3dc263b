"""Collect the data of the audit report for its template. Numbers come from verdicts and
observations, never from anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from medpipe.evidence import Evidence
from medpipe.formatting import listed, plural
from medpipe.judging.verdict import Verdict
from medpipe.judging.wording import show, show_interval, show_region, single_run_caution
from medpipe.metrics.intervals import Interval
from medpipe.report import evidence_record
from medpipe.report.assessments import assessments
from medpipe.report.baseline_table import baselines
from medpipe.report.deployment_tables import deployed
from medpipe.report.distinct_slices import distinct_slices
from medpipe.report.figures import (
    Figure,
    confusion_matrix,
    deployment_figures,
    gallery_figures,
    gradient_flow,
    grid_figures,
    grid_members,
    interval_figures,
    learning_curves,
    reliability,
    sheet_figures,
    size_figures,
    size_members,
    synthesis_figures,
)
from medpipe.report.generator_tables import measured_generators, remedies
from medpipe.report.labels import (
    GLOSSARY,
    MARKS,
    SIGNATURE_MEANS,
    as_sentence,
    day,
    grouped,
    minute,
    plain_reason,
)
from medpipe.report.leakage_free_splits import leakage_free_splits, pair_members
from medpipe.report.leaked_samples import related
from medpipe.report.model_pairs import paired
from medpipe.report.page_one import asked, counts, page_one
from medpipe.report.per_class import per_class
from medpipe.report.published_findings import published_figures
from medpipe.report.report_data import ClaimResult, ReportData, claim_on, protocol_title, splits_of
from medpipe.report.saliency_table import explained

MOST_SPLITS = 2
DEMONSTRATION = "demonstration data: not evidence"


def audit_context(case: ReportData) -> dict[str, Any]:
    """Everything that ``audit-report.html`` shows."""
    first = page_one(case, package_version())
    return {
        **frame(case),
        "first": first,
        "headline": [line(case, i) for i in first.headline],
        "counts": [counts(case, p) for p in case.parts],
        "asked": asked(case),
        "confidence": _confidence(case.items),
        "total": len(case.items),
        "published": published_figures(case),
        "parts": [_part(case, p) for p in case.parts],
        "deviations": evidence_record.deviations(case),
        "unknown": evidence_record.unknown(case),
        "not_covered": case.specs.subject.not_covered,
        "runs": evidence_record.runs(case),
        "ledger": evidence_record.ledger(case),
        "provenance": evidence_record.provenance(case),
        "glossary": GLOSSARY,
        "signature_means": SIGNATURE_MEANS,
    }


def frame(case: ReportData) -> dict[str, Any]:
    """What both documents show on every page, and where they come from."""
    return {
        "subject": case.specs.subject,
        "number": case.number,
        "date": day(case.created),
        "moment": minute(case.created),
        "version": package_version(),
        "grade": " and ".join(case.grades) or "no evidence",
        "not_measured": case.not_measured,
        "demonstration": DEMONSTRATION if case.is_demonstration else "",
        "marks": MARKS,
        "root": grouped(case.root_digest),
        "root_head": grouped(case.root_digest)[:19],
    }


def package_version() -> str:
    """The version of medpipe that writes this."""
    try:
        return version("medpipe")
    except PackageNotFoundError:
        return "from source"


def _confidence(items: Sequence[ClaimResult]) -> str:
    found = sorted({i.verdict.interval.confidence for i in items if i.verdict.interval is not None})
    return f"{100 * found[0]:g} % interval" if len(found) == 1 else "interval"


def line(case: ReportData, item: ClaimResult) -> dict[str, Any]:
    """One claim as a row of a table."""
    v, claim = item.verdict, item.claim
    n = "–" if v.interval is None else f"{v.interval.n:,}" if claim.measure.scalar is None else "–"
    return {
        "number": item.number,
        "id": claim.id,
        "title": claim.title,
        "statement": claim.statement,
        "printed": item.printed,
        "asked": _asked(case, item),
        "source": f"{claim.source.document}, {claim.source.place}",
        "accepted": show_region(v.accepted, v.unit),
        "published": show(v.published, v.unit),
        "found": "–" if v.interval is None else show_interval(v.interval, v.unit),
        "method": "" if v.interval is None else _method(v.interval) + _convention(v),
        "n": n,
        "runs": "" if v.interval is None else plural(v.interval.runs, "run"),
        "trust": item.trust or "–",
        "outcome": v.outcome.value,
        "validity": v.validity.value,
        "grade": v.grade or "–",
        "reason": as_sentence(plain_reason(v.reason)),
        "validity_reason": as_sentence(f"validity: {_validity(case, item)}"),
        "known": (
            as_sentence(f" known to be {claim.known['outcome']}: {claim.known['reason']}")
            if claim.known
            else ""
        ),
    }


def _method(interval: Interval) -> str:
    """How the interval was made, as a sentence, and what a single run leaves open."""
    caution = single_run_caution(interval)
    return as_sentence(f" interval: {interval.method}" + (f"; {caution}" if caution else ""))


def _convention(v: Verdict) -> str:
    """What the value averages and which class is the positive one, as a sentence after that on its
    interval.
    """
    return as_sentence(f" convention: {v.convention}") if v.convention else ""


def _asked(case: ReportData, item: ClaimResult) -> str:
    """Beside which published claim medpipe asks this; empty where it is published itself."""
    beside = next((i.number for i in case.items if i.claim.id == item.claim.counterpart_of), None)
    return "" if beside is None else f"medpipe added this to claim {beside}; nobody published it."


def _validity(case: ReportData, item: ClaimResult) -> str:
    """The reason for a validity; numbered findings are named by number, because they stand in full
    in a chapter of their own.
    """
    numbers = case.findings_on(item.claim.id)
    if not numbers:
        return item.verdict.validity_reason
    unexamined = item.verdict.validity_reason.partition("not examined: ")[2]
    return f"findings {listed(numbers)}" + (f"; not examined: {unexamined}" if unexamined else "")


def _part(case: ReportData, part: str) -> dict[str, Any]:
    items = case.of_part(part)
    made = {p: case.made(p) for p in case.protocols_of(part)}
    titled = {p: (protocol_title(case, p), runs) for p, runs in made.items()}
    elsewhere = grid_members(made) | size_members(made) | pair_members(made)
    return {
        "name": part,
        "title": case.specs.subject.parts[part],
        "count": counts(case, part),
        "rows": [line(case, i) for i in items if i.claim.measure.run],
        "words": [line(case, i) for i in items if not i.claim.measure.run],
        "about": (
            ""
            if any(i.verdict.interval for i in items)
            else "No claim of this part was tested, so there are no figures."
        ),
        "grids": _pairs(grid_figures(titled)),
        "sizes": size_figures(titled),
        "repaired": leakage_free_splits(case, part),
        "slices": distinct_slices(made),
        "related": related(case, part),
        "explained": explained(case, part),
        "worths": assessments(case, part),
        "generators": measured_generators(case, part),
        "remedies": remedies(case, part),
        "deployed": deployed(case, part),
        "baselines": baselines(case, part),
        "paired": paired(case, part),
        "intervals": interval_figures(items),
        "findings": evidence_record.findings(case, items),
        "protocols": [
            shown
            for p in _once(made)
            if p not in elsewhere and (shown := _protocol(case, p))["blocks"]
        ],
    }


def _once(made: Mapping[str, Sequence[Evidence]]) -> list[str]:
    """Protocols, without those whose runs another one before them has made: what a profile shortens
    can fall together.
    """
    first: dict[tuple[str, ...], str] = {}
    for name, runs in made.items():
        first.setdefault(tuple(e.run.key for e in runs), name)
    return [name for name, runs in made.items() if first[tuple(e.run.key for e in runs)] == name]


def _pairs(figures: list[Figure]) -> list[list[Figure]]:
    """Half-width figures two by two."""
    return [figures[k : k + 2] for k in range(0, len(figures), 2)]


def _protocol(case: ReportData, name: str) -> dict[str, Any]:
    """The figures of one protocol: curves over all seeds, matrix and reliability for each main
    split, gallery; scores of the first.
    """
    made, protocol = case.made(name), case.specs.protocols[name]
    seen = made[0].observations
    splits = [s for s in splits_of(case, name) if s in seen and "y_true" in seen[s]][:MOST_SPLITS]
    curves = learning_curves(protocol.title, made, claim_on(case, name, "accuracy", "validation"))
    flow = gradient_flow(protocol.title, made)
    blocks: list[list[Figure]] = [[f] for f in (curves, flow) if f]
    for split in splits:
        pair = [
            f
            for f in (
                confusion_matrix(protocol.title, made[0], split),
                reliability(protocol.title, made[0], split),
            )
            if f
        ]
        blocks += [pair] if pair else []
    blocks += [
        [f]
        for f in (
            *gallery_figures(protocol.title, made[0]),
            *sheet_figures(protocol.title, made[0]),
            *synthesis_figures(protocol.title, made),
            *deployment_figures(protocol.title, made),
        )
    ]
    classes = [
        {"split": split, "seed": made[0].run.seed, "rows": rows}
        for split in splits[:1]
        if (rows := per_class(made, split))
    ]
    return {
        "name": name,
        "title": protocol.title,
        "runs": plural(len(made), "run"),
        "blocks": blocks,
        "classes": classes,
    }
