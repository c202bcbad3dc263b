"""Whether a network's accuracy is bound to the collections that it was trained on.

**Purpose.** A set that merges collections can be learnt by collection. That file marks betray a
class (`shortcuts`) does not show that a network uses it; what it keeps of the collection, and how
it does on a collection it never saw, comes closer.

**Method.** The experiment ``image_sources`` leaves two kinds of observations.
``source_in_<class>``: among validation images of one class, a linear model reads the source from
the network's features; what it reads above the commonest source, with an interval over clusters, is
*clean* surely below `SMALL`, else *narrows*: the class itself cannot tell the source, so the
features hold it. ``left_out_<i>`` and ``trained_on_<i>``: the same images of one source, reported
on by two trainings of equal size, without and with others of that source. A loss surely from
`LARGE` on *undermines*, else it *narrows*: one pair of trainings has no spread over seeds, so it
never shows that an accuracy carries over.

**Limits.** Sources are told by file marks or a named group; collections that store alike are taken
for one. A loss on a source left out may be its difficulty for any training on fewer like it, which
is what a new hospital is, too. Demonstration data says nothing.

**Example.** Left out, 610 images of one source are told 31 points worse (28 to 34): the accuracy
holds for the collections trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from medpipe.audits.leakage_effect import effect
from medpipe.audits.scope import Settings, measured_in
from medpipe.audits.shortcuts import above_commonest
from medpipe.evidence import Evidence
from medpipe.evidence.finding import Finding
from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.specs.claim import Claim

EXPERIMENT = "image_sources"
PART = "imaging"
THREAT = "shortcuts"
IN_CLASS, LEFT_OUT, TRAINED_ON = "source_in_", "left_out_", "trained_on_"
SMALL, LARGE = 0.05, 0.10
"""Five points are within what a different mix of images does; from ten on the published accuracy is
not that of another collection.
"""


def sources(
    evidence: Sequence[Evidence], claims: Sequence[Claim], settings: Settings
) -> tuple[Finding, ...]:
    """A finding for each class whose source features tell, and each source left out, with the
    claims that they bear on: about the same network on data split alike, by the ``settings`` of the
    protocols.
    """
    named = [c for c in claims if c.part == PART and THREAT in c.threats]
    return tuple(
        f
        for e in evidence
        if _speaks(e)
        for f in _of_one(
            e,
            tuple(
                c.id
                for c in named
                if any(measured_in(c, settings, e.run.parameters, by_network=True))
            ),
        )
    )


def _of_one(e: Evidence, claims: tuple[str, ...]) -> Iterator[Finding]:
    yield from _in_classes(e, claims)
    yield from _left_out(e, claims)


def _speaks(e: Evidence) -> bool:
    return (
        e.run.experiment == EXPERIMENT
        and e.failure is None
        and e.resolved.get("data", {}).get("source") != "demonstration"
    )


def _in_classes(e: Evidence, claims: tuple[str, ...]) -> Iterator[Finding]:
    for split, o in e.observations.items():
        if split.startswith(IN_CLASS):
            found, right = above_commonest(o), float(np.mean(o["y_pred"] == o["y_true"]))
            severity, verdict = _held(found)
            yield Finding(
                THREAT,
                severity,
                f"Among {found.n:,} images of the class {split.removeprefix(IN_CLASS)}, features of"
                f" the network tell {len(o.classes)} sources right in {100 * right:.1f} %,"
                f" {_points(found)} above the commonest: {verdict}.",
                claims,
                {
                    "right": right,
                    "above": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "n": found.n,
                },
                id=_id(e, split),
                arithmetic=_working(found),
            )


def _held(found: Interval) -> tuple[str, str]:
    if found.high < SMALL:
        return "clean", "the collection is not seen in the features"
    return "narrows", (
        "the features hold the collection, too"
        if found.low > SMALL
        else "whether they hold the collection is open"
    )


def _left_out(e: Evidence, claims: tuple[str, ...]) -> Iterator[Finding]:
    for split, o in e.observations.items():
        other = TRAINED_ON + split.removeprefix(LEFT_OUT)
        if split.startswith(LEFT_OUT) and other in e.observations:
            loss = effect([(e.observations[other], o)])
            severity, verdict = _weighed(loss)
            alone, within = (
                float(np.mean(x["y_pred"] == x["y_true"])) for x in (o, e.observations[other])
            )
            yield Finding(
                THREAT,
                severity,
                f"The source {o['source'][0]} left out of training, {100 * alone:.1f} % of"
                f" {loss.n:,} of its images are right; {100 * within:.1f} % where some of this"
                f" source are among as many images trained on: {_points(loss)} lost, {verdict}.",
                claims,
                {"lost": loss.estimate, "low": loss.low, "high": loss.high, "n": loss.n},
                id=_id(e, split),
                arithmetic=_working(loss),
            )


def _weighed(loss: Interval) -> tuple[str, str]:
    if loss.low >= LARGE:
        return "undermines", "so the accuracy holds only for collections that are trained on"
    if loss.runs < 2:
        return (
            "narrows",
            (
                "so how far it carries over to another collection is open: one pair of trainings"
                " has no spread over seeds"
            ),
        )
    if loss.high < SMALL:
        return "clean", "so it carries over to this collection"
    return "narrows", "so how far it carries over to another collection is open"


def _id(e: Evidence, split: str) -> str:
    return f"{THREAT}:{split}.seed{e.run.seed}"


def _working(i: Interval) -> str:
    return f"95 % interval: {i.method}; {plural(i.clusters or i.n, 'cluster')}"


def _points(i: Interval) -> str:
    return f"{100 * i.estimate:.1f} points ({100 * i.low:.1f} to {100 * i.high:.1f})".replace(
        "-", "\N{MINUS SIGN}"
    )
