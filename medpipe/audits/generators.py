"""What the audits of generators share: which evidence speaks, over which claims, and how runs of
one protocol become one finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from medpipe.evidence import Evidence, Observations, Run
from medpipe.evidence.finding import SEVERITIES, Finding
from medpipe.formatting import plural
from medpipe.specs.claim import Claim
from medpipe.specs.loading import Specs
from medpipe.specs.protocol import planned

EXPERIMENT, PART = "image_synthesis", "synthesis"
Splits = Mapping[str, Observations]
Look = Callable[[Splits], Iterable[Finding]]
Leading = Mapping[str, tuple[tuple[str, int], ...]]
"""For each aspect the figures by which one finding is worse than another of the same severity, the
first first, each with 1 where more is worse and -1 where less is.
"""


def protocols_by_run(specs: Specs, profile: str) -> dict[str, tuple[str, ...]]:
    """The protocols that each planned run belongs to, by its key."""
    found: dict[str, tuple[str, ...]] = {}
    for name, protocol in specs.protocols.items():
        if protocol.experiment == EXPERIMENT:
            for run in planned(protocol, specs.profile(profile)):
                key = Run(*run).key
                found[key] = (*found.get(key, ()), name)
    return found


def findings_of(
    look: Look,
    evidence: Sequence[Evidence],
    claims: Sequence[Claim],
    protocols: Mapping[str, Sequence[str]],
    leading: Leading,
) -> tuple[Finding, ...]:
    """What an audit sees in the runs of each protocol, the worst over its runs, with the claims
    that it bears on.

    Of findings of one severity the worst is the one whose figures named in ``leading`` are.
    """
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
        found += [_worst(of_aspect, name, leading, claims) for of_aspect in aspects.values()]
    return tuple(found)


def _speaks(e: Evidence) -> bool:
    return (
        e.run.experiment == EXPERIMENT
        and e.failure is None
        and e.resolved.get("data", {}).get("source") != "demonstration"
    )


def _worst(
    found: Sequence[Finding], protocol: str, leading: Leading, claims: Sequence[Claim]
) -> Finding:
    """The worst of one aspect over the runs that it was looked at in; its id names the protocol
    before the aspect.
    """
    threat, _, aspect = found[0].id.partition(":")

    def badness(f: Finding) -> tuple[float, ...]:
        return SEVERITIES.index(f.severity), *(
            sign * float(f.figures[name]) for name, sign in leading[aspect]
        )

    worst = max(found, key=badness)  # the first of several
    alike = sum(f.severity == worst.severity for f in found)
    over = (
        f" The worst of {plural(len(found), 'run')}; {alike} with this verdict."
        if len(found) > 1
        else ""
    )
    return replace(
        worst,
        claims=_bearing(threat, protocol, claims),
        id=f"{threat}:{protocol}.{aspect}",
        statement=worst.statement + over,
    )


def _bearing(threat: str, protocol: str, claims: Sequence[Claim]) -> tuple[str, ...]:
    """Claims of the part that name the threat and measure the protocol; those in words, where
    another such claim measures it.
    """
    naming = [c for c in claims if c.part == PART and threat in c.threats]
    measuring = {c.id for c in naming if any(m.run == protocol for m in c.measure.parts())}
    return tuple(
        c.id for c in naming if c.id in measuring or (measuring and c.unmeasured is not None)
    )
