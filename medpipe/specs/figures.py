"""Published figures as records: each number with its document and place, and how the numbers are
related.

A `Quantity` is one thing that has a value, such as the validation accuracy of one model; each
`Printing` is one place where that value stands. The other records say how quantities hang together
(`Relation`, `Scores`, `Architecture`, `Grid`), how systems were compared and chosen (`System`,
`Repeats`, `Comparison`, `Selection`), and what words were put on figures (`Judgement`, `Ranking`,
`Absence`, `Disclosure`). The audits of ``medpipe/audits`` take these records and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from medpipe.specs.printed_values import Printed, read_printed

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Printing:
    """One place where a quantity stands.

    ``as_``: ``said`` (prose or tables that make the claims), ``result`` (a result file), ``output``
    (stored output of code) or ``code`` (what the code does, read off it). ``number``: the part of
    ``text`` that is the number, where it is not all of it. ``means``: what a fact comes to, for
    comparing it with other wordings. ``digest`` is the document's.
    """

    id: str
    document: str
    place: str
    text: str
    number: str | None = None
    as_: str = "said"
    means: str | None = None
    digest: str = ""

    @property
    def meaning(self) -> str:
        """What it comes to, for comparing facts."""
        return (self.means or self.text).casefold()


@dataclass(frozen=True)
class Quantity:
    """One thing that has a value.

    ``kind``: ``proportion``, ``points`` (a difference of proportions), ``count`` (exact whole
    number), ``number``, ``time`` (a measurement that differs from run to run) or ``fact`` (words).
    ``n``: samples behind a proportion. ``made_by``: what produced it, as far as the published code
    tells. ``conditions``: under which it was taken.

    Results tables also set these. ``unless``: readings under which the figure is not one count of
    ``n``, as clauses of a sentence ("it is a mean over folds or runs"). ``other_scale``: the number
    if the sign for per cent is missing or one too many. ``interval``: the ends of the printed
    interval and its level in per cent, as read.
    """

    id: str
    what: str
    kind: str
    printed: tuple[Printing, ...]
    n: int | None = None
    made_by: str = "computation"
    made_note: str = ""
    conditions: Mapping[str, Scalar] = field(default_factory=dict)
    unless: tuple[str, ...] = ()
    other_scale: str | None = None
    interval: tuple[str, ...] = ()

    def numbers(self) -> tuple[tuple[Printing, Printed], ...]:
        """Every printing with its number; empty for facts. A count that is printed to its last
        digit is exact.
        """
        if self.kind == "fact":
            return ()
        read = ((p, read_printed(p.number or p.text, p.id)) for p in self.printed)
        return tuple(
            (p, n.exactly() if self.kind == "count" and n.step == 1 else n) for p, n in read
        )

    def values(self) -> tuple[tuple[Printing, ...], ...]:
        """The printings, those that print one and the same value together."""
        numbers = {p.id: n for p, n in self.numbers()}
        together: dict[object, list[Printing]] = {}
        for p in self.printed:
            n = numbers.get(p.id)
            together.setdefault(p.meaning if n is None else replace(n, text=""), []).append(p)
        return tuple(tuple(group) for group in together.values())


RELATIONS_OF_TWO = ("difference", "ratio", "relative_change", "orders_of_magnitude")


@dataclass(frozen=True)
class Relation:
    """``result`` is computed from ``of``.

    ``difference`` a - b, ``ratio`` a / b, ``mean``, ``sum``, ``product``,
    ``relative_change`` (a - b) / a, ``orders_of_magnitude`` (absolute decimal logarithm of a / b),
    ``largest_magnitude``. ``weights``: those of a weighted mean. ``between``: a pooled figure, too,
    lies between the least and the greatest part."""

    id: str
    kind: str
    result: str
    of: tuple[str, ...]
    weights: tuple[int, ...] = ()
    between: bool = True


@dataclass(frozen=True)
class System:
    """One thing that was built or run, with what the code says of it: attribute → value."""

    id: str
    what: str
    attributes: Mapping[str, Scalar]


@dataclass(frozen=True)
class Repeats:
    """Results of one and the same configuration, run more than once."""

    id: str
    what: str
    of: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """Something that ``document`` says at ``place``; the kinds below add what it says it of."""

    id: str
    said: str
    document: str
    place: str


@dataclass(frozen=True)
class Comparison(Statement):
    """``first`` is said to be better than ``second``.

    ``systems``: what was compared; ``credits``: the attributes to which the text gives the credit;
    ``paired``: both were measured on the same samples; ``repeats``: runs of one configuration that
    show how far results spread by chance.
    """

    first: str
    second: str
    better: str
    paired: bool = False
    systems: tuple[str, ...] = ()
    credits: tuple[str, ...] = ()
    repeats: str | None = None
    verbatim: bool = True

    @property
    def quoted(self) -> str:
        """The statement, in quotation marks only where the document has these words."""
        return f"“{self.said}”" if self.verbatim else self.said


@dataclass(frozen=True)
class Selection:
    """``reported`` was taken out of ``candidates`` (or out of ``count`` of them) by looking at
    ``chosen_on``.

    It stands for ``reported_on``.
    """

    id: str
    what: str
    reported: str
    chosen_on: str
    reported_on: str
    candidates: tuple[str, ...] = ()
    count: int | None = None
    rule: str = "best"


@dataclass(frozen=True)
class Test:
    """A quantity ``is_`` (``above``, ``below``, ``at_least``, ``at_most``) a value; ``says``: the
    word that code puts on it.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    quantity: str
    is_: str
    value: float
    says: str | None = None


@dataclass(frozen=True)
class Judgement(Statement):
    """A word put on figures.

    ``needs``: what the word means, as tests; ``definition``: in words, with its source;
    ``rule_in_code``: as coded.
    """

    definition: str
    needs: tuple[Test, ...] = ()
    rule_in_code: Test | None = None


@dataclass(frozen=True)
class Ranking(Statement):
    """One of several is said to be best. Two rankings of one ``topic`` should name the same."""

    best: tuple[str, ...]
    among: tuple[str, ...]
    order: str
    topic: str | None = None


@dataclass(frozen=True)
class Absence(Statement):
    """Something is said not to be there; ``measured_by``: quantities that would show it."""

    of: str
    measured_by: tuple[str, ...] = ()


SCORES = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "specificity",
    "balanced_accuracy",
    "youden",
    "auc",
)


@dataclass(frozen=True)
class Scores:
    """Scores of one classifier on one set of ``n`` samples.

    ``classes``: class → number of samples; ``positive``: for ``binary``. None where it is not
    known: ``n``, ``average`` (how scores were averaged over the classes), ``runs`` and ``folds``
    (over how many of them the scores are means; 1: they are not). Figure records always state one
    confusion matrix; only results tables leave it open.
    """

    id: str
    what: str
    n: int | None
    average: str | None
    classes: Mapping[str, int] = field(default_factory=dict)
    positive: str | None = None
    accuracy: str | None = None
    precision: str | None = None
    recall: str | None = None
    f1: str | None = None
    specificity: str | None = None
    balanced_accuracy: str | None = None
    youden: str | None = None
    auc: str | None = None
    runs: int | None = 1
    folds: int | None = 1

    def named(self) -> dict[str, str]:
        """Score → quantity id, of the scores that were printed."""
        there = {name: getattr(self, name) for name in SCORES}
        return {name: quantity for name, quantity in there.items() if quantity is not None}


@dataclass(frozen=True)
class Layer:
    """One layer, ``times`` in a row. Which of the sizes count depends on ``kind``;
    ``medpipe.audits.parameter_counts`` says how.
    """

    kind: str
    name: str = ""
    times: int = 1
    rows: int = 0
    width: int = 0
    inputs: int = 0
    outputs: int = 0
    kernel: int = 1
    hidden: int = 0
    layers: int = 1
    features: int = 0
    stride: int = 1
    bidirectional: bool = False
    bias: bool = True
    downsample: bool = False
    transposed: bool = False


@dataclass(frozen=True)
class Architecture:
    """A network as coded.

    ``counts``: what can be counted (``parameters``, or a kind of layer such as ``transposed_conv``)
    → the quantity that prints it. ``saved_size``: the quantity that prints the size of the saved
    weights.
    """

    id: str
    what: str
    layers: tuple[Layer, ...]
    counts: Mapping[str, str] = field(default_factory=dict)
    saved_size: str | None = None


@dataclass(frozen=True)
class Grid(Statement):
    """A grid of configurations that is said to have been run: axis → values; ``systems``: what was
    really run.
    """

    axes: Mapping[str, tuple[Scalar, ...]]
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Disclosure:
    """Something that ought not to stand in a published document, such as a credential."""

    id: str
    what: str
    document: str
    place: str


SECTIONS: dict[str, type] = {
    "quantities": Quantity,
    "relations": Relation,
    "systems": System,
    "repeats": Repeats,
    "comparisons": Comparison,
    "selections": Selection,
    "judgements": Judgement,
    "rankings": Ranking,
    "absences": Absence,
    "scores": Scores,
    "architectures": Architecture,
    "grids": Grid,
    "disclosures": Disclosure,
}


@dataclass(frozen=True)
class Figures:
    """All records of a set of specifications, each section in the order of its files."""

    quantities: tuple[Quantity, ...] = ()
    relations: tuple[Relation, ...] = ()
    systems: tuple[System, ...] = ()
    repeats: tuple[Repeats, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    selections: tuple[Selection, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    absences: tuple[Absence, ...] = ()
    scores: tuple[Scores, ...] = ()
    architectures: tuple[Architecture, ...] = ()
    grids: tuple[Grid, ...] = ()
    disclosures: tuple[Disclosure, ...] = ()
    notes: tuple[str, ...] = ()
    """How the files were read, and what was left out."""

    def __bool__(self) -> bool:
        return any(getattr(self, section) for section in SECTIONS)

    def quantity(self, name: str) -> Quantity:
        """The quantity of that id. Raises KeyError; `medpipe.specs.figure_reading` has checked
        every reference.
        """
        return self._by_id[name]

    def system(self, name: str) -> System:
        """The system of that id. Raises KeyError."""
        return next(s for s in self.systems if s.id == name)

    @cached_property
    def _by_id(self) -> dict[str, Quantity]:
        return {q.id: q for q in self.quantities}

    def printings(self) -> Iterator[tuple[Quantity, Printing]]:
        """Every published figure with the quantity that it is a value of."""
        return ((q, p) for q in self.quantities for p in q.printed)

    def ids(self) -> set[str]:
        """Everything a claim can refer to: printings, and records of every section."""
        records = {r.id for section in SECTIONS for r in getattr(self, section)}
        return records | {p.id for _, p in self.printings()}
