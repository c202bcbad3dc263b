"""Read tables such as `metadata.csv` that name the class, patient or part of each image.

Columns are known by the names that public collections give them (HAM10000 and ISIC: ``image_id``,
``dx``, ``lesion_id``; the Hugging Face Hub: ``file_name``, ``label``). An image is named by its
path, its file name, or its file name without the ending.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medpipe.errors import DataError
from medpipe.pipeline.data.data_files import FileSet

ENDINGS = (".csv", ".tsv")
MAX_BYTES = 64 * 2**20
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": (
        "image",
        "image_id",
        "file_name",
        "filename",
        "image_name",
        "image_index",
        "image_path",
        "isic_id",
        "img",
        "path",
        "file",
        "filepath",
    ),
    "class": (
        "class",
        "label",
        "dx",
        "diagnosis",
        "class_name",
        "label_name",
        "category",
        "target",
    ),
    "patient": ("patient_id", "patient", "subject_id", "subject", "patientid", "subjectid"),
    "lesion": ("lesion_id", "lesion", "lesionid"),
    "part": ("split", "part", "partition", "subset", "fold", "set"),
}
"""What a column says, and the names by which it is known, in small letters and with ``_``; the
first of them that a table has is taken.
"""


@dataclass(frozen=True)
class Table:
    """``name`` of the file; ``columns`` by what they say; ``rows`` by image: what each says of
    it.
    """

    name: str
    columns: Mapping[str, str]
    rows: Mapping[str, Mapping[str, str]]


def read_tables(files: FileSet, images: Sequence[str]) -> tuple[list[Table], list[tuple[str, str]]]:
    """The tables about some of the ``images``, and the others with a sentence each."""
    tables, others = [], []
    for name in files.names:
        if name.lower().endswith(ENDINGS):
            try:
                tables.append(_table(name, files.read(name), images))
            except DataError as error:
                others.append((name, str(error)))  # it may be about something else than images
    return tables, others


def _table(name: str, content: bytes, images: Sequence[str]) -> Table:
    if len(content) > MAX_BYTES:
        raise DataError(f"expected a table of at most {MAX_BYTES} bytes, got {len(content)}")
    rows = list(_rows(content))
    head = rows[0] if rows else []
    known = {
        re.sub(r"\W+", "_", word.strip().lower()): i for i, word in reversed([*enumerate(head)])
    }
    place = {
        what: next((known[n] for n in names if n in known), -1) for what, names in COLUMNS.items()
    }
    if place["image"] < 0:
        raise DataError(
            "expected a column that names images, such as image_id or file_name, got "
            f"{', '.join(head)[:200] or 'none'}"
        )
    columns = {what: i for what, i in place.items() if i >= 0 and what != "image"}
    path_of = _paths(images)
    found: dict[str, Mapping[str, str]] = {}
    for at, row in enumerate(rows[1:], 2):
        if len(row) <= max(place.values()):
            if any(cell.strip() for cell in row):
                raise DataError(f"expected {len(head)} cells in line {at}, got {len(row)}")
            continue
        path = path_of.get(row[place["image"]].strip().casefold())
        said = {what: row[i].strip() for what, i in columns.items()}
        if path is not None and found.setdefault(path, said) != said:
            raise DataError(
                f"expected one row for {path!r}, got two that differ, the second in line {at}"
            )
    if not found:
        raise DataError(
            f"expected images of this set in the column {head[place['image']]}, got none of them"
        )
    return Table(name, {what: head[i] for what, i in columns.items()}, found)


def _paths(images: Sequence[str]) -> dict[str, str]:
    """The path of an image by everything that names it and no other one."""
    named: dict[str, set[str]] = defaultdict(set)
    for path in images:
        file = path.rpartition("/")[2]
        for name in (path, file, file.rpartition(".")[0]):
            named[name.casefold()].add(path)
    return {name: next(iter(paths)) for name, paths in named.items() if len(paths) == 1}


def _rows(content: bytes) -> Iterator[list[str]]:
    """The cells of a table: UTF-8, UTF-16 with a mark, else Windows-1252; comma, semicolon or
    tab.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    except csv.Error as error:
        raise DataError(f"expected a table that can be read, got: {error}") from error
