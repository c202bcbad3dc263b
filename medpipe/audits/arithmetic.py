"""Differences, ratios, means and the like, computed again from the figures that they were made
from.

**Purpose.** A printed gap, gain, speed-up or mean must be one that its own printed parts can give.

**Method.** Each part stands for every value that rounds to it (for a share of n samples: every
count of n that does); the relation of these ranges is held against the range of values that round
to the printed result. Parts are taken from the result's own document where they stand there,
otherwise from wherever they stand. Only where no choice of printings agrees is the result
impossible. Times and sizes in different units are brought to one.

**Limits.** Rounding hides errors of about one unit of the last digit of each part. Figures that
were cut off instead of rounded are allowed for: what agrees only then is called suspicious, not
certain. So is what a results table leaves open, such as a mean over folds. Which of the figures is
wrong is not said. A divisor that may be 0 gives no result, nor do parts that are only limits
(``<2%``).

**Example.** 125.2 ms and 4.9 ms print a speed-up of 25.3 to 25.8; a printed 25.7 agrees, a printed
29.3 would not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import islice, product

from medpipe.audits.result import AuditResult, at, number, places, span
from medpipe.audits.rounding import Range, combine, printed_range, rough_range, true_range
from medpipe.formatting import capital, listed
from medpipe.specs.figures import Figures, Printing, Quantity, Relation
from medpipe.specs.printed_values import Printed, in_one_unit

WORDS = {
    "difference": "the difference of",
    "ratio": "the ratio of",
    "mean": "the mean of",
    "sum": "the sum of",
    "product": "the product of",
    "relative_change": "the relative change from",
    "largest_magnitude": "the largest of",
    "orders_of_magnitude": "the orders of magnitude between",
}
IN_THEIR_UNIT = ("difference", "mean", "sum", "largest_magnitude")
MAGNITUDES = ("largest_magnitude", "orders_of_magnitude")
MOST_CHOICES = 1024
ONLY_IF = {
    "rounded": "it was computed from rounded figures",
    "means": "it was computed from rounded figures, or the figures are means over folds or runs",
    "cut": "digits were cut off instead of rounded, or round figures are meant roughly",
    "ratios": "it is a mean of ratios, not the ratio of the means",
    "weighted": "the parts were weighted or pooled",
}
"""How a result can agree that the parts do not give as they stand."""
RANKS = ("agrees", *ONLY_IF, "never")
Place = tuple[Quantity, Printing, Printed]


def recomputed(figures: Figures) -> Iterator[AuditResult]:
    """One result for every printing of a computed figure."""
    often = Counter(r.result for r in figures.relations)
    for relation in figures.relations:
        result = figures.quantity(relation.result)
        parts = [figures.quantity(name) for name in relation.of]
        for printing, printed in result.numbers():
            seen = _held_against(
                relation,
                (result, printing, printed),
                [_choices(q, printing.document) for q in parts],
            )
            if seen is not None:  # a result that is computed in two ways has two findings
                yield (
                    seen
                    if often[relation.result] == 1
                    else replace(seen, key=f"{relation.id}.{printing.id}")
                )


def _choices(quantity: Quantity, document: str) -> list[Place]:
    """Where a part stands: in this document if it does, else everywhere."""
    every = [(quantity, p, n) for p, n in quantity.numbers()]
    return [c for c in every if c[1].document == document] or every


def _held_against(
    relation: Relation, result: Place, parts: list[list[Place]]
) -> AuditResult | None:
    """The result for the choice of printings that agrees best; None where nothing can be said."""
    choices = list(islice(product(*parts), MOST_CHOICES + 1))
    best: tuple[str, tuple[Place, ...], Range] | None = None
    for chosen in choices:
        judged = _agrees(relation, chosen, result)
        if judged is None:
            return None  # one choice that cannot be judged may be the right one
        if best is None or RANKS.index(judged[0]) < RANKS.index(best[0]):
            best = judged[0], chosen, judged[1]
    if best is None or (best[0] != "agrees" and len(choices) > MOST_CHOICES):
        return None
    return _told(relation, result, *best)


def _agrees(
    relation: Relation, chosen: tuple[Place, ...], result: Place
) -> tuple[str, Range] | None:
    """One of `RANKS`, and the range that the parts give; None where that is not known."""
    kind = relation.kind
    numbers = in_one_unit(
        [n for _, _, n in chosen] + ([result[2]] if kind in IN_THEIR_UNIT else [])
    )
    if numbers is None:
        return None
    parts, printed = numbers[: len(chosen)], numbers[-1] if kind in IN_THEIR_UNIT else result[2]
    weights = relation.weights
    true = [true_range(q, n) for (q, _, _), n in zip(chosen, parts, strict=True)]
    rounded, rough = [printed_range(n) for n in parts], [rough_range(n) for n in parts]
    given = combine(kind, true, weights)
    if given is None:
        return None
    open_ = [q for q, _, _ in (*chosen, result) if q.unless]
    allowed = printed_range(printed)
    tried = {
        "agrees": (given, allowed),
        "means" if open_ else "rounded": (combine(kind, rounded, weights), allowed),
        "cut": (combine(kind, rough, weights), rough_range(printed)),
    }
    for rank, (range_, allowed) in tried.items():
        if range_ is None or any(range_.meets(r) for r in _either_sign(kind, printed, allowed)):
            return rank, given
    if open_ and kind == "ratio":
        return "ratios", given
    within = not relation.between or _hull(rough).meets(rough_range(printed))
    if result[0].unless and kind == "mean" and within:
        return "weighted", given
    return "never", given


def _hull(parts: list[Range]) -> Range:
    """From the least to the greatest of some ranges: any weighted mean and any pooled share."""
    lows, highs = [p.low for p in parts], [p.high for p in parts]
    return Range(
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
    )


def _either_sign(kind: str, printed: Printed, allowed: Range) -> tuple[Range, ...]:
    """The allowed range, and its mirror image where a magnitude was printed with the sign of what
    it is the magnitude of.
    """
    if kind not in MAGNITUDES or printed.value >= 0:
        return (allowed,)
    return (
        allowed,
        Range(
            None if allowed.high is None else -allowed.high,
            None if allowed.low is None else -allowed.low,
        ),
    )


def _told(
    relation: Relation, result: Place, rank: str, chosen: tuple[Place, ...], given: Range
) -> AuditResult:
    quantity, printing, printed = result
    values = listed(p.text for _, p, _ in chosen)
    what = "the weighted mean of" if relation.weights else WORDS[relation.kind]
    decimals = places(
        printed.step, *(n.step for _, _, n in chosen if quantity.kind in ("proportion", "points"))
    )
    gives = span(given.low or Fraction(0), given.high or Fraction(0), quantity.kind, decimals)
    allowed = _allowed(quantity, printed, decimals)
    arithmetic = f"{what} {values}: {gives}; printed {printing.text} ({allowed})"
    seen = partial(
        AuditResult,
        "recomputed",
        printing.id,
        arithmetic=arithmetic,
        rests_on=(printing.id, *(p.id for _, p, _ in chosen)),
        bears_on=(printing.id,),
    )
    if rank == "agrees":
        return seen(
            "clean",
            f"{capital(quantity.what)}: the printed {printing.text} agrees with {what} {values}.",
        )
    said = (
        f"{at(printing)} prints {printing.text} as {quantity.what}; {what} "
        f"{listed(f'{p.text} ({q.what})' for q, p, _ in chosen)} is {gives}."
    )
    if rank in ONLY_IF:
        return seen("narrows", f"{said} It agrees only if {ONLY_IF[rank]}.", certain=False)
    return seen("refutes", f"{said} At least one of these figures is wrong.")


def _allowed(quantity: Quantity, printed: Printed, decimals: int) -> str:
    if printed.low is not None and printed.high is not None:
        return span(printed.low, printed.high, quantity.kind, decimals)
    limit = printed.high if printed.low is None else printed.low
    return (
        f"{'at most' if printed.low is None else 'at least'}"
        f" {number(limit or Fraction(0), quantity.kind)}"
    )
