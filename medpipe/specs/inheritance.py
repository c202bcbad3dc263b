"""Specifications that share what they have in common: protocols with ``extends`` and ``grid``,
profiles with ``groups``.

Everything is resolved when it is loaded, from the documents of one folder alone, and every value
keeps its `Origin`: the file and the key that set it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from medpipe.errors import SpecError, UnknownNameError
from medpipe.specs.protocol import Origin, Protocol, copied, flatten

MAX_INHERITED = 100_000
"""The protocols of a folder may take so many values from others; without a limit, a short file
could fill the memory."""
_TEXTS = ("experiment", "title", "source")
_OVERRIDES = ("change", "add", "remove")


@dataclass(frozen=True)
class _Definition:
    """A protocol or template as its file states it, and the name of its parent."""

    name: str
    kind: str
    file: str
    prefix: str
    data: Mapping[str, Any]
    parent: str | None

    def origin(self, key: str) -> Origin:
        return Origin(self.file, self.prefix + key, self.kind, self.name)


@dataclass
class _Draft:
    """A protocol while it is put together; a template may stay incomplete."""

    texts: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    unstated: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def copy(self) -> _Draft:
        return _Draft(
            dict(self.texts), copied(self.parameters), dict(self.unstated), dict(self.origins)
        )


def protocols_from(documents: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, Protocol]:
    """All protocols of some checked documents (by relative path), inheritance resolved, in the
    order of the files and of the members within each.

    Raises `SpecError` or `UnknownNameError` for an id that occurs twice, an unknown parent, a
    cycle, an override that does not fit the parent, and a protocol that is incomplete.
    """
    definitions = _definitions(documents, where)
    drafts: dict[str, _Draft] = {}
    inherited = 0
    for name in definitions:
        for definition in _lineage(name, definitions, drafts, where):
            parent = drafts[definition.parent].copy() if definition.parent else _Draft()
            inherited += len(parent.origins)
            if inherited > MAX_INHERITED:
                raise SpecError(
                    f"{where}/{definition.file}",
                    f"at most {MAX_INHERITED} inherited values",
                    "more",
                )
            drafts[definition.name] = _overridden(parent, definition, where)
    return {
        name: _complete(definition, drafts[name], where)
        for name, definition in definitions.items()
        if definition.kind != "template"
    }


def _definitions(documents: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, _Definition]:
    found: dict[str, _Definition] = {}
    for path, document in documents.items():
        for definition in _defined(path, document):
            if (earlier := found.get(definition.name)) is not None:
                raise SpecError(
                    f"{where}/{path}: {definition.prefix or 'id'}".rstrip("."),
                    "every protocol id once",
                    f"{definition.name!r}, which {where}/{earlier.file} has, too",
                )
            found[definition.name] = definition
    return found


def _defined(path: str, document: Mapping[str, Any]) -> Iterator[_Definition]:
    """The protocol of a file, or its template where it has no id; then the members of its grid."""
    name, kind = document.get("id", f"template of {path}"), "protocol"
    if "id" not in document:
        kind = "template"
    yield _Definition(name, kind, path, "", document, document.get("extends"))
    for member, own in document.get("grid", {}).items():
        parent = own.get("extends", name)
        yield _Definition(member, "grid member", path, f"grid.{member}.", own, parent)


def _lineage(
    name: str,
    definitions: Mapping[str, _Definition],
    drafts: Mapping[str, _Draft],
    where: str,
) -> list[_Definition]:
    """A definition and its ancestors without a draft yet, the oldest first."""
    chain: dict[str, _Definition] = {}
    following: str | None = name
    while following is not None and following not in drafts:
        if following in chain:
            names = [*list(chain)[list(chain).index(following) :], following]
            place = f"{where}/{chain[following].file}: {chain[following].prefix}extends"
            raise SpecError(place, "parents that end somewhere", f"the cycle {' → '.join(names)}")
        if following not in definitions:
            child = list(chain.values())[-1]
            ids = [d.name for d in definitions.values() if d.kind != "template"]
            raise UnknownNameError(
                f"protocol in {where}/{child.file}: {child.prefix}extends", following, ids
            )
        chain[following] = definitions[following]
        following = definitions[following].parent
    return list(reversed(chain.values()))


def _overridden(draft: _Draft, own: _Definition, where: str) -> _Draft:
    """The draft of the parent, changed in place to what a definition makes of it."""
    place = f"{where}/{own.file}"
    for key in _TEXTS:
        if key in own.data:
            draft.texts[key] = own.data[key]
            draft.origins[key] = own.origin(key)
    if own.parent is None:
        _require_no_override(own, place)
        draft.parameters = copied(own.data.get("parameters", {}))
        _note_origins(draft, own, "parameters", "", draft.parameters)
    elif "parameters" in own.data:
        raise SpecError(
            f"{place}: parameters",
            "change, add or remove beside extends",
            "parameters, which would hide those of the parent",
        )
    _remove(draft, own, place)
    _change(draft, own, place)
    _add(draft, own, place)
    _annotate(draft, own, place)
    return draft


def _require_no_override(own: _Definition, place: str) -> None:
    for key in _OVERRIDES:
        if key in own.data:
            raise SpecError(
                place, f"extends beside {key}, to name what is overridden", f"{key} alone"
            )


def _note_origins(draft: _Draft, own: _Definition, key: str, path: str, value: Any) -> None:
    """Note that a definition sets a parameter, or all parameters of a section."""
    for leaf, _ in flatten({path: value} if path else value):
        draft.origins[f"parameters.{leaf}"] = own.origin(f"{key}.{leaf}")


def _remove(draft: _Draft, own: _Definition, place: str) -> None:
    for path in own.data.get("remove", ()):
        require_path(draft.parameters, path, f"{place}: {own.prefix}remove", own.parent)
        section, last = _section(draft.parameters, path)
        del section[last]
        gone = f"parameters.{path}"
        draft.origins = {
            key: origin
            for key, origin in draft.origins.items()
            if key != gone and not key.startswith(gone + ".")
        }


def _change(draft: _Draft, own: _Definition, place: str) -> None:
    for path, value in own.data.get("change", {}).items():
        place_of_path = f"{place}: {own.prefix}change"
        require_path(draft.parameters, path, place_of_path, own.parent)
        section, last = _section(draft.parameters, path)
        if isinstance(section[last], Mapping):
            raise SpecError(
                f"{place_of_path}.{path}", "the path of one parameter", "a section of parameters"
            )
        section[last] = value
        _note_origins(draft, own, "change", path, value)


def _add(draft: _Draft, own: _Definition, place: str) -> None:
    for path, value in own.data.get("add", {}).items():
        place_of_path = f"{place}: {own.prefix}add.{path}"
        if has_path(draft.parameters, path):
            raise SpecError(
                place_of_path,
                f"a parameter that {own.parent} does not have",
                "one that it has; put it under change",
            )
        section, last = _section(draft.parameters, path)
        if section is None:
            raise SpecError(place_of_path, "a path through sections", "one through a parameter")
        section[last] = copied(value) if isinstance(value, Mapping) else value
        _note_origins(draft, own, "add", path, value)


def _annotate(draft: _Draft, own: _Definition, place: str) -> None:
    """Take over what a definition leaves unstated; null withdraws what the parent says."""
    for path, reason in own.data.get("unstated", {}).items():
        if reason is not None:
            draft.unstated[path] = reason
            draft.origins[f"unstated.{path}"] = own.origin(f"unstated.{path}")
        elif path in draft.unstated:
            del draft.unstated[path], draft.origins[f"unstated.{path}"]
        else:
            raise UnknownNameError(
                f"path to withdraw in {place}: {own.prefix}unstated", path, draft.unstated
            )


def _complete(own: _Definition, draft: _Draft, where: str) -> Protocol:
    missing = [key for key in _TEXTS if key not in draft.texts]
    if missing:
        raise SpecError(
            f"{where}/{own.file}: {own.prefix}".rstrip(": ."),
            f"the key {missing[0]!r}, in {own.name} or in what it extends",
            "none",
        )
    return Protocol(
        own.name,
        draft.texts["experiment"],
        draft.texts["title"],
        draft.parameters,
        draft.unstated,
        draft.texts["source"],
        draft.origins,
    )


def has_path(parameters: Mapping[str, Any], path: str) -> bool:
    """Whether nested parameters have a dotted path, to a parameter or to a section."""
    node: Any = parameters
    for step in path.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return False
        node = node[step]
    return True


def require_path(
    parameters: Mapping[str, Any], path: str, place: str, protocol: str | None
) -> None:
    """Refuse a dotted path that the parameters of a protocol do not have. Raises
    `UnknownNameError` with near matches.
    """
    if not has_path(parameters, path):
        known = [p for p, _ in flatten(parameters)]
        raise UnknownNameError(f"parameter of {protocol} in {place}", path, known)


def _section(parameters: dict[str, Any], path: str) -> tuple[Any, str]:
    """The section that holds the last step of a dotted path, made where it is missing, and that
    step; None where a parameter stands in the way.
    """
    *steps, last = path.split(".")
    node: Any = parameters
    for step in steps:
        node = node.setdefault(step, {})
        if not isinstance(node, dict):
            return None, last
    return node, last


def profile_runs(
    profile: Mapping[str, Any], file: str, where: str
) -> dict[str, tuple[dict[str, Any], dict[str, Origin]]]:
    """What a checked profile document sets for each protocol, groups written out: protocol →
    settings and, for ``seeds``, ``because``, … and every ``change.<path>``, the origin.

    Raises `SpecError` for a run that stands in two places.
    """
    found: dict[str, tuple[dict[str, Any], dict[str, Origin]]] = {}
    places: dict[str, str] = {}
    for name, layers in _entries(profile):
        place = list(layers)[-1]
        if name in found:
            raise SpecError(
                f"{where}: {place}", "every run once", f"{name!r}, which {places[name]} sets, too"
            )
        places[name] = place
        settings: dict[str, Any] = {}
        origins: dict[str, Origin] = {}
        for prefix, given in layers.items():
            settings |= {k: v for k, v in given.items() if k != "change"}
            if "change" in given:
                settings["change"] = {**settings.get("change", {}), **given["change"]}
            for key in _keys(given):
                origins[key] = Origin(file, f"{prefix}.{key}", "profile", profile["id"])
        found[name] = settings, origins
    return found


def _keys(given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        if key == "change":
            yield from (f"change.{path}" for path in value)
        else:
            yield key


def without_groups(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The same profile document with the groups written out, run by run."""
    runs = {name: settings for name, (settings, _) in profile_runs(profile, "", "profile").items()}
    return {**{key: value for key, value in profile.items() if key != "groups"}, "runs": runs}


def _entries(profile: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Mapping[str, Any]]]]:
    """Every run that a profile names, with what applies to it: place in the document → settings,
    the later before the earlier.
    """
    for index, group in enumerate(profile.get("groups", ())):
        shared = {key: value for key, value in group.items() if key != "runs"}
        runs = group["runs"]
        for name in runs:
            own = runs[name] if isinstance(runs, Mapping) else {}
            yield name, {f"groups[{index}]": shared, f"groups[{index}].runs.{name}": own}
    for name, run in profile.get("runs", {}).items():
        yield name, {f"runs.{name}": run}
