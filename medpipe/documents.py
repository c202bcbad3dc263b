"""Strict reading of YAML and JSON.

Refused, each with its place: anchors and aliases, tags, duplicate keys, words that YAML 1.1 reads
as truth values (``NO``, ``on``), numbers that are not what they look like (``010``, ``12:30:45``,
``1_000``), dates, ``.nan`` and ``.inf``, integers of more than 64 bits, more than 32 levels, and
files larger than a limit (1 MB for YAML). ``1e-3`` is the number that it looks like. Only plain
data comes out.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from medpipe.errors import SpecError

MAX_BYTES = 1_000_000
MAX_JSON_BYTES = 16 * 2**20
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
MAX_ERRORS = 100
"""So many faults of a document are weighed against each other before the clearest is told."""
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+][0-9]+)$")
_AMBIGUOUS = re.compile(
    # truth values and non-finite numbers in any spelling
    r"(y|n|yes|no|on|off|true|false|null|\.nan|[-+]?\.inf"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?"  # sexagesimal
    # odd numbers
    r"|[-+]?0[0-9_]+|0[xob][0-9a-f_]+|[-+]?[0-9][0-9_]*_[0-9_]*|[-+]?[0-9]+\.|[-+]?\.[0-9]+"
    r"|[0-9]+e[0-9]+"  # 0e98079 is a revision to people and a number to YAML
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)$",  # dates
    re.IGNORECASE,
)
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a plain file of at most ``limit`` bytes; a pipe or a device is never waited for.
    Raises `SpecError`.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", closefd=True) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SpecError(str(path), "a plain file", "a pipe or a device")
            raw = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise SpecError(
            str(path), "a readable file", getattr(error, "strerror", None) or str(error)
        ) from error
    if len(raw) > limit:
        raise SpecError(str(path), f"at most {limit} bytes", "more")
    return raw


def read_document(path: Path) -> Any:
    """The plain data of one YAML file. Raises `SpecError` with the file, and the place in it."""
    return parse_yaml(read_file(path, MAX_BYTES), str(path))


def parse_yaml(raw: bytes, where: str) -> Any:
    """The plain data of a YAML document given as bytes; ``where`` names it in messages. Raises
    `SpecError`.
    """
    if len(raw) > MAX_BYTES:
        raise SpecError(where, f"at most {MAX_BYTES} bytes", f"{len(raw)} bytes")
    text = _decoded(raw, where)
    if text.startswith("\ufeff"):
        raise SpecError(where, "UTF-8 text without a byte order mark", "a byte order mark")
    try:
        return _build(yaml.parse(text, Loader=_LOADER), where)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}: line {mark.line + 1}" if mark else where
        raise SpecError(
            place, "well-formed YAML", getattr(error, "problem", None) or "something else"
        ) from error


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(where, "UTF-8 text", f"byte {error.start} that is not") from error


def _build(events: Iterator[Any], where: str) -> Any:
    """Turn YAML events into data."""
    builder = _Builder(where)
    for event in events:
        builder.take(event)
    if not builder.root:
        raise SpecError(where, "a document", "an empty file")
    return builder.root[0]


class _Builder:
    """Data from YAML events, with one explicit stack: depth is bounded, and every refusal names its
    line.
    """

    def __init__(self, where: str) -> None:
        self.root: list[Any] = []
        self._where = where
        self._stack: list[tuple[Any, str | None]] = []  # container, pending key of a mapping

    def take(self, event: Any) -> None:
        self._refuse_tricks(event)
        if isinstance(event, yaml.ScalarEvent):
            is_key = bool(self._stack) and self._awaits_key(*self._stack[-1])
            self._add(_scalar(event, self._place(event), is_key=is_key), event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(self._stack) >= MAX_DEPTH:
                raise SpecError(self._place(event), f"at most {MAX_DEPTH} levels", "more")
            container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._add(container, event)
            self._stack.append((container, None))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()

    def _refuse_tricks(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            got = f"{event.anchor!r}; write the value out"
            raise SpecError(self._place(event), "no anchors or aliases", got)
        if getattr(event, "tag", None) not in (None, "!"):
            raise SpecError(self._place(event), "no tags", repr(event.tag))

    def _add(self, value: Any, event: Any) -> None:
        if not self._stack:
            if self.root:
                raise SpecError(self._place(event), "one document", "a second one")
            self.root.append(value)
            return
        container, key = self._stack[-1]
        if isinstance(container, list):
            container.append(value)
        elif key is not None:
            container[key] = value
            self._stack[-1] = (container, None)
        elif not isinstance(value, str):
            raise SpecError(self._place(event), "a text as key", repr(value))
        elif value in container:
            raise SpecError(self._place(event), "every key once", f"{value!r} twice")
        else:
            self._stack[-1] = (container, value)

    @staticmethod
    def _awaits_key(container: Any, key: str | None) -> bool:
        return isinstance(container, dict) and key is None

    def _place(self, event: Any) -> str:
        return f"{self._where}: line {event.start_mark.line + 1}"


def _scalar(event: Any, place: str, *, is_key: bool) -> Any:
    text = str(event.value)
    if event.style not in (None, "") or is_key:  # quoted, a block, or a key: text
        return text
    if text in ("", "null", "~"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.match(text):
        return _integer(text, place)
    if _FLOAT.match(text):
        value = float(text)
        if not math.isfinite(value):
            raise SpecError(place, "a finite number", text)
        return value
    if _AMBIGUOUS.match(text):
        raise SpecError(
            place,
            "a value that can be read in one way only",
            f"{text}; put it in quotes if it is text",
        )
    return text


def _integer(text: str, where: str) -> int:
    """An integer that other programs and floating point can hold too. Raises `SpecError`."""
    if len(text) > 20 or abs(int(text)) > MAX_INTEGER:
        raise SpecError(where, "an integer of 64 bits", f"one of {len(text)} characters")
    return int(text)


def parse_json(raw: bytes | str, where: str, *, limit: int = MAX_JSON_BYTES) -> Any:
    """Strict JSON in UTF-8: no duplicate keys, no NaN or infinity, no half characters, limited size
    and depth. Raises `SpecError`.
    """
    if len(raw) > limit:
        raise SpecError(where, f"at most {limit} bytes", f"{len(raw)} bytes")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                raise SpecError(where, "every key once", f"{key[:80]!r} twice")
            found[key] = value
        return found

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise SpecError(where, "a finite number", text[:80])
        return value

    text = raw if isinstance(raw, str) else _decoded(raw, where)
    try:
        data = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_float=number,
            parse_constant=number,
            parse_int=lambda digits: _integer(digits, where),
        )
    except RecursionError as error:
        raise SpecError(where, f"at most {MAX_DEPTH} levels", "more") from error
    except ValueError as error:
        raise SpecError(where, "well-formed JSON", str(error)[:200]) from error
    _require_shallow(data, where)
    if "\\u" in text:
        _require_whole_characters(data, where)
    return data


def _require_shallow(data: Any, where: str) -> None:
    """Refuse more than `MAX_DEPTH` levels."""
    level = [data] if isinstance(data, list | dict) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return
    raise SpecError(where, f"at most {MAX_DEPTH} levels", "more")


def _require_whole_characters(data: Any, where: str) -> None:
    """Refuse half of a character, which JSON can escape and no file can hold."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise SpecError(
            where, "text that can be written as UTF-8", "half of a character"
        ) from error


@cache
def schema(kind: str, package: str = "medpipe.specs", version: int = 1) -> dict[str, Any]:
    """The JSON Schema of a kind of document, such as ``claims`` or ``verdicts``, which lies in
    ``package``.
    """
    text = files(package).joinpath(f"schemas/{kind}-{version}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def validate(data: Any, kind: str, where: str, package: str = "medpipe.specs") -> None:
    """Hold a document against its schema. Raises `SpecError` with the path of the first fault."""
    from jsonschema import (
        Draft202012Validator,
    )  # slow to import, so only where a document is checked
    from jsonschema.exceptions import best_match

    held_against = schema(kind, package)
    versions = held_against.get("properties", {}).get("version", {}).get("enum", [1])
    if (
        isinstance(data, Mapping)
        and "version" in data
        and (data["version"] not in versions or data["version"] is True)
    ):
        expected = "format version " + " or ".join(map(str, versions))
        raise SpecError(
            f"{where}: version",
            expected,
            f"{data['version']!r}; use the medpipe that it was written for",
        )
    error = best_match(islice(Draft202012Validator(held_against).iter_errors(data), MAX_ERRORS))
    if error is None:
        return
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path).lstrip(
        "."
    )
    raise SpecError(f"{where}: {path}" if path else where, *_explain(error))


def _explain(error: Any) -> tuple[str, str]:
    """Expected and got, in words, of a schema error."""
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = (
            sorted(set(error.instance) - set(known)) if isinstance(error.instance, Mapping) else []
        )
        return f"only {', '.join(known)}", f"the unknown key {', '.join(map(repr, unknown))}"[:200]
    if error.validator == "required":
        missing = [k for k in error.validator_value if k not in error.instance]
        return f"the key {', '.join(map(repr, missing))}", "none"
    return (
        f"{error.validator} {json.dumps(error.validator_value)[:200]}",
        json.dumps(error.instance, default=str)[:200],
    )


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value that digests are taken of: sorted keys, no spaces, UTF-8, no
    NaN.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def pretty_json(value: Any) -> bytes:
    """JSON for files that people read too: sorted keys, one space, a newline at the end."""
    return (
        json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()
