"""The words of page one: what may be relied on, what may not, and what is not known. Every number
comes from a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import shorten

from medpipe.formatting import agree, listed, plural
from medpipe.judging import Outcome, Validity
from medpipe.judging.wording import show_interval, show_region, show_runs
from medpipe.report.labels import first_clause, plain_reason
from medpipe.report.report_data import ClaimResult, ReportData

LONGEST = 260


@dataclass(frozen=True)
class Row:
    """One row of the box: a heading, full sentences, and a sentence on what was left out (empty
    where nothing was).
    """

    heading: str
    sentences: tuple[str, ...]
    rest: str = ""


def headline_order(items: Iterable[ClaimResult]) -> list[ClaimResult]:
    """The claims a reader asks for first: what the authors claim before what medpipe asks, their
    headline before the rest; accuracies, gaps between groups, other scores, differences, counts,
    words; parts take turns.
    """
    queues: dict[str, list[ClaimResult]] = {}
    for item in sorted(
        items, key=lambda i: (i.claim.is_asked, not _in_headline(i), _weight(i), i.number)
    ):
        queues.setdefault(item.claim.part, []).append(item)
    ordered: list[ClaimResult] = []
    while any(queues.values()):
        ordered += [queue.pop(0) for queue in queues.values() if queue]
    return ordered


def _in_headline(item: ClaimResult) -> bool:
    return item.claim.source.place.lower().startswith(("headline", "title", "abstract"))


def _weight(item: ClaimResult) -> int:
    m = item.claim.measure
    if not m.run:
        return 2 if item.verdict.outcome is Outcome.REFUTED else 6
    if m.scalar is not None:
        return 5
    if m.by is not None:
        return 1
    if m.minus is not None:
        return 2 if m.minus.run != m.run else 4
    if (m.split or "").startswith("train"):
        return 4
    return 0 if m.metric == "accuracy" else 3


def box(case: ReportData, room: int, most: int) -> tuple[Row, Row, Row]:
    """The three rows of page one. Each claim stands in exactly one of them; ``room``: characters
    for each of the first two rows, ``most``: claims named in a list before the rest is counted.
    """
    held = [i for i in case.items if may_be_relied_on(i)]
    failed = [i for i in case.items if may_not_be_relied_on(i)]
    return (
        _row(
            "May be relied on",
            held,
            room,
            most,
            "No claim was both reproduced and found sound.",
        ),
        _row(
            "May not be relied on",
            failed,
            room,
            most,
            "No claim was refuted or undermined.",
        ),
        _unknown(case, most),
    )


def may_be_relied_on(item: ClaimResult) -> bool:
    """Reproduced, and the number means what is said, or a named part of it."""
    return item.verdict.outcome is Outcome.SUPPORTED and item.verdict.validity in (
        Validity.SOUND,
        Validity.NARROWED,
    )


def may_not_be_relied_on(item: ClaimResult) -> bool:
    """Refuted, or the number does not mean what is said, whatever its size."""
    return item.verdict.outcome is Outcome.REFUTED or item.verdict.validity is Validity.UNDERMINED


def _row(heading: str, items: Sequence[ClaimResult], room: int, most: int, none: str) -> Row:
    """Sentences in headline order while there is room; claims that fail for one reason share a
    sentence.
    """
    chosen: list[str] = []
    told: set[int] = set()
    for item in headline_order(items):
        if item.number in told:
            continue
        alike = [
            i
            for i in items
            if i is not item
            and item.verdict.validity is Validity.UNDERMINED
            and (i.verdict.validity, i.verdict.validity_reason)
            == (item.verdict.validity, item.verdict.validity_reason)
        ]
        said = sentence(item) + (
            f" The same holds for {named(alike, max(most, 1))}." if alike else ""
        )
        if chosen and sum(map(len, chosen)) + len(said) > room:
            break
        chosen.append(said)
        told |= {i.number for i in (item, *alike)}
    left = len(items) - len(told)
    rest = f"The next tables list {plural(left, 'more claim')}." if left else ""
    return Row(heading, tuple(chosen) or (none,), rest)


def sentence(item: ClaimResult) -> str:
    """Subject, number, uncertainty, population and limit of one claim, in full sentences."""
    v = item.verdict
    subject = f"{item.claim.title} (claim {item.number})"
    if item.printed == "–" and v.outcome in (Outcome.SUPPORTED, Outcome.REFUTED):
        held = "holds" if v.outcome is Outcome.SUPPORTED else "does not hold"
        text = (
            f"{subject}, added by medpipe: {_found(item)}; this {held} (accepted:"
            f" {show_region(v.accepted, v.unit)})."
        )
    elif v.outcome is Outcome.SUPPORTED:
        text = f"{subject}: {_found(item)}; this reproduces the published {v.printed}."
    elif v.outcome is Outcome.REFUTED and v.interval is None:
        text = (
            f"{subject}: published “{v.printed}”; the published figures themselves rule it out:"
            f" {clause(v.reason)}."
        )
    elif v.outcome is Outcome.REFUTED:
        text = (
            f"{subject}: {_found(item)}; this does not reproduce the published {v.printed}"
            f" (accepted: {show_region(v.accepted, v.unit)})."
        )
    elif v.outcome is Outcome.NOT_TESTED:
        text = f"{subject}: {_published(item)}not tested here."
    elif v.grade == "demonstration" and item.decisive:
        text = (
            f"{subject}: {_published(item)}run on demonstration data only, which is not evidence"
            " about the number."
        )
    else:
        how = ", not run as published" if item.decisive else ""
        text = f"{subject}: {_published(item)}found here{how}: {_found(item)}."
    if v.validity is Validity.UNDERMINED:
        text += (
            f" The number does not mean what the claim says: {_lower(clause(v.validity_reason))}."
        )
    elif v.validity is Validity.NARROWED:
        text += f" It means less than the claim says: {_lower(clause(v.validity_reason))}."
    return text


def _published(item: ClaimResult) -> str:
    return "added by medpipe, " if item.printed == "–" else f"published {item.printed}, "


def _found(item: ClaimResult) -> str:
    v = item.verdict
    if v.interval is None:
        return "not tested"
    shown = show_interval(v.interval, v.unit)
    if v.interval.low == v.interval.high:
        return f"{shown}, {v.interval.method}"
    interval = shown.replace("(", f"({100 * v.interval.confidence:g} % interval ", 1)
    m = item.claim.measure
    if v.unit == "proportion" and m.metric == "accuracy" and m.minus is None and m.by is None:
        interval = f"correct for about {round(100 * v.interval.estimate)} of 100, {interval}"
    return f"{interval}, {population(item)}"


def population(item: ClaimResult) -> str:
    """On what: ``on 5,000 samples of “validation” (556 clusters), 3 runs``."""
    interval, m = item.verdict.interval, item.claim.measure
    if interval is None:
        return ""
    runs = show_runs(interval)
    if m.split is None:
        return runs
    clusters = f" in {plural(interval.clusters, 'cluster')}" if interval.clusters else ""
    among = f" that are truly {listed(m.among)}," if m.among else ""
    sides = (
        f" with {listed(m.positive)} as one class and the rest as the other," if m.positive else ""
    )
    return (
        f"on {plural(interval.n, 'sample')}{clusters} of the split “{m.split}”,{among}{sides} "
        f"{runs}"
    )


def clause(text: str) -> str:
    """A reason as the end of a sentence on page one: short, without a full stop of its own."""
    plain = plain_reason(text.strip().rstrip("."))
    return shorten(plain, LONGEST, placeholder=" … (full text in the tables)")


def _unknown(case: ReportData, most: int) -> Row:
    """Grouped by why, because most claims share a reason."""
    left = [i for i in case.items if not may_be_relied_on(i) and not may_not_be_relied_on(i)]
    sentences = [
        said
        for group in (_demonstration, _deviating, _undecided, _unexamined, _untested)
        if (said := group(left, most))
    ]
    if case.specs.subject.not_covered:
        sentences.append(
            "Not part of this audit: "
            + clause("; ".join(first_clause(t) for t in case.specs.subject.not_covered))
            + "."
        )
    return Row(
        "Not known",
        tuple(sentences) or ("All claims were decided.",),
        "“What is not known” lists what each claim would need." if left else "",
    )


def _demonstration(left: Sequence[ClaimResult], most: int) -> str:
    here = [
        i
        for i in left
        if i.verdict.outcome is Outcome.INCONCLUSIVE
        and i.verdict.grade == "demonstration"
        and i.decisive
    ]
    if not here:
        return ""
    return (
        f"{_claims_were(here)} run on demonstration data only. This shows that the software works"
        f" and says nothing about the {agree(len(here), 'claim', 'claims')}."
    )


def _deviating(left: Sequence[ClaimResult], most: int) -> str:
    here = [
        i
        for i in left
        if i.verdict.outcome is Outcome.INCONCLUSIVE
        and i.verdict.grade != "demonstration"
        and i.decisive
    ]
    if not here:
        return ""
    sides = [
        (where, [i for i in here if i.verdict.indication == side])
        for side, where in (
            ("below", "below"),
            ("within", "inside"),
            ("above", "above"),
            (None, "across an edge"),
        )
    ]
    points = listed(
        [
            f"{len(items)} {where}" + (f" ({named(items, most)})" if most else "")
            for where, items in sides
            if items
        ]
    )
    return (
        f"{_claims_were(here)} not run as published, so the evidence cannot decide"
        f" {agree(len(here), 'it', 'them')}. Results relative to the accepted region: {points}."
    )


def _undecided(left: Sequence[ClaimResult], most: int) -> str:
    here = [i for i in left if i.verdict.outcome is Outcome.INCONCLUSIVE and not i.decisive]
    if not here:
        return ""

    def tell(item: ClaimResult) -> str:
        needed = (
            f", about {item.verdict.needed_n:,} samples needed" if item.verdict.needed_n else ""
        )
        return f"{item.claim.title}, {_found(item)}{needed}"

    return f"{_claims_were(here)} tested, but the result is inconclusive{_named(here, most, tell)}."


def _unexamined(left: Sequence[ClaimResult], most: int) -> str:
    here = [i for i in left if i.verdict.outcome is Outcome.SUPPORTED]
    if not here:
        return ""
    return (
        f"{_claims_were(here)} reproduced, but no audit examined what"
        f" {agree(len(here), 'the number means', 'the numbers mean')}"
        + _named(here, most, lambda i: f"{i.claim.title}, {_found(i)}")
        + "."
    )


def _untested(left: Sequence[ClaimResult], most: int) -> str:
    here = [i for i in left if i.verdict.outcome is Outcome.NOT_TESTED]
    if not here:
        return ""
    reasons: dict[str, list[ClaimResult]] = {}
    for i in here:
        reasons.setdefault(i.verdict.reason, []).append(i)
    often = sorted(reasons.items(), key=lambda pair: -len(pair[1]))
    if len(often) == 1:
        return f"{_claims_were(here)} not tested: {_because(often[0][0])}."
    shown = "; ".join(f"{_because(reason)} ({len(items)})" for reason, items in often[:2])
    rest = sum(len(items) for _, items in often[2:])
    more = f"; other reasons ({rest})" if rest else ""
    return f"{_claims_were(here)} not tested, for these reasons: {shown}{more}."


def _because(reason: str) -> str:
    return _lower(first_clause(clause(reason)))


def _named(items: Sequence[ClaimResult], most: int, tell: Callable[[ClaimResult], str]) -> str:
    """The first items after a colon; nothing where there is no space to name one."""
    return f": {_listed(items, most, tell)}" if most else ""


def named(items: Sequence[ClaimResult], most: int) -> str:
    """Titles in headline order, the rest counted."""
    return _listed(items, most, lambda i: i.claim.title)


def _listed(items: Sequence[ClaimResult], most: int, tell: Callable[[ClaimResult], str]) -> str:
    first = [tell(i) for i in headline_order(items)[:most]]
    left = len(items) - len(first)
    return " · ".join(
        [*first, *([f"and {left} more" if first else plural(left, "claim")] if left else [])]
    )


def _lower(text: str) -> str:
    """The text as it reads inside a sentence: its first word small, unless it is a name with
    capitals in it.
    """
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first == "A" or first[1:].islower() else text


def _claims_were(items: Sequence[ClaimResult]) -> str:
    return f"{plural(len(items), 'claim')} {'was' if len(items) == 1 else 'were'}"
