"""The same quantity, printed in several places.

**Purpose.** One quantity has one value: what prose says, what result files hold and what the code
does should agree.

**Method.** All values of a quantity are held against each other, numbers by their rounding
intervals, facts by what they come to. Where the code is one of the places, what is said otherwise
is contradicted by it. Where none is, both are put in doubt, and it is not said which is right. A
quantity of kind ``time`` differs from run to run; two values then show that the printed one was not
the only one.

**Limits.** It holds only if the records call the same thing by one name. A whole number that ends
in zeros may have been rounded further than its digits show (``10,000`` for 9,600), and digits may
have been cut off; what agrees only then is called suspicious.

**Example.** A table says 4.2M parameters, the result file 3,394,053: nothing that rounds to 4.2
million is 3,394,053.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations

from medpipe.audits.result import AuditResult, at, ids
from medpipe.audits.rounding import printed_range, rough_range
from medpipe.formatting import capital, plural
from medpipe.specs.figures import Figures, Printing, Quantity
from medpipe.specs.printed_values import Printed, in_one_unit

AS = {
    "said": ("says", "say"),
    "result": ("holds", "hold"),
    "output": ("shows", "show"),
    "code": ("has", "have"),
}


def restated(figures: Figures) -> Iterator[AuditResult]:
    """One result for each quantity that stands in several places: a clean one, or one for each pair
    that disagrees.
    """
    for quantity in figures.quantities:
        if len(quantity.printed) > 1:
            yield from _compared(quantity)


def _compared(quantity: Quantity) -> Iterator[AuditResult]:
    values = quantity.values()
    coded = [v for v in values if any(p.as_ == "code" for p in v)]
    # what the code does settles it: the others are held against it, not against each other
    pairs = (
        [(v, coded[0]) for v in values if v is not coded[0]]
        if len(coded) == 1
        else list(combinations(values, 2))
    )
    seen = [s for one, other in pairs if (s := _pair(quantity, one, other, last=len(values) == 2))]
    if seen:
        yield from seen
        return
    places = "; ".join(f"{at(p)}: {p.text}" for p in quantity.printed)
    yield AuditResult(
        "restated",
        quantity.id,
        "clean",
        f"{capital(quantity.what)} is the same wherever it stands.",
        places,
        ids(quantity),
        ids(quantity),
    )


def _pair(
    quantity: Quantity, one: tuple[Printing, ...], other: tuple[Printing, ...], *, last: bool
) -> AuditResult | None:
    """What two values of a quantity show; ``last``: there are no others, so that the quantity's own
    id names the pair.
    """
    a, b = one[0], next((p for p in other if p.as_ == "code"), other[0])
    numbers = {p.id: n for p, n in quantity.numbers()}
    agree, certain = _agree(a, b, numbers.get(a.id), numbers.get(b.id))
    if agree:
        return None
    both = tuple(p.id for p in (*one, *other))
    said = f"{capital(quantity.what)}: {_stands(one, a)} {a.text}, {_stands(other, b)} {b.text}."
    shown = (
        ""
        if quantity.kind == "fact"
        else f"{a.text} in {plural(len(one), 'place')}, {b.text} in {plural(len(other), 'place')}"
    )
    seen = partial(
        AuditResult,
        "restated",
        quantity.id if last else f"{a.id}.{b.id}",
        arithmetic=shown,
        rests_on=both,
    )
    if not certain:
        return seen(
            "narrows",
            f"{said} They agree only if a round figure is meant roughly, or digits were cut off.",
            bears_on=tuple(p.id for p in one) if b.as_ == "code" else both,
            certain=False,
        )
    if quantity.unless:
        return seen(
            "narrows",
            f"{said} Both can be right only if one is not one count of all samples: "
            f"{', or '.join(quantity.unless)}.",
            bears_on=both,
            certain=False,
        )
    if b.as_ == "code" and a.as_ != "code":
        return seen(
            "refutes",
            f"{said} What the code does is not what is said.",
            bears_on=tuple(p.id for p in one),
        )
    if quantity.kind == "time":
        return seen(
            "narrows",
            f"{said} Two measurements of one step differ by more than rounding; the published one"
            " was not the only one.",
            bears_on=both,
        )
    return seen("undermines", f"{said} Both cannot be right.", bears_on=both)


def _stands(printings: tuple[Printing, ...], shown: Printing) -> str:
    """Where a value stands, with a verb: one place in full, how many others."""
    more = len(printings) - 1
    return (
        f"{at(shown)} and {plural(more, 'other place')} {AS[shown.as_][1]}"
        if more
        else f"{at(shown)} {AS[shown.as_][0]}"
    )


def _agree(
    a: Printing, b: Printing, a_number: Printed | None, b_number: Printed | None
) -> tuple[bool, bool]:
    """Whether two printings agree, and whether that is certain."""
    if a_number is None or b_number is None:
        return a.meaning == b.meaning, True
    a_number, b_number = in_one_unit((a_number, b_number)) or (a_number, b_number)
    if printed_range(a_number).meets(printed_range(b_number)):
        return True, True
    return False, not rough_range(a_number).meets(rough_range(b_number))
