"""What was said: a claim, where it was printed, how it is measured and when it counts as reproduced."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medpipe.statistics import proportion_standard_error

UNITS = ("proportion", "points", "count")
"""``proportion``: shown in per cent; ``points``: a difference of proportions, shown in percentage points; ``count``: as it is."""


@dataclass(frozen=True)
class Source:
    """Where the claim stands: document with digest, place in it, the figure as printed."""

    document: str
    digest: str
    place: str
    printed: str


@dataclass(frozen=True)
class Published:
    """The published figure. ``samples`` lists the proportions and n it was made from: ``((0.7894, 5000),)``; empty for counts."""

    value: float
    samples: tuple[tuple[float, int], ...] = ()

    @property
    def standard_error(self) -> float:
        """Sampling error of the published figure itself; 0 where it is a count."""
        return math.sqrt(sum(proportion_standard_error(p, n) ** 2 for p, n in self.samples))


@dataclass(frozen=True)
class Measure:
    """What is computed: a metric over a split of the evidence of a protocol, or one of its scalars.

    ``minus`` takes the same metric elsewhere away (paired over samples and seeds where both hold the same ones);
    ``by`` gives the largest difference between the groups of a column instead.
    """

    run: str
    metric: str | None = None
    split: str | None = None
    scalar: str | None = None
    minus: Measure | None = None
    by: str | None = None

    def parts(self) -> Iterator[Measure]:
        """This measure and the one it subtracts."""
        yield self
        if self.minus is not None:
            yield self.minus


@dataclass(frozen=True)
class Criterion:
    """When the claim holds.

    ``kind``: ``within`` (``value`` ± ``margin``), ``at_least`` (``value`` - ``margin``) or ``at_most`` (``value`` + ``margin``), at
    ``confidence``, over at least ``min_runs`` training runs. ``rationale`` says why this margin.
    """

    kind: str
    value: float
    margin: float
    rationale: str
    unit: str
    confidence: float = 0.95
    min_runs: int = 1

    @property
    def region(self) -> tuple[float, float]:
        """The accepted values, as (low, high); infinite where open."""
        low = -math.inf if self.kind == "at_most" else self.value - self.margin
        high = math.inf if self.kind == "at_least" else self.value + self.margin
        return low, high


@dataclass(frozen=True)
class Claim:
    """One published claim.

    ``depends_on`` holds dotted prefixes of protocol parameters on which its number depends. ``counterpart_of`` is set where nobody
    said this: it is the published figure of that claim, held against a sounder way of measuring it.
    """

    id: str
    title: str
    statement: str
    source: Source
    published: Published
    measure: Measure
    criterion: Criterion
    depends_on: tuple[str, ...]
    threats: tuple[str, ...] = ()
    known: Mapping[str, str] | None = None
    counterpart_of: str | None = None

    @property
    def part(self) -> str:
        """The first component of the id: ``text``, ``imaging``, …"""
        return self.id.split(".", 1)[0]


def claim_from(data: Mapping[str, Any], documents: Mapping[str, str]) -> Claim:
    """Build a claim from data that its schema has accepted; ``documents`` maps document names to digests."""
    published = Published(data["published"]["value"],
                          tuple((s["proportion"], s["n"]) for s in data["published"].get("samples", ())))
    criterion = data["criterion"]
    source = data["source"]
    return Claim(
        id=data["id"], title=data["title"], statement=data["statement"],
        source=Source(source["document"], documents.get(source["document"], ""), source["place"], source["printed"]),
        published=published,
        measure=_measure(data["measure"]),
        criterion=Criterion(
            kind=criterion["kind"], value=criterion.get("value", published.value), margin=criterion.get("margin", 0.0),
            rationale=criterion["rationale"], unit=criterion["unit"],
            confidence=criterion.get("confidence", 0.95), min_runs=criterion.get("min_runs", 1)),
        depends_on=tuple(data["depends_on"]), threats=tuple(data.get("threats", ())), known=data.get("known"),
        counterpart_of=data.get("counterpart_of"))


def _measure(data: Mapping[str, Any]) -> Measure:
    minus = data.get("minus")
    return Measure(
        run=data["run"], metric=data.get("metric"), split=data.get("split"), scalar=data.get("scalar"), by=data.get("by"),
        minus=None if minus is None else Measure(
            run=minus.get("run", data["run"]), metric=data.get("metric"),
            split=minus.get("split", data.get("split")), scalar=minus.get("scalar")))
