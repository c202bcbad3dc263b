"""A table as text cells: its encoding, the sign between its columns and its decimal sign are found
and reported."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from medpipe.documents import MAX_BYTES
from medpipe.errors import SpecError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte order mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
}
_EXCEL = re.compile(
    r"sep=(.)\r?\n", re.IGNORECASE
)  # a first line by which Excel is told the separator
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f]")
_LEADING = re.compile(r"\W*\d+([.,])\d+")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:[ '\u00a0\u202f’.,][0-9]{3})+")


@dataclass(frozen=True)
class Sheet:
    """The cells of a file, stripped, with the number of their row; how they were read is in
    ``notes``."""

    where: str
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = field(default=())


def decoded(raw: bytes, where: str) -> tuple[str, str]:
    """The text of a file and the name of its encoding. Raises `SpecError` for what is no text."""
    if len(raw) > MAX_BYTES:
        raise SpecError(where, f"at most {MAX_BYTES} bytes", f"{len(raw)} bytes")
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _CONTROL.search(text):
            return text, NAMES[encoding]
    raise SpecError(
        where,
        "a table as text in UTF-8, UTF-16 or Windows-1252",
        "other bytes; save the table as CSV in UTF-8",
    )


def _encodings(raw: bytes) -> tuple[str, ...]:
    marked = next((encoding for mark, encoding in MARKS.items() if raw.startswith(mark)), None)
    if marked is not None:
        return (marked,)
    if b"\x00" in raw[:200]:  # every second byte of Latin text in UTF-16
        return ("utf-16-le",) if raw[:1] != b"\x00" else ("utf-16-be",)
    return ("utf-8", "cp1252")


def sheet(text: str, encoding: str, where: str) -> Sheet:
    """The cells of a text. Raises `SpecError` where it is no table."""
    told = _EXCEL.match(text)
    body, skipped = (text[told.end() :], 1) if told else (text, 0)
    separator = told[1] if told else _separator(body)
    try:
        lines = list(csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise SpecError(where, "a table in CSV", str(error)) from error
    numbered = tuple(
        (number, tuple(cell.strip() for cell in line))
        for number, line in enumerate(lines, 1 + skipped)
    )
    if not numbered or not any(numbered[0][1]):
        raise SpecError(
            where,
            "a header with the names of the columns in row 1",
            "an empty table" if not text.strip() else "an empty row",
        )
    sign = SEPARATORS.get(separator, repr(separator))
    usual = (encoding, separator) == ("UTF-8", ",")
    return Sheet(
        where,
        numbered,
        () if usual else (f"{where}: read as {encoding}, columns separated by {sign}.",),
    )


def _separator(text: str) -> str:
    """The sign that splits the header into most cells; a comma where none does."""
    header = next((line for line in text.splitlines() if line.strip()), "")

    def cells(sign: str) -> int:
        try:
            return len(next(csv.reader([header], delimiter=sign), []))
        except csv.Error:  # a cell longer than the reader takes; reading the table says so
            return 0

    return max(SEPARATORS, key=cells)


def decimal_sign(shares: Iterable[str], numbers: Iterable[str], where: str) -> str:
    """The decimal sign of the cells with shares, or else of other numbers. Raises `SpecError` where
    both signs are used."""
    found = {m[1] for cell in shares if (m := _LEADING.match(cell))}
    if len(found) > 1:
        raise SpecError(where, "one decimal sign in all cells", "points and commas")
    if found:
        return found.pop()
    others = {m[1] for cell in numbers if (m := _LEADING.match(cell)) and not _GROUPED.match(cell)}
    return "," if others == {","} else "."


def with_points(cell: str, decimal: str) -> str:
    """A cell with a point as decimal sign; points that group thousands are left out then."""
    return (
        cell
        if decimal == "."
        else re.sub(r"(?<=\d),(?=\d)", ".", re.sub(r"(?<=\d)\.(?=\d{3})", "", cell))
    )


def whole_number(cell: str) -> int | None:
    """A whole number, in which thousands may be grouped; None where it is none."""
    digits = re.sub(r"\D", "", cell) if _GROUPED.fullmatch(cell) else re.sub(r"\.0+$", "", cell)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None
