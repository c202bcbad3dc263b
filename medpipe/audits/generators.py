"""What the audits of generators share: which evidence speaks, over which claims, and how runs of one protocol become one finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from medpipe.claims.claim import Claim
from medpipe.claims.loading import Specs
from medpipe.claims.protocol import planned
from medpipe.evidence import Evidence, Observations, Run
from medpipe.evidence.finding import SEVERITIES, Finding
from medpipe.phrases import plural

EXPERIMENT, PART = "image_synthesis", "synthesis"
Splits = Mapping[str, Observations]
Look = Callable[[Splits], Iterable[Finding]]


def protocols_by_run(specs: Specs, profile: str) -> dict[str, tuple[str, ...]]:
    """The protocols that each planned run belongs to, by its key."""
    found: dict[str, tuple[str, ...]] = {}
    for name, protocol in specs.protocols.items():
        if protocol.experiment == EXPERIMENT:
            for run in planned(protocol, specs.profile(profile)):
                key = Run(*run).key
                found[key] = (*found.get(key, ()), name)
    return found


def findings_of(look: Look, evidence: Sequence[Evidence], claims: Sequence[Claim], protocols: Mapping[str, Sequence[str]],
                ) -> tuple[Finding, ...]:
    """What an audit sees in the runs of each protocol, the worst over its runs, with the claims that it bears on."""
    by_protocol: dict[str, list[Evidence]] = {}
    for e in evidence:
        if _speaks(e):
            for name in protocols.get(e.run.key, ()):
                by_protocol.setdefault(name, []).append(e)
    found = []
    for name, runs in by_protocol.items():
        aspects: dict[str, list[Finding]] = {}
        for e in runs:
            for f in look(e.observations):
                aspects.setdefault(f.id, []).append(f)
        found += [_worst(of_aspect, name, len(runs), claims) for of_aspect in aspects.values()]
    return tuple(found)


def _speaks(e: Evidence) -> bool:
    return e.run.experiment == EXPERIMENT and e.failure is None and e.resolved.get("data", {}).get("source") != "demonstration"


def _worst(found: Sequence[Finding], protocol: str, runs: int, claims: Sequence[Claim]) -> Finding:
    """The worst of one aspect over runs; its id names the protocol before the aspect."""
    worst = max(found, key=lambda f: SEVERITIES.index(f.severity))  # the first of several
    alike = sum(f.severity == worst.severity for f in found)
    over = f" The worst of {plural(runs, 'run')}; {alike} of them say so." if runs > 1 else ""
    threat, _, aspect = worst.id.partition(":")
    return replace(worst, claims=_bearing(threat, protocol, claims), id=f"{threat}:{protocol}.{aspect}", statement=worst.statement + over)


def _bearing(threat: str, protocol: str, claims: Sequence[Claim]) -> tuple[str, ...]:
    """Claims of the part that name the threat and measure the protocol; those in words, where another such claim measures it."""
    naming = [c for c in claims if c.part == PART and threat in c.threats]
    measuring = {c.id for c in naming if any(m.run == protocol for m in c.measure.parts())}
    return tuple(c.id for c in naming if c.id in measuring or (measuring and c.unmeasured is not None))
