"""Anybody's labelled sentences: a folder, or a zip file, named in a protocol as ``folder:<path>``.

It holds ``train`` and ``dev``, and if there is one ``test``: each as ``.txt`` in the format of
PubMed RCT, or as ``.csv`` with the columns ``text``, ``label`` and ``group`` in any order, beside
any others. Labels may be any words; their order is alphabetical. A group is what depends on each
other: the sentences of an abstract, of a note, of a patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from medpipe.errors import DataError
from medpipe.pipeline.data.rct import Row, Sentence, rows

PREFIX = "folder:"
COLUMNS = ("group", "text", "label")


def path_of(source: str) -> str | None:
    """The path in ``folder:<path>``, absolute or below the data home; None for another kind of
    source.
    """
    return source.removeprefix(PREFIX) if source.startswith(PREFIX) else None


def read_parts(
    contents: Mapping[str, tuple[bytes, str]],
) -> tuple[tuple[str, ...], dict[str, list[Sentence]]]:
    """Classes, and sentences by part. ``contents``: by part the bytes of its file and its name for
    messages.

    Raises `DataError` for a malformed file, fewer than two labels, or a label that the train part
    does not have.
    """
    found = {
        part: (list(_checked(rows(content, where, COLUMNS), where)), where)
        for part, (content, where) in contents.items()
    }
    train, where = found["train"]
    classes = tuple(sorted({row.label for row in train}))
    if len(classes) < 2:
        raise DataError(
            f"{where}: expected sentences with at least two labels, got"
            f" {', '.join(classes) or 'none'}"
        )
    number = {name: i for i, name in enumerate(classes)}
    for part, where in found.values():
        unknown = next((row for row in part if row.label not in number), None)
        if unknown is not None:
            raise DataError(
                f"{where}, line {unknown.at}: expected a label of the train part, got"
                f" {unknown.label[:40]!r}"
            )
        if not part:
            raise DataError(f"{where}: expected at least one labelled sentence, got none")
    return classes, {name: _numbered(part, number) for name, (part, _) in found.items()}


def find_known(source: str, path: str) -> dict[str, tuple[str, ...]]:
    """The table of places, as `medpipe.pipeline.data.paths.find` wants it, for one folder."""
    return {source: (str(Path(path).expanduser()),)}


def _checked(found: Iterable[Row], where: str) -> Iterable[Row]:
    for row in found:
        absent = [
            name
            for name, value in zip(COLUMNS, (row.abstract_id, row.sentence, row.label), strict=True)
            if not value
        ]
        if absent:
            raise DataError(f"{where}, line {row.at}: expected a {absent[0]}, got an empty one")
        yield row


def _numbered(part: Iterable[Row], number: Mapping[str, int]) -> list[Sentence]:
    """Lines counted within each group, wherever its rows stand."""
    lines: Counter[str] = Counter()
    sentences = []
    for row in part:
        sentences.append(
            Sentence(row.abstract_id, lines[row.abstract_id], number[row.label], row.sentence)
        )
        lines[row.abstract_id] += 1
    return sentences
