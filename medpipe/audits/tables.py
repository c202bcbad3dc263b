"""Anybody's paper: figure records from a results table, one row for each model.

The cells are text as printed, decimals kept, because the decimals say how far a figure was rounded; an empty cell was not printed. What
each column means is in `COLUMNS` and, with an example, in ``docs/figures.md``. Reading is strict: what cannot be read in one way only is
refused with its row and column (the header is row 1, as spreadsheets count).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from medpipe.audits.rows import Row, records
from medpipe.claims.figure_reading import figures_from
from medpipe.claims.figures import Figures
from medpipe.claims.loading import validate
from medpipe.documents import MAX_BYTES, parse_yaml
from medpipe.errors import SpecError, UnknownNameError

COLUMNS = {
    "name": "the model; required", "n": "samples behind the accuracy", "train_n": "samples behind the training accuracy",
    "positives": "samples of the positive class, for two classes", "accuracy": "share", "precision": "share", "recall": "share",
    "specificity": "share", "f1": "share", "average": "binary, macro, weighted or micro", "train_accuracy": "share",
    "gap": "train_accuracy - accuracy", "gain": "accuracy - that of the baseline", "time_ms": "time in ms",
    "speedup": "time of the baseline / this time", "baseline": "yes for the row that others are compared with, else the first",
    "paired": "yes where it was measured on the baseline's own samples"}
SAME_AS = {"ppv": "precision", "sensitivity": "recall"}
CLASS = "n:"
"""What the columns with the number of samples of one class begin with."""


def figures_from_table(path: Path) -> Figures:
    """The records of a results table (``.csv``) or of a file of figure records (``.yaml``, as in ``specs/figures``).

    Raises `SpecError` or `UnknownNameError` with the place of the first fault.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(str(path), "a readable file", error.strerror or str(error)) from error
    return figures_of(raw, path)


def figures_of(raw: bytes, path: Path) -> Figures:
    """The same of the bytes of a file; ``path`` says by its ending what they are, and names them in errors and findings."""
    if path.suffix.lower() in (".yaml", ".yml"):
        data = parse_yaml(raw, str(path))
        validate(data, "figures", str(path))
        figures = figures_from({str(path): data}, {})
        if not figures:
            raise SpecError(str(path), "at least one record", "none")
        return figures
    if path.suffix.lower() != ".csv":
        raise SpecError(str(path), "a results table (.csv) or figure records (.yaml)", path.suffix or "a name without an ending")
    return figures_from({str(path): records(_rows(_text(raw, str(path)), str(path)), path.name, str(path))}, {})


def _text(raw: bytes, where: str) -> str:
    if len(raw) > MAX_BYTES:
        raise SpecError(where, f"at most {MAX_BYTES} bytes", f"{len(raw)} bytes")
    try:
        return raw.decode("utf-8-sig")  # spreadsheets put a byte order mark before their UTF-8
    except UnicodeDecodeError as error:
        raise SpecError(where, "UTF-8 text", f"byte {error.start} that is not; save the table as CSV in UTF-8") from error


def _rows(text: str, where: str) -> list[Row]:
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise SpecError(where, "a table in CSV", str(error)) from error
    numbered = [(number, [cell.strip() for cell in line]) for number, line in enumerate(lines, 1)]
    if not numbered or not any(numbered[0][1]):
        raise SpecError(where, "a header with the names of the columns in row 1", "an empty table" if not text.strip() else "an empty row")
    columns = _header(numbered[0][1], where)
    rows = [_row(columns, number, cells, where) for number, cells in numbered[1:] if any(cells)]
    if not rows:
        raise SpecError(where, "at least one row below the header", "none")
    seen: dict[str, int] = {}
    for row in rows:
        if (first := seen.setdefault(row.cells["name"], row.number)) != row.number:
            raise SpecError(row.place("name"), "every name once", f"{row.cells['name']!r}, which is in row {first}, too")
    return rows


def _header(cells: Sequence[str], where: str) -> list[str]:
    if len(cells) == 1 and any(sign in cells[0] for sign in ";\t"):
        raise SpecError(f"{where}: row 1", "commas between the columns", "semicolons or tabs; save the table with commas")
    columns: list[str] = []
    for number, cell in enumerate(cells, 1):
        named = cell.casefold()
        column = f"{CLASS}{cell[len(CLASS):].strip()}" if named.startswith(CLASS) else SAME_AS.get(named, named)
        if column in ("", CLASS):
            raise SpecError(f"{where}: row 1, cell {number}", "the name of a column, or of a class after 'n:'", repr(cell))
        if column not in COLUMNS and not column.startswith(CLASS):
            raise UnknownNameError(f"column in {where} (row 1)", cell, [*COLUMNS, *SAME_AS, f"{CLASS}<class>"])
        if column in columns:
            raise SpecError(f"{where}: row 1", "every column once", f"{cell!r} twice, or under another name")
        columns.append(column)
    if "name" not in columns or len(columns) < 2:
        raise SpecError(f"{where}: row 1", "the column 'name' and columns of figures", ", ".join(columns))
    return columns


def _row(columns: Sequence[str], number: int, cells: Sequence[str], where: str) -> Row:
    if len(cells) != len(columns):
        raise SpecError(f"{where}: row {number}", f"{len(columns)} cells, as in the header",
                        f"{len(cells)}; a comma within a cell needs quotes")
    row = Row(number, {column: cell for column, cell in zip(columns, cells, strict=True) if cell}, where)
    if not row.cells.get("name", "").isprintable() or not 0 < len(row.cells.get("name", "")) <= 200:
        raise SpecError(row.place("name"), "a name of at most 200 characters in one line", repr(row.cells.get("name", ""))[:60])
    return row
