"""The one rule: an interval inside the accepted region supports, one disjoint from it refutes, one that straddles decides nothing.

Our own short-cuts never judge the claimant: evidence that deviates from the published protocol in something on which the
claim's number depends can only indicate. What the published figures themselves make impossible is refuted without any run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from medpipe.claims.claim import Claim
from medpipe.claims.loading import Specs, specs_from, validate
from medpipe.claims.protocol import GRADES, Deviation, bearing, deviations, grade, planned
from medpipe.documents import pretty_json
from medpipe.errors import DataError
from medpipe.evidence import Bundle, Evidence, Run
from medpipe.evidence.finding import Finding, stored_findings
from medpipe.judging.estimate import Estimate, estimate
from medpipe.judging.verdict import Outcome, Validity, Verdict, verdict_from
from medpipe.judging.wording import show, show_interval, show_region
from medpipe.phrases import plural
from medpipe.progress import tell
from medpipe.statistics import Interval, detectable, normal_quantile


def judge_bundle(bundle: Bundle) -> tuple[Specs, tuple[Verdict, ...]]:
    """Judge every claim in a bundle's own specifications from its own observations."""
    specs = specs_from(bundle.specs(), f"{bundle.folder}/specs")
    profile = specs.profile(bundle.header()["profile"])
    findings = stored_findings(bundle)
    cache: dict[str, Evidence | None] = {}

    def evidence_of(run: Run) -> Evidence | None:
        if run.key not in cache:
            cache[run.key] = bundle.get(run.key)
        return cache[run.key]

    verdicts = []
    for done, claim in enumerate(specs.claims):
        tell(done, len(specs.claims), "judging")
        runs = {p.run: [Run(*r) for r in planned(specs.protocols[p.run], profile)] for p in claim.measure.parts()}
        left_out = [r for p in runs if (r := profile.run_for(p).leave_out)]
        if left_out:
            verdicts.append(_weighed(_not_tested(claim, left_out[0]), claim, findings))
            continue
        verdicts.append(judge(claim, specs, {p: [(r, evidence_of(r)) for r in rs] for p, rs in runs.items()}, findings))
    return specs, tuple(verdicts)


def judge(claim: Claim, specs: Specs, evidence: Mapping[str, Sequence[tuple[Run, Evidence | None]]],
          findings: Sequence[Finding] = ()) -> Verdict:
    """Judge one claim from the evidence of its protocols (protocol → planned runs with what there is) and from findings."""
    return _weighed(_from_runs(claim, specs, evidence), claim, findings)


def _from_runs(claim: Claim, specs: Specs, evidence: Mapping[str, Sequence[tuple[Run, Evidence | None]]]) -> Verdict:
    if claim.unmeasured is not None:
        return _not_tested(claim, claim.unmeasured)
    missing = _missing(evidence)
    if missing:
        return _not_tested(claim, missing)
    complete = {p: [e for _, e in pairs if e is not None] for p, pairs in evidence.items()}
    try:
        found = estimate(claim, complete)
    except DataError as error:
        return _not_tested(claim, str(error))
    return _decide(claim, specs, complete, found)


def _weighed(verdict: Verdict, claim: Claim, findings: Sequence[Finding]) -> Verdict:
    """The verdict of the runs, with its validity, and refuted where the published figures themselves make the claim impossible."""
    validity, validity_reason = assess_validity(claim, findings)
    touching = [f for f in findings if claim.id in f.claims and f.severity != "clean"]
    weighed = replace(verdict, validity=validity, validity_reason=validity_reason, findings=tuple(f.id for f in touching if f.id))
    proof = [f for f in touching if f.proves]
    if not proof:
        return weighed
    reason = " ".join(dict.fromkeys(f.statement for f in proof))
    if verdict.outcome not in (Outcome.NOT_TESTED, Outcome.REFUTED):
        reason = f"{reason} This holds whatever the runs found ({verdict.reason})"
    elif verdict.outcome is Outcome.REFUTED:
        reason = f"{reason} The runs agree: {verdict.reason}"
    return replace(weighed, outcome=Outcome.REFUTED, reason=reason, indication=None, needed_n=None, grade=verdict.grade or "published")


def _missing(evidence: Mapping[str, Sequence[tuple[Run, Evidence | None]]]) -> str | None:
    """Why planned runs cannot be judged: not made, failed, or not made alike; None where all is there."""
    for protocol, pairs in evidence.items():
        absent = [run.key for run, e in pairs if e is None]
        if absent:
            return f"{len(absent)} of {len(pairs)} planned runs of {protocol} were not made; run: medpipe run"
        there = [e for _, e in pairs if e is not None]
        broken = [e for e in there if e.failure is not None]
        if broken and broken[0].failure is not None:
            failure = broken[0].failure
            if failure.kind == "unavailable":
                return failure.message
            return f"{len(broken)} of {len(there)} planned runs of {protocol} failed: {failure.message}"
        if any(not e.provenance.same_makings(there[0].provenance) or e.resolved != there[0].resolved for e in there):
            return f"the runs of {protocol} were made by different code, packages or data and are not pooled; run: medpipe run"
    return None


def _decide(claim: Claim, specs: Specs, evidence: Mapping[str, Sequence[Evidence]], found: Estimate) -> Verdict:
    differing: list[Deviation] = []
    grades = []
    for protocol, runs in evidence.items():
        here = deviations(specs.protocols[protocol].parameters, runs[0].resolved)
        differing += [d for d in here if d not in differing]
        grades.append(grade(here, runs[0].resolved))
    worst = max(grades, key=GRADES.index)
    decisive = bearing(differing, claim.depends_on)
    side = position(found.decided_by, claim.criterion.region)
    runs_made = min(len(runs) for runs in evidence.values())
    outcome, reason, indication, needed = _outcome(claim, found, side, worst, decisive, runs_made)
    every = [e for runs in evidence.values() for e in runs]
    return Verdict(
        claim.id, claim.title, outcome, reason, Validity.NOT_ASSESSED, "", claim.criterion.unit, claim.published.value,
        claim.source.printed, claim.criterion.region, worst, found.found, found.decided_by, indication, tuple(differing), needed,
        tuple(e.run.key for e in every), tuple(sorted({e.run.seed for e in every})))


def _outcome(claim: Claim, found: Estimate, side: str, worst: str, decisive: Sequence[Deviation],
             runs_made: int) -> tuple[Outcome, str, str | None, int | None]:
    """Outcome, reason, indication and the n that would be needed."""
    unit, region = claim.criterion.unit, claim.criterion.region
    shown = f"found {show_interval(found.decided_by, unit)}, accepted {show_region(region, unit)}"
    if decisive and worst == "demonstration":
        return Outcome.INCONCLUSIVE, f"demonstration data says nothing about this claim; {shown}", None, None
    if decisive:
        indication = side if side in ("below", "within", "above") else None
        towards = f"points {indication} the accepted region" if indication else "points to neither side"
        return (Outcome.INCONCLUSIVE, f"not the published protocol ({'; '.join(map(str, decisive))}); the evidence {towards}: {shown}",
                indication, None)
    if runs_made < claim.criterion.min_runs:
        few = f"{plural(runs_made, 'run')} where the claim asks for {claim.criterion.min_runs}"
        return Outcome.INCONCLUSIVE, f"{few}; {shown}", None, None
    if side == "within":
        return Outcome.SUPPORTED, f"the interval lies inside the accepted region: {shown}", None, None
    if side in ("below", "above"):
        return Outcome.REFUTED, f"the interval lies {side} the accepted region: {shown}", None, None
    needed = needed_samples(found, region, claim.criterion.confidence)
    if claim.criterion.kind != "within" and unit == "points":
        error = (found.decided_by.high - found.decided_by.low) / (2 * normal_quantile(claim.criterion.confidence))
        least = show(detectable(error, claim.criterion.confidence), unit)
        shown += f", a difference from about {least} on could have been shown (80 % power)"
    would = f"about {needed:,} samples would be needed" if needed else "more samples alone would not decide it"
    return Outcome.INCONCLUSIVE, f"the interval straddles the edge of the accepted region: {shown}; {would}", None, needed


def position(interval: Interval, region: tuple[float, float]) -> str:
    """``within``, ``below``, ``above`` or ``straddles``: where an interval lies against a region."""
    low, high = region
    if low <= interval.low and interval.high <= high:
        return "within"
    if interval.high < low:
        return "below"
    if interval.low > high:
        return "above"
    return "straddles"


def needed_samples(found: Estimate, region: tuple[float, float], confidence: float) -> int | None:
    """Samples at which the interval would no longer straddle, all else equal; None where samples alone would not do."""
    centre = found.found.estimate
    distance = min(abs(centre - edge) for edge in region if math.isfinite(edge))
    allowed = (distance / normal_quantile(confidence)) ** 2 - found.other_variance
    if allowed <= 0 or found.sample_variance == 0:
        return None
    needed = math.ceil(found.found.n * found.sample_variance / allowed)
    return max(needed, found.found.n + 1)


def assess_validity(claim: Claim, findings: Sequence[Finding]) -> tuple[Validity, str]:
    """The worst of what audits saw that bears on the claim; sound only where each audit named in its threats has looked."""
    bearing_on = [f for f in findings if claim.id in f.claims]
    left = [t.replace("_", " ") for t in claim.threats if t not in {f.audit for f in bearing_on}]
    unexamined = f"not examined: {', '.join(left)}" if left else ""
    for severity, validity in (("undermines", Validity.UNDERMINED), ("narrows", Validity.NARROWED)):
        worst = dict.fromkeys(f.statement.rstrip(".") for f in bearing_on if f.severity == severity)
        if worst:
            return validity, "; ".join([*worst, *([unexamined] if left else [])])
    if left:
        return Validity.NOT_ASSESSED, unexamined
    if claim.unmeasured is not None:
        looked = ", ".join(dict.fromkeys(f.audit.replace("_", " ") for f in bearing_on if f.severity == "clean"))
        return Validity.NOT_ASSESSED, f"nothing measures it; {f'looked at and in order: {looked}' if looked else 'no audit bears on it'}"
    if not claim.threats:
        if claim.criterion.unit == "count":
            return Validity.SOUND, "a count means what it counts"
        return Validity.NOT_ASSESSED, "no threat to the meaning of this number is named, so none was looked for"
    return Validity.SOUND, f"examined and not found: {', '.join(t.replace('_', ' ') for t in claim.threats)}"


def _not_tested(claim: Claim, reason: str) -> Verdict:
    return Verdict(claim.id, claim.title, Outcome.NOT_TESTED, reason, Validity.NOT_ASSESSED, "", claim.criterion.unit,
                   claim.published.value, claim.source.printed, claim.criterion.region)


def verdicts_document(specs: Specs, profile: str, verdicts: Sequence[Verdict]) -> bytes:
    """``verdicts.json``: every verdict, under the schema ``verdicts-1.json``."""
    return pretty_json({"version": 1, "specs_digest": specs.digest, "profile": profile, "verdicts": [v.as_json() for v in verdicts]})


def stored_verdicts(bundle: Bundle) -> tuple[Verdict, ...]:
    """The verdicts that a bundle holds. Raises `SpecError`, `BundleError`."""
    data = bundle.json("verdicts.json")
    validate(data, "verdicts", f"{bundle.folder}/verdicts.json")
    return tuple(verdict_from(v) for v in data["verdicts"])
