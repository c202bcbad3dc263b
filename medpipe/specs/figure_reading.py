"""Turn validated figure records into `Figures` and check every name that they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from medpipe.errors import SpecError
from medpipe.specs.figures import (
    RELATIONS_OF_TWO,
    SCORES,
    SECTIONS,
    Absence,
    Figures,
    Judgement,
    Layer,
    Printing,
    Quantity,
    Selection,
    System,
    Test,
)
from medpipe.specs.printed_values import read_printed

T = TypeVar("T")
_NESTED: dict[str, type] = {
    "printed": Printing,
    "needs": Test,
    "rule_in_code": Test,
    "layers": Layer,
}


def figures_from(documents: Mapping[str, Any], digests: Mapping[str, str]) -> Figures:
    """The records of some documents (where → data that the schema has accepted); ``digests``: those
    of the published documents.

    Raises `SpecError` for an id that stands twice, a name that nothing has, or a number that cannot
    be read.
    """
    found: dict[str, list[Any]] = {section: [] for section in SECTIONS}
    for where, data in documents.items():
        for section, kind in SECTIONS.items():
            records: list[Any] = [_record(kind, entry, digests) for entry in data.get(section, ())]
            _check_documents(records, digests, where)
            found[section] += records
    figures = Figures(**{section: tuple(records) for section, records in found.items()})
    _check_ids(figures, next(iter(documents), "figures"))
    return figures


def _record(kind: type[T], data: Mapping[str, Any], digests: Mapping[str, str]) -> T:
    """One record from its JSON form: keys that Python reserves get an underscore, lists become
    tuples.
    """
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{key}_" if key in ("as", "is") else key
        if key in _NESTED and isinstance(value, list):
            value = tuple(_record(_NESTED[key], v, digests) for v in value)
        elif key in _NESTED and isinstance(value, dict):
            value = _record(_NESTED[key], value, digests)
        elif isinstance(value, list):
            value = tuple(value)
        elif key == "axes":
            value = {axis: tuple(points) for axis, points in value.items()}
        values[name] = value
    if kind is Printing:
        values["digest"] = digests.get(data["document"], "")
    return kind(**values)


def _check_documents(records: list[Any], digests: Mapping[str, str], where: str) -> None:
    for record in records:
        for holder in (record, *getattr(record, "printed", ())):
            document = getattr(holder, "document", None)
            if document is not None and digests and document not in digests:
                raise SpecError(
                    f"{where}: {holder.id}",
                    f"a document of the subject ({', '.join(digests)})",
                    repr(document),
                )


def _check_ids(figures: Figures, where: str) -> None:
    every = [r.id for section in SECTIONS for r in getattr(figures, section)] + [
        p.id for _, p in figures.printings()
    ]
    seen: set[str] = set()
    for name in every:
        if name in seen:
            raise SpecError(
                where, "every id once among all records and printings", f"{name!r} twice"
            )
        seen.add(name)
    known = {section: {r.id for r in getattr(figures, section)} for section in SECTIONS}
    for section in SECTIONS:
        for record in getattr(figures, section):
            for wanted, name in _references(record):
                if name not in known[wanted]:
                    raise SpecError(
                        f"{where}: {section} {record.id}",
                        f"the id of one of the {wanted}",
                        repr(name),
                    )
    for quantity, printing in figures.printings():
        if quantity.kind != "fact":
            read_printed(printing.number or printing.text, f"{where}: {printing.id}")
    _check_numbers(figures, where)


def _check_numbers(figures: Figures, where: str) -> None:
    """What the audits compute with: two parts where two are needed, no words among numbers, classes
    that add up.
    """
    facts = {q.id for q in figures.quantities if q.kind == "fact"}
    for section in SECTIONS:
        for record in getattr(figures, section):
            words = (
                sorted({name for _, name in _references(record)} & facts)
                if not isinstance(record, Absence | Selection)
                else []
            )
            if words:
                raise SpecError(
                    f"{where}: {section} {record.id}",
                    "quantities that are numbers",
                    f"the fact {words[0]!r}",
                )
    for relation in figures.relations:
        if relation.kind in RELATIONS_OF_TWO and len(relation.of) != 2:
            raise SpecError(
                f"{where}: relations {relation.id}: of",
                f"two quantities for a {relation.kind}",
                str(len(relation.of)),
            )
    for s in figures.scores:
        if s.classes and sum(s.classes.values()) != s.n:
            raise SpecError(
                f"{where}: scores {s.id}: classes",
                f"counts that add up to n = {s.n}",
                str(sum(s.classes.values())),
            )
        if s.positive is not None and s.positive not in s.classes:
            known = ", ".join(s.classes) or "none given"
            raise SpecError(
                f"{where}: scores {s.id}: positive",
                f"one of the classes ({known})",
                repr(s.positive),
            )


_TO_QUANTITIES = frozenset(
    (
        "result",
        "of",
        "first",
        "second",
        "reported",
        "candidates",
        "best",
        "among",
        "measured_by",
        "saved_size",
        "counts",
        *SCORES,
    )
)
_TO_RECORDS = {"systems": "systems", "repeats": "repeats"}


def _references(record: Any) -> Iterator[tuple[str, str]]:
    """(section, id) of everything a record names."""
    if isinstance(record, Judgement):
        tests = (*record.needs, *((record.rule_in_code,) if record.rule_in_code else ()))
        yield from (("quantities", t.quantity) for t in tests)
    if isinstance(record, Quantity | System):
        return
    for f in fields(record):
        section = "quantities" if f.name in _TO_QUANTITIES else _TO_RECORDS.get(f.name)
        if section is not None and not (isinstance(record, Absence) and f.name == "of"):
            value = getattr(record, f.name)
            names = (
                value.values()
                if isinstance(value, Mapping)
                else value
                if isinstance(value, tuple)
                else [value]
                if value
                else []
            )
            yield from ((section, name) for name in names)
