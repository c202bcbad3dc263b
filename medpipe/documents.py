"""Reading specification files strictly: YAML and JSON without the surprises of either.

Refused, each with its place: anchors and aliases, tags, duplicate keys, words that YAML 1.1 reads as truth values (``NO``, ``on``),
numbers that are not what they look like (``010``, ``12:30:45``, ``1_000``), dates, ``.nan`` and ``.inf``, more than 1 MB, more
than 32 levels. ``1e-3`` is the number that it looks like. Only plain data comes out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from medpipe.errors import SpecError

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+][0-9]+)$")
_AMBIGUOUS = re.compile(
    r"(y|n|yes|no|on|off|true|false|null|\.nan|[-+]?\.inf"  # truth values and non-finite numbers in any spelling
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?"  # sexagesimal
    r"|[-+]?0[0-9_]+|0[xob][0-9a-f_]+|[-+]?[0-9][0-9_]*_[0-9_]*|[-+]?[0-9]+\.|[-+]?\.[0-9]+"  # odd numbers
    r"|[0-9]+e[0-9]+"  # 0e98079 is a revision to people and a number to YAML
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)$",  # dates
    re.IGNORECASE,
)
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_document(path: Path) -> Any:
    """The plain data of one YAML file. Raises `SpecError` with the file, and the place in it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(str(path), "a readable file", error.strerror or str(error)) from error
    return parse_yaml(raw, str(path))


def parse_yaml(raw: bytes, where: str) -> Any:
    """The plain data of a YAML document given as bytes; ``where`` names it in messages. Raises `SpecError`."""
    if len(raw) > MAX_BYTES:
        raise SpecError(where, f"at most {MAX_BYTES} bytes", f"{len(raw)} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(where, "UTF-8 text", f"byte {error.start} that is not") from error
    if text.startswith("\ufeff"):
        raise SpecError(where, "UTF-8 text without a byte order mark", "a byte order mark")
    try:
        return _build(yaml.parse(text, Loader=_LOADER), where)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}: line {mark.line + 1}" if mark else where
        raise SpecError(place, "well-formed YAML", getattr(error, "problem", None) or "something else") from error


def _build(events: Iterator[Any], where: str) -> Any:
    """Turn YAML events into data, one explicit stack, so that depth is bounded and every refusal has its line."""
    stack: list[tuple[Any, str | None]] = []  # (container, pending key of a mapping)
    root: list[Any] = []

    def place(event: Any) -> str:
        return f"{where}: line {event.start_mark.line + 1}"

    def add(value: Any, event: Any) -> None:
        if not stack:
            if root:
                raise SpecError(place(event), "one document", "a second one")
            root.append(value)
            return
        container, key = stack[-1]
        if isinstance(container, list):
            container.append(value)
        elif key is None:
            if not isinstance(value, str):
                raise SpecError(place(event), "a text as key", repr(value))
            if value in container:
                raise SpecError(place(event), "every key once", f"{value!r} twice")
            stack[-1] = (container, value)
        else:
            container[key] = value
            stack[-1] = (container, None)

    for event in events:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SpecError(place(event), "no anchors or aliases", f"{event.anchor!r}; write the value out")
        if getattr(event, "tag", None) not in (None, "!"):
            raise SpecError(place(event), "no tags", repr(event.tag))
        if isinstance(event, yaml.ScalarEvent):
            add(_scalar(event, place(event), is_key=bool(stack) and isinstance(stack[-1][0], dict) and stack[-1][1] is None), event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(stack) >= MAX_DEPTH:
                raise SpecError(place(event), f"at most {MAX_DEPTH} levels", "more")
            container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            add(container, event)
            stack.append((container, None))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
    if not root:
        raise SpecError(where, "a document", "an empty file")
    return root[0]


def _scalar(event: Any, place: str, *, is_key: bool) -> Any:
    text = str(event.value)
    if event.style not in (None, "") or is_key:  # quoted, a block, or a key: text
        return text
    if text in ("", "null", "~"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        value = float(text)
        if not math.isfinite(value):
            raise SpecError(place, "a finite number", text)
        return value
    if _AMBIGUOUS.match(text):
        raise SpecError(place, "a value that can be read in one way only", f"{text}; put it in quotes if it is text")
    return text


def parse_json(raw: bytes | str, where: str) -> Any:
    """Strict JSON: no duplicate keys, no NaN or infinity. Raises `SpecError`."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                raise SpecError(where, "every key once", f"{key!r} twice")
            found[key] = value
        return found

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise SpecError(where, "a finite number", text)
        return value

    try:
        return json.loads(raw, object_pairs_hook=pairs, parse_float=number, parse_constant=number)
    except (ValueError, RecursionError) as error:
        raise SpecError(where, "well-formed JSON", str(error) or "too many levels") from error


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value that digests are taken of: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pretty_json(value: Any) -> bytes:
    """JSON for files that people read too: sorted keys, one space, a newline at the end."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
