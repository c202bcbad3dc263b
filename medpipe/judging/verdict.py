"""A verdict has three axes, never one colour: outcome, validity and grade, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.specs.protocol import Deviation


class Outcome(StrEnum):
    """Is the number what was claimed?"""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTED = "not-tested"


class Validity(StrEnum):
    """Does the number mean what the claim says?"""

    SOUND = "sound"
    NARROWED = "narrowed"
    UNDERMINED = "undermined"
    NOT_ASSESSED = "not-assessed"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim.

    ``interval`` is of what was found; ``decided_by`` adds the published figure's own sampling error
    and is what the rule looked at; ``accepted`` is the region it was held against, infinite where
    open. ``indication`` tells on which side the evidence lies where deviations forbid more.
    ``needed_n`` is how many samples an inconclusive claim would need, None where samples alone
    would not do. ``published`` is None where the claim is words. ``findings`` are the ids of what
    audits saw that bears on it. ``convention`` says what was averaged, which class is the positive
    one and from which probability on. ``incomplete``: not measured because a run failed or was not
    made, not because it cannot be measured here.
    """

    claim: str
    title: str
    outcome: Outcome
    reason: str
    validity: Validity
    validity_reason: str
    unit: str
    published: float | None
    printed: str
    accepted: tuple[float, float]
    grade: str | None = None
    interval: Interval | None = None
    decided_by: Interval | None = None
    indication: str | None = None
    deviations: Sequence[Deviation] = ()
    needed_n: int | None = None
    runs: Sequence[str] = ()
    seeds: Sequence[int] = ()
    findings: Sequence[str] = ()
    convention: str = ""
    incomplete: bool = False

    @property
    def estimate(self) -> float | None:
        """The point estimate, None where nothing was measured."""
        return None if self.interval is None else self.interval.estimate

    def as_json(self) -> dict[str, Any]:
        """The verdict as ``verdicts-1.json`` describes it."""
        return {
            "claim": self.claim,
            "title": self.title,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "validity": self.validity.value,
            "validity_reason": self.validity_reason,
            "grade": self.grade,
            "unit": self.unit,
            "estimate": self.estimate,
            "interval": None if self.interval is None else asdict(self.interval),
            "decided_by": None if self.decided_by is None else asdict(self.decided_by),
            "accepted": {
                side: v if math.isfinite(v) else None
                for side, v in zip(("low", "high"), self.accepted, strict=True)
            },
            "published": self.published,
            "printed": self.printed,
            "indication": self.indication,
            "deviations": [asdict(d) for d in self.deviations],
            "needed_n": self.needed_n,
            "runs": list(self.runs),
            "seeds": list(self.seeds),
            "findings": list(self.findings),
            "convention": self.convention,
            **({"incomplete": True} if self.incomplete else {}),
        }


def verdict_from(data: Mapping[str, Any]) -> Verdict:
    """The verdict in its JSON form, already held against its schema."""
    low, high = data["accepted"]["low"], data["accepted"]["high"]
    return Verdict(
        claim=data["claim"],
        title=data["title"],
        outcome=Outcome(data["outcome"]),
        reason=data["reason"],
        validity=Validity(data["validity"]),
        validity_reason=data["validity_reason"],
        unit=data["unit"],
        published=data["published"],
        printed=data["printed"],
        accepted=(-math.inf if low is None else low, math.inf if high is None else high),
        grade=data["grade"],
        interval=None if data["interval"] is None else Interval(**data["interval"]),
        decided_by=None if data["decided_by"] is None else Interval(**data["decided_by"]),
        indication=data["indication"],
        deviations=tuple(Deviation(**d) for d in data["deviations"]),
        needed_n=data["needed_n"],
        runs=tuple(data["runs"]),
        seeds=tuple(data["seeds"]),
        findings=tuple(data.get("findings", ())),
        convention=data.get("convention", ""),
        incomplete=data.get("incomplete", False),
    )


def not_measured(verdicts: Sequence[Verdict]) -> str:
    """One sentence on the claims that were not measured because something failed; empty where there
    are none.
    """
    titles = [v.title for v in verdicts if v.incomplete]
    if not titles:
        return ""
    shown = "; ".join(titles[:3]) + (f"; and {len(titles) - 3} more" if len(titles) > 3 else "")
    were = "was" if len(titles) == 1 else "were"
    return (
        f"Not complete: {len(titles)} of {plural(len(verdicts), 'claim')} {were} not measured,"
        f" because runs failed or were not made: {shown}."
    )
