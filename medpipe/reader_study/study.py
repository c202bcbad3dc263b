"""The key of a study: what each shown image is. It is secret until all answers are in; its digest
is public from the start.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medpipe.documents import canonical_json, parse_json, pretty_json, read_file
from medpipe.errors import SpecError
from medpipe.specs.loading import validate

Origin = Literal["real", "synthetic", "control"]
VERSION = 1
CONFIDENCE_STEPS = 6
"""1 surely real … 6 surely synthetic. No middle, so that every answer takes a side."""
RATING_STEPS = 5
SIDE = 4
"""From this confidence on an image was called synthetic."""
KEY, PAGE = "key.json", "reading.html"
MAX_BYTES = 20_000_000


@dataclass(frozen=True)
class Shown:
    """One showing. ``source`` and ``file_digest`` name the file it was made of, ``shown_digest``
    the PNG in the page.

    ``origin`` is ``control`` for a real image that was bent to be recognised. ``repeat_of``: the id
    of the first showing of the same image, or None.
    """

    id: str
    origin: Origin
    source: str
    file_digest: str
    shown_digest: str
    repeat_of: str | None = None


@dataclass(frozen=True)
class Study:
    """A study as fixed before anybody reads. ``margin``: how far from 0.5 an AUC may lie to count
    as guessing.

    ``nonce`` is random, so that nobody can find the key by trying keys out against its digest.
    """

    id: str
    title: str
    margin: float
    confidence: float
    size: int
    colour: bool
    fit: str
    seed: str
    nonce: str
    items: tuple[Shown, ...]

    @property
    def commitment(self) -> str:
        """SHA-256 of the key's canonical JSON, in hex: printed in the page and copied into every
        file of answers.
        """
        return hashlib.sha256(canonical_json(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The document ``key.json``."""
        return {"version": VERSION, **vars(self), "items": [dict(vars(i)) for i in self.items]}

    @staticmethod
    def from_json(data: Mapping[str, Any], where: str) -> Study:
        """The study of a key document. Raises `SpecError` where it breaks the schema or does not
        hang together.
        """
        validate(data, "reader-key", where)
        fields = {k: v for k, v in data.items() if k not in ("version", "items")}
        study = Study(**fields, items=tuple(Shown(**i) for i in data["items"]))
        first = {i.id: i for i in study.items if i.repeat_of is None}
        if len({i.id for i in study.items}) < len(study.items):
            raise SpecError(f"{where}: items", "every id once", "an id twice")
        for item in study.items:
            if item.repeat_of is not None and (
                item.repeat_of not in first or first[item.repeat_of].origin != item.origin
            ):
                raise SpecError(
                    f"{where}: item {item.id}: repeat_of",
                    "a first showing of the same origin",
                    repr(item.repeat_of),
                )
        for origin in ("real", "synthetic"):
            if sum(i.origin == origin for i in first.values()) < 2:
                raise SpecError(f"{where}: items", f"at least two {origin} images", "fewer")
        return study


def read_key(path: Path) -> Study:
    """The study of a key file. Raises `SpecError`."""
    return Study.from_json(read_json(path), str(path))


def read_json(path: Path) -> Any:
    """A JSON file of at most 20 MB, read strictly. Raises `SpecError`."""
    return parse_json(read_file(path, MAX_BYTES), str(path), limit=MAX_BYTES)


def refuse_to_overwrite(folder: Path) -> None:
    """Raises `SpecError` if a study is there: a lost key makes all answers worthless."""
    for path in (folder / KEY, folder / PAGE):
        if path.exists() or path.is_symlink():
            raise SpecError(
                str(path),
                "no study there yet",
                "one that would be overwritten; name another folder with --out",
            )


def write_study(folder: Path, study: Study, page: str) -> tuple[Path, Path]:
    """Write ``key.json`` (mode 0600) and ``reading.html``, both or neither; returns their paths.
    Raises `SpecError` if one is there.
    """
    refuse_to_overwrite(folder)
    key_path, page_path = folder / KEY, folder / PAGE
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content, mode in (
            (key_path, pretty_json(study.to_json()), 0o600),
            (page_path, page.encode(), 0o644),
        ):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                written.append(path)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SpecError(
                str(folder), "a folder that can be written to", error.strerror or str(error)
            ) from error
        raise
    return key_path, page_path
