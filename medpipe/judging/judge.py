"""The decision rule: the interval lies inside the accepted region, outside it, or across its edge.

Our own short-cuts never judge the claimant: evidence that deviates from the published protocol in
something on which the claim's number depends can only indicate. What the published figures
themselves make impossible is refuted without any run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist
from typing import TypeAlias

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

PlannedRuns: TypeAlias = Sequence[tuple[Run, Evidence | None]]
"""The planned runs of one protocol, each with its evidence; None where there is none."""

POWER = 0.8
"""The chance of a decision at the number of samples that is said to be needed."""


@dataclass(frozen=True)
class _Ruling:
    """What the rule decides from the runs alone; the fields are those of `Verdict`."""

    outcome: Outcome
    reason: str
    indication: str | None = None
    needed_n: int | None = None


@dataclass(frozen=True)
class _Gap:
    """Why planned runs cannot be judged. ``incomplete``: a run failed, is missing or does not fit
    the others; otherwise this machine cannot make it.
    """

    reason: str
    incomplete: bool


def judge_bundle(bundle: Bundle) -> tuple[Specs, tuple[Verdict, ...]]:
    """Judge every claim in a bundle's own specifications from its own observations.

    Nothing outside the bundle is read, and nothing in it is changed: the same bundle gives the same
    verdicts. Raises `SpecError`, `BundleError`.
    """
    specs = specs_from(bundle.specs(), f"{bundle.folder}/specs")
    profile = specs.profile(bundle.header()["profile"])
    findings = stored_findings(bundle)
    evidence_of = cache(bundle.get)
    verdicts = []
    for done, claim in enumerate(specs.claims):
        tell(done, len(specs.claims), "judging")
        runs = {
            p.run: [Run(*r) for r in planned(specs.protocols[p.run], profile)]
            for p in claim.measure.parts()
        }
        left_out = [r for p in runs if (r := profile.run_for(p).leave_out)]
        if left_out:
            verdicts.append(_with_findings(_not_tested(claim, left_out[0]), claim, findings))
            continue
        evidence = {p: [(r, evidence_of(r.key)) for r in rs] for p, rs in runs.items()}
        verdicts.append(judge(claim, specs, evidence, findings))
    return specs, tuple(verdicts)


def judge(
    claim: Claim,
    specs: Specs,
    evidence: Mapping[str, PlannedRuns],
    findings: Sequence[Finding] = (),
) -> Verdict:
    """Judge one claim from the planned runs of each protocol that it needs and from findings.

    A claim always gets a verdict: runs that are missing, failed or do not fit together, and
    observations that the measure is not defined for, make it *not tested*, with the reason.
    """
    return _with_findings(_from_runs(claim, specs, evidence), claim, findings)


def _from_runs(claim: Claim, specs: Specs, evidence: Mapping[str, PlannedRuns]) -> Verdict:
    if claim.unmeasured is not None:
        return _not_tested(claim, claim.unmeasured)
    gap = _gap(evidence)
    if gap is not None:
        return replace(_not_tested(claim, gap.reason), incomplete=gap.incomplete)
    complete = {p: [e for _, e in pairs if e is not None] for p, pairs in evidence.items()}
    try:
        found = estimate(claim, complete)
    except DataError as error:
        return _not_tested(claim, str(error))
    return _decide(claim, specs, complete, found)


def _with_findings(verdict: Verdict, claim: Claim, findings: Sequence[Finding]) -> Verdict:
    """The verdict of the runs, with its validity, and refuted where the published figures
    themselves make the claim impossible.
    """
    validity, validity_reason = assess_validity(claim, findings)
    touching = [f for f in findings if claim.id in f.claims and f.severity != "clean"]
    assessed = replace(
        verdict,
        validity=validity,
        validity_reason=validity_reason,
        findings=tuple(f.id for f in touching if f.id),
    )
    proof = " ".join(dict.fromkeys(f.statement for f in touching if f.proves))
    return _refuted_by_proof(assessed, proof) if proof else assessed


def _refuted_by_proof(verdict: Verdict, proof: str) -> Verdict:
    reason = proof
    if verdict.outcome is Outcome.REFUTED:
        reason = f"{proof} The runs agree: {verdict.reason}"
    elif verdict.outcome is not Outcome.NOT_TESTED:
        reason = f"{proof} This holds whatever the runs found ({verdict.reason})"
    return replace(
        verdict,
        outcome=Outcome.REFUTED,
        reason=reason,
        indication=None,
        needed_n=None,
        grade=verdict.grade or "published",
    )


def _gap(evidence: Mapping[str, PlannedRuns]) -> _Gap | None:
    """Why the runs of some protocol cannot be judged; None where all can. What can be put right by
    running comes before what this machine cannot make.
    """
    gaps = [gap for p, pairs in evidence.items() if (gap := _gap_of(p, pairs)) is not None]
    return min(gaps, key=lambda gap: not gap.incomplete, default=None)


def _gap_of(protocol: str, pairs: PlannedRuns) -> _Gap | None:
    made = [e for _, e in pairs if e is not None]
    failures = [e.failure for e in made if e.failure is not None]
    failed = [f for f in failures if f.kind != "unavailable"]
    absent = len(pairs) - len(made)
    if failed:
        reason = f"{len(failed)} of {len(made)} planned runs of {protocol} failed"
        return _Gap(f"{reason}: {failed[0].message}", incomplete=True)
    if absent:
        reason = f"{absent} of {len(pairs)} planned runs of {protocol} were not made"
        return _Gap(f"{reason}; run: medpipe run", incomplete=True)
    if failures:
        return _Gap(failures[0].message, incomplete=False)
    if not all(
        e.provenance.same_makings(made[0].provenance) and e.resolved == made[0].resolved
        for e in made
    ):
        reason = f"the runs of {protocol} were made by different code, packages or data"
        return _Gap(f"{reason} and are not pooled; run: medpipe run", incomplete=True)
    return None


def _decide(
    claim: Claim, specs: Specs, evidence: Mapping[str, Sequence[Evidence]], found: Estimate
) -> Verdict:
    differing, worst = _against_protocols(specs, evidence)
    region = claim.criterion.region
    side = position(found.decided_by, region)
    if any(position(other, region) != side for other in found.otherwise):
        side = "unknown"
    ruling = _rule(
        claim,
        found,
        side,
        grade=worst,
        decisive=bearing(differing, claim.depends_on),
        runs_made=min(len(runs) for runs in evidence.values()),
    )
    every = [e.run for runs in evidence.values() for e in runs]
    return replace(
        _verdict(claim, ruling),
        grade=worst,
        interval=found.found,
        decided_by=found.decided_by,
        deviations=differing,
        runs=tuple(run.key for run in every),
        seeds=tuple(sorted({run.seed for run in every})),
        convention=found.convention,
    )


def _against_protocols(
    specs: Specs, evidence: Mapping[str, Sequence[Evidence]]
) -> tuple[tuple[Deviation, ...], str]:
    """Every deviation of the runs from their protocols, once, and the worst grade among them."""
    differing: list[Deviation] = []
    grades = []
    for protocol, runs in evidence.items():
        here = deviations(specs.protocols[protocol].parameters, runs[0].resolved)
        differing += [d for d in here if d not in differing]
        grades.append(grade(here, runs[0].resolved))
    return tuple(differing), max(grades, key=GRADES.index)


def _rule(
    claim: Claim,
    found: Estimate,
    side: str,
    *,
    grade: str,
    decisive: Sequence[Deviation],
    runs_made: int,
) -> _Ruling:
    """The decision rule. ``side`` is the `position` of the interval, ``unknown`` where samples of
    unknown group could change it; ``decisive`` are the deviations that forbid a decision.
    """
    shown = _shown(claim, found, side)
    if decisive:
        return _only_indicated(side, grade, decisive, shown)
    if runs_made < claim.criterion.min_runs:
        few = f"{plural(runs_made, 'run')} where the claim asks for {claim.criterion.min_runs}"
        return _Ruling(Outcome.INCONCLUSIVE, f"{few}; {shown}")
    if side == "unknown":
        reason = (
            f"{plural(found.unknown, 'sample')} of unknown group could change the verdict,"
            f" depending on their group: {shown}"
        )
        return _Ruling(Outcome.INCONCLUSIVE, reason)
    if side == "within":
        reason = f"the interval lies inside the accepted region: {shown}"
        return _Ruling(Outcome.SUPPORTED, reason)
    if side in ("below", "above"):
        return _Ruling(Outcome.REFUTED, f"the interval lies {side} the accepted region: {shown}")
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


def _only_indicated(side: str, grade: str, decisive: Sequence[Deviation], shown: str) -> _Ruling:
    """Evidence that deviates in what the number depends on can only indicate."""
    if grade == "demonstration":
        reason = f"demonstration data says nothing about this claim; {shown}"
        return _Ruling(Outcome.INCONCLUSIVE, reason)
    indication = side if side in ("below", "within", "above") else None
    towards = f"points {indication} the accepted region" if indication else "points to neither side"
    reason = (
        f"not the published protocol ({'; '.join(map(str, decisive))}); the evidence"
        f" {towards}: {shown}"
    )
    return _Ruling(Outcome.INCONCLUSIVE, reason, indication=indication)


def _straddles(claim: Claim, found: Estimate, shown: str) -> _Ruling:
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
    return _Ruling(Outcome.INCONCLUSIVE, reason, needed_n=needed)


def position(interval: Interval, region: tuple[float, float]) -> str:
    """``within``, ``below``, ``above`` or ``straddles``: where an interval lies against a region.

    Both ends of the region, infinite where it is open, belong to it: an interval that ends exactly
    on its edge lies ``within``, one that begins there from outside ``straddles``.
    """
    low, high = region
    if low <= interval.low and interval.high <= high:
        return "within"
    if interval.high < low:
        return "below"
    if interval.low > high:
        return "above"
    return "straddles"


def needed_samples(found: Estimate, region: tuple[float, float], confidence: float) -> int | None:
    """Samples at which the interval decides in 80 of 100 cases (`POWER`), all else equal: more than
    were observed, or None where more samples alone would not decide.

    ``confidence`` in (0, 1) is that of the interval; ``region`` is (low, high), infinite where it
    is open.
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
    """Whether the number means what the claim says, and why: the worst that audits found about it.

    Never *sound* by omission: it takes a finding of every audit that the claim's threats name.
    """
    about = [f for f in findings if claim.id in f.claims]
    examined = {f.audit for f in about}
    left = [threat for threat in claim.threats if threat not in examined]
    unexamined = [f"not examined: {_listed(left)}"] if left else []
    for severity, validity in (("undermines", Validity.UNDERMINED), ("narrows", Validity.NARROWED)):
        worst = dict.fromkeys(f.statement.rstrip(".") for f in about if f.severity == severity)
        if worst:
            return validity, "; ".join([*worst, *unexamined])
    if unexamined:
        return Validity.NOT_ASSESSED, unexamined[0]
    if claim.unmeasured is not None:
        clean = _listed(dict.fromkeys(f.audit for f in about if f.severity == "clean"))
        looked = f"looked at and in order: {clean}" if clean else "no audit bears on it"
        return Validity.NOT_ASSESSED, f"nothing measures it; {looked}"
    if claim.threats:
        return Validity.SOUND, f"examined and not found: {_listed(claim.threats)}"
    if claim.criterion.unit == "count":
        return Validity.SOUND, "a count means what it counts"
    reason = "no threat to the meaning of this number is named, so none was looked for"
    return Validity.NOT_ASSESSED, reason


def _listed(audits: Iterable[str]) -> str:
    """Names of audits as a reader sees them."""
    return ", ".join(name.replace("_", " ") for name in audits)


def _not_tested(claim: Claim, reason: str) -> Verdict:
    return _verdict(claim, _Ruling(Outcome.NOT_TESTED, reason))


def _verdict(claim: Claim, ruling: _Ruling) -> Verdict:
    """What the claim states and what the rule decided; validity is not assessed yet."""
    return Verdict(
        claim=claim.id,
        title=claim.title,
        outcome=ruling.outcome,
        reason=ruling.reason,
        validity=Validity.NOT_ASSESSED,
        validity_reason="",
        unit=claim.criterion.unit,
        published=claim.published.value,
        printed=claim.source.printed,
        accepted=claim.criterion.region,
        indication=ruling.indication,
        needed_n=ruling.needed_n,
    )


def verdicts_document(specs: Specs, profile: str, verdicts: Sequence[Verdict]) -> bytes:
    """The content of ``verdicts.json``: every verdict in the order given, with the digest of the
    specifications and the profile that it was judged by (schema ``verdicts-1.json``).
    """
    return pretty_json(
        {
            "version": 1,
            "specs_digest": specs.digest,
            "profile": profile,
            "verdicts": [v.as_json() for v in verdicts],
        }
    )


def stored_verdicts(bundle: Bundle) -> tuple[Verdict, ...]:
    """The verdicts that a bundle holds, as stored: they are not judged again.

    Raises `SpecError` where they break the schema, `BundleError` where the file cannot be read.
    """
    data = bundle.json("verdicts.json")
    validate(data, "verdicts", f"{bundle.folder}/verdicts.json")
    return tuple(verdict_from(v) for v in data["verdicts"])
