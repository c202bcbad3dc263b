"""A claim: where it was printed, how it is measured, and when it counts as reproduced."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medpipe.metrics.intervals import proportion_standard_error

UNITS = ("proportion", "points", "count", "number")
"""``proportion``: shown in per cent; ``points``: a difference of proportions, shown in percentage
points; ``count``: as it is; ``number``: a measurement on a scale of its own, such as a distance, as
it is with as many digits as its interval deserves.
"""
FREE_UNITS = ("count", "number")
"""Units whose values need not lie between 0 and 1."""
STATEMENT = "statement"
"""The unit of a claim in words, which no run measures."""


@dataclass(frozen=True)
class Source:
    """Where the claim stands: document with digest, place in it, the figure as printed."""

    document: str
    digest: str
    place: str
    printed: str


@dataclass(frozen=True)
class Published:
    """The published figure. ``samples`` lists the proportions and n it was made from: ``((0.7894,
    5000),)``; empty for counts.

    ``value`` is None where the claim is words.
    """

    value: float | None
    samples: tuple[tuple[float, int], ...] = ()

    @property
    def standard_error(self) -> float:
        """Sampling error of the published figure itself; 0 where it is a count."""
        return math.sqrt(sum(proportion_standard_error(p, n) ** 2 for p, n in self.samples))


@dataclass(frozen=True)
class Measure:
    """What is computed: a metric over a split of the evidence of a protocol, or one of its scalars.

    ``minus`` takes the same metric elsewhere away (paired over samples and seeds where both hold
    the same ones); ``by`` gives the largest difference between the groups of a column instead.
    ``among`` counts only samples of these true classes, and ``positive`` asks of the classes only
    on which side they are. ``threshold`` is the probability of the positive side, or of the second
    of two classes, from which on a sample is called positive, where that is not 0.5. Without
    ``run`` nothing measures the claim.
    """

    run: str = ""
    metric: str | None = None
    split: str | None = None
    scalar: str | None = None
    minus: Measure | None = None
    by: str | None = None
    among: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    threshold: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is the metric itself over a whole split: no difference, no gap, no choice of
        classes.
        """
        return (
            self.minus is None
            and self.by is None
            and not self.among
            and not self.positive
            and self.threshold is None
        )

    def parts(self) -> Iterator[Measure]:
        """This measure and the one it subtracts; nothing where nothing is measured."""
        if self.run:
            yield self
        if self.minus is not None:
            yield self.minus


@dataclass(frozen=True)
class Criterion:
    """When the claim holds.

    ``kind``: ``within`` (``value`` ± ``margin``), ``at_least`` (``value`` - ``margin``) or
    ``at_most`` (``value`` + ``margin``), at ``confidence``, over at least ``min_runs`` training
    runs. ``rationale`` says why this margin. ``statement`` stands for words, which accept every
    number.
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
        low = -math.inf if self.kind in ("at_most", STATEMENT) else self.value - self.margin
        high = math.inf if self.kind in ("at_least", STATEMENT) else self.value + self.margin
        return low, high


@dataclass(frozen=True)
class Claim:
    """One published claim.

    ``depends_on`` holds dotted prefixes of protocol parameters on which its number depends.
    ``counterpart_of`` is set where nobody said this: it is the published figure of that claim, held
    against a sounder way of measuring it. ``figures`` are the ids of the records
    (`medpipe.specs.figures`) that the claim rests on. ``unmeasured`` says why no run measures it,
    where none does.
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
    figures: tuple[str, ...] = ()
    unmeasured: str | None = None

    @property
    def part(self) -> str:
        """The first component of the id: ``text``, ``imaging``, …"""
        return self.id.split(".", 1)[0]

    @property
    def is_asked(self) -> bool:
        """Whether nobody said this: it is asked beside the claim that it is a counterpart of."""
        return self.counterpart_of is not None

    @property
    def prints_value(self) -> bool:
        """Whether the printed text has the number that ``published`` holds, as a number, a
        percentage, or in thousands or millions.
        """
        value = self.published.value
        return value is not None and any(
            _is_printed(value, *found) for found in PRINTED.findall(self.source.printed)
        )


PRINTED = re.compile(r"(\d[\d,]*)(?:\.(\d+))?(?:[eE]([-+]?\d+))?\s?((?:%|[MKk](?![A-Za-z]))?)")
SCALES = {"%": (0.01,), "M": (1e6,), "K": (1e3,), "k": (1e3,), "": (1.0, 0.01)}


def _is_printed(value: float, whole: str, decimals: str, exponent: str, unit: str) -> bool:
    """Whether a printed number rounds ``value``, whatever its sign: half a unit of the last digit
    off at most.
    """
    number = float(f"{whole.replace(',', '')}.{decimals or 0}e{exponent or 0}")
    last = 10.0 ** (int(exponent or 0) - len(decimals))
    return any(abs(number * scale - abs(value)) <= 0.5001 * last * scale for scale in SCALES[unit])


def claim_from(data: Mapping[str, Any], documents: Mapping[str, str]) -> Claim:
    """Build a claim from data that its schema has accepted; ``documents`` maps document names to
    digests.
    """
    said = data.get("published", {})
    published = Published(
        said.get("value"), tuple((s["proportion"], s["n"]) for s in said.get("samples", ()))
    )
    source = data["source"]
    return Claim(
        id=data["id"],
        title=data["title"],
        statement=data["statement"],
        source=Source(
            source["document"],
            documents.get(source["document"], ""),
            source["place"],
            source["printed"],
        ),
        published=published,
        measure=_measure(data["measure"]) if "measure" in data else Measure(),
        criterion=(
            _criterion(data["criterion"], published)
            if "criterion" in data
            else Criterion(STATEMENT, 0.0, 0.0, "", STATEMENT)
        ),
        depends_on=tuple(data.get("depends_on", ())),
        threats=tuple(data.get("threats", ())),
        known=data.get("known"),
        counterpart_of=data.get("counterpart_of"),
        figures=tuple(data.get("figures", ())),
        unmeasured=data.get("unmeasured"),
    )


def _criterion(data: Mapping[str, Any], published: Published) -> Criterion:
    return Criterion(
        kind=data["kind"],
        value=data.get("value", published.value),
        margin=data.get("margin", 0.0),
        rationale=data["rationale"],
        unit=data["unit"],
        confidence=data.get("confidence", 0.95),
        min_runs=data.get("min_runs", 1),
    )


def _measure(data: Mapping[str, Any]) -> Measure:
    same: dict[str, Any] = {
        "metric": data.get("metric"),
        "among": tuple(data.get("among", ())),
        "positive": tuple(data.get("positive", ())),
        "threshold": data.get("threshold"),
    }
    minus = data.get("minus")
    return Measure(
        run=data["run"],
        split=data.get("split"),
        scalar=data.get("scalar"),
        by=data.get("by"),
        **same,
        minus=(
            None
            if minus is None
            else Measure(
                run=minus.get("run", data["run"]),
                split=minus.get("split", data.get("split")),
                scalar=minus.get("scalar", data.get("scalar")),
                **same,
            )
        ),
    )
