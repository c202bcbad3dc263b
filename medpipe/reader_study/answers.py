"""What readers sent back: read strictly, matched with the key, and laid out as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import SpecError
from medpipe.evidence.files import sha256
from medpipe.reader_study.study import Study, read_json
from medpipe.specs.loading import validate

Answers = NDArray[np.int64]
QUESTIONS = ("confidence", "realism", "plausibility")


@dataclass(frozen=True)
class Reading:
    """Everything that R readers answered to the S showings of a study.

    ``answers``: question → int ``(R, S)``, columns in the order of ``study.items``; ``seconds``
    float ``(R, S)``; ``comments`` only those that are not empty: (reader, item, text). ``digests``:
    SHA-256 of each reader's file.
    """

    study: Study
    readers: tuple[str, ...]
    answers: Mapping[str, Answers]
    seconds: NDArray[np.float64]
    comments: tuple[tuple[str, str, str], ...]
    digests: tuple[str, ...]

    def columns(self, *origins: str) -> NDArray[np.int64]:
        """Columns of first showings of these origins."""
        return np.array(
            [
                k
                for k, i in enumerate(self.study.items)
                if i.repeat_of is None and i.origin in origins
            ],
            np.int64,
        )

    def twice(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of first and second showings of what was shown twice."""
        at = {i.id: k for k, i in enumerate(self.study.items)}
        pairs = [
            (at[i.repeat_of], k) for k, i in enumerate(self.study.items) if i.repeat_of is not None
        ]
        found = np.array(pairs, np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]


def read_answers(study: Study, paths: Sequence[Path]) -> Reading:
    """The answers in files. Raises `SpecError` for a broken one, another study's, an incomplete
    one, or a reader twice.
    """
    if not paths:
        raise SpecError("reader study", "at least one file of answers", "none")
    documents = [(str(p), read_json(p)) for p in paths]
    return collect(study, documents, [sha256(p.read_bytes()) for p in paths])


def collect(
    study: Study, documents: Sequence[tuple[str, Any]], digests: Sequence[str] | None = None
) -> Reading:
    """The same from documents already read, each with a name for messages."""
    commitment = study.commitment
    by_reader: dict[str, Mapping[str, Mapping[str, Any]]] = {}
    for where, data in documents:
        validate(data, "reader-answers", where)
        if data["study"] != study.id:
            raise SpecError(
                f"{where}: study",
                f"answers to the study {study.id} of the key",
                f"answers to {data['study']}",
            )
        if data["commitment"] != commitment:
            raise SpecError(
                f"{where}: commitment",
                f"that of the key, {commitment[:12]}…",
                f"{data['commitment'][:12]}…: the key is not the one that the page was made with",
            )
        if data["reader"] in by_reader:
            raise SpecError(f"{where}: reader", "every reader once", f"{data['reader']!r} twice")
        by_reader[data["reader"]] = _by_item(study, data["items"], where)
    rows = list(by_reader.values())
    ids = [i.id for i in study.items]
    answers = {q: np.array([[row[i][q] for i in ids] for row in rows], np.int64) for q in QUESTIONS}
    seconds = np.array([[row[i]["seconds"] for i in ids] for row in rows], np.float64)
    comments = tuple(
        (reader, i, row[i]["comment"].strip())
        for reader, row in by_reader.items()
        for i in ids
        if row[i]["comment"].strip()
    )
    return Reading(
        study, tuple(by_reader), answers, seconds, comments, tuple(digests or ("",) * len(rows))
    )


def _by_item(
    study: Study, items: Sequence[Mapping[str, Any]], where: str
) -> dict[str, Mapping[str, Any]]:
    wanted = [i.id for i in study.items]
    found = {item["id"]: item for item in items}
    if len(found) < len(items):
        raise SpecError(f"{where}: items", "every image answered once", "an image twice")
    unknown = [name for name in found if name not in set(wanted)]
    if unknown:
        raise SpecError(
            f"{where}: items",
            f"images 001 to {wanted[-1]} of the study",
            f"the unknown image {unknown[0]!r}",
        )
    missing = [name for name in wanted if name not in found]
    if missing:
        raise SpecError(
            f"{where}: items",
            f"an answer to each of {len(wanted)} images",
            f"none to {len(missing)}, the first {missing[0]!r}; open the page again, finish and"
            " download again",
        )
    return found
