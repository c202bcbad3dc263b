"""Load a folder of specifications: validate it, freeze it and compute its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from medpipe.documents import MAX_BYTES, canonical_json, parse_yaml, read_file
from medpipe.documents import schema as schema
from medpipe.documents import validate as validate
from medpipe.errors import SpecError, UnknownNameError
from medpipe.registry import OwnCode, code_from, target
from medpipe.specs.claim import Claim, claim_from
from medpipe.specs.figure_reading import figures_from
from medpipe.specs.figures import Figures
from medpipe.specs.inheritance import has_path, profile_runs, protocols_from, require_path
from medpipe.specs.measure_keys import check_minus, check_uses
from medpipe.specs.protocol import Profile, ProfileRun, Protocol

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """The system under audit: name, revision, its parts and the documents that make the claims
    (name → ``sha256:…``).
    """

    id: str
    name: str
    revision: str
    about: str
    parts: Mapping[str, str]
    documents: Mapping[str, str]
    not_covered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Specs:
    """A loaded folder of specifications. ``files`` holds the documents' bytes by relative path, for
    copying into a bundle.
    """

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

    def protocol(self, name: str) -> Protocol:
        """The protocol of that id. Raises `UnknownNameError`."""
        if name not in self.protocols:
            raise UnknownNameError("protocol", name, self.protocols)
        return self.protocols[name]

    def profile(self, name: str) -> Profile:
        """The profile of that id. Raises `UnknownNameError`."""
        if name not in self.profiles:
            raise UnknownNameError("profile", name, self.profiles)
        return self.profiles[name]


def load_specs(folder: Path) -> Specs:
    """Load ``subject.yaml``, ``claims/``, ``protocols/``, ``profiles/`` and ``figures/`` of a
    folder.

    Raises `SpecError` for a document that is wrong in itself, and `SpecError` or `UnknownNameError`
    where one names something that another does not have.
    """
    contents = {
        p.relative_to(folder).as_posix(): read_file(p, MAX_BYTES) for p in _documents(folder)
    }
    return specs_from(contents, str(folder))


def code_beside(folder: Path, specs: Specs) -> AbstractContextManager[OwnCode]:
    """Let the code run that a user's own specifications name: it lies beside their folder, or is
    installed.

    Raises `SpecError` for a folder inside a bundle, whose specifications and code may be a
    stranger's.
    """
    folder = folder.resolve()
    if any((place / "bundle.json").exists() for place in (folder, *folder.parents)):
        raise SpecError(
            str(folder),
            "the folder of your own specifications",
            "a folder inside a bundle; code of a bundle runs only with --allow-code",
        )
    measures = (part.metric for claim in specs.claims for part in claim.measure.parts())
    return code_from(
        folder.parent, {*filter(None, measures), *(p.experiment for p in specs.protocols.values())}
    )


def _documents(folder: Path) -> Iterator[Path]:
    if not (folder / "subject.yaml").is_file():
        raise SpecError(str(folder), "a folder of specifications with subject.yaml", "none")
    yield folder / "subject.yaml"
    for room in ("claims", "figures", "protocols", "profiles"):
        yield from sorted((folder / room).glob("*.yaml"))


def specs_from(contents: Mapping[str, bytes], where: str) -> Specs:
    """Load specifications from the bytes of their documents by relative path (as a bundle keeps
    them).
    """
    data = {path: parse_yaml(raw, f"{where}/{path}") for path, raw in contents.items()}
    for path, document in data.items():
        validate(document, _kind(path), f"{where}/{path}")
    subject = _subject(data["subject.yaml"])
    protocols = protocols_from({p: d for p, d in data.items() if p.startswith("protocols/")}, where)
    for protocol in protocols.values():
        target("experiment", protocol.experiment)
    profiles = _unique(
        (
            _profile(d, protocols, p, f"{where}/{p}")
            for p, d in data.items()
            if p.startswith("profiles/")
        ),
        f"{where}/profiles",
    )
    claims = [
        claim_from(c, subject.documents)
        for p, d in data.items()
        if p.startswith("claims/")
        for c in d["claims"]
    ]
    for path, document in data.items():
        for c in document["claims"] if path.startswith("claims/") else ():
            check_minus(c.get("measure", {}), f"{where}/{path}: claim {c['id']}")
    figures = figures_from(
        {f"{where}/{p}": d for p, d in data.items() if p.startswith("figures/")}, subject.documents
    )
    if not claims:
        raise SpecError(f"{where}/claims", "at least one claim", "none")
    ids = _unique(claims, f"{where}/claims").keys()
    known_figures = figures.ids()
    for claim in claims:
        _check_references(claim, ids, subject, protocols, where)
        for name in claim.figures:
            if name not in known_figures:
                raise UnknownNameError(
                    f"record in {where}: claim {claim.id}: figures", name, known_figures
                )
    claims.sort(key=lambda c: list(subject.parts).index(c.part))
    digest = hashlib.sha256(canonical_json({p: data[p] for p in sorted(data)})).hexdigest()
    return Specs(
        subject, tuple(claims), protocols, profiles, dict(contents), f"sha256:{digest}", figures
    )


def _kind(path: str) -> str:
    return {
        "claims": "claims",
        "figures": "figures",
        "protocols": "protocol",
        "profiles": "profile",
    }.get(path.split("/")[0], "subject")


def _subject(data: Mapping[str, Any]) -> Subject:
    return Subject(
        data["id"],
        data["name"],
        data["revision"],
        data["about"],
        data["parts"],
        data["documents"],
        tuple(data.get("not_covered", ())),
    )


def _profile(
    data: Mapping[str, Any], protocols: Mapping[str, Protocol], file: str, where: str
) -> Profile:
    profile = Profile(data["id"], data["title"], tuple(data["seeds"]), {}, file)
    runs = {}
    for name, (settings, origins) in profile_runs(data, file, where).items():
        if name not in protocols:
            raise UnknownNameError(f"protocol in {where}", name, protocols)
        for path in (change := settings.get("change", {})):
            key = origins[f"change.{path}"].key.removesuffix(f".{path}")
            require_path(protocols[name].parameters, path, f"{where}: {key}", name)
        standard = profile.run_for(name)
        runs[name] = ProfileRun(
            tuple(settings.get("seeds", standard.seeds)),
            change,
            **{key: settings.get(key) for key in ("because", "minutes", "leave_out")},
            origins={**standard.origins, **origins},
        )
    return replace(profile, runs=runs)


def _unique(items: Iterable[T], where: str) -> dict[str, T]:
    found: dict[str, T] = {}
    for item in items:
        key = getattr(item, "id", "")
        if key in found:
            raise SpecError(where, "every id once", f"{key!r} twice")
        found[key] = item
    return found


def _check_references(
    claim: Claim,
    claim_ids: Collection[str],
    subject: Subject,
    protocols: Mapping[str, Protocol],
    where: str,
) -> None:
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
        if not any(has_path(parameters, prefix) for parameters in parts):
            runs = " or ".join(part.run for part in claim.measure.parts())
            raise SpecError(
                f"{place}: depends_on", f"a path of the parameters of {runs}", repr(prefix)
            )
