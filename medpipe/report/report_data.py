"""All that a report may speak from, read once from a bundle: specifications, verdicts, evidence,
findings, ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from textwrap import shorten

from medpipe.audits.questions import QUESTIONS
from medpipe.errors import BundleError, UnknownNameError
from medpipe.evidence import Bundle, Evidence, Run
from medpipe.evidence.finding import SEVERITIES, Finding, stored_findings
from medpipe.evidence.ledger import Attempts, Entry
from medpipe.judging import Outcome, Verdict, not_measured, stored_verdicts
from medpipe.specs.claim import Claim, Measure
from medpipe.specs.loading import Specs, specs_from
from medpipe.specs.protocol import GRADES, Deviation, Profile, bearing, deviations, planned


@dataclass(frozen=True)
class ClaimResult:
    """A claim with its verdict, under the number that it bears all through the report."""

    number: int
    claim: Claim
    verdict: Verdict

    @property
    def decisive(self) -> tuple[Deviation, ...]:
        """The deviations on which the claim's number depends."""
        return bearing(self.verdict.deviations, self.claim.depends_on)

    @property
    def printed(self) -> str:
        """The figure as its authors printed it; a dash where medpipe asks something for which
        nobody printed one.
        """
        return (
            "–"
            if self.claim.is_asked and not self.claim.prints_value
            else self.claim.source.printed
        )

    @property
    def trust(self) -> str | None:
        """``L2``: from per-sample predictions or published figures; ``L1``: a measurement as a run
        reported it; None: not tested.
        """
        if self.verdict.outcome is Outcome.NOT_TESTED:
            return None
        if (
            self.verdict.interval is None
        ):  # refuted by the published figures, which check-report audits again
            return "L2"
        return "L1" if self.claim.measure.scalar is not None else "L2"


@dataclass(frozen=True)
class ReportData:
    """A bundle's content. ``created`` is the latest time that the evidence itself names, so equal
    bundles give equal reports.
    """

    specs: Specs
    profile: Profile
    items: tuple[ClaimResult, ...]
    evidence: Mapping[str, Evidence]
    findings: tuple[Finding, ...]
    attempts: Attempts
    root_digest: str
    created: datetime

    @property
    def number(self) -> str:
        """The report's number: date and head of the root digest."""
        return f"{self.created:%Y-%m-%d}-{self.root_digest.removeprefix('sha256:')[:8]}"

    @property
    def grades(self) -> tuple[str, ...]:
        """The grades of evidence that occur, the closest to the published protocol first."""
        there = {item.verdict.grade for item in self.items}
        return tuple(g for g in GRADES if g in there)

    @cached_property
    def not_measured(self) -> str:
        """The first line of each document: what was not measured because runs failed; empty where
        none did.
        """
        return shorten(not_measured([i.verdict for i in self.items]), 400, placeholder=" …")

    @property
    def is_demonstration(self) -> bool:
        return "demonstration" in self.grades

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the subject about which there are claims, in the subject's order."""
        return tuple(
            p for p in self.specs.subject.parts if any(i.claim.part == p for i in self.items)
        )

    @cached_property
    def found(self) -> tuple[Finding, ...]:
        """What was found and not in order, as the report tells it: by the question that it answers,
        the worst first.
        """
        asked = {audit: n for n, audit in enumerate(QUESTIONS)}
        worse = [f for f in self.findings if f.severity != "clean"]
        return tuple(
            sorted(
                worse,
                key=lambda f: (
                    asked.get(f.audit, len(asked)),
                    -SEVERITIES.index(f.severity),
                    not f.certain,
                ),
            )
        )

    def finding_number(self, finding: Finding) -> str:
        """``F12``: a finding's number in this report."""
        return f"F{1 + self.found.index(finding)}"

    def findings_on(self, claim: str) -> tuple[str, ...]:
        """The numbers of the findings with an id that bear on a claim."""
        return tuple(self.finding_number(f) for f in self.found if f.id and claim in f.claims)

    def of_part(self, part: str) -> tuple[ClaimResult, ...]:
        return tuple(i for i in self.items if i.claim.part == part)

    def protocols_of(self, part: str) -> tuple[str, ...]:
        """The protocols with evidence that this part is the first to use."""
        return tuple(
            p
            for p in self._protocols(part)
            if not any(p in self._protocols(earlier) for earlier in self._before(part))
        )

    def runs(self, protocol: str) -> tuple[Run, ...]:
        """The runs that the profile plans of a protocol."""
        return tuple(Run(*r) for r in planned(self.specs.protocols[protocol], self.profile))

    def made(self, protocol: str) -> tuple[Evidence, ...]:
        """The evidence with observations or measurements of a protocol, lowest seed first."""
        there = [self.evidence[r.key] for r in self.runs(protocol) if r.key in self.evidence]
        return tuple(sorted((e for e in there if e.failure is None), key=lambda e: e.run.seed))

    def deviations(self, protocol: str) -> tuple[Deviation, ...]:
        """What was not as published: as really used where there is evidence, else as the profile
        plans it.
        """
        made, runs = self.made(protocol), self.runs(protocol)
        if not made and not runs:
            return ()
        return deviations(
            self.specs.protocols[protocol].parameters,
            made[0].resolved if made else runs[0].parameters,
        )

    def _before(self, part: str) -> Sequence[str]:
        return self.parts[: self.parts.index(part)]

    def _protocols(self, part: str) -> tuple[str, ...]:
        named = dict.fromkeys(m.run for i in self.of_part(part) for m in i.claim.measure.parts())
        return tuple(p for p in named if self.made(p))


def read_case(bundle: Bundle) -> ReportData:
    """Read a sealed bundle for reporting. Raises `BundleError`, `SpecError`, `UnknownNameError`."""
    specs = specs_from(bundle.specs(), f"{bundle.folder}/specs")
    keys = bundle.keys()
    evidence = {key: e for key in keys if (e := bundle.get(key)) is not None}
    attempts = bundle.attempts()
    return ReportData(
        specs,
        specs.profile(bundle.header()["profile"]),
        _items(bundle, specs),
        evidence,
        stored_findings(bundle),
        attempts,
        bundle.root_digest,
        _created(bundle, evidence, attempts.own),
    )


def _items(bundle: Bundle, specs: Specs) -> tuple[ClaimResult, ...]:
    verdicts = {v.claim: v for v in stored_verdicts(bundle)}
    claims = {c.id: c for c in specs.claims}
    if verdicts.keys() != claims.keys():
        odd = ", ".join(sorted(verdicts.keys() ^ claims.keys()))
        raise BundleError(
            f"{bundle.folder}: expected one verdict for every claim, got none or no claim for"
            f" {odd}; run: medpipe judge"
        )
    return numbered(specs, verdicts)


def numbered(specs: Specs, verdicts: Mapping[str, Verdict]) -> tuple[ClaimResult, ...]:
    """All claims with their verdicts (by the claim's id), numbered as in the report."""
    order = list(specs.subject.parts)
    ordered = sorted(
        specs.claims, key=lambda c: order.index(c.part)
    )  # stable: the specifications' order within a part
    return tuple(ClaimResult(n, c, verdicts[c.id]) for n, c in enumerate(ordered, 1))


def _created(bundle: Bundle, evidence: Mapping[str, Evidence], ledger: Sequence[Entry]) -> datetime:
    times = [_moment(e.time, bundle) for e in ledger]
    times += [
        _moment(e.provenance.started, bundle) + timedelta(seconds=e.provenance.duration_s)
        for e in evidence.values()
        if e.provenance.started
    ]
    if not times:
        raise BundleError(
            f"{bundle.folder}: expected at least one run or attempt to report on, got none; run:"
            " medpipe run"
        )
    return max(times).replace(microsecond=0)


def _moment(text: str, bundle: Bundle) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BundleError(
            f"{bundle.folder}: expected times like 2026-11-23T10:00:00+00:00, got {text!r}"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def splits_of(case: ReportData, protocol: str) -> tuple[str, ...]:
    """The splits that claims measure on a protocol, most used first, training splits left out where
    there are others.
    """
    count: dict[str, int] = {}
    for item in case.items:
        for m in _measures(item.claim):
            if m.run == protocol and m.split is not None:
                count[m.split] = count.get(m.split, 0) + 1
    splits = sorted(count, key=lambda s: -count[s])
    return tuple([s for s in splits if not s.startswith("train")] or splits)


def _measures(claim: Claim) -> tuple[Measure, ...]:
    return tuple(claim.measure.parts())


def claim_on(case: ReportData, protocol: str, metric: str, split: str) -> ClaimResult | None:
    """The claim about this metric itself (no difference, no gap) on a split of a protocol."""
    for item in case.items:
        m = item.claim.measure
        if (m.run, m.metric, m.split) == (protocol, metric, split) and m.is_plain:
            return item
    return None


def protocol_title(case: ReportData, protocol: str) -> str:
    """A protocol's title. Raises `UnknownNameError`."""
    if protocol not in case.specs.protocols:
        raise UnknownNameError("protocol", protocol, case.specs.protocols)
    return case.specs.protocols[protocol].title
