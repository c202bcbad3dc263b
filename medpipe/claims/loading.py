"""Reading a folder of specifications: everything is checked when it is loaded, and frozen and digested afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from medpipe.claims.claim import Claim, claim_from
from medpipe.claims.figure_reading import figures_from
from medpipe.claims.figures import Figures
from medpipe.claims.protocol import Profile, ProfileRun, Protocol, with_changes
from medpipe.claims.uses import check_minus, check_uses
from medpipe.documents import canonical_json, parse_yaml
from medpipe.errors import SpecError, UnknownNameError
from medpipe.registry import target

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """The system under audit: name, revision, its parts and the documents that make the claims (name → ``sha256:…``)."""

    id: str
    name: str
    revision: str
    about: str
    parts: Mapping[str, str]
    documents: Mapping[str, str]
    not_covered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Specs:
    """A loaded folder of specifications. ``files`` holds the documents' bytes by relative path, for copying into a bundle."""

    subject: Subject
    claims: tuple[Claim, ...]
    protocols: Mapping[str, Protocol]
    profiles: Mapping[str, Profile]
    files: Mapping[str, bytes]
    digest: str
    figures: Figures = field(default_factory=Figures)

    def claim(self, claim_id: str) -> Claim:
        """The claim of that id. Raises `UnknownNameError`."""
        for claim in self.claims:
            if claim.id == claim_id:
                return claim
        raise UnknownNameError("claim", claim_id, (c.id for c in self.claims))

    def profile(self, name: str) -> Profile:
        """The profile of that id. Raises `UnknownNameError`."""
        if name not in self.profiles:
            raise UnknownNameError("profile", name, self.profiles)
        return self.profiles[name]


@cache
def schema(kind: str, version: int = 1) -> dict[str, Any]:
    """The JSON Schema of a document kind: ``claims``, ``figures``, ``protocol``, ``profile``, ``subject`` or ``verdicts``."""
    text = files("medpipe.claims").joinpath(f"schemas/{kind}-{version}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def validate(data: Any, kind: str, where: str) -> None:
    """Hold a document against its schema. Raises `SpecError` with the path of the first fault."""
    from jsonschema import Draft202012Validator  # slow to import, so only where a document is checked
    from jsonschema.exceptions import best_match

    if isinstance(data, Mapping) and "version" in data and data["version"] != 1:
        raise SpecError(f"{where}: version", "format version 1", f"{data['version']!r}; use the medpipe that it was written for")
    error = best_match(Draft202012Validator(schema(kind)).iter_errors(data))
    if error is None:
        return
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path).lstrip(".")
    raise SpecError(f"{where}: {path}" if path else where, *_explain(error))


def _explain(error: Any) -> tuple[str, str]:
    """Expected and got, in words, of a schema error."""
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known)) if isinstance(error.instance, Mapping) else []
        return f"only {', '.join(known)}", f"the unknown key {', '.join(map(repr, unknown))}"
    if error.validator == "required":
        missing = [k for k in error.validator_value if k not in error.instance]
        return f"the key {', '.join(map(repr, missing))}", "none"
    return f"{error.validator} {json.dumps(error.validator_value)[:200]}", json.dumps(error.instance, default=str)[:200]


def load_specs(folder: Path) -> Specs:
    """Load ``subject.yaml``, ``claims/``, ``protocols/``, ``profiles/`` and ``figures/`` of a folder.

    Raises `SpecError` for a document that is wrong in itself, and `SpecError` or `UnknownNameError` where one names something
    that another does not have.
    """
    contents = {p.relative_to(folder).as_posix(): p.read_bytes() for p in _documents(folder)}
    return specs_from(contents, str(folder))


def _documents(folder: Path) -> Iterator[Path]:
    if not (folder / "subject.yaml").is_file():
        raise SpecError(str(folder), "a folder of specifications with subject.yaml", "none")
    yield folder / "subject.yaml"
    for room in ("claims", "figures", "protocols", "profiles"):
        yield from sorted((folder / room).glob("*.yaml"))


def specs_from(contents: Mapping[str, bytes], where: str) -> Specs:
    """Load specifications from the bytes of their documents by relative path (as a bundle keeps them)."""
    data = {path: parse_yaml(raw, f"{where}/{path}") for path, raw in contents.items()}
    for path, document in data.items():
        validate(document, _kind(path), f"{where}/{path}")
    subject = _subject(data["subject.yaml"])
    protocols = _unique((_protocol(d) for p, d in data.items() if p.startswith("protocols/")), f"{where}/protocols")
    profiles = _unique((_profile(d, protocols, f"{where}/{p}") for p, d in data.items() if p.startswith("profiles/")), f"{where}/profiles")
    claims = [claim_from(c, subject.documents) for p, d in data.items() if p.startswith("claims/") for c in d["claims"]]
    for path, document in data.items():
        for c in document["claims"] if path.startswith("claims/") else ():
            check_minus(c.get("measure", {}), f"{where}/{path}: claim {c['id']}")
    figures = figures_from({f"{where}/{p}": d for p, d in data.items() if p.startswith("figures/")}, subject.documents)
    if not claims:
        raise SpecError(f"{where}/claims", "at least one claim", "none")
    ids = _unique(claims, f"{where}/claims").keys()
    known_figures = figures.ids()
    for claim in claims:
        _check_references(claim, ids, subject, protocols, where)
        for name in claim.figures:
            if name not in known_figures:
                raise UnknownNameError(f"record in {where}: claim {claim.id}: figures", name, known_figures)
    claims.sort(key=lambda c: list(subject.parts).index(c.part))
    digest = hashlib.sha256(canonical_json({p: data[p] for p in sorted(data)})).hexdigest()
    return Specs(subject, tuple(claims), protocols, profiles, dict(contents), f"sha256:{digest}", figures)


def _kind(path: str) -> str:
    return {"claims": "claims", "figures": "figures", "protocols": "protocol", "profiles": "profile"}.get(path.split("/")[0], "subject")


def _subject(data: Mapping[str, Any]) -> Subject:
    return Subject(data["id"], data["name"], data["revision"], data["about"], data["parts"], data["documents"],
                   tuple(data.get("not_covered", ())))


def _protocol(data: Mapping[str, Any]) -> Protocol:
    target("experiment", data["experiment"])
    return Protocol(data["id"], data["experiment"], data["title"], data["parameters"], data.get("unstated", {}))


def _profile(data: Mapping[str, Any], protocols: Mapping[str, Protocol], where: str) -> Profile:
    runs = {}
    for name, run in data.get("runs", {}).items():
        if name not in protocols:
            raise UnknownNameError(f"protocol in {where}", name, protocols)
        change = run.get("change", {})
        try:
            with_changes(protocols[name].parameters, change)
        except (KeyError, TypeError) as error:
            raise SpecError(f"{where}: runs.{name}.change", "paths of the protocol's parameters", str(error)) from error
        runs[name] = ProfileRun(tuple(run.get("seeds", data["seeds"])), change,
                                **{key: run.get(key) for key in ("because", "minutes", "leave_out")})
    return Profile(data["id"], data["title"], tuple(data["seeds"]), runs)


def _unique(items: Iterable[T], where: str) -> dict[str, T]:
    found: dict[str, T] = {}
    for item in items:
        key = getattr(item, "id", "")
        if key in found:
            raise SpecError(where, "every id once", f"{key!r} twice")
        found[key] = item
    return found


def _check_references(claim: Claim, claim_ids: Collection[str], subject: Subject, protocols: Mapping[str, Protocol],
                      where: str) -> None:
    place = f"{where}: claim {claim.id}"
    if claim.counterpart_of is not None and claim.counterpart_of not in claim_ids:
        raise UnknownNameError(f"claim in {place}: counterpart_of", claim.counterpart_of, claim_ids)
    if claim.part not in subject.parts:
        raise UnknownNameError(f"part of the subject in {place}", claim.part, subject.parts)
    if claim.source.document not in subject.documents:
        raise UnknownNameError(f"document in {place}", claim.source.document, subject.documents)
    for part in claim.measure.parts():
        if part.run not in protocols:
            raise UnknownNameError(f"protocol in {place}", part.run, protocols)
    check_uses(claim, place)
    parts = [protocols[part.run].parameters for part in claim.measure.parts()]
    for prefix in claim.depends_on:
        if not any(_has(parameters, prefix) for parameters in parts):
            runs = " or ".join(part.run for part in claim.measure.parts())
            raise SpecError(f"{place}: depends_on", f"a path of the parameters of {runs}", repr(prefix))


def _has(parameters: Mapping[str, Any], prefix: str) -> bool:
    """Whether nested parameters have a dotted path."""
    node: Any = parameters
    for step in prefix.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return False
        node = node[step]
    return True
