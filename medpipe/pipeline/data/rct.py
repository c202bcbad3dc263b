"""The two formats in which PubMed RCT is passed on: ``###id`` text and CSV.

Text: a line ``###`` and the abstract's id, a line ``LABEL<TAB>sentence`` for each sentence, an
empty line. CSV: a header with at least ``abstract_id``, ``abstract_text`` and ``target``, in any
order, one row per sentence; ``line_number``, where present, must count up by one within an
abstract. Both are UTF-8, with either kind of line end.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from medpipe.errors import DataError

RCT_CLASSES = ("BACKGROUND", "CONCLUSIONS", "METHODS", "OBJECTIVE", "RESULTS")
"""The section labels, in the order of their indices."""

_NEEDED = ("abstract_id", "abstract_text", "target")
_FURTHER = ("line_id", "line_number", "total_lines")


class Sentence(NamedTuple):
    """One labelled sentence; ``label`` is an index into `RCT_CLASSES`, ``line`` counts from 0
    within the abstract.
    """

    abstract_id: str
    line: int
    label: int
    sentence: str


class Row(NamedTuple):
    """One labelled sentence as it stands in a file, on line ``at``."""

    at: int
    abstract_id: str
    label: str
    sentence: str


def parse(content: bytes, where: str) -> list[Sentence]:
    """The sentences of one file; ``where`` names it in messages and tells the format by its ending.

    Raises `DataError`, naming file and line, for anything else than the formats above: a wrong
    label, a malformed line, an abstract without sentences or in two places, text that is not UTF-8,
    no sentence at all.
    """
    found = list(_numbered(rows(content, where), where))
    if not found:
        raise DataError(
            f"{where}: expected at least one labelled sentence, got none; get the file again"
        )
    return found


def rows(content: bytes, where: str, columns: tuple[str, str, str] = _NEEDED) -> Iterator[Row]:
    """The rows of one file, labels unchecked. ``columns``: the CSV's names for abstract, sentence
    and label. Raises as `parse` does.
    """
    text = _decode(content, where)
    return (
        _csv_rows(text, where, columns)
        if where.lower().endswith(".csv")
        else _text_rows(text, where)
    )


def _decode(content: bytes, where: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{where}, line {line}: expected UTF-8 text, got the byte 0x{content[error.start]:02x}"
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{where}, line {line}: expected text, got a NUL character")
    return text


def _text_rows(text: str, where: str) -> Iterator[Row]:
    abstract, sentences = "", 1
    at = 0
    for at, raw in enumerate(text.split("\n"), start=1):
        line = raw.rstrip("\r")
        if not line.strip():
            continue
        if line.startswith("###"):
            _need_sentences(sentences, abstract, where, at)
            abstract, sentences = line[3:].strip(), 0
            if not abstract:
                raise DataError(f"{where}, line {at}: expected an id after '###', got none")
            continue
        label, tab, sentence = line.partition("\t")
        if not tab or not abstract:
            expected = (
                "'LABEL<TAB>sentence'" if abstract else "'###' and an id before the first sentence"
            )
            raise DataError(f"{where}, line {at}: expected {expected}, got {line[:60]!r}")
        sentences += 1
        yield Row(at, abstract, label.strip(), sentence.strip())
    _need_sentences(sentences, abstract, where, at)


def _need_sentences(count: int, abstract: str, where: str, at: int) -> None:
    if count == 0:
        raise DataError(
            f"{where}, line {at}: expected sentences for the abstract {abstract!r}, got none"
        )


def _csv_rows(text: str, where: str, columns: tuple[str, str, str]) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        absent = [name for name in columns if name not in header]
        if absent or any(header.count(name) > 1 for name in (*columns, *_FURTHER)):
            raise DataError(
                f"{where}, line 1: expected each of the columns {', '.join(columns)} once, got"
                f" {', '.join(header) or 'none'}"
            )
        following = ("", 0)
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                raise DataError(
                    f"{where}, line {reader.line_num}: expected {len(header)} columns, got"
                    f" {len(values)}"
                )
            row = dict(zip(header, (value.strip() for value in values), strict=True))
            if "line_number" in row:
                following = _follow(
                    row[columns[0]],
                    row["line_number"],
                    following,
                    f"{where}, line {reader.line_num}",
                )
            yield Row(
                reader.line_num, *(row[name] for name in (columns[0], columns[2], columns[1]))
            )
    except csv.Error as error:
        raise DataError(
            f"{where}, line {reader.line_num}: expected well-formed CSV, got: {error}"
        ) from error


def _follow(abstract: str, number: str, following: tuple[str, int], where: str) -> tuple[str, int]:
    """Check a line number against the row before; returns the abstract and the number due next."""
    before, due = following
    if (
        not number.isdecimal()
        or (abstract == before and int(number) != due)
        or (abstract != before and int(number) > 1)
    ):
        expected = (
            str(due) if abstract == before else "0 or 1 for the first sentence of an abstract"
        )
        raise DataError(
            f"{where}: expected line_number {expected}, got {number!r}; rows may be missing"
        )
    return abstract, int(number) + 1


def _numbered(rows: Iterable[Row], where: str) -> Iterator[Sentence]:
    index = {name: i for i, name in enumerate(RCT_CLASSES)}
    seen: set[str] = set()
    current, line = "", 0
    for row in rows:
        place = f"{where}, line {row.at}"
        if not row.abstract_id or not row.sentence:
            absent = "sentence" if row.abstract_id else "id"
            raise DataError(
                f"{place}: expected a sentence with the id of its abstract, got an empty {absent}"
            )
        if row.label not in index:
            raise DataError(
                f"{place}: expected a label of {', '.join(RCT_CLASSES)}, got {row.label[:40]!r}"
            )
        if row.abstract_id != current:
            if row.abstract_id in seen:
                raise DataError(
                    f"{place}: expected each abstract in one place, got {row.abstract_id!r} a"
                    " second time"
                )
            seen.add(row.abstract_id)
            current, line = row.abstract_id, 0
        yield Sentence(row.abstract_id, line, index[row.label], row.sentence)
        line += 1
