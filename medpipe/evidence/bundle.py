"""A bundle: a folder of evidence with a manifest, the meeting place of making and judging.

::

    bundle.json            name, profile, format version
    specs/…                the specifications as they were judged by
    runs/<key>.json        one piece of evidence each
    arrays/<digest>.npz    observations, each array once however many runs share it
    findings.json          what the audits saw
    ledger.jsonl           every attempt, chained
    ledgers/<head>.jsonl   the same of the bundles that evidence was taken from
    verdicts.json          what judging said
    manifest.json          path → SHA-256 of all of the above; the digest of this file is the bundle's root digest

Reports (``*.pdf``, ``report.json``) may lie beside these; they are views of the bundle and no part of it.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medpipe.documents import canonical_json, parse_json, pretty_json
from medpipe.errors import BundleError, FormatVersionError, SpecError, TamperedError
from medpipe.evidence.evidence import Evidence, evidence_from, record_of
from medpipe.evidence.files import sha256, write_atomically
from medpipe.evidence.ledger import Attempts, Entry, read_ledger, written
from medpipe.evidence.observations import Array, Observations

MANIFEST = "manifest.json"
VIEWS = ("audit-report.pdf", "model-card.pdf", "report.json")
RECORD_VERSIONS = (1, 2)
MAX_ARRAY_BYTES = 512 * 2**20
MAX_FILES = 100_000


@dataclass(frozen=True)
class Bundle:
    """A folder of evidence. `open` checks it against its manifest; `create` makes or re-opens one for writing."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, name: str, profile: str) -> Bundle:
        """Make a bundle's folder, or go on with the one that lies there. Raises `BundleError` where it holds another profile."""
        bundle, header = cls(folder), {"version": 1, "name": name, "profile": profile}
        path = folder / "bundle.json"
        if path.exists():
            if bundle.header() != header:
                raise BundleError(f"{folder}: expected the bundle {name!r} of profile {profile!r}, got another; "
                                  "give another --name")
        elif folder.exists() and any(folder.iterdir()):
            raise BundleError(f"{folder}: expected an empty folder or a bundle, got other files; "
                              "give another --name")
        else:
            write_atomically(path, pretty_json(header))
        for leftover in folder.rglob(".tmp-*"):
            leftover.unlink(missing_ok=True)
        return bundle

    @classmethod
    def open(cls, folder: Path) -> Bundle:
        """Open a sealed bundle and check every file. Raises `BundleError`, `TamperedError`, `FormatVersionError`."""
        bundle = cls(folder)
        if not (folder / MANIFEST).is_file():
            raise BundleError(f"{folder}: expected a bundle with {MANIFEST}, got none; make one with: medpipe run")
        bundle.check()
        return bundle

    def header(self) -> dict[str, Any]:
        """Name and profile. Raises `FormatVersionError`."""
        data = self.json("bundle.json")
        if not isinstance(data, dict) or data.get("version") != 1:
            raise FormatVersionError(f"{self.folder}/bundle.json", [1], data.get("version") if isinstance(data, dict) else data)
        return data

    def check(self) -> None:
        """Hold every file against the manifest. Raises `TamperedError`."""
        listed = self.manifest()
        found = {name: sha256((self.folder / name).read_bytes()) for name in self._files()}
        extra, missing = sorted(found.keys() - listed.keys()), sorted(listed.keys() - found.keys())
        changed = sorted(n for n in found.keys() & listed.keys() if found[n] != listed[n])
        if extra or missing or changed:
            raise TamperedError(str(self.folder), extra=extra, missing=missing, changed=changed)

    def manifest(self) -> dict[str, str]:
        """Path → SHA-256 of every file. Raises `BundleError`, `FormatVersionError`."""
        data = self.json(MANIFEST)
        if not isinstance(data, dict) or data.get("version") != 1:
            raise FormatVersionError(f"{self.folder}/{MANIFEST}", [1], data.get("version") if isinstance(data, dict) else data)
        if set(data) != {"version", "files"} or not all(isinstance(v, str) for v in data["files"].values()):
            raise BundleError(f"{self.folder}/{MANIFEST}: expected 'version' and 'files', got {', '.join(sorted(data))}")
        return dict(data["files"])

    def seal(self) -> str:
        """Write the manifest of what lies here now, drop arrays that no run names, and return the root digest."""
        used = {name for record in self._records() for name in _array_names(record)}
        for path in (self.folder / "arrays").glob("*.npz"):
            if path.relative_to(self.folder).as_posix() not in used:
                path.unlink()
        files = {name: sha256((self.folder / name).read_bytes()) for name in self._files()}
        write_atomically(self.folder / MANIFEST, pretty_json({"version": 1, "files": files}))
        return self.root_digest

    @property
    def root_digest(self) -> str:
        """``sha256:…`` of the manifest's content, and so of every file."""
        return "sha256:" + sha256(canonical_json({"version": 1, "files": self.manifest()}))

    def put(self, evidence: Evidence) -> None:
        """Store one piece of evidence, replacing an older one of the same run."""
        arrays = {split: {n: self._put_array(a) for n, a in o.arrays.items()} for split, o in evidence.observations.items()}
        write_atomically(self.folder / f"runs/{evidence.run.key}.json", pretty_json(record_of(evidence, arrays)))

    def get(self, key: str) -> Evidence | None:
        """The evidence of a run, or None."""
        if not (self.folder / f"runs/{key}.json").is_file():
            return None
        record = self._record(f"runs/{key}.json")
        observations = {
            split: Observations({n: self._array(f) for n, f in o["arrays"].items()}, tuple(o["classes"]), o["cluster"])
            for split, o in record["observations"].items()}
        evidence = evidence_from(record, observations)
        if evidence.run.key != key:
            raise BundleError(f"{self.folder}/runs/{key}.json: expected the run of that name, got {evidence.run.key}")
        return evidence

    def keys(self) -> tuple[str, ...]:
        """Keys of all stored runs."""
        return tuple(sorted(p.stem for p in (self.folder / "runs").glob("*.json")))

    def write(self, name: str, content: bytes) -> None:
        """Write one of the bundle's other files."""
        write_atomically(self.folder / name, content)

    def write_specs(self, files: Mapping[str, bytes]) -> None:
        """Replace the copy of the specifications."""
        for old in sorted((self.folder / "specs").rglob("*.yaml")):
            if old.relative_to(self.folder / "specs").as_posix() not in files:
                old.unlink()
        for name, content in files.items():
            if not (self.folder / "specs" / name).is_file() or (self.folder / "specs" / name).read_bytes() != content:
                self.write(f"specs/{name}", content)

    def specs(self) -> dict[str, bytes]:
        """The specifications' files by relative path."""
        root = self.folder / "specs"
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*.yaml"))}

    @property
    def ledger_path(self) -> Path:
        return self.folder / "ledger.jsonl"

    def ledger(self) -> tuple[Entry, ...]:
        """Every attempt that was made in this folder."""
        return read_ledger(self.ledger_path)

    def attempts(self) -> Attempts:
        """What this ledger and those of the bundles that evidence was taken from tell. Raises `BundleError`."""
        taken = []
        for path in sorted((self.folder / "ledgers").glob("*.jsonl")):
            taken.append(read_ledger(path))
            if not taken[-1] or taken[-1][-1].digest != path.stem:
                raise BundleError(f"{path}: expected the ledger whose last entry has the digest in the file's name, got another")
        return Attempts(self.ledger(), tuple(taken))

    def take_ledgers(self, source: Bundle) -> None:
        """Keep the ledger of a bundle that evidence was taken from, and those that it keeps itself."""
        attempts = source.attempts()
        for chain in filter(None, (attempts.own, *attempts.taken)):
            self.write(f"ledgers/{chain[-1].digest}.jsonl", written(chain))

    def drop_runs(self, keep: set[str]) -> None:
        """Remove evidence of runs that the plan no longer has, so that old and new are never mixed."""
        for key in self.keys():
            if key not in keep:
                (self.folder / f"runs/{key}.json").unlink()

    def _files(self) -> Iterator[str]:
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_symlink():
                raise BundleError(f"{path}: expected plain files in a bundle, got a symbolic link; "
                                  "put the file itself there")
            if path.is_file() and name != MANIFEST and name not in VIEWS:
                yield name

    def json(self, name: str) -> Any:
        """One of the bundle's JSON files, read strictly. Raises `BundleError`."""
        try:
            return parse_json((self.folder / name).read_bytes(), f"{self.folder}/{name}")
        except FileNotFoundError as error:
            raise BundleError(f"{self.folder}: expected {name}, got none") from error
        except SpecError as error:
            raise BundleError(str(error)) from error

    def _record(self, name: str) -> dict[str, Any]:
        record = self.json(name)
        if not isinstance(record, dict) or record.get("version") not in RECORD_VERSIONS:
            got = record.get("version") if isinstance(record, dict) else record
            raise FormatVersionError(f"{self.folder}/{name}", RECORD_VERSIONS, got)
        return record

    def _records(self) -> Iterator[dict[str, Any]]:
        for key in self.keys():
            yield self._record(f"runs/{key}.json")

    def _put_array(self, array: Array) -> str:
        array = np.ascontiguousarray(array)
        name = f"arrays/{sha256(f'{array.dtype.str}{array.shape}'.encode() + array.tobytes())[:24]}.npz"
        if not (self.folder / name).exists():
            buffer = io.BytesIO()
            np.savez_compressed(buffer, a=array)
            self.write(name, buffer.getvalue())
        return name

    def _array(self, name: str) -> Array:
        path = self.folder / name
        if not _plain_name(name) or not path.is_file():
            raise BundleError(f"{self.folder}: expected the array {name!r} that a run names, got none")
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(i.file_size for i in archive.infolist()) > MAX_ARRAY_BYTES:
                    raise BundleError(f"{path}: expected at most {MAX_ARRAY_BYTES} bytes, got more")
            with np.load(path, allow_pickle=False) as stored:
                array: Array = stored["a"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BundleError(f"{path}: expected one stored array, got a broken file") from error
        return array


def _array_names(record: Mapping[str, Any]) -> Iterator[str]:
    for split in record["observations"].values():
        yield from split["arrays"].values()


def _plain_name(name: str) -> bool:
    """Whether a name stays inside the folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name and ":" not in name


def pack(bundle: Bundle) -> bytes:
    """The bundle as one ZIP file, the same bytes for the same bundle, for attaching to a report."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted([*bundle.manifest(), MANIFEST]):
            kind = zipfile.ZIP_STORED if name.endswith(".npz") else zipfile.ZIP_DEFLATED  # arrays are compressed already
            archive.writestr(zipfile.ZipInfo(name), (bundle.folder / name).read_bytes(), compress_type=kind)
    return buffer.getvalue()


def unpack(content: bytes, folder: Path, limit: int = 2**30) -> Bundle:
    """Write a packed bundle into an empty folder and check it. What looks hostile is refused, never put right. Raises `BundleError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            names = [i.filename for i in infos]
            if not infos or min(i.header_offset for i in infos) != 0:  # a cut file may still hold a whole one inside
                raise BundleError("packed bundle: expected a ZIP file from its first byte, got a broken one")
            if len(names) > MAX_FILES or len({n.lower() for n in names}) != len(names):
                raise BundleError("packed bundle: expected every name once, got duplicates or too many")
            for info in infos:
                if not _plain_name(info.filename) or info.is_dir() or (info.external_attr >> 16) & 0o170000 == 0o120000:
                    raise BundleError(f"packed bundle: expected plain relative names, got {info.filename!r}")
            if sum(i.file_size for i in infos) > limit:
                raise BundleError(f"packed bundle: expected at most {limit} bytes, got more")
            for info in infos:
                with archive.open(info) as member:
                    data = member.read(info.file_size + 1)
                if len(data) != info.file_size:
                    raise BundleError(f"packed bundle: expected {info.file_size} bytes in {info.filename}, got more")
                write_atomically(folder / info.filename, data)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BundleError(f"packed bundle: expected a ZIP file, got a broken one ({error})") from error
    return Bundle.open(folder)
