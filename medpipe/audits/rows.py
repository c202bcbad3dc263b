"""One row of a results table: its cells read as what their columns mean, and the figure records
that they make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from medpipe.audits.readings import AVERAGES
from medpipe.audits.table_text import whole_number, with_points
from medpipe.errors import SpecError, UnknownNameError
from medpipe.specs.figures import SCORES
from medpipe.specs.printed_values import Printed, read_printed

SHARES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "train_accuracy": "training accuracy",
}
DIFFERENCES = {
    "gap": "gap between training accuracy and accuracy",
    "gain": "gain in accuracy over the baseline",
    "youden": "Youden's index",
}
CLASS = "n:"
MOST_SAMPLES, MOST_REPEATS = 10**9, 10**5
ONE_COUNT_UNLESS = "it is a mean over folds or runs"
ONE_CLASS_UNLESS = "it is an average over the classes"
POOLED_UNLESS = "it was weighted or pooled over the other rows"
_FOLD = re.compile(r"(?:fold|run|seed|split|repeat|repetition|trial)[\s_#-]*\d+", re.IGNORECASE)
_MEAN = re.compile(r"mean|average|avg\.?", re.IGNORECASE)
_N = r"[<>≤≥~≈]?\s*[+\-−]?\s*[0-9]+(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]{1,3})?"
_CELL = re.compile(
    rf"(?P<value>{_N})\s*(?P<sign>%|pp|points)?\s*"
    rf"(?:[(]?\s*(?:±|\+/-|\+-)\s*(?P<spread>{_N})\s*(?:%|pp|points)?\s*[)]?"
    r"|[(\[](?P<inside>[^()\[\]]*)[)\]])?\s*%?"
)
_INSIDE = re.compile(
    rf"(?:(?P<level>[0-9]{{2}}(?:\.[0-9])?)\s*%\s*)?(?:CI|KI|IC|confidence interval)?\s*[:=,]?\s*"
    rf"(?P<low>{_N})\s*%?\s*(?:--?|–|—|to|bis|,|;)\s*(?P<high>{_N})\s*%?",
    re.IGNORECASE,
)
_SPREAD = re.compile(rf"(?:SD|SE|s\.d\.)?\s*[:=]?\s*(?:{_N})\s*%?", re.IGNORECASE)
Record = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """A cell with a share or a difference of shares. ``number``: what `read_printed` reads;
    ``interval``: its ends, likewise."""

    number: str
    other_scale: str | None = None
    interval: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One row as text: column → cell, without empty cells. ``number``: as spreadsheets count, the
    header being 1.

    ``decimal``: the decimal sign of the table; ``unsigned``: columns in which cells above 1 are per
    cent without a sign; ``per_cent``: columns whose header says per cent.
    """

    number: int
    cells: Mapping[str, str]
    where: str
    decimal: str = "."
    unsigned: frozenset[str] = frozenset()
    per_cent: frozenset[str] = frozenset()

    def place(self, column: str) -> str:
        """The cell, for an error."""
        return f"{self.where}: row {self.number}, column {column}"

    def whole(self, column: str, most: int = MOST_SAMPLES, what: str = "samples") -> int | None:
        """A whole number of samples or the like, 1 to ``most``; None where the cell is empty.
        Raises `SpecError`."""
        text = self.cells.get(column)
        if text is None:
            return None
        value = whole_number(text) or 0
        if not 1 <= value <= most:
            raise SpecError(
                self.place(column), f"a whole number of {what}, 1 to {most:,}", repr(text[:60])
            )
        return value

    def printed(self, column: str) -> Printed:
        """A figure as printed. Raises `SpecError` where it is not what the column holds."""
        text = self.cells[column]
        try:
            found = read_printed(with_points(text, self.decimal), self.place(column))
        except SpecError:
            raise SpecError(
                self.place(column), "a printed number such as 0.812, 81.2% or 4.9", repr(text[:60])
            ) from None
        return found

    def share(self, column: str, least: int = 0) -> Share:
        """A share of ``least`` to 1 as printed, with ± or an interval in brackets if need be.
        Raises `SpecError`."""
        text = self.cells[column]
        found = _CELL.fullmatch(with_points(text, self.decimal))
        value = found and read_number(found["value"])
        expected = (
            "a share of 0 to 1 such as 0.812 or 81.2%"
            if least == 0
            else "a difference of shares such as 0.038 or 3.8%"
        )
        if not found or value is None or not _inside(found["inside"]):
            self.printed(column)  # says so where it is no number at all
            raise SpecError(self.place(column), expected, repr(text[:60]))
        sign = self._per_cent(column, text, found, value)
        number = found["value"] + ("%" if sign else "")
        if not least <= (value / 100 if sign else value) <= 1:
            raise SpecError(self.place(column), expected, repr(text[:60]))
        ends = _INSIDE.fullmatch(found["inside"] or "")
        interval = (*_interval(ends, value, sign), ends["level"] or "95") if ends else ()
        return Share(number, self._other_scale(column, found["value"], value, sign), interval)

    def _per_cent(self, column: str, text: str, found: re.Match[str], value: Fraction) -> bool:
        outside = (
            text[: -1 - len(found["inside"] or "") - 1]
            if found["inside"] and text[-1] in ")]"
            else text
        )
        if "%" in outside or found["sign"] is not None or column in self.per_cent or abs(value) > 1:
            return True
        return column in ("gap", "gain") and self._unsigned_per_cent("accuracy")

    def _unsigned_per_cent(self, column: str) -> bool:
        """Whether a cell is in per cent without a sign."""
        value = read_number(with_points(self.cells.get(column, ""), self.decimal))
        return value is not None and "%" not in self.cells[column] and value > 1

    def _other_scale(self, column: str, number: str, value: Fraction, sign: bool) -> str | None:
        """The number with the other scale, where the sign for per cent may be missing or one too
        many."""
        if 0 < value <= 1 and column not in ("gap", "gain"):
            return number if sign else f"{number}%" if column in self.unsigned else None
        return None

    def one_of(self, column: str, words: Sequence[str]) -> str | None:
        """One of some words; None where the cell is empty. Raises `UnknownNameError`."""
        text = self.cells.get(column)
        if text is not None and text.casefold() not in words:
            raise UnknownNameError(f"word in {self.place(column)}", text[:60], words)
        return None if text is None else text.casefold()

    def says_yes(self, column: str) -> bool:
        return self.one_of(column, ("yes", "no")) == "yes"


def read_number(text: str) -> Fraction | None:
    """The value of a number without a unit; None where it is too long."""
    try:
        return read_printed(text, "").value
    except SpecError:
        return None


def _inside(text: str | None) -> bool:
    """Whether brackets hold nothing, an interval or a spread."""
    return text is None or bool(_INSIDE.fullmatch(text) or _SPREAD.fullmatch(text.lstrip("± ")))


def _interval(ends: re.Match[str], value: Fraction, sign: bool) -> tuple[str, str]:
    """The ends in the scale of the figure, or in the other one where only that interval holds the
    figure."""

    def scaled(per_cent: bool) -> tuple[str, str]:
        return ends["low"] + ("%" if per_cent else ""), ends["high"] + ("%" if per_cent else "")

    share = value / 100 if sign else value
    for per_cent in (sign, not sign):
        low, high = (read_printed(end, "") for end in scaled(per_cent))
        if (low.low or 0) <= share <= (high.high or 1):
            return scaled(per_cent)
    return scaled(sign)


@dataclass(frozen=True)
class Model:
    """A row with the numbers of samples behind its figures; None where they, or how often it was
    run, are not known."""

    row: Row
    slug: str
    n: int | None
    train_n: int | None
    classes: Mapping[str, int]
    average: str | None
    runs: int | None
    folds: int | None
    named_mean: bool = False
    """It is called a mean of the other rows; it may have been weighted or pooled nevertheless."""

    @property
    def name(self) -> str:
        return self.row.cells["name"]

    def has(self, *columns: str) -> bool:
        return all(column in self.row.cells for column in columns)

    @cached_property
    def repeated(self) -> bool | None:
        """Whether the scores are means over runs or folds; None where nothing says so."""
        return (
            None
            if self.runs is None and self.folds is None
            else (self.runs or 1) > 1 or (self.folds or 1) > 1
        )


def records(rows: Sequence[Row], document: str, where: str) -> Record:
    """Figure records, as a file of ``specs/figures`` holds them. Raises `SpecError` or
    `UnknownNameError` for the first wrong cell."""
    slugs: list[str] = []
    for row in rows:
        slugs.append(_slug(row.cells["name"], slugs))
    models = [_model(row, slug) for row, slug in zip(rows, slugs, strict=True)]
    baselines = [m for m in models if m.row.says_yes("baseline")]
    if len(baselines) > 1:
        raise SpecError(
            baselines[1].row.place("baseline"),
            "one baseline",
            f"a second one; row {baselines[0].row.number} is one already",
        )
    baseline = baselines[0] if baselines else models[0]
    folds = [m for m in models if _FOLD.fullmatch(m.name)]
    means = [m for m in models if _MEAN.fullmatch(m.name)] if len(folds) > 1 else []
    compared = [] if len(folds) > 1 else models  # folds of one model are no rivals
    averaged = {
        m.slug: replace(m, folds=len(folds), named_mean=True) for m in means if m.repeated is None
    }
    models, means = ([averaged.get(m.slug, m) for m in some] for some in (models, means))
    made = {
        "quantities": [q for m in models for q in _quantities(m, document)],
        "relations": (
            [r for m in models for r in _relations(m, baseline)]
            + [r for m in means for r in _means(m, folds)]
        ),
        "scores": [s for m in models for s in _scores(m)],
        "comparisons": [c for m in compared for c in _comparisons(m, baseline, document)],
    }
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
    classes = {
        column[len(CLASS) :]: count
        for column in row.cells
        if column.startswith(CLASS) and (count := row.whole(column)) is not None
    }
    average = row.one_of("average", AVERAGES)
    if positives is not None:
        if classes:
            raise SpecError(
                row.place("positives"), f"either positives or columns {CLASS}<class>", "both"
            )
        if n is None or positives >= n:
            raise SpecError(
                row.place("positives"),
                "fewer positives than samples (column n)",
                f"{positives} of {n or 'no n'}",
            )
        classes = {"positive": positives, "negative": n - positives}
    elif average == "binary" and len(classes) > 2:
        raise SpecError(
            row.place("average"), "macro, weighted or micro for more than two classes", "'binary'"
        )
    if len(classes) == 1:
        raise SpecError(row.place(CLASS + next(iter(classes))), "at least two classes", "one")
    if classes and (n or sum(classes.values())) != sum(classes.values()):
        raise SpecError(row.place("n"), f"the sum of the classes, {sum(classes.values())}", str(n))
    runs, folds = (row.whole(column, MOST_REPEATS, column) for column in ("runs", "folds"))
    return Model(
        row,
        slug,
        n or sum(classes.values()) or None,
        row.whole("train_n"),
        classes,
        average,
        runs,
        folds,
    )


def _quantities(m: Model, document: str) -> Iterator[Record]:
    for column, word in SHARES.items():
        if m.has(column):
            yield _quantity(
                m,
                column,
                f"{word} of {m.name}",
                "proportion",
                document,
                m.row.share(column),
                _behind(m, column),
            )
    for column, word in DIFFERENCES.items():
        if m.has(column):
            _check_difference(m.row, column)
            yield _quantity(
                m, column, f"{word} of {m.name}", "points", document, m.row.share(column, least=-1)
            )
    for column, word, kind, units in (
        ("time_ms", "time", "time", ("", "ms")),
        ("speedup", "speed-up", "number", ("", "times")),
    ):
        if m.has(column):
            printed, text = m.row.printed(column), m.row.cells[column]
            if (
                printed.unit not in units
                or printed.value < 0
                or text.endswith(("%", "pp", "points"))
            ):
                expected = (
                    "a time in ms such as 4.9"
                    if column == "time_ms"
                    else "a ratio such as 25.7 or 25.7x"
                )
                raise SpecError(m.row.place(column), expected, repr(text))
            yield _quantity(
                m,
                column,
                f"{word} of {m.name}",
                kind,
                document,
                Share(with_points(text, m.row.decimal)),
            )


def _behind(m: Model, column: str) -> int | None:
    """Of how many samples a share is the share, where that is one count of them, of all runs
    together."""
    behind = m.n if column == "accuracy" else m.train_n if column == "train_accuracy" else None
    if m.average in ("binary", None) and "positive" in m.classes and behind is None:
        behind = {"recall": m.classes["positive"], "specificity": m.classes["negative"]}.get(column)
    elif column in {"weighted": ("recall",), "micro": ("precision", "recall", "f1")}.get(
        m.average or "", ()
    ):
        behind = m.n
    return None if behind is None or (m.folds or 1) > 1 else behind * (m.runs or 1)


def _unless(m: Model, column: str) -> tuple[str, ...]:
    """Under which readings of the row a figure is not one count, where the row leaves them open."""
    averaged = m.average is None and column in ("precision", "recall", "specificity", "f1")
    return (
        (ONE_COUNT_UNLESS,) * (m.repeated is None)
        + (ONE_CLASS_UNLESS,) * averaged
        + (POOLED_UNLESS,) * m.named_mean
    )


def _quantity(
    m: Model, column: str, what: str, kind: str, document: str, share: Share, n: int | None = None
) -> Record:
    text = m.row.cells[column]
    printing = {
        "id": f"{m.slug}.{column}",
        "document": document,
        "place": f"row {m.row.number}, column {column}",
        "text": text,
        **({"number": share.number} if share.number != text else {}),
    }
    return {
        "id": f"value.{m.slug}.{column}",
        "what": what,
        "kind": kind,
        "printed": [printing],
        "unless": _unless(m, column),
        "other_scale": share.other_scale,
        "interval": share.interval,
        **({"n": n} if n else {}),
    }


def _check_difference(row: Row, column: str) -> None:
    """A difference is written like the accuracies beside it: 0.8 beside 85.0% may mean 0.8 or 80
    percentage points."""
    difference = row.share(column, least=-1)
    for share in ("accuracy", "train_accuracy"):
        if (
            column != "youden"
            and row.cells.get(share)
            and row.share(share).number.endswith("%")
            and not difference.number.endswith("%")
        ):
            raise SpecError(
                row.place(column),
                f"a difference in % or points, as the {SHARES[share]} is in %",
                repr(row.cells[column]),
            )


def _relations(m: Model, baseline: Model) -> Iterator[Record]:
    def relation(column: str, kind: str, *of: str) -> Record:
        return {
            "id": f"of.{m.slug}.{column}",
            "kind": kind,
            "result": f"value.{m.slug}.{column}",
            "of": list(of),
        }

    if m.has("gap", "train_accuracy", "accuracy"):
        yield relation(
            "gap", "difference", f"value.{m.slug}.train_accuracy", f"value.{m.slug}.accuracy"
        )
    if m.has("gain", "accuracy") and baseline.has("accuracy"):
        yield relation(
            "gain", "difference", f"value.{m.slug}.accuracy", f"value.{baseline.slug}.accuracy"
        )
    if m.has("speedup", "time_ms") and baseline.has("time_ms"):
        yield relation(
            "speedup", "ratio", f"value.{baseline.slug}.time_ms", f"value.{m.slug}.time_ms"
        )


def _means(m: Model, folds: Sequence[Model]) -> Iterator[Record]:
    """A row of means against the folds or runs that it is the mean of."""
    one_ratio = {
        "accuracy",
        "train_accuracy",
        "time_ms",
        *(("precision", "recall", "f1", "specificity") if m.average == "binary" else ()),
    }
    for column in (*SHARES, *DIFFERENCES, "time_ms"):
        if m.has(column) and all(fold.has(column) for fold in folds):
            yield {
                "id": f"mean.{m.slug}.{column}",
                "kind": "mean",
                "result": f"value.{m.slug}.{column}",
                "of": [f"value.{fold.slug}.{column}" for fold in folds],
                "between": column in one_ratio,
            }


def _scores(m: Model) -> Iterator[Record]:
    """The scores of a row as one set."""
    named = {name: f"value.{m.slug}.{name}" for name in SCORES if m.has(name)}
    if len(named) > 1:
        yield {
            "id": f"{m.slug}.scores",
            "what": f"scores of {m.name}",
            "n": m.n,
            "average": m.average,
            "classes": dict(m.classes),
            "runs": m.runs,
            "folds": m.folds,
            **({"positive": "positive"} if "positive" in m.classes else {}),
            **named,
        }


def _comparisons(m: Model, baseline: Model, document: str) -> Iterator[Record]:
    """The row against the baseline, whichever of them has the higher accuracy coming first."""
    paired = m.row.says_yes("paired")
    if (
        m is baseline
        or not (m.has("accuracy") and baseline.has("accuracy"))
        or m.repeated
        or baseline.repeated
    ):
        return
    if paired and m.n != baseline.n:
        raise SpecError(
            m.row.place("paired"),
            f"as many samples as the baseline ({baseline.n}) where they are the same",
            str(m.n),
        )
    ours, theirs = (
        read_printed(one.row.share("accuracy").number, one.row.place("accuracy")).value
        for one in (m, baseline)
    )
    first, second = (m, baseline) if ours > theirs else (baseline, m)
    if ours != theirs:
        yield {
            "id": f"{m.slug}.against_baseline",
            "said": f"{first.name} has a higher accuracy than {second.name}",
            "verbatim": False,
            "document": document,
            "place": f"row {m.row.number}",
            "first": f"value.{first.slug}.accuracy",
            "second": f"value.{second.slug}.accuracy",
            "better": "higher",
            "paired": paired,
        }
