"""Labelled sentences: of medical abstracts (PubMed RCT, structured abstracts, the package's
demonstration), or of anybody's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError, UnknownNameError
from medpipe.pipeline.data import abstracts, folders, rct
from medpipe.pipeline.data.data_files import FileSet, Stamp, open_files
from medpipe.pipeline.data.paths import DEMONSTRATION, TEXT_FOLDERS, find, unavailable
from medpipe.pipeline.data.rct import RCT_CLASSES, Sentence

__all__ = ["RCT_CLASSES", "TextData", "TextPart", "load_text"]

PARTS = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class TextPart:
    """N sentences in the order of their source.

    ``label``: int64 ``(N,)``, indices into the classes. ``sample_id``: str ``(N,)``, ``"<abstract
    id>:<line from 0>"``, unique within the part. ``groups``: str arrays ``(N,)``; always
    ``abstract_id``, and for the demonstration also ``sex``, ``age_band`` and ``site`` of the
    trial's population.
    """

    sentences: tuple[str, ...]
    label: NDArray[np.int64]
    sample_id: NDArray[np.str_]
    groups: Mapping[str, NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.sentences)


@dataclass(frozen=True, eq=False)
class TextData:
    """A text data set: parts ``train`` and ``dev``, mostly also ``test``.

    ``digest`` is ``"sha256:<hex>"`` over what was read (part, sample id, label, sentence, groups,
    in order), so it does not depend on whether the files were text, CSV or zipped. Shared between
    callers: copy before writing into an array.
    """

    source: str
    classes: tuple[str, ...]
    parts: Mapping[str, TextPart]
    digest: str


def load_text(source: str | Sequence[str], folder: Path | None = None) -> TextData:
    """Load a text data set.

    ``source``: ``"pubmed-rct-20k"``, ``"structured-abstracts"``, ``"demonstration"`` or
    ``"folder:<path>"`` (`medpipe.pipeline.data.folders`), or several of them: the first that exists
    is taken. ``folder``: where to look; by default `data_home`.

    Raises `UnavailableError` where none exists, `DataError` where the one taken is broken,
    `UnknownNameError`.
    """
    names = [source] if isinstance(source, str) else list(source)
    known = dict(TEXT_FOLDERS)
    for name in names:
        path = folders.path_of(name)
        if path:
            known |= folders.find_known(name, path)
        elif name not in known and name != DEMONSTRATION:
            raise UnknownNameError(
                "text data set", name, [*TEXT_FOLDERS, DEMONSTRATION, f"{folders.PREFIX}<path>"]
            )
    for name in names:
        if name == DEMONSTRATION:
            return _demonstration()
        place = find(name, known, folder)
        if place is not None:
            files = open_files(place)
            return _read(name, files.place, files.stamp)
    raise unavailable(names, known, folder)


@lru_cache(maxsize=4)
def _read(name: str, place: Path, stamp: Stamp) -> TextData:
    """Parse the files in ``place``; ``stamp`` makes a changed file be read again."""
    files = open_files(place)
    contents = (
        (part, (files.read(file), f"{place}/{file}"))
        for part in PARTS
        if (file := part_file(files, part)) is not None
    )
    if folders.path_of(name):
        classes, sentences = folders.read_parts(dict(contents))
    else:
        classes, sentences = RCT_CLASSES, {part: rct.parse(*content) for part, content in contents}
    parts = {part: _make_part(rows, {}) for part, rows in sentences.items()}
    return TextData(name, classes, parts, _digest(parts, classes))


def part_file(files: FileSet, part: str) -> str | None:
    """The file that holds a part: ``<part>.txt`` or ``<part>.csv``, text before CSV, at any depth.

    None for a test part that is not there; `DataError` for another.
    """
    for ending in (".txt", ".csv"):
        found = [name for name in files.names if name.rsplit("/", 1)[-1] == part + ending]
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"{files.place}: expected one {part}{ending}, got {', '.join(found)}; keep one of"
                " them"
            )
    if part == "test":
        return None
    raise DataError(
        f"{files.place}: expected {part}.txt or {part}.csv, found neither; place it there or fetch"
        " the data set again"
    )


@lru_cache(maxsize=1)
def _demonstration() -> TextData:
    parts = {}
    for part, count in abstracts.COUNTS.items():
        made = abstracts.make(part, count)
        people: dict[str, list[str]] = {"sex": [], "age_band": [], "site": []}
        for abstract in made:
            for name, values in people.items():
                values += [abstract.population[name]] * len(abstract.sentences)
        rows = [
            Sentence(a.abstract_id, line, RCT_CLASSES.index(label), sentence)
            for a in made
            for line, (label, sentence) in enumerate(a.sentences)
        ]
        parts[part] = _make_part(rows, people)
    return TextData(DEMONSTRATION, RCT_CLASSES, parts, _digest(parts, RCT_CLASSES))


def _make_part(rows: Sequence[Sentence], groups: Mapping[str, Sequence[str]]) -> TextPart:
    columns = {"abstract_id": np.array([row.abstract_id for row in rows])}
    columns |= {name: np.array(values) for name, values in groups.items()}
    return TextPart(
        tuple(row.sentence for row in rows),
        np.array([row.label for row in rows], dtype=np.int64),
        np.array([f"{row.abstract_id}:{row.line}" for row in rows]),
        columns,
    )


def _digest(parts: Mapping[str, TextPart], classes: Sequence[str]) -> str:
    sha = hashlib.sha256()
    for name, part in parts.items():
        columns = [part.groups[group].tolist() for group in sorted(part.groups)]
        labels = [classes[i] for i in part.label.tolist()]
        for row in zip(part.sample_id.tolist(), labels, part.sentences, *columns, strict=True):
            sha.update(json.dumps([name, *row], ensure_ascii=False).encode())
            sha.update(b"\n")
    return f"sha256:{sha.hexdigest()}"
