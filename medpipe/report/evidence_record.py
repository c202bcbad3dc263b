"""What stands behind the verdicts: deviations, runs, ledger, provenance, what is not known. Plain
data for the templates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from medpipe.evidence import Evidence
from medpipe.evidence.finding import Finding
from medpipe.evidence.ledger import ENDS, START, TAKEN
from medpipe.formatting import listed, plural
from medpipe.judging import Outcome
from medpipe.report.labels import (
    as_sentence,
    duration,
    minute,
    parameter_name,
    plain_reason,
    spans,
    value,
)
from medpipe.report.report_data import ClaimResult, ReportData


def deviations(case: ReportData) -> list[dict[str, Any]]:
    """By protocol: what was not as published, which claims that keeps from being decided, and what
    the source leaves open.
    """
    tables = []
    for name, protocol in case.specs.protocols.items():
        plan = case.profile.run_for(name)
        using = [i for i in case.items if name in {m.run for m in i.claim.measure.parts()}]
        rows = [
            {
                "path": parameter_name(d.path),
                "published": value(d.published),
                "used": value(d.used),
                "stops": spans(i.number for i in using if d in i.decisive),
            }
            for d in case.deviations(name)
        ]
        tables.append(
            {
                "name": name,
                "title": protocol.title,
                "because": plan.because,
                "left_out": plan.leave_out,
                "rows": rows,
                "made": bool(case.made(name)),
                "claims": spans(i.number for i in using),
                "unstated": [
                    {"path": parameter_name(path), "text": text}
                    for path, text in protocol.unstated.items()
                ],
            }
        )
    return tables


def unknown(case: ReportData) -> list[dict[str, str]]:
    """What was not decided, grouped by what it would take."""
    groups: dict[tuple[str, str], list[ClaimResult]] = {}
    for item in case.items:
        if item.verdict.outcome in (Outcome.NOT_TESTED, Outcome.INCONCLUSIVE):
            groups.setdefault(_why(item), []).append(item)
    return [
        {
            "claims": spans(i.number for i in items),
            "count": plural(len(items), "claim"),
            "why": why,
            "takes": takes,
        }
        for (why, takes), items in groups.items()
    ]


def _why(item: ClaimResult) -> tuple[str, str]:
    v = item.verdict
    if v.outcome is Outcome.NOT_TESTED:
        reason, _, step = plain_reason(v.reason).partition("; ")
        takes = as_sentence(step) or "A run of the published protocol, or the missing data."
        return f"Not tested: {reason}", takes
    if item.decisive:
        takes = "; ".join(
            f"{parameter_name(d.path)} {value(d.published)} (here {value(d.used)})"
            for d in item.decisive
        )
        kind = (
            "Run on demonstration data." if v.grade == "demonstration" else "Not run as published."
        )
        return kind, f"A run with {takes}."
    if v.needed_n:
        return (
            f"The interval lies across the edge of the accepted region (claim {item.number}).",
            f"About {plural(v.needed_n, 'sample')}.",
        )
    return (
        plain_reason(v.reason),
        "More training runs or a narrower question. More samples alone would not decide it.",
    )


def runs(case: ReportData) -> list[dict[str, Any]]:
    """Every planned run, by protocol, with what became of it; then evidence that no plan names."""
    groups, named = [], set()
    for name, protocol in case.specs.protocols.items():
        planned = case.runs(name)
        named |= {r.key for r in planned}
        rows = [_run(case.evidence.get(r.key), r.key, r.seed) for r in planned]
        if rows:
            groups.append(_group(protocol.title, rows))
    strangers = [_run(e, key, e.run.seed) for key, e in case.evidence.items() if key not in named]
    return [*groups, _group("Runs that are not in the plan", strangers)] if strangers else groups


def _group(title: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Runs under a heading; ``shared`` are remarks on all of them, which the rows then leave
    out.
    """
    shared = (
        [text for text in rows[0]["remarks"] if all(text in r["remarks"] for r in rows)]
        if len(rows) > 1
        else []
    )
    return {
        "title": title,
        "shared": shared,
        "rows": [{**r, "remarks": [t for t in r["remarks"] if t not in shared]} for r in rows],
    }


def _run(evidence: Evidence | None, key: str, seed: int) -> dict[str, Any]:
    if evidence is None:
        return {
            "key": key,
            "seed": seed,
            "device": "–",
            "duration": "–",
            "epochs": "–",
            "status": "not made",
            "remarks": [],
        }
    p, failure = evidence.provenance, evidence.failure
    return {
        "key": key,
        "seed": seed,
        "device": f"{p.device}, {plural(p.threads, 'thread')}",
        "duration": duration(p.duration_s),
        "epochs": str(len(evidence.history)) if evidence.history else "–",
        "status": "made" if failure is None else failure.kind,
        "remarks": [*([] if failure is None else [as_sentence(failure.message)]), *evidence.notes],
    }


def ledger(case: ReportData) -> dict[str, Any]:
    """Attempts counted, starts that nothing followed, runs whose starts nobody can count, and the
    head of the chain.
    """
    own, entries = case.attempts.own, case.attempts.entries
    times = sorted(e.time for e in entries)
    return {
        **{event: sum(e.event == event for e in entries) for event in (START, *ENDS)},
        **{event: len({e.run for e in own if e.event == event}) for event in TAKEN},
        "unfinished": [{"run": e.run, "time": e.time} for e in case.attempts.unfinished],
        "ledgers": len(case.attempts.chains),
        "untold": len(case.attempts.untold(case.evidence)),
        "runs": len(case.evidence),
        "first": times[0] if times else "",
        "last": times[-1] if times else "",
        "head": own[-1].digest if own else "none: the ledger is empty",
    }


def provenance(case: ReportData) -> list[tuple[str, list[tuple[str, str]]]]:
    """What could have changed a number, as (what, [(name, value)]); each value once, with the runs
    that share it where they differ.
    """
    everything = list(case.evidence.values())
    data = sorted({pair for e in everything for pair in e.provenance.data_digests.items()})
    packages = sorted({pair for e in everything for pair in e.provenance.packages.items()})
    files = [
        (f"{e.run.key}, {name}", digest)
        for e in everything
        for name, digest in e.file_digests.items()
    ]
    table = [
        ("Root digest", [("all evidence", case.root_digest)]),
        ("Specifications", [("claims, protocols, profiles", case.specs.digest)]),
        ("Documents", list(case.specs.subject.documents.items())),
        ("Data", data),
        ("Weights and files outside the bundle", files),
        ("Code", _shared(everything, "code_digest")),
        ("Repository", sorted({("", _repository(e)) for e in everything})),
        (
            "Packages",
            (
                [
                    (
                        "used for computation",
                        ", ".join(f"{name} {version}" for name, version in packages),
                    )
                ]
                if packages
                else []
            ),
        ),
        ("Python", _shared(everything, "python")),
        ("System", _shared(everything, "platform")),
        ("Processor", _shared(everything, "processor")),
        ("Determinism", _shared(everything, "determinism")),
        ("Time", [("latest in the evidence", minute(case.created))]),
    ]
    return [
        (what, [(n, v.removeprefix("sha256:")) for n, v in entries] or [("", "none recorded")])
        for what, entries in table
    ]


def _shared(everything: Iterable[Evidence], name: str) -> list[tuple[str, str]]:
    count = Counter(str(getattr(e.provenance, name)) or "not recorded" for e in everything)
    return [
        ("all runs" if len(count) == 1 else plural(n, "run"), text) for text, n in count.items()
    ]


def _repository(evidence: Evidence) -> str:
    p = evidence.provenance
    if p.revision is None:
        return "not run from a repository"
    state = {
        True: "with changes that were not committed",
        False: "unchanged",
        None: "state not known",
    }[p.dirty]
    return f"{p.revision}, {state}"


def findings(case: ReportData, items: Iterable[ClaimResult]) -> list[dict[str, Any]]:
    """What the audits of data and runs saw that bears on some claims; those of published figures
    have a chapter of their own.
    """
    numbers = {i.claim.id: i.number for i in items}
    return [
        {
            "audit": _named(case, f),
            "severity": "in order" if f.severity == "clean" else f.severity,
            "statement": f.statement,
            "figures": listed(
                [
                    f"{name.replace('_', ' ')} {v if isinstance(v, str) else format(v, ',g')}"
                    for name, v in f.figures.items()
                ]
            ),
            "claims": spans(numbers[c] for c in f.claims if c in numbers),
        }
        for f in case.findings
        if f.of == "data" and any(c in numbers for c in f.claims)
    ]


def _named(case: ReportData, finding: Finding) -> str:
    """An audit's name, after the number by which claims refer to what it found."""
    number = (
        f"{case.finding_number(finding)} " if finding.id and finding.severity != "clean" else ""
    )
    return number + finding.audit.replace("_", " ")
