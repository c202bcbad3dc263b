"""Words put on figures, and "best" among them.

**Purpose.** "Overfitting", "high bias", "optimal" are claims about numbers that stand beside them.

**Method.** ``judgement``: a word comes with a definition as tests on quantities. A test that no
value behind the printed figure passes contradicts the word; one that is passed, but where the
figure's sampling error reaches the other side, does not show it. Where the code has a rule of its
own, the word that the rule gives is compared with the word printed. ``ranking``: the best by the
printed figures is compared with the one named, and rankings of one topic with each other.

**Limits.** Definitions are ours where a text gives none, and stand in the record with their source.
Sampling error is known only for differences of proportions with n.

**Example.** "Overfitting" beside a gap of 0.08 points with a sampling error of 0.7: the figures do
not show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import combinations

from medpipe.audits.result import AuditResult, at, ids, number
from medpipe.audits.rounding import Range, combine, printed_range
from medpipe.audits.sampling_error import difference_interval, value
from medpipe.formatting import listed
from medpipe.metrics.intervals import Interval
from medpipe.specs.figures import Figures, Judgement, Quantity, Ranking, Test

WORDS = {"above": "above", "below": "below", "at_least": "at least", "at_most": "at most"}


def judgement(figures: Figures) -> Iterator[AuditResult]:
    """Results for each word that is put on figures."""
    for word in figures.judgements:
        yield from (_needed(figures, word, test, i) for i, test in enumerate(word.needs))
        if word.rule_in_code is not None:
            yield _by_rule(figures, word, word.rule_in_code)


def _needed(figures: Figures, word: Judgement, test: Test, index: int) -> AuditResult:
    quantity = figures.quantity(test.quantity)
    printing, printed = quantity.numbers()[0]
    asked = f"{quantity.what} {WORDS[test.is_]} {number(test.value, quantity.kind)}"
    key = f"{word.id}.{index}" if len(word.needs) > 1 else word.id
    said = f"{at(word)} says “{word.said}”, which means: {word.definition.rstrip('.')}."
    seen = partial(AuditResult, "judgement", key, rests_on=ids(quantity), bears_on=(word.id,))
    if not _possible(printed_range(printed), test):
        return seen(
            "undermines",
            f"{said} The printed {printing.text} says otherwise.",
            f"needs {asked}; printed {printing.text}",
        )
    interval = _sampling(figures, quantity)
    if interval is not None and not _whole(interval, test):
        shown = (
            f"needs {asked}; {printing.text}, 95 % interval {number(interval.low, 'points', 2)} to "
            f"{number(interval.high, 'points', 2)} ({interval.method})"
        )
        return seen(
            "undermines", f"{said} The printed {printing.text} cannot be told from chance.", shown
        )
    return seen("clean", f"{said} The printed {printing.text} agrees.", f"needs {asked}")


def _possible(values: Range, test: Test) -> bool:
    """Whether some value of a range passes a test."""
    bound = Fraction(str(test.value))
    if test.is_ in ("above", "at_least"):
        return (
            values.high is None
            or values.high > bound
            or (test.is_ == "at_least" and values.high == bound)
        )
    return (
        values.low is None or values.low < bound or (test.is_ == "at_most" and values.low == bound)
    )


def _whole(interval: Interval, test: Test) -> bool:
    return (
        interval.low > test.value
        if test.is_ in ("above", "at_least")
        else interval.high < test.value
    )


def _sampling(figures: Figures, quantity: Quantity) -> Interval | None:
    """The sampling interval of a quantity that is the difference of two proportions; None for
    others.
    """
    for relation in figures.relations:
        if relation.result == quantity.id and relation.kind == "difference":
            return difference_interval(*(figures.quantity(name) for name in relation.of))
    return None


def _by_rule(figures: Figures, word: Judgement, rule: Test) -> AuditResult:
    quantity = figures.quantity(rule.quantity)
    printing, printed = quantity.numbers()[0]
    holds = _possible(printed_range(printed), rule)
    seen = partial(
        AuditResult, "judgement", f"{word.id}.rule", rests_on=ids(quantity), bears_on=(word.id,)
    )
    shown = (
        f"rule in the code: “{rule.says}” where {quantity.what} is {WORDS[rule.is_]}"
        f" {number(rule.value, quantity.kind)}; printed {printing.text}"
    )
    same = (rule.says or "").casefold() == word.said.casefold()
    if holds == same:
        return seen("clean", f"“{word.said}” is what the rule in the code gives.", shown)
    gives = f"gives “{rule.says}”" if holds else f"does not give “{rule.says}”"
    return seen(
        "undermines",
        f"{at(word)} says “{word.said}”; the rule in the published code {gives} for "
        f"{printing.text}.",
        shown,
    )


def ranking(figures: Figures) -> Iterator[AuditResult]:
    """One result for each statement of what is best, and one for each pair that contradict each
    other.
    """
    for r in figures.rankings:
        yield _ranked(figures, r)
    for a, b in combinations([r for r in figures.rankings if r.topic is not None], 2):
        if a.topic == b.topic and set(a.best).isdisjoint(b.best):
            said = f"{at(a)} says “{a.said}”, {at(b)} “{b.said}”: not both can be best."
            yield AuditResult("ranking", f"{a.id}.{b.id}", "undermines", said, "", (), (a.id, b.id))


def _ranked(figures: Figures, r: Ranking) -> AuditResult:
    quantities = [figures.quantity(name) for name in r.among]
    order = sorted(quantities, key=_key(r.order))
    shown = ", ".join(f"{q.what}: {q.printed[0].text}" for q in order)
    seen = partial(AuditResult, "ranking", r.id, rests_on=ids(*quantities), bears_on=(r.id,))
    named = listed(figures.quantity(name).what for name in r.best)
    first = order[0]
    best = min((figures.quantity(name) for name in r.best), key=_key(r.order))
    if first.id in r.best or _magnitude(best, r.order).meets(_magnitude(first, r.order)):
        return seen(
            "clean", f"“{r.said}”: by the printed figures nothing comes before {named}.", shown
        )
    return seen(
        "refutes",
        f"{at(r)} says “{r.said}”; by the printed figures {first.what} ({first.printed[0].text})"
        f" comes before {best.what} ({best.printed[0].text}).",
        shown,
    )


def _magnitude(quantity: Quantity, order: str) -> Range:
    """The values behind a printed figure, without sign where only its size counts."""
    values = printed_range(quantity.numbers()[0][1])
    return (
        (combine("largest_magnitude", [values]) or values)
        if order == "smallest_magnitude"
        else values
    )


def _key(order: str) -> Callable[[Quantity], float]:
    """What to sort by so that the best comes first."""
    sign = {"highest": lambda v: -v, "lowest": lambda v: v, "smallest_magnitude": abs}[order]
    return lambda quantity: sign(value(quantity))
