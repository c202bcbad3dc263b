"""The bundle: a folder of evidence with a manifest, written by runs and read by judging.

::

    bundle.json             name, profile, format version
    specs/….yaml            the specifications as they were judged by
    code/….py               metrics written for these specifications; run only with permission
    runs/<key>.json         one piece of evidence each
    arrays/<digest>.npz     observations, each array once however many runs share it
    findings.json           what the audits found
    ledger.jsonl            every attempt, chained
    ledgers/<head>.jsonl    the same of the bundles that evidence was taken from
    verdicts.json           the verdicts
    manifest.json           path and SHA-256 of every file above; the digest of its content is the
                            bundle's root digest

Reports (``*.pdf``, ``report.json``) may lie beside these; they are views of the bundle and no part
of it.

A bundle may be a stranger's: every file is plain and limited in size, every record is held against
its schema when it is read, and names never lead outside the folder.
"""

from __future__ import annotations

import io
import math
import os
import re
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from medpipe.documents import (
    MAX_JSON_BYTES,
    canonical_json,
    parse_json,
    pretty_json,
    read_file,
    validate,
)
from medpipe.errors import BundleError, DataError, FormatVersionError, SpecError, TamperedError
from medpipe.evidence.evidence import Evidence, evidence_from, record_of
from medpipe.evidence.files import sha256, write_atomically
from medpipe.evidence.ledger import Attempts, Entry, read_ledger, written
from medpipe.evidence.observations import Array, Observations

MANIFEST = "manifest.json"
VIEWS = ("audit-report.pdf", "model-card.pdf", "report.json")
RECORD_VERSIONS = (1, 2)
"""Of the record of a run; all other files have version 1."""
MAX_FILES = 100_000
MAX_FILE_BYTES = 64 * 2**20
MAX_BUNDLE_BYTES = 2**30
MAX_RECORD_BYTES = 4 * 2**20
MAX_ARRAY_BYTES = 64 * 2**20
"""Of one array, unpacked; a run's arrays have at most `MAX_RUN_BYTES` together, those of a bundle
`MAX_ARRAYS_BYTES`.
"""
MAX_RUN_BYTES = 256 * 2**20
MAX_ARRAYS_BYTES = 512 * 2**20
MAX_DIMENSIONS = 4
TYPES = re.compile(r"\|b1|[|<][iu][1248]|<f[248]|<U[1-9]\d*")
"""NumPy's names of the types that an array may have: truth values, integers, floating point and
text, little-endian.
"""
NAME = re.compile(
    r"([\w-][\w.-]*/)*[\w-][\w.-]*\.(json|jsonl|npz|yaml)|code/([A-Za-z_]\w*/)*[A-Za-z_]\w*\.py"
)
"""Names in a bundle: plain, relative, no hidden files, and nothing that other programs would run.
"""
MAX_NAME = 240


@dataclass(frozen=True)
class Bundle:
    """A folder of evidence. `open` checks it against its manifest; `create` makes or re-opens one
    for writing.

    After `open`, every file is the one that the manifest lists, and the manifest is the one that
    `root_digest` stands for. Who made it, only a signature over that digest shows.
    """

    folder: Path
    _arrays: WeakValueDictionary[str, Array] = field(
        default_factory=WeakValueDictionary, compare=False, repr=False
    )

    @classmethod
    def create(cls, folder: Path, name: str, profile: str) -> Bundle:
        """Make a bundle's folder, or go on with the one that lies there. Raises `BundleError` where
        it holds another profile.
        """
        bundle, header = cls(folder), {"version": 1, "name": name, "profile": profile}
        path = folder / "bundle.json"
        if path.exists():
            if bundle.header() != header:
                raise BundleError(
                    f"{folder}: expected the bundle {name!r} of profile {profile!r}, got another; "
                    "give another --name"
                )
        elif folder.exists() and any(folder.iterdir()):
            raise BundleError(
                f"{folder}: expected an empty folder or a bundle, got other files; "
                "give another --name"
            )
        else:
            write_atomically(path, pretty_json(header))
        for leftover in folder.rglob(".tmp-*"):
            leftover.unlink(missing_ok=True)
        return bundle

    @classmethod
    def open(cls, folder: Path) -> Bundle:
        """Open a sealed bundle and check every file. Raises `BundleError`, `TamperedError`,
        `FormatVersionError`.
        """
        bundle = cls(folder)
        if not (folder / MANIFEST).is_file():
            raise BundleError(
                f"{folder}: expected a bundle with {MANIFEST}, got none; make one with: medpipe run"
            )
        bundle.check()
        return bundle

    def header(self) -> dict[str, Any]:
        """Name and profile. Raises `FormatVersionError`."""
        return self.record("bundle.json", "header")

    def check(self) -> None:
        """Hold every file against the manifest. Raises `TamperedError`."""
        listed = self.manifest()
        found = {name: sha256(self._bytes(name)) for name in self._files()}
        extra, missing = sorted(found.keys() - listed.keys()), sorted(listed.keys() - found.keys())
        changed = sorted(n for n in found.keys() & listed.keys() if found[n] != listed[n])
        if extra or missing or changed:
            raise TamperedError(str(self.folder), extra=extra, missing=missing, changed=changed)
        if (
            sum(_unpacked_bytes(self.folder / name) for name in found if name.endswith(".npz"))
            > MAX_ARRAYS_BYTES
        ):
            raise BundleError(
                f"{self.folder}: expected arrays of at most {MAX_ARRAYS_BYTES} bytes in all, got"
                " more"
            )

    def manifest(self) -> dict[str, str]:
        """Path → SHA-256 of every file. Raises `BundleError`, `FormatVersionError`."""
        data = self._versioned(MANIFEST)
        if (
            set(data) != {"version", "files"}
            or not isinstance(data["files"], dict)
            or not all(isinstance(v, str) for v in data["files"].values())
        ):
            raise BundleError(
                f"{self.folder}/{MANIFEST}: expected 'version' and 'files' with a digest for each"
                f" name, got {', '.join(sorted(data))[:200]}"
            )
        return dict(data["files"])

    def seal(self) -> str:
        """Write the manifest of what lies here now, drop arrays that no run names, and return the
        root digest.
        """
        used = {name for record in self._records() for name in _array_names(record)}
        for path in (self.folder / "arrays").glob("*.npz"):
            if path.relative_to(self.folder).as_posix() not in used:
                path.unlink()
        files = {name: sha256(self._bytes(name)) for name in self._files()}
        write_atomically(self.folder / MANIFEST, pretty_json({"version": 1, "files": files}))
        return self.root_digest

    @property
    def root_digest(self) -> str:
        """``sha256:…`` of the manifest's content, and so of every file."""
        return "sha256:" + sha256(canonical_json({"version": 1, "files": self.manifest()}))

    def put(self, evidence: Evidence) -> None:
        """Store one piece of evidence, replacing an older one of the same run."""
        _require_storable(evidence)
        arrays = {
            split: {n: self._put_array(a) for n, a in o.arrays.items()}
            for split, o in evidence.observations.items()
        }
        write_atomically(
            self.folder / f"runs/{evidence.run.key}.json", pretty_json(record_of(evidence, arrays))
        )

    def get(self, key: str) -> Evidence | None:
        """The evidence of a run, or None."""
        if not (self.folder / f"runs/{key}.json").is_file():
            return None
        name = f"runs/{key}.json"
        record = self.record(name, "run")
        if sum(_unpacked_bytes(self._array_path(f)) for f in _array_names(record)) > MAX_RUN_BYTES:
            raise BundleError(
                f"{self.folder}/{name}: expected arrays of at most {MAX_RUN_BYTES} bytes in all,"
                " got more"
            )
        try:
            observations = {
                split: Observations(
                    {n: self._array(f) for n, f in o["arrays"].items()},
                    tuple(o["classes"]),
                    o["cluster"],
                )
                for split, o in record["observations"].items()
            }
            evidence = evidence_from(record, observations)
        except (DataError, TypeError) as error:  # TypeError: a key that this version does not know
            raise BundleError(f"{self.folder}/{name}: {error}") from error
        if evidence.run.key != key:
            raise BundleError(
                f"{self.folder}/{name}: expected the run of that name, got"
                f" {evidence.run.key[:200]!r}"
            )
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
            if (
                not (self.folder / "specs" / name).is_file()
                or (self.folder / "specs" / name).read_bytes() != content
            ):
                self.write(f"specs/{name}", content)

    def specs(self) -> dict[str, bytes]:
        """The specifications' files by relative path."""
        root = self.folder / "specs"
        return {
            p.relative_to(root).as_posix(): self._bytes(p.relative_to(self.folder).as_posix())
            for p in sorted(root.rglob("*.yaml"))
        }

    @property
    def code_folder(self) -> Path:
        """Where the code of metrics lies that somebody wrote for these specifications."""
        return self.folder / "code"

    def code(self) -> dict[str, bytes]:
        """The code that the bundle keeps, by relative path."""
        names = (
            p.relative_to(self.folder).as_posix() for p in sorted(self.code_folder.rglob("*.py"))
        )
        return {name.removeprefix("code/"): self._bytes(name) for name in names}

    def write_code(self, files: Mapping[str, bytes]) -> None:
        """Replace the copy of the code of metrics."""
        kept = self.code()
        for name in kept.keys() - files.keys():
            (self.code_folder / name).unlink()
        for name, content in files.items():
            if kept.get(name) != content:
                self.write(f"code/{name}", content)

    def require_code(self, files: Mapping[str, bytes]) -> None:
        """Refuse to judge by other code than the bundle keeps. Raises `BundleError`."""
        kept = self.code()
        if changed := sorted(name for name, content in files.items() if kept.get(name) != content):
            raise BundleError(
                f"{self.folder}: expected the code that the bundle was made with, got another"
                f" {', '.join(changed)}; run medpipe verify again, or judge by the code in the"
                " bundle with --allow-code"
            )

    @property
    def ledger_path(self) -> Path:
        """Where the ledger of the attempts made in this folder lies, whether or not it exists."""
        return self.folder / "ledger.jsonl"

    def ledger(self) -> tuple[Entry, ...]:
        """Every attempt that was made in this folder."""
        return read_ledger(self.ledger_path)

    def attempts(self) -> Attempts:
        """What this ledger and those of the bundles that evidence was taken from tell. Raises
        `BundleError`.
        """
        taken = []
        for path in sorted((self.folder / "ledgers").glob("*.jsonl")):
            taken.append(read_ledger(path))
            if not taken[-1] or taken[-1][-1].digest != path.stem:
                raise BundleError(
                    f"{path}: expected the ledger whose last entry has the digest in the file's"
                    " name, got another"
                )
        return Attempts(self.ledger(), tuple(taken))

    def take_ledgers(self, source: Bundle) -> None:
        """Keep the ledger of a bundle that evidence was taken from, and those that it keeps
        itself.
        """
        attempts = source.attempts()
        for chain in filter(None, (attempts.own, *attempts.taken)):
            self.write(f"ledgers/{chain[-1].digest}.jsonl", written(chain))

    def drop_runs(self, keep: set[str]) -> None:
        """Remove evidence of runs that the plan no longer has, so that old and new are never
        mixed.
        """
        for key in self.keys():
            if key not in keep:
                (self.folder / f"runs/{key}.json").unlink()

    def _files(self) -> list[str]:
        """The names of all files but the manifest and the views. Raises `BundleError` for what is
        no plain, small file.
        """
        names, total = [], 0
        for place, folders, files in os.walk(self.folder):
            for path in (Path(place, name) for name in [*folders, *files]):
                status = path.lstat()
                relative = path.relative_to(self.folder).as_posix()
                if relative == MANIFEST or relative in VIEWS:
                    continue
                if stat.S_ISDIR(status.st_mode) and not _plain_name(relative):
                    continue
                self._require_plain(path, relative, status.st_mode)
                total += status.st_size
                names.append(relative)
                if len(names) > MAX_FILES or total > MAX_BUNDLE_BYTES:
                    raise BundleError(
                        f"{self.folder}: expected at most {MAX_FILES} files of {MAX_BUNDLE_BYTES}"
                        " bytes in all, got more"
                    )
        return sorted(names)

    def _require_plain(self, path: Path, relative: str, mode: int) -> None:
        """Refuse what is no plain file with a name of a bundle's. Raises `BundleError`."""
        if not stat.S_ISREG(mode):
            kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder"}
            kind = kinds.get(stat.S_IFMT(mode), "a pipe or a device")
            raise BundleError(f"{str(path)!r}: expected plain files in a bundle, got {kind}")
        if not _plain_name(relative):
            raise BundleError(
                f"{self.folder}: expected the files of a bundle, got {relative[:MAX_NAME]!r}"
            )

    def _bytes(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """One file's content. Raises `BundleError`."""
        if not (self.folder / name).exists():
            raise BundleError(f"{self.folder}: expected {name}, got none")
        try:
            return read_file(self.folder / name, limit)
        except SpecError as error:
            raise BundleError(str(error)) from error

    def json(self, name: str) -> Any:
        """One of the bundle's JSON files, read strictly. Raises `BundleError`."""
        try:
            return parse_json(
                self._bytes(name, MAX_RECORD_BYTES if name.startswith("runs/") else MAX_JSON_BYTES),
                f"{self.folder}/{name}",
            )
        except SpecError as error:
            raise BundleError(str(error)) from error

    def _versioned(self, name: str) -> dict[str, Any]:
        record = self.json(name)
        known = RECORD_VERSIONS if name.startswith("runs/") else (1,)
        version = record.get("version") if isinstance(record, dict) else type(record).__name__
        if not isinstance(record, dict) or version not in known or version is True:
            raise FormatVersionError(f"{self.folder}/{name}", known, version)
        return record

    def record(self, name: str, kind: str) -> dict[str, Any]:
        """A JSON file, held against the schema of its kind. Raises `BundleError`,
        `FormatVersionError`.
        """
        record = self._versioned(name)
        try:
            validate(record, kind, f"{self.folder}/{name}", "medpipe.evidence")
        except SpecError as error:
            raise BundleError(str(error)) from error
        return record

    def _records(self) -> Iterator[dict[str, Any]]:
        for key in self.keys():
            yield self.record(f"runs/{key}.json", "run")

    def _put_array(self, array: Array) -> str:
        array = np.ascontiguousarray(array)
        layout = f"{array.dtype.str}{array.shape}".encode()
        name = f"arrays/{sha256(layout + array.tobytes())[:24]}.npz"
        if not (self.folder / name).exists():
            buffer = io.BytesIO()
            np.savez_compressed(buffer, a=array)
            self.write(name, buffer.getvalue())
        return name

    def _array_path(self, name: str) -> Path:
        """Where an array lies that a run names. Raises `BundleError`."""
        path = self.folder / name
        if not _plain_name(name) or not path.is_file():
            raise BundleError(
                f"{self.folder}: expected the array {name[:MAX_NAME]!r} that a run names, got none"
            )
        return path

    def _array(self, name: str) -> Array:
        """A stored array; runs that share it share the memory, too. Raises `BundleError`."""
        array = self._arrays.get(name)
        if array is None:
            array = self._arrays[name] = read_array(self._array_path(name))
            array.flags.writeable = False
        return array


_BROKEN = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    SyntaxError,
    MemoryError,
    RuntimeError,
    ArithmeticError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)
"""What `zipfile` and NumPy raise for hostile files."""


def read_array(path: Path) -> Array:
    """The array ``a`` of an ``.npz`` file: of a type in `TYPES`, at most `MAX_ARRAY_BYTES`, without
    infinite values.

    Its header is read first, and has to fit the file, so that a hostile file costs no memory.
    Pickled objects are never opened. Raises `BundleError`.
    """
    try:
        _check_array_header(path)
        with np.load(path, allow_pickle=False) as stored:
            array: Array = stored["a"]
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise ValueError("infinite values")
        if array.dtype.kind == "U":  # numbers that are no characters crash whoever looks at them
            array.tobytes().decode("utf-32-le")
    except _BROKEN as error:
        raise BundleError(
            f"{path}: expected one stored array of numbers or text, got a broken file"
            f" ({str(error)[:200]})"
        ) from error
    return array


def _check_array_header(path: Path) -> None:
    """Raises ValueError, or another of `_BROKEN`, unless the header names an array that may be
    stored and that is as large as the file says.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with zipfile.ZipFile(path) as archive, archive.open(_member(archive)) as file:
        read = readers[np.lib.format.read_magic(file)]
        shape, _, dtype = read(file, max_header_size=10_000)
        left = _member(archive).file_size - file.tell()
    size = math.prod(shape) * dtype.itemsize
    allowed = TYPES.fullmatch(dtype.str) and len(shape) <= MAX_DIMENSIONS
    if not allowed or size != left or size > MAX_ARRAY_BYTES:
        raise ValueError(f"{dtype} of shape {shape} in {left} bytes")


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The only member of an array's file. Raises ValueError."""
    infos = archive.infolist()
    if [i.filename for i in infos] != ["a.npy"]:
        raise ValueError(f"{len(infos)} members")
    return infos[0]


def _unpacked_bytes(path: Path) -> int:
    """How large an array's file says that its content is. Raises `BundleError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _member(archive).file_size
    except _BROKEN as error:
        raise BundleError(
            f"{path}: expected one stored array, got a broken file ({str(error)[:200]})"
        ) from error


def _require_storable(evidence: Evidence) -> None:
    """Refuse what could not be read again. Raises `DataError`."""
    sizes = [a.nbytes for o in evidence.observations.values() for a in o.arrays.values()]
    if max(sizes, default=0) > MAX_ARRAY_BYTES or sum(sizes) > MAX_RUN_BYTES:
        raise DataError(
            f"run {evidence.run.key}: expected arrays of at most {MAX_ARRAY_BYTES} bytes each and"
            f" {MAX_RUN_BYTES} in all, got {max(sizes)} and {sum(sizes)}"
        )


def _array_names(record: Mapping[str, Any]) -> Iterator[str]:
    for split in record["observations"].values():
        yield from split["arrays"].values()


def _plain_name(name: str) -> bool:
    """Whether a name stays inside the folder, and is one of a bundle's."""
    return NAME.fullmatch(name) is not None and len(name) <= MAX_NAME


def pack(bundle: Bundle) -> bytes:
    """The bundle as one ZIP file, the same bytes for the same bundle, for attaching to a report."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted([*bundle.manifest(), MANIFEST]):
            kind = (
                zipfile.ZIP_STORED if name.endswith(".npz") else zipfile.ZIP_DEFLATED
            )  # arrays are compressed already
            archive.writestr(
                zipfile.ZipInfo(name), (bundle.folder / name).read_bytes(), compress_type=kind
            )
    return buffer.getvalue()


def unpack(content: bytes, folder: Path, limit: int = MAX_BUNDLE_BYTES) -> Bundle:
    """Write a packed bundle into an empty folder and check it against its manifest.

    Names and sizes are checked before the first file is written; what looks hostile is refused,
    never put right. ``limit`` is of the unpacked bytes. Raises `BundleError`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _require_harmless(infos, limit)
            for info in infos:
                with archive.open(info) as member:
                    data = member.read(info.file_size + 1)
                if len(data) != info.file_size:
                    raise BundleError(
                        f"packed bundle: expected {info.file_size} bytes in {info.filename}, got"
                        " another number; copy the report again"
                    )
                write_atomically(folder / info.filename, data)
    except _BROKEN as error:
        raise BundleError(
            f"packed bundle: expected a ZIP file, got a broken one ({error}); copy the report again"
        ) from error
    return Bundle.open(folder)


def _require_harmless(infos: Sequence[zipfile.ZipInfo], limit: int) -> None:
    """Refuse a packed bundle by its table of contents. Raises `BundleError`."""
    if not infos or min(i.header_offset for i in infos) != 0:  # a cut file may hold a whole one
        raise BundleError(
            "packed bundle: expected a ZIP file from its first byte, got a broken one;"
            " copy the report again"
        )
    distinct = {i.filename.lower() for i in infos}
    if len(distinct) != len(infos):
        raise BundleError(
            f"packed bundle: expected every name once, got {len(infos) - len(distinct)} again"
            " (names that differ in case alone count as the same)"
        )
    if len(infos) > MAX_FILES:
        raise BundleError(f"packed bundle: expected at most {MAX_FILES} files, got {len(infos)}")
    for info in infos:
        link = stat.S_ISLNK(info.external_attr >> 16)
        if not _plain_name(info.filename) or info.is_dir() or link:
            raise BundleError(
                f"packed bundle: expected plain relative names, got {info.filename[:MAX_NAME]!r}"
            )
    size = sum(i.file_size for i in infos)
    if size > limit:
        raise BundleError(f"packed bundle: expected at most {limit} bytes unpacked, got {size}")
