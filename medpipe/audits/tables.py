"""Anybody's paper: figure records from a results table, one row for each model, and from what
scikit-learn prints.

The cells are text as printed, decimals kept, because the decimals say how far a figure was rounded;
an empty cell was not printed. What each column means is in `COLUMNS` and, with an example, in
``docs/figures.md``. What cannot be read in one way only is refused with its row and column (the
header is row 1, as spreadsheets count); what was found out or left out is in the notes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medpipe.audits.reports import (
    Counted,
    is_matrix,
    is_report,
    matrix_of,
    merged,
    pasted_report,
    report_of,
)
from medpipe.audits.rows import CLASS, DIFFERENCES, SHARES, Row, read_number, records
from medpipe.audits.table_text import Sheet, decimal_sign, decoded, sheet, with_points
from medpipe.documents import parse_yaml
from medpipe.errors import SpecError
from medpipe.formatting import listed, plural
from medpipe.specs.figure_reading import figures_from
from medpipe.specs.figures import Figures
from medpipe.specs.loading import validate

COLUMNS = {
    "name": "the model; required",
    "n": "samples behind the accuracy",
    "train_n": "samples behind the training accuracy",
    "positives": "samples of the positive class, for two classes",
    "accuracy": "share",
    "precision": "share",
    "recall": "share",
    "specificity": "share",
    "f1": "share",
    "balanced_accuracy": "share",
    "auc": "share",
    "youden": "recall + specificity - 1",
    "average": "binary, macro, weighted or micro",
    "runs": "over how many runs the scores are means; 1: they are not",
    "folds": "over how many folds the scores are means; 1: they are not",
    "train_accuracy": "share",
    "gap": "train_accuracy - accuracy",
    "gain": "accuracy - that of the baseline",
    "time_ms": "time in ms",
    "speedup": "time of the baseline / this time",
    "baseline": "yes for the row that others are compared with, else the first",
    "paired": "yes where it was measured on the baseline's own samples",
}
SAME_AS = {
    "ppv": "precision",
    "sensitivity": "recall",
    "acc": "accuracy",
    "f1_score": "f1",
    "auroc": "auc",
    "roc_auc": "auc",
    "model": "name",
    "method": "name",
    "classifier": "name",
}
NOT_PRINTED = ("n/a", "na", "n.a.", "nan", "none", "null", "nr", "-", "–", "—", "?")
TABLES, TEXTS, RECORDS = (".csv", ".tsv"), (".txt",), (".yaml", ".yml")
_PER_CENT = re.compile(r"(.*?)\s*[(\[]?%[)\]]?")
_SPREAD_ROW = re.compile(
    r"std\.?|sd|s\.d\.|se|sem|std\.? ?dev\.?|standard deviation|variance|±", re.IGNORECASE
)


@dataclass(frozen=True)
class Read:
    """What one file holds: a table, a report or a confusion matrix, and how it was read."""

    path: Path
    rows: tuple[Row, ...] = ()
    counted: Counted | None = None
    notes: tuple[str, ...] = ()


def figures_from_tables(paths: Sequence[Path]) -> Figures:
    """The records of some files of one paper; a report and a confusion matrix are held against the
    table's row of that name.

    Raises `SpecError` or `UnknownNameError` with the place of the first fault.
    """
    if len(paths) == 1:
        return figures_from_table(paths[0])
    read = [_read(_bytes(path), path) for path in paths]
    counted = [r.counted for r in read if r.counted is not None]
    tables = [r for r in read if r.rows]
    if len(tables) > 1:
        raise SpecError(str(tables[1].path), "at most one results table at a time", "a second one")
    made = {str(r.path): records(r.rows, r.path.name, str(r.path)) for r in tables}
    together, notes = merged(counted, [row for r in tables for row in r.rows])
    return replace(
        figures_from(made | dict(together), {}),
        notes=(*(note for r in read for note in r.notes), *notes),
    )


def figures_from_table(path: Path) -> Figures:
    """The records of a results table, a classification report, a confusion matrix, or a file of
    figure records (``.yaml``).

    Raises `SpecError` or `UnknownNameError` with the place of the first fault.
    """
    return figures_of(_bytes(path), path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError(str(path), "a readable file", error.strerror or str(error)) from error


def figures_of(raw: bytes, path: Path) -> Figures:
    """The same of the bytes of a file; ``path`` says by its ending what they are, and names them in
    errors and findings."""
    if path.suffix.lower() in RECORDS:
        data = parse_yaml(raw, str(path))
        validate(data, "figures", str(path))
        figures = figures_from({str(path): data}, {})
        if not figures:
            raise SpecError(str(path), "at least one record", "none")
        return figures
    read = _read(raw, path)
    made = (
        records(read.rows, path.name, str(path)) if read.counted is None else read.counted.records()
    )
    return replace(figures_from({str(path): made}, {}), notes=read.notes)


def _read(raw: bytes, path: Path) -> Read:
    where = str(path)
    if path.suffix.lower() not in (*TABLES, *TEXTS):
        expected = f"a results table ({', '.join((*TABLES, *TEXTS))}) or figure records (.yaml)"
        raise SpecError(where, expected, path.suffix or "a name without an ending")
    text, encoding = decoded(raw, where)
    lines = pasted_report(text)
    found = Sheet(where, lines) if lines else sheet(text, encoding, where)
    if is_report(found):
        return Read(
            path,
            counted=report_of(found, path),
            notes=(*found.notes, f"{where}: read as a classification report."),
        )
    if is_matrix(found):
        counted = matrix_of(found, path)
        return Read(
            path,
            counted=counted,
            notes=(*found.notes, f"{where}: read as a confusion matrix, {counted.orientation}."),
        )
    return _table(found, path)


def _table(found: Sheet, path: Path) -> Read:
    """The rows of a results table."""
    columns, per_cent, notes = _header(found)
    lines = [
        (number, _cells(columns, number, cells, found.where))
        for number, cells in found.rows[1:]
        if any(cells)
    ]
    spreads = [number for number, cells in lines if _SPREAD_ROW.fullmatch(cells.get("name", ""))]
    lines = [line for line in lines if line[0] not in spreads]
    if not lines:
        raise SpecError(found.where, "at least one row below the header", "none")
    if spreads:
        notes.append(
            f"{found.where}: left out, because they hold spreads: row {listed(map(str, spreads))}."
        )
    printed = [
        {c: cell for c, cell in cells.items() if c == "name" or cell.casefold() not in NOT_PRINTED}
        for _, cells in lines
    ]
    missing = sum(map(len, (cells for _, cells in lines))) - sum(map(len, printed))
    if missing:
        notes.append(
            f"{found.where}: {plural(missing, 'cell')} of n/a and the like read as not printed."
        )
    shares = [*SHARES, *DIFFERENCES]
    decimal = decimal_sign(
        [cells[c] for cells in printed for c in shares if c in cells],
        [cells[c] for cells in printed for c in ("time_ms", "speedup") if c in cells],
        found.where,
    )
    if decimal == ",":
        notes.append(f"{found.where}: a comma is the decimal sign.")
    unsigned = frozenset(
        c
        for c in shares
        if any(_unsigned(cells.get(c, ""), decimal) for cells in printed) and c not in per_cent
    )
    if unsigned:
        notes.append(
            f"{found.where}: figures above 1 without a sign read as per cent: "
            f"{listed(sorted(unsigned))}."
        )
    rows = [
        Row(number, cells, found.where, decimal, unsigned, per_cent)
        for (number, _), cells in zip(lines, printed, strict=True)
    ]
    _check_names(rows)
    return Read(path, tuple(rows), notes=(*found.notes, *notes))


def _unsigned(cell: str, decimal: str) -> bool:
    value = read_number(re.split(r"[±(\[+]", with_points(cell, decimal))[0])
    return value is not None and value > 1 and "%" not in cell


def _check_names(rows: Sequence[Row]) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        name = row.cells.get("name", "")
        if not name.isprintable() or not 0 < len(name) <= 200:
            raise SpecError(
                row.place("name"), "a name of at most 200 characters in one line", repr(name)[:60]
            )
        if (first := seen.setdefault(name, row.number)) != row.number:
            raise SpecError(
                row.place("name"), "every name once", f"{name!r}, which is in row {first}, too"
            )


def _header(found: Sheet) -> tuple[list[str | None], frozenset[str], list[str]]:
    """The columns (None where one is left out), those that the header says are in per cent, and
    notes."""
    number, cells = found.rows[0]
    columns: list[str | None] = []
    per_cent: set[str] = set()
    unknown: list[str] = []
    for cell in cells:
        column, signed = _column(cell)
        if column is None and not columns and cell == "":
            column = "name"  # an index without a name
        elif column is None and (
            cell or any(len(r) > len(columns) and r[len(columns)] for _, r in found.rows[1:])
        ):
            near = difflib.get_close_matches(cell.casefold(), [*COLUMNS, *SAME_AS], n=1)
            unknown.append(repr(cell) + (f" (did you mean {near[0]}?)" if near else ""))
        if column is not None and column in columns:
            raise SpecError(
                f"{found.where}: row {number}",
                "every column once",
                f"{cell!r} twice, or under another name",
            )
        columns.append(column)
        per_cent |= {column} if column is not None and signed else set()
    known = [c for c in columns if c is not None]
    if "name" not in known or len(known) < 2:
        raise SpecError(
            f"{found.where}: row {number}",
            f"the column 'name' and columns of figures ({', '.join(COLUMNS)})",
            listed(unknown) or ", ".join(known),
        )
    notes = (
        [f"{found.where}: left out, because no such column is known: {listed(unknown)}."]
        if unknown
        else []
    )
    return columns, frozenset(per_cent), notes


def _column(cell: str) -> tuple[str | None, bool]:
    """What a column is, None where nobody knows, and whether its header says per cent."""
    if cell.casefold().startswith(CLASS):
        return (
            (f"{CLASS}{cell[len(CLASS) :].strip()}", False)
            if cell[len(CLASS) :].strip()
            else (None, False)
        )
    signed = _PER_CENT.fullmatch(cell)
    named = re.sub(r"[\s_-]+", "_", (signed[1] if signed else cell).casefold().strip())
    column = SAME_AS.get(named, named)
    return (column if column in COLUMNS else None), signed is not None


def _cells(
    columns: Sequence[str | None], number: int, cells: Sequence[str], where: str
) -> Mapping[str, str]:
    if len(cells) != len(columns):
        raise SpecError(
            f"{where}: row {number}",
            f"{len(columns)} cells, as in the header",
            f"{len(cells)}; a comma within a cell needs quotes",
        )
    return {
        column: cell
        for column, cell in zip(columns, cells, strict=True)
        if cell and column is not None
    }
