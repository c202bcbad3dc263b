"""What scikit-learn prints, as figure records: a classification report (CSV or pasted text) and a
confusion matrix.

A report is held against itself: each class's F1 against its precision and recall, the averages and
the accuracy against the classes. A confusion matrix gives every score exactly; its totals are added
up. Given together, they are held against each other, and against the row of a results table that
has the file's name, or that is the only one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from medpipe.audits.rounding import printed_range
from medpipe.audits.rows import ONE_COUNT_UNLESS, Record, Row
from medpipe.audits.table_text import Sheet, decimal_sign, whole_number
from medpipe.errors import SpecError
from medpipe.formatting import listed
from medpipe.specs.printed_values import read_printed

HEADER = ("precision", "recall", "f1-score", "support")
COLUMNS = {"precision": "precision", "recall": "recall", "f1-score": "f1", "support": "n"}
WORDS = {"precision": "precision", "recall": "recall", "f1": "F1"}
AVERAGES = {
    "micro avg": "micro",
    "macro avg": "macro",
    "weighted avg": "weighted",
    "samples avg": "samples",
}
TOTALS = ("total", "sum", "all", "gesamt", "summe", "σ", "∑")
Scores = Mapping[str, Mapping[str, Fraction]]
"""``c0``, ``c1`` … (classes), ``macro``, ``weighted``, ``all`` → score → value."""


@dataclass(frozen=True)
class Counted:
    """A classification report or a confusion matrix of one classifier.

    ``printed``: group → column → (cell as a figure's number, its text, its place), of a report;
    ``scores``: the same exactly, of a matrix. ``totals``: sums that stand in the file, as (what,
    number, parts).
    """

    path: Path
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    printed: Mapping[str, Mapping[str, tuple[str, str, str]]] = field(default_factory=dict)
    matrix: tuple[tuple[int, ...], ...] = ()
    totals: tuple[tuple[str, int, tuple[int, ...]], ...] = ()
    orientation: str = "rows are the true classes"

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "_", self.path.stem.casefold()).strip("_")[:60] or "classifier"

    @property
    def scores(self) -> Scores:
        return scores_of(self.matrix) if self.matrix else {}

    def records(self, other: Counted | None = None) -> Record:
        """Figure records; ``other``: the confusion matrix of a report, whose scores stand beside
        the printed ones."""
        known = other or self
        groups = {f"c{i}": label for i, label in enumerate(self.labels)}
        groups |= {
            group: f"all classes ({group} average)"
            for group in ("micro", "macro", "weighted", "samples")
        } | {"all": "all classes"}
        quantities = [
            self._quantity(group, groups[group], column, known)
            for group in dict.fromkeys((*self.printed, *known.scores))
            for column in dict.fromkeys(
                (*self.printed.get(group, ()), *known.scores.get(group, ()))
            )
            if column in self.printed.get(group, ()) or self.matrix
        ]
        there = {q["id"] for q in quantities}
        totals = [
            t
            for i, total in enumerate((*self.totals, *(other.totals if other else ())))
            for t in self._total(i, *total)
        ]
        return {
            "quantities": quantities + [t for t in totals if "result" not in t],
            "relations": [*self._relations(there), *(t for t in totals if "result" in t)],
            "scores": [*self._scores(there)] if self.printed else [],
        }

    def _quantity(self, group: str, of: str, column: str, known: Counted) -> Record:
        name = f"{self.slug}.{group}.{column}"
        printings: list[Record] = []
        if column in self.printed.get(group, ()):
            number, text, place = self.printed[group][column]
            printings.append(
                {
                    "id": name,
                    "document": self.path.name,
                    "place": place,
                    "text": text,
                    "number": number,
                }
            )
        value = known.scores.get(group, {}).get(column)
        if value is not None:
            printings.append(
                computed(name if not printings else f"{name}.matrix", value, known.path.name)
            )
        size = (
            sum(self.sizes)
            if group == "all"
            else self.sizes[int(group[1:])]
            if column == "recall" and group[1:].isdigit()
            else None
        )
        exact = not self.printed
        return {
            "id": f"value.{name}",
            "what": f"{WORDS.get(column, column)} of {of}",
            "kind": "proportion",
            "printed": printings,
            "unless": () if exact or group == "macro" else (ONE_COUNT_UNLESS,),
            **({"n": size} if size else {}),
        }

    def _total(
        self, number: int, what: str, total: int, parts: tuple[int, ...]
    ) -> Iterator[Record]:
        def count(name: str, of: str, value: int) -> Record:
            return {
                "id": f"value.{name}",
                "what": of,
                "kind": "count",
                "printed": [
                    {"id": name, "document": self.path.name, "place": what, "text": f"{value:,}"}
                ],
            }

        names = [f"{self.slug}.sum{number}.{i}" for i in range(len(parts))]
        yield count(f"{self.slug}.sum{number}", f"total of {what}", total)
        yield from (
            count(name, f"count {i + 1} of {what}", part)
            for i, (name, part) in enumerate(zip(names, parts, strict=True))
        )
        yield {
            "id": f"sum{number}.{self.slug}",
            "kind": "sum",
            "result": f"value.{self.slug}.sum{number}",
            "of": [f"value.{name}" for name in names],
        }

    def _relations(self, there: set[str]) -> Iterator[Record]:
        """Each average, and the accuracy, from the classes."""
        wanted = [
            (group, column, column) for group in ("macro", "weighted") for column in WORDS
        ] + [("all", "accuracy", "recall")]
        for group, column, of in wanted:
            parts = [f"value.{self.slug}.c{i}.{of}" for i in range(len(self.labels))]
            if (
                f"value.{self.slug}.{group}.{column}" in there
                and there.issuperset(parts)
                and len(parts) > 1
                and self.printed
            ):
                yield {
                    "id": f"mean.{self.slug}.{group}.{column}",
                    "kind": "mean",
                    "result": f"value.{self.slug}.{group}.{column}",
                    "of": parts,
                    **({"weights": self.sizes} if group != "macro" else {}),
                }

    def _scores(self, there: set[str]) -> Iterator[Record]:
        """Each class's scores as one against all others, and each average with the accuracy."""
        one_label_each = f"value.{self.slug}.all.accuracy" in there
        n, open_ = sum(self.sizes) if one_label_each else None, {"runs": None, "folds": None}
        for group, of in (
            *((f"c{i}", label) for i, label in enumerate(self.labels)),
            ("macro", "macro"),
            ("weighted", "weighted"),
        ):
            named = {
                c: f"value.{self.slug}.{group}.{c}"
                for c in WORDS
                if f"value.{self.slug}.{group}.{c}" in there
            }
            average = group if group in ("macro", "weighted") else "binary"
            classes: Record = {}
            if (
                n is not None
                and average == "binary"
                and 0 < (size := self.sizes[int(group[1:])]) < n
            ):
                classes = {"classes": {of: size, f"not {of}": n - size}, "positive": of}
            elif n is not None and average != "binary":
                classes = {"classes": dict(zip(self.labels, self.sizes, strict=True))}
                named["accuracy"] = f"value.{self.slug}.all.accuracy"
            if len(named) > 1:
                what = f"scores of {of}" if average == "binary" else f"{average} averages"
                yield {
                    "id": f"{self.slug}.{group}.scores",
                    "what": what,
                    "n": n if classes else None,
                    "average": average,
                    **classes,
                    **open_,
                    **named,
                }


def computed(name: str, value: Fraction, document: str) -> Record:
    """A printing of what a confusion matrix gives."""
    return {
        "id": name,
        "document": document,
        "place": "computed from the confusion matrix",
        "text": f"{float(value):.6f}",
        "number": f"{float(value):.12f}",
        "as": "result",
    }


def scores_of(matrix: Sequence[Sequence[int]]) -> Scores:
    """The scores of a confusion matrix, rows true; a precision that is 0 / 0 is 0, as scikit-learn
    has it."""
    size = range(len(matrix))
    rows, called = [sum(row) for row in matrix], [sum(row[j] for row in matrix) for j in size]
    n = max(1, sum(rows))

    def share(a: int, b: int) -> Fraction:
        return Fraction(a, b) if b else Fraction(0)

    classes = [
        {
            "precision": share(matrix[i][i], called[i]),
            "recall": share(matrix[i][i], rows[i]),
            "f1": share(2 * matrix[i][i], rows[i] + called[i]),
        }
        for i in size
    ]
    mean = {
        w: {
            c: (
                sum(
                    (one[c] * weight for one, weight in zip(classes, weights, strict=True)),
                    Fraction(0),
                )
                / sum(weights)
            )
            for c in WORDS
        }
        for w, weights in (
            ("macro", [1] * len(rows)),
            ("weighted", rows if any(rows) else [1] * len(rows)),
        )
    }
    return {
        **{f"c{i}": one for i, one in enumerate(classes)},
        **mean,
        "all": {"accuracy": share(sum(matrix[i][i] for i in size), n)},
    }


def pasted_report(text: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The rows of a classification report as scikit-learn prints it; empty for any other text."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or tuple(lines[0][1].casefold().split()) != HEADER:
        return ()
    rows: list[tuple[int, tuple[str, ...]]] = [(lines[0][0], ("", *HEADER))]
    for number, line in lines[1:]:
        cells = line.split()
        figures = 2 if cells[0] == "accuracy" and len(cells) == 3 else 4
        rows.append(
            (number, (" ".join(cells[:-figures]), *([""] * (4 - figures)), *cells[-figures:]))
        )
    return tuple(rows)


def is_report(found: Sheet) -> bool:
    """Whether a table is a classification report, either way round."""
    return any(
        set(HEADER) <= {cell.casefold() for cell in cells}
        for cells in (found.rows[0][1], _first_column(found))
    )


def _first_column(found: Sheet) -> tuple[str, ...]:
    return tuple(cells[0] for _, cells in found.rows if cells)


def report_of(found: Sheet, path: Path) -> Counted:
    """A classification report. Raises `SpecError` where it cannot be read."""
    if not set(HEADER) <= {
        cell.casefold() for cell in found.rows[0][1]
    }:  # classes as columns, as pandas makes it of a dict
        width = min(len(cells) for _, cells in found.rows if any(cells))
        found = replace(
            found,
            rows=tuple(
                (1, tuple(cells[j] for _, cells in found.rows if any(cells))) for j in range(width)
            ),
        )
    header = [COLUMNS.get(cell.casefold(), "") for cell in found.rows[0][1]]
    rows = [(number, cells) for number, cells in found.rows[1:] if any(cells)]
    wrong = next((number for number, cells in rows if len(cells) != len(header)), None)
    if wrong is not None:
        raise SpecError(
            f"{found.where}: row {wrong}",
            f"{len(header)} cells, as in the header",
            "another number of cells",
        )
    decimal = decimal_sign(
        [c for _, cells in rows for c, h in zip(cells, header, strict=True) if h in WORDS],
        (),
        found.where,
    )
    read = {
        cells[0]: Row(
            number,
            {h: c for h, c in zip(header, cells, strict=True) if h and c},
            found.where,
            decimal,
        )
        for number, cells in rows
    }
    classes = [label for label in read if label.casefold() not in (*AVERAGES, "accuracy")]
    if not classes:
        raise SpecError(found.where, "at least one class in the classification report", "none")
    sizes = tuple(read[label].whole("n") or _no_support(read[label]) for label in classes)
    groups = {
        **{label: f"c{i}" for i, label in enumerate(classes)},
        **{a: AVERAGES[a.casefold()] for a in read if a.casefold() in AVERAGES},
    }
    printed = {
        group: {c: _cell(read[label], c) for c in WORDS if c in read[label].cells}
        for label, group in groups.items()
    }
    accuracy = next((row for label, row in read.items() if label.casefold() == "accuracy"), None)
    if accuracy is not None:
        last = next((c for c in ("f1", "recall", "precision") if c in accuracy.cells), None)
        printed["all"] = {"accuracy": _cell(accuracy, last)} if last else {}
    totals = [
        (f"column support, row {read[a].number}", total, sizes)
        for a in read
        if AVERAGES.get(a.casefold()) in ("macro", "weighted")
        and len(sizes) > 1
        and (total := read[a].whole("n"))
    ]
    return Counted(path, tuple(classes), sizes, printed, totals=tuple(totals[:1]))


def _no_support(row: Row) -> int:
    raise SpecError(row.place("support"), "a whole number of samples of each class", "none")


def _cell(row: Row, column: str) -> tuple[str, str, str]:
    name = next(word for word, meaning in COLUMNS.items() if meaning == column)
    return row.share(column).number, row.cells[column], f"row {row.number}, column {name}"


def is_matrix(found: Sheet) -> bool:
    """Whether a table is a square of whole numbers, with or without labels and totals."""
    return _counts(found) is not None


def _counts(found: Sheet) -> tuple[list[str], list[str], list[list[int]]] | None:
    """Labels of rows and of columns, and the numbers; None where it is no confusion matrix."""
    rows = [cells for _, cells in found.rows if any(cells)]
    if len(rows) < 2 or any(len(cells) != len(rows[0]) for cells in rows):
        return None
    bare = all(whole_number(cell) is not None for cell in rows[0])
    if bare and len(rows) == len(rows[0]):
        names, of, body = [], [], [list(cells) for cells in rows]
    else:
        names, of = [cells[0] for cells in rows[1:]], list(rows[0][1:])
        body = [list(cells[1:]) for cells in rows[1:]]
        plain = (
            [label.casefold() for label in labels if label.casefold() not in TOTALS]
            for labels in (names, of)
        )
        if len({tuple(labels) for labels in plain}) != 1:
            return None
    numbers = [[whole_number(cell) if cell else None for cell in cells] for cells in body]
    counts = [[number for number in row if number is not None] for row in numbers]
    return (names, of, counts) if [len(r) for r in counts] == [len(r) for r in numbers] else None


def matrix_of(found: Sheet, path: Path) -> Counted:
    """A confusion matrix, rows taken to be the true classes. Raises `SpecError` where it cannot be
    read."""
    read = _counts(found)
    if read is None:
        raise SpecError(found.where, "a square of whole numbers", "another table")
    names, of, counts = read
    down = [i for i, label in enumerate(names) if label.casefold() in TOTALS]
    across = [i for i, label in enumerate(of) if label.casefold() in TOTALS]
    inner = [i for i in range(len(counts)) if i not in down]
    columns = [j for j in range(len(counts[0])) if j not in across]
    matrix = tuple(tuple(counts[i][j] for j in columns) for i in inner)
    if (
        len(matrix) < 2
        or any(len(row) != len(matrix) for row in matrix)
        or not any(map(any, matrix))
    ):
        raise SpecError(
            found.where,
            "a confusion matrix of two or more classes with samples",
            f"{len(matrix)} rows of {len(columns)} counts",
        )
    labels = tuple(names[i] if names else f"class {i + 1}" for i in inner)
    totals = [
        (f"row {labels[k]}", counts[i][j], matrix[k]) for j in across for k, i in enumerate(inner)
    ]
    totals += [
        (f"column {labels[k]}", counts[i][j], tuple(row[k] for row in matrix))
        for i in down
        for k, j in enumerate(columns)
    ]
    return Counted(
        path, labels, tuple(sum(row) for row in matrix), matrix=matrix, totals=tuple(totals)
    )


def merged(
    counted: Sequence[Counted], rows: Sequence[Row]
) -> tuple[list[tuple[str, Record]], list[str]]:
    """The records of a report and a matrix that belong together, and what of a results table is
    held against them, with notes."""
    reports, matrices = [c for c in counted if c.printed], [c for c in counted if c.matrix]
    if len(reports) > 1 or len(matrices) > 1:
        raise SpecError(
            listed(str(c.path) for c in counted),
            "at most one report and one confusion matrix of one classifier",
            "more",
        )
    notes: list[str] = []
    made: list[tuple[str, Record]] = []
    matrix = matrices[0] if matrices else None
    if reports and matrix:
        matrix = _aligned(reports[0], matrix, notes)
    if counted:
        made.append(
            (str(counted[0].path), reports[0].records(matrix) if reports else counted[0].records())
        )
    row = next(
        (
            r
            for r in rows
            if r.cells["name"].casefold() in {c.path.stem.casefold() for c in counted}
        ),
        None,
    )
    row = row or (rows[0] if len(rows) == 1 else None)
    if counted and rows and row is None:
        notes.append(
            f"No row has the name {listed(sorted({c.path.stem for c in counted}))}: the table was "
            "not held against it."
        )
    if row is not None and matrix is not None:
        made.append((f"{row.where} against {matrix.path}", _held(row, matrix)))
    return made, notes


def _aligned(report: Counted, matrix: Counted, notes: list[str]) -> Counted:
    """The matrix in the report's order of classes, turned where only its columns have the report's
    class sizes."""
    if len(matrix.labels) != len(report.labels):
        raise SpecError(
            str(matrix.path),
            f"the {len(report.labels)} classes of {report.path}",
            str(len(matrix.labels)),
        )
    folded = [label.casefold() for label in matrix.labels]
    named = sorted(folded) == sorted(label.casefold() for label in report.labels)
    order = (
        [folded.index(label.casefold()) for label in report.labels]
        if named
        else list(range(len(folded)))
    )
    if not named:
        notes.append(
            f"{matrix.path}: its labels are not those of {report.path.name}; classes taken in the "
            "order of the rows."
        )
    square = tuple(tuple(matrix.matrix[i][j] for j in order) for i in order)
    turned = tuple(zip(*square, strict=True))
    orientation = matrix.orientation
    if tuple(map(sum, square)) != report.sizes == tuple(map(sum, turned)):
        square, orientation = turned, "columns are the true classes"
        notes.append(f"{matrix.path}: {orientation}, by the support in {report.path.name}.")
    return replace(
        matrix,
        labels=report.labels,
        sizes=tuple(map(sum, square)),
        matrix=square,
        orientation=orientation,
    )


def _held(row: Row, matrix: Counted) -> Record:
    """The scores of a results table's row beside those of the confusion matrix, averaged as fits
    the row best."""
    average, scores = row.cells.get("average", "").casefold(), matrix.scores
    choices: dict[str, Mapping[str, Fraction]] = {
        "macro": scores["macro"],
        "weighted": scores["weighted"],
        "micro": dict.fromkeys(WORDS, scores["all"]["accuracy"]),
    }
    if len(matrix.labels) == 2:
        binary = {
            f"binary {i}": {**scores[f"c{i}"], "specificity": scores[f"c{1 - i}"]["recall"]}
            for i in (1, 0)
        }
        choices = {**binary, **choices}
    stated = {name: c for name, c in choices.items() if name.startswith(average)} or choices

    def agrees(column: str, value: Fraction) -> bool:
        allowed = printed_range(read_printed(row.share(column).number, row.place(column)))
        return (allowed.low or 0) <= value <= (allowed.high or 1)

    best = max(
        stated.values(),
        key=lambda c: sum(
            agrees(column, value) for column, value in c.items() if column in row.cells
        ),
    )
    repeated = any((row.whole(column, 10**5, column) or 1) > 1 for column in ("runs", "folds"))
    stated_once = "runs" in row.cells or "folds" in row.cells
    quantities = []
    for column, value in {**best, **scores["all"]}.items():
        if column in row.cells and not repeated:
            name = f"held.{matrix.slug}.{column}"
            here = {
                "id": f"{name}.table",
                "document": Path(row.where).name,
                "place": f"row {row.number}, column {column}",
                "text": row.cells[column],
                "number": row.share(column).number,
            }
            quantities.append(
                {
                    "id": f"value.{name}",
                    "what": f"{WORDS.get(column, column)} of {row.cells['name']}",
                    "kind": "proportion",
                    "printed": [here, computed(f"{name}.matrix", value, matrix.path.name)],
                    "unless": () if stated_once else (ONE_COUNT_UNLESS,),
                }
            )
    return {"quantities": quantities} if quantities else {}
