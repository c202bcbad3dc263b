"""The decision rule: the interval lies inside the accepted region, outside it, or across its edge.

Our own short-cuts never judge the claimant: evidence that deviates from the published protocol in
something on which the claim's number depends can only indicate. What the published figures
themselves make impossible is refuted without any run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

from medpipe.documents import pretty_json
from medpipe.errors import DataError
from medpipe.evidence import Bundle, Evidence, Run
from medpipe.evidence.finding import Finding, stored_findings
from medpipe.formatting import plural
from medpipe.judging.estimate import Estimate, estimate
from medpipe.judging.verdict import Outcome, Validity, Verdict, verdict_from
from medpipe.judging.wording import show, show_interval, show_region, show_runs
from medpipe.metrics.intervals import Interval, detectable, normal_quantile
from medpipe.progress import tell
from medpipe.specs.claim import Claim
from medpipe.specs.loading import Specs, specs_from, validate
from medpipe.specs.protocol import GRADES, Deviation, bearing, deviations, grade, planned


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
        runs = {
            p.run: [Run(*r) for r in planned(specs.protocols[p.run], profile)]
            for p in claim.measure.parts()
        }
        left_out = [r for p in runs if (r := profile.run_for(p).leave_out)]
        if left_out:
            verdicts.append(_weighed(_not_tested(claim, left_out[0]), claim, findings))
            continue
        verdicts.append(
            judge(
                claim,
                specs,
                {p: [(r, evidence_of(r)) for r in rs] for p, rs in runs.items()},
                findings,
            )
        )
    return specs, tuple(verdicts)


def judge(
    claim: Claim,
    specs: Specs,
    evidence: Mapping[str, Sequence[tuple[Run, Evidence | None]]],
    findings: Sequence[Finding] = (),
) -> Verdict:
    """Judge one claim from the evidence of its protocols (protocol → planned runs with what there
    is) and from findings.
    """
    return _weighed(_from_runs(claim, specs, evidence), claim, findings)


def _from_runs(
    claim: Claim, specs: Specs, evidence: Mapping[str, Sequence[tuple[Run, Evidence | None]]]
) -> Verdict:
    if claim.unmeasured is not None:
        return _not_tested(claim, claim.unmeasured)
    missing = _missing(evidence)
    if missing is not None:
        reason, failed = missing
        return replace(_not_tested(claim, reason), incomplete=failed)
    complete = {p: [e for _, e in pairs if e is not None] for p, pairs in evidence.items()}
    try:
        found = estimate(claim, complete)
    except DataError as error:
        return _not_tested(claim, str(error))
    return _decide(claim, specs, complete, found)


def _weighed(verdict: Verdict, claim: Claim, findings: Sequence[Finding]) -> Verdict:
    """The verdict of the runs, with its validity, and refuted where the published figures
    themselves make the claim impossible.
    """
    validity, validity_reason = assess_validity(claim, findings)
    touching = [f for f in findings if claim.id in f.claims and f.severity != "clean"]
    weighed = replace(
        verdict,
        validity=validity,
        validity_reason=validity_reason,
        findings=tuple(f.id for f in touching if f.id),
    )
    proof = [f for f in touching if f.proves]
    if not proof:
        return weighed
    reason = " ".join(dict.fromkeys(f.statement for f in proof))
    if verdict.outcome not in (Outcome.NOT_TESTED, Outcome.REFUTED):
        reason = f"{reason} This holds whatever the runs found ({verdict.reason})"
    elif verdict.outcome is Outcome.REFUTED:
        reason = f"{reason} The runs agree: {verdict.reason}"
    return replace(
        weighed,
        outcome=Outcome.REFUTED,
        reason=reason,
        indication=None,
        needed_n=None,
        grade=verdict.grade or "published",
    )


def _missing(
    evidence: Mapping[str, Sequence[tuple[Run, Evidence | None]]],
) -> tuple[str, bool] | None:
    """Why planned runs cannot be judged, and whether something failed or is not done rather than
    cannot be had here; None where all is there.
    """
    unavailable = None
    for protocol, pairs in evidence.items():
        there = [e for _, e in pairs if e is not None]
        failures = [e.failure for e in there if e.failure is not None]
        failed = [f for f in failures if f.kind != "unavailable"]
        absent = len(pairs) - len(there)
        if failed:
            return (
                (
                    f"{len(failed)} of {len(there)} planned runs of {protocol} failed:"
                    f" {failed[0].message}"
                ),
                True,
            )
        if absent:
            return (
                (
                    f"{absent} of {len(pairs)} planned runs of {protocol} were not made; run:"
                    " medpipe run"
                ),
                True,
            )
        if failures:
            unavailable = unavailable or failures[0].message
        elif any(
            not e.provenance.same_makings(there[0].provenance) or e.resolved != there[0].resolved
            for e in there
        ):
            return (
                (
                    f"the runs of {protocol} were made by different code, packages or data and are"
                    " not pooled; run: medpipe run"
                ),
                True,
            )
    return None if unavailable is None else (unavailable, False)


def _decide(
    claim: Claim, specs: Specs, evidence: Mapping[str, Sequence[Evidence]], found: Estimate
) -> Verdict:
    differing: list[Deviation] = []
    grades = []
    for protocol, runs in evidence.items():
        here = deviations(specs.protocols[protocol].parameters, runs[0].resolved)
        differing += [d for d in here if d not in differing]
        grades.append(grade(here, runs[0].resolved))
    worst = max(grades, key=GRADES.index)
    decisive = bearing(differing, claim.depends_on)
    side = position(found.decided_by, claim.criterion.region)
    turned = any(position(o, claim.criterion.region) != side for o in found.otherwise)
    runs_made = min(len(runs) for runs in evidence.values())
    outcome, reason, indication, needed = _outcome(
        claim, found, "unknown" if turned else side, worst, decisive, runs_made
    )
    every = [e for runs in evidence.values() for e in runs]
    return Verdict(
        claim.id,
        claim.title,
        outcome,
        reason,
        Validity.NOT_ASSESSED,
        "",
        claim.criterion.unit,
        claim.published.value,
        claim.source.printed,
        claim.criterion.region,
        worst,
        found.found,
        found.decided_by,
        indication,
        tuple(differing),
        needed,
        tuple(e.run.key for e in every),
        tuple(sorted({e.run.seed for e in every})),
        convention=found.convention,
    )


def _outcome(
    claim: Claim,
    found: Estimate,
    side: str,
    worst: str,
    decisive: Sequence[Deviation],
    runs_made: int,
) -> tuple[Outcome, str, str | None, int | None]:
    """Outcome, reason, indication and the n that would be needed."""
    shown = _shown(claim, found, side)
    if decisive:
        return _only_indicated(side, worst, decisive, shown)
    if runs_made < claim.criterion.min_runs:
        few = f"{plural(runs_made, 'run')} where the claim asks for {claim.criterion.min_runs}"
        return Outcome.INCONCLUSIVE, f"{few}; {shown}", None, None
    if side == "unknown":
        reason = (
            f"{plural(found.unknown, 'sample')} of unknown group could change the verdict,"
            f" depending on their group: {shown}"
        )
        return Outcome.INCONCLUSIVE, reason, None, None
    if side == "within":
        reason = f"the interval lies inside the accepted region: {shown}"
        return Outcome.SUPPORTED, reason, None, None
    if side in ("below", "above"):
        return Outcome.REFUTED, f"the interval lies {side} the accepted region: {shown}", None, None
    return _straddles(claim, found, shown)


def _shown(claim: Claim, found: Estimate, side: str) -> str:
    """What was found and what is accepted, in words."""
    unit, region = claim.criterion.unit, claim.criterion.region
    shown = f"found {show_interval(found.decided_by, unit)}, accepted {show_region(region, unit)}"
    if (
        found.decided_by.runs == 1
        and found.decided_by.low < found.decided_by.high
        and claim.measure.scalar is None
    ):
        shown += f" ({show_runs(found.decided_by)})"
    if found.unknown and side != "unknown":
        shown += (
            f"; the {plural(found.unknown, 'sample')} of unknown group do not change this,"
            " whichever group they are put in"
        )
    return shown


def _only_indicated(
    side: str, worst: str, decisive: Sequence[Deviation], shown: str
) -> tuple[Outcome, str, str | None, int | None]:
    """Evidence that deviates in what the number depends on can only indicate."""
    if worst == "demonstration":
        reason = f"demonstration data says nothing about this claim; {shown}"
        return Outcome.INCONCLUSIVE, reason, None, None
    indication = side if side in ("below", "within", "above") else None
    towards = f"points {indication} the accepted region" if indication else "points to neither side"
    reason = (
        f"not the published protocol ({'; '.join(map(str, decisive))}); the evidence"
        f" {towards}: {shown}"
    )
    return Outcome.INCONCLUSIVE, reason, indication, None


def _straddles(
    claim: Claim, found: Estimate, shown: str
) -> tuple[Outcome, str, str | None, int | None]:
    """No decision, and what one would take."""
    unit, region = claim.criterion.unit, claim.criterion.region
    needed = needed_samples(found, region, claim.criterion.confidence)
    if claim.criterion.kind != "within" and unit == "points":
        error = (found.decided_by.high - found.decided_by.low) / (
            2 * normal_quantile(claim.criterion.confidence)
        )
        least = show(detectable(error, claim.criterion.confidence), unit)
        shown += f", a difference from about {least} on could have been shown (80 % power)"
    would = "more samples alone would not decide it"
    if needed:
        would = f"about {needed:,} samples would be needed for a decision with 80 % power"
    reason = f"the interval straddles the edge of the accepted region: {shown}; {would}"
    return Outcome.INCONCLUSIVE, reason, None, needed


def position(interval: Interval, region: tuple[float, float]) -> str:
    """``within``, ``below``, ``above`` or ``straddles``: where an interval lies against a
    region.
    """
    low, high = region
    if low <= interval.low and interval.high <= high:
        return "within"
    if interval.high < low:
        return "below"
    if interval.low > high:
        return "above"
    return "straddles"


POWER = 0.8
"""The chance of a decision at the number of samples that is said to be needed."""


def needed_samples(found: Estimate, region: tuple[float, float], confidence: float) -> int | None:
    """Samples at which the interval decides in 80 of 100 cases, all else equal; None where samples
    alone would not do.
    """
    distances = [found.found.estimate - region[0], region[1] - found.found.estimate]
    least = _standard_error_for(distances, confidence)
    allowed = least**2 - found.other_variance
    if allowed <= 0 or found.sample_variance == 0:
        return None
    needed = math.ceil(found.found.n * found.sample_variance / allowed)
    return max(needed, found.found.n + 1)


def _standard_error_for(distances: Sequence[float], confidence: float) -> float:
    """The standard error at which an estimate so far inside (or, negative, outside) of each edge is
    decided in 80 of 100 cases.
    """
    z, quantile = normal_quantile(confidence), NormalDist()
    outside = max(-d for d in distances)
    if outside > 0:
        return outside / (z + quantile.inv_cdf(POWER))
    low, high = 0.0, min(distances) / (z + quantile.inv_cdf(POWER))
    for _ in range(60):
        middle = (low + high) / 2
        missed = (
            sum(quantile.cdf(z - d / middle) for d in distances if math.isfinite(d))
            if middle > 0
            else 0.0
        )
        low, high = (middle, high) if 1 - missed >= POWER else (low, middle)
    return low


def assess_validity(claim: Claim, findings: Sequence[Finding]) -> tuple[Validity, str]:
    """The worst of what audits saw that bears on the claim; sound only where each audit named in
    its threats has looked.
    """
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
        looked = ", ".join(
            dict.fromkeys(f.audit.replace("_", " ") for f in bearing_on if f.severity == "clean")
        )
        return (
            Validity.NOT_ASSESSED,
            (
                "nothing measures it;"
                f" {f'looked at and in order: {looked}' if looked else 'no audit bears on it'}"
            ),
        )
    if not claim.threats:
        if claim.criterion.unit == "count":
            return Validity.SOUND, "a count means what it counts"
        return (
            Validity.NOT_ASSESSED,
            "no threat to the meaning of this number is named, so none was looked for",
        )
    return (
        Validity.SOUND,
        f"examined and not found: {', '.join(t.replace('_', ' ') for t in claim.threats)}",
    )


def _not_tested(claim: Claim, reason: str) -> Verdict:
    return Verdict(
        claim.id,
        claim.title,
        Outcome.NOT_TESTED,
        reason,
        Validity.NOT_ASSESSED,
        "",
        claim.criterion.unit,
        claim.published.value,
        claim.source.printed,
        claim.criterion.region,
    )


def verdicts_document(specs: Specs, profile: str, verdicts: Sequence[Verdict]) -> bytes:
    """``verdicts.json``: every verdict, under the schema ``verdicts-1.json``."""
    return pretty_json(
        {
            "version": 1,
            "specs_digest": specs.digest,
            "profile": profile,
            "verdicts": [v.as_json() for v in verdicts],
        }
    )


def stored_verdicts(bundle: Bundle) -> tuple[Verdict, ...]:
    """The verdicts that a bundle holds. Raises `SpecError`, `BundleError`."""
    data = bundle.json("verdicts.json")
    validate(data, "verdicts", f"{bundle.folder}/verdicts.json")
    return tuple(verdict_from(v) for v in data["verdicts"])
