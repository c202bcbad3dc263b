"""What to do: many claims share one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medpipe.evidence import Run
from medpipe.specs.claim import Claim
from medpipe.specs.loading import Specs
from medpipe.specs.protocol import Deviation, Profile, deviations, planned


@dataclass(frozen=True)
class PlannedRun:
    """A run, the protocol it belongs to, the claims that need it, and about how many minutes it
    takes on one core (None: unknown).

    ``again`` is why evidence that is there cannot be used again; empty where there is none.
    """

    run: Run
    protocol: str
    claims: tuple[str, ...]
    minutes: float | None
    again: str = field(default="", compare=False)


@dataclass(frozen=True)
class Plan:
    """Ordered unique runs; what the profile leaves out, with the reason; and the deviations known
    beforehand, by protocol.
    """

    profile: str
    runs: tuple[PlannedRun, ...]
    left_out: Mapping[str, str]
    deviations: Mapping[str, tuple[Deviation, ...]]

    @property
    def keys(self) -> set[str]:
        """Keys of all runs."""
        return {p.run.key for p in self.runs}

    def minutes(self, jobs: int) -> float:
        """About how long the runs of known length take together on ``jobs`` cores."""
        return sum(p.minutes or 0.0 for p in self.runs) / max(1, jobs)


def make_plan(specs: Specs, profile: Profile) -> Plan:
    """The runs that the claims need under a profile, protocols in the order of the claims that name
    them.
    """
    needed: dict[str, list[Claim]] = {}
    for claim in specs.claims:
        for part in claim.measure.parts():
            claims = needed.setdefault(part.run, [])
            if claim not in claims:
                claims.append(claim)
    runs: dict[str, PlannedRun] = {}
    left_out, differing = {}, {}
    for name, claims in needed.items():
        wanted, protocol = profile.run_for(name), specs.protocols[name]
        if wanted.leave_out:
            left_out[name] = wanted.leave_out
            continue
        for experiment, parameters, seed in planned(protocol, profile):
            run = Run(experiment, parameters, seed)
            before = runs[run.key].claims if run.key in runs else ()
            runs[run.key] = PlannedRun(
                run, name, (*before, *(c.id for c in claims)), wanted.minutes
            )
            differing[name] = deviations(protocol.parameters, parameters)
    return Plan(profile.id, tuple(runs.values()), left_out, differing)
