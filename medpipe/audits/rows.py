"""One row of a results table: its cells read as what their columns mean, and the figure records that they make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medpipe.claims.printed import Printed, read_printed
from medpipe.errors import SpecError, UnknownNameError

SHARES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "specificity": "specificity", "f1": "F1",
          "train_accuracy": "training accuracy"}
DIFFERENCES = {"gap": "gap between training accuracy and accuracy", "gain": "gain in accuracy over the baseline"}
SCORES = ("accuracy", "precision", "recall", "specificity", "f1")
AVERAGES = ("binary", "macro", "weighted", "micro")
CLASS = "n:"
MOST_SAMPLES = 10**9
_WHOLE = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+")
_POINTS = ("%", "pp", "points")
Record = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One row as text: column → cell, without empty cells. ``number``: as spreadsheets count, the header being 1."""

    number: int
    cells: Mapping[str, str]
    where: str

    def place(self, column: str) -> str:
        """The cell, for an error."""
        return f"{self.where}: row {self.number}, column {column}"

    def whole(self, column: str) -> int | None:
        """A number of samples of 1 to `MOST_SAMPLES`; None where the cell is empty. Raises `SpecError`."""
        text = self.cells.get(column)
        if text is None:
            return None
        value = int(text.replace(",", "")) if _WHOLE.fullmatch(text) and len(text) <= 20 else 0
        if not 1 <= value <= MOST_SAMPLES:
            raise SpecError(self.place(column), f"a whole number of samples, 1 to {MOST_SAMPLES:,}", repr(text[:60]))
        return value

    def printed(self, column: str) -> Printed:
        """A figure as printed. Raises `SpecError` where it is not what the column holds."""
        text = self.cells[column]
        try:
            found = read_printed(text, self.place(column))
        except SpecError:
            raise SpecError(self.place(column), "a printed number such as 0.812, 81.2% or 4.9", repr(text[:60])) from None
        return found

    def one_of(self, column: str, words: Sequence[str]) -> str | None:
        """One of some words; None where the cell is empty. Raises `UnknownNameError`."""
        text = self.cells.get(column)
        if text is not None and text.casefold() not in words:
            raise UnknownNameError(f"word in {self.place(column)}", text[:60], words)
        return None if text is None else text.casefold()

    def says_yes(self, column: str) -> bool:
        return self.one_of(column, ("yes", "no")) == "yes"


@dataclass(frozen=True)
class Model:
    """A row with the numbers of samples behind its figures."""

    row: Row
    slug: str
    n: int | None
    train_n: int | None
    classes: Mapping[str, int]
    average: str | None

    @property
    def name(self) -> str:
        return self.row.cells["name"]

    def has(self, *columns: str) -> bool:
        return all(column in self.row.cells for column in columns)


def records(rows: Sequence[Row], document: str, where: str) -> Record:
    """Figure records, as a file of ``specs/figures`` holds them. Raises `SpecError` or `UnknownNameError` for the first wrong cell."""
    slugs: list[str] = []
    for row in rows:
        slugs.append(_slug(row.cells["name"], slugs))
    models = [_model(row, slug) for row, slug in zip(rows, slugs, strict=True)]
    baselines = [m for m in models if m.row.says_yes("baseline")]
    if len(baselines) > 1:
        raise SpecError(baselines[1].row.place("baseline"), "one baseline", f"a second one; row {baselines[0].row.number} is one already")
    baseline = baselines[0] if baselines else models[0]
    made = {"quantities": [q for m in models for q in _quantities(m, document)],
            "relations": [r for m in models for r in _relations(m, baseline)],
            "scores": [s for m in models for s in _scores(m)],
            "comparisons": [c for m in models for c in _comparisons(m, baseline, document)]}
    if not made["quantities"]:
        raise SpecError(where, "at least one printed figure", "none")
    return made


def _slug(name: str, taken: Sequence[str]) -> str:
    """A name as part of ids: small letters, digits and underscores, no two alike."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")[:60] or "row"
    slug, number = plain, 1
    while slug in taken:
        number += 1
        slug = f"{plain}_{number}"
    return slug


def _model(row: Row, slug: str) -> Model:
    n, positives = row.whole("n"), row.whole("positives")
    classes = {column[len(CLASS):]: count for column in row.cells if column.startswith(CLASS) and (count := row.whole(column)) is not None}
    average = row.one_of("average", AVERAGES)
    if positives is not None:
        if classes:
            raise SpecError(row.place("positives"), f"either positives or columns {CLASS}<class>", "both")
        if n is None or positives >= n:
            raise SpecError(row.place("positives"), "fewer positives than samples (column n)", f"{positives} of {n or 'no n'}")
        classes, average = {"positive": positives, "negative": n - positives}, average or "binary"
    elif average == "binary":
        raise SpecError(row.place("average"), "the column positives with it", "none")
    if len(classes) == 1:
        raise SpecError(row.place(CLASS + next(iter(classes))), "at least two classes", "one")
    if classes and (n or sum(classes.values())) != sum(classes.values()):
        raise SpecError(row.place("n"), f"the sum of the classes, {sum(classes.values())}", str(n))
    if classes and average is None and row.cells.keys() & {"precision", "recall", "f1"}:
        raise SpecError(row.place("average"), "macro, weighted or micro: how the scores were averaged over the classes", "none")
    return Model(row, slug, n or sum(classes.values()) or None, row.whole("train_n"), classes, average)


def _quantities(m: Model, document: str) -> Iterator[Record]:
    for column, word in SHARES.items():
        if m.has(column):
            _check_share(m.row, column)
            yield _quantity(m, column, f"{word} of {m.name}", "proportion", document, _behind(m, column))
    for column, word in DIFFERENCES.items():
        if m.has(column):
            _check_difference(m.row, column)
            yield _quantity(m, column, f"{word} of {m.name}", "points", document)
    for column, word, kind, units in (("time_ms", "time", "time", ("", "ms")), ("speedup", "speed-up", "number", ("", "times"))):
        if m.has(column):
            printed = m.row.printed(column)
            if printed.unit not in units or printed.value < 0 or m.row.cells[column].endswith(_POINTS):
                expected = "a time in ms such as 4.9" if column == "time_ms" else "a ratio such as 25.7 or 25.7x"
                raise SpecError(m.row.place(column), expected, repr(m.row.cells[column]))
            yield _quantity(m, column, f"{word} of {m.name}", kind, document)


def _behind(m: Model, column: str) -> int | None:
    """Of how many samples a share is the share, where that is one count of them."""
    if column in ("accuracy", "train_accuracy"):
        return m.n if column == "accuracy" else m.train_n
    if m.average == "binary":
        return {"recall": m.classes["positive"], "specificity": m.classes["negative"]}.get(column)
    one_count = {"weighted": ("recall",), "micro": ("precision", "recall", "f1")}.get(m.average or "", ())
    return m.n if column in one_count else None


def _quantity(m: Model, column: str, what: str, kind: str, document: str, n: int | None = None) -> Record:
    printing = {"id": f"{m.slug}.{column}", "document": document, "place": f"row {m.row.number}, column {column}",
                "text": m.row.cells[column]}
    return {"id": f"value.{m.slug}.{column}", "what": what, "kind": kind, "printed": [printing], **({"n": n} if n else {})}


def _check_share(row: Row, column: str) -> None:
    printed, text = row.printed(column), row.cells[column]
    if printed.unit or "/" in text or not 0 <= printed.value <= 1:
        raise SpecError(row.place(column), "a share of 0 to 1 such as 0.812 or 81.2%", repr(text))


def _check_difference(row: Row, column: str) -> None:
    """A difference in points, written like the accuracies beside it: 0.8 beside 85.0% may mean 0.8 or 80 points."""
    printed, text = row.printed(column), row.cells[column]
    if printed.unit or "/" in text or not -1 <= printed.value <= 1:
        raise SpecError(row.place(column), "a difference of shares such as 0.038 or 3.8%", repr(text))
    for share in ("accuracy", "train_accuracy"):
        if row.cells.get(share, "").endswith("%") and not text.endswith(_POINTS):
            raise SpecError(row.place(column), f"a difference in % or points, as the {SHARES[share]} is in %", repr(text))


def _relations(m: Model, baseline: Model) -> Iterator[Record]:
    def relation(column: str, kind: str, *of: str) -> Record:
        return {"id": f"of.{m.slug}.{column}", "kind": kind, "result": f"value.{m.slug}.{column}", "of": list(of)}

    if m.has("gap", "train_accuracy", "accuracy"):
        yield relation("gap", "difference", f"value.{m.slug}.train_accuracy", f"value.{m.slug}.accuracy")
    if m.has("gain", "accuracy") and baseline.has("accuracy"):
        yield relation("gain", "difference", f"value.{m.slug}.accuracy", f"value.{baseline.slug}.accuracy")
    if m.has("speedup", "time_ms") and baseline.has("time_ms"):
        yield relation("speedup", "ratio", f"value.{baseline.slug}.time_ms", f"value.{m.slug}.time_ms")


def _scores(m: Model) -> Iterator[Record]:
    """The scores of a row as one set, where it is known how they were averaged."""
    if m.average is None or m.n is None:
        return
    named = {name: f"value.{m.slug}.{name}" for name in SCORES if m.has(name) and (name != "specificity" or m.average == "binary")}
    yield {"id": f"{m.slug}.scores", "what": f"scores of {m.name}", "n": m.n, "average": m.average, "classes": dict(m.classes),
           **({"positive": "positive"} if m.average == "binary" else {}), **named}


def _comparisons(m: Model, baseline: Model, document: str) -> Iterator[Record]:
    """The row against the baseline, whichever of them has the higher accuracy coming first."""
    paired = m.row.says_yes("paired")
    if m is baseline or not (m.has("accuracy") and baseline.has("accuracy")):
        return
    if paired and m.n != baseline.n:
        raise SpecError(m.row.place("paired"), f"as many samples as the baseline ({baseline.n}) where they are the same", str(m.n))
    ours, theirs = m.row.printed("accuracy").value, baseline.row.printed("accuracy").value
    first, second = (m, baseline) if ours > theirs else (baseline, m)
    if ours != theirs:
        yield {"id": f"{m.slug}.against_baseline", "said": f"{first.name} is more accurate than {second.name}", "document": document,
               "place": f"row {m.row.number}", "first": f"value.{first.slug}.accuracy", "second": f"value.{second.slug}.accuracy",
               "better": "higher", "paired": paired}
