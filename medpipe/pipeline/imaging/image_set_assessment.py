"""The verdict on an image set: what is certain, what is excluded, and what stays undecided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medpipe.audits.data_findings import LARGE as MANY
from medpipe.audits.data_findings import SMALL as FEW
from medpipe.audits.proportions import Share
from medpipe.audits.shortcuts import LARGE, SMALL
from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.pipeline.imaging.leaked_images import Relation

CLEAN, INFLATED, CONFOUNDED, OPEN = "clean", "inflated", "confounded", "open"


@dataclass(frozen=True)
class ShortcutBaseline:
    """What a baseline reaches on a part: ``right`` and the commonest class's share of ``n``, and
    the difference with its interval.

    ``bears_on``: the accuracies that it touches.
    """

    part: str
    model: str
    right: float
    above: Interval
    is_blind: bool
    bears_on: str


@dataclass(frozen=True)
class Weighed:
    """``verdict``: inflated, confounded or both, with ``reasons``; else open where anything is
    ``undecided``, else clean.
    """

    verdict: str
    reasons: tuple[str, ...]
    undecided: tuple[str, ...]


def weigh(
    relations: Sequence[Relation],
    contradicted: Share,
    baselines: Sequence[ShortcutBaseline],
    not_looked: Sequence[str],
    cause: str = "",
) -> Weighed:
    """The verdict. ``not_looked``: sentences on what was not looked for; with any of them nothing
    is clean. ``cause``: a likely one of contradicted labels.
    """
    inflated = [_of_relation(r) for r in relations if r.weighs and r.found.interval.low >= FEW]
    confounded = [_of_baseline(b) for b in baselines if b.is_blind and b.above.low >= LARGE]
    reasons = [*inflated, *confounded]
    if contradicted.count:
        reasons.append(
            f"{_counted(contradicted)} have a copy that carries another"
            f" label{cause and f'; likely cause: {cause}'}"
        )
    undecided = (*not_looked, *_undecided(relations, contradicted, baselines))
    words = " and ".join(
        word for word, found in ((INFLATED, inflated), (CONFOUNDED, confounded)) if found
    )
    return Weighed(words or (OPEN if undecided else CLEAN), tuple(reasons), undecided)


def _undecided(
    relations: Sequence[Relation], contradicted: Share, baselines: Sequence[ShortcutBaseline]
) -> Iterator[str]:
    for r in relations:
        if r.weighs and r.found.interval.low < FEW <= r.found.interval.high:
            yield (
                f"{r.part}: {_counted(r.found)} are {r.kind}, {_percent(r.found.interval)}: whether"
                " one in a hundred is, is open"
            )
    for b in baselines:
        if b.is_blind and b.above.low < LARGE and b.above.high >= SMALL:
            yield (
                f"{_of_baseline(b)} ({100 * b.above.low:.0f} to {100 * b.above.high:.0f}): a short"
                " cut is not excluded"
            )
    if contradicted.interval.high >= FEW:
        yield (
            f"{_counted(contradicted)} have a copy that carries another label,"
            f" {_percent(contradicted.interval)}: whether one in a hundred has, is open"
            if contradicted.interval.low < FEW
            else "one image in a hundred or more carries a label that a copy of it contradicts"
        )


def _of_relation(r: Relation) -> str:
    within = (
        ", so that a random split by image puts relatives on both sides"
        if r.kind.endswith("itself")
        else ""
    )
    many = ", so many that they can carry an accuracy" if r.found.interval.low >= MANY else ""
    return f"{r.part}: {_counted(r.found)} are {r.kind}{within}{many}"


def _of_baseline(b: ShortcutBaseline) -> str:
    return (
        f"{b.part}: {b.model}: {100 * b.right:.1f} % accurate, {100 * b.above.estimate:.0f}"
        " percentage points above the commonest class"
    )


def _counted(found: Share) -> str:
    return f"{found.count:,} of {plural(found.interval.n, 'image')}"


def _percent(i: Interval) -> str:
    return f"{100 * i.estimate:.1f} % ({100 * i.low:.1f} to {100 * i.high:.1f})"
