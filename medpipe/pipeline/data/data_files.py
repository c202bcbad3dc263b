"""Read the files of a data set from a folder, zip or tar file without trusting any of them.

Refused are names that leave the folder, links that lead out of it, names that differ only in case,
sizes beyond the limits, encryption and damage. Nothing is repaired, but for names with backslashes,
as old Windows tools write them into zip files. In a cache of the Hugging Face Hub, the snapshot is
read.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tarfile import TarInfo

from medpipe.errors import DataError
from medpipe.pipeline.data.paths import ARCHIVES
from medpipe.pipeline.data.tar_files import is_tar, open_tar

MAX_FILES = 100_000
MAX_FILE_BYTES = 512 * 2**20
MAX_TOTAL_BYTES = 8 * 2**30
_IGNORED = re.compile(r"(^|/)(\.[^/]+|__MACOSX|Thumbs\.db|desktop\.ini)(/|$)")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_COPY_AGAIN = "see whether its copy or download was finished"

Stamp = tuple[tuple[str, int, int], ...]
"""Name, size in bytes and time of change of what was listed: equal stamps mean that nothing was
written since.
"""


@dataclass(frozen=True)
class FileSet:
    """The files in ``place``, a folder or an archive: relative names with ``/``, in sorted order.

    ``stored``: by name what the file is called there, where that differs. ``empty``: folders
    without a file or folder. What file managers leave behind (hidden files, ``Thumbs.db``,
    ``__MACOSX``) is not listed.
    """

    place: Path
    names: tuple[str, ...]
    stamp: Stamp
    stored: Mapping[str, str]
    empty: tuple[str, ...] = ()

    def read_each(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each of ``names``. Raises `DataError` where one cannot be read in
        full.
        """
        is_zip = not self.place.is_dir() and zipfile.is_zipfile(self.place)
        read = _read_folder if self.place.is_dir() else _read_zip if is_zip else _read_tar
        names = list(names)
        found = read(self.place, [self.stored.get(name, name) for name in names])
        yield from zip(names, found, strict=True)

    def read(self, name: str) -> bytes:
        """The content of one file. Raises `DataError`."""
        return next(self.read_each([name]))[1]


def open_files(place: Path) -> FileSet:
    """List and check the files of a folder, zip file or tar file. Raises `DataError`."""
    try:
        if place.is_dir():
            return _scan_folder(_snapshot(place))
        with place.open("rb") as stream:
            start = stream.read(512)
        if zipfile.is_zipfile(place):
            return _scan_zip(place)
        if is_tar(place):
            return _scan_tar(place)
    except OSError as error:
        raise DataError(
            f"{place}: expected a readable folder, zip file or tar file, "
            f"got: {error.strerror or error}"
        ) from error
    raise DataError(
        f"{place}: expected a folder, zip file or tar file of a data set, "
        f"got {_kind_of(place, start)}"
    )


def _kind_of(place: Path, start: bytes) -> str:
    if not start:
        return f"an empty file; {_COPY_AGAIN}"
    if start.startswith(b"PK"):
        return f"a zip file whose end is missing; {_COPY_AGAIN}"
    if place.name.lower().endswith(ARCHIVES):
        return f"a file that is neither by its content; {_COPY_AGAIN}"
    return "a file of another kind; give the folder that holds the data"


def _snapshot(place: Path) -> Path:
    """The folder itself, or the only snapshot where it is one of the Hugging Face Hub's cache."""
    if not ((place / "snapshots").is_dir() and (place / "blobs").is_dir()):
        return place
    found = sorted(p for p in (place / "snapshots").iterdir() if p.is_dir())
    if len(found) != 1:
        names = ", ".join(p.name for p in found[:5]) or "none"
        raise DataError(
            f"{place}: expected one snapshot in this cache, got {names}; "
            f"give the folder of one, such as {place / 'snapshots' / 'NAME'}"
        )
    return found[0]


def _homes(place: Path) -> tuple[Path, ...]:
    """Where links below ``place`` may lead to: itself, and the blobs of the Hub's cache around
    it.
    """
    here = place.resolve()
    around = [
        folder.parent / "blobs" for folder in (here, *here.parents) if folder.name == "snapshots"
    ]
    return (here, *(blobs for blobs in around[:1] if blobs.is_dir()))


def _scan_folder(place: Path) -> FileSet:
    entries: list[tuple[str, int, int]] = []
    empty: list[str] = []
    homes = _homes(place)
    for folder, folders, files in os.walk(place, onerror=_raise):
        if not folders and not files:
            empty.append(Path(folder).relative_to(place).as_posix())
        for name in [*folders, *files]:
            path = Path(folder, name)
            relative = path.relative_to(place).as_posix()
            if _IGNORED.search(relative):
                continue
            info = path.lstat()
            if stat.S_ISLNK(info.st_mode):
                info = _followed(path, homes).stat()
            _check_kind(place, relative, info.st_mode)
            if not stat.S_ISDIR(info.st_mode):
                entries.append((relative, info.st_size, info.st_mtime_ns))
    _check_entries(place, [(name, size) for name, size, _ in entries])
    entries.sort()
    return FileSet(
        place, tuple(name for name, _, _ in entries), tuple(entries), {}, _visible(empty)
    )


def _visible(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in folders if name != "." and not _IGNORED.search(name))


def _followed(path: Path, homes: tuple[Path, ...]) -> Path:
    """The file that a link leads to. Raises `DataError` where that is in none of ``homes``, or
    none.
    """
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{path}: expected a link to a file, got a link that leads nowhere; "
            "put the file itself there"
        ) from error
    if not target.is_file() or not any(target.is_relative_to(home) for home in homes):
        where = (
            "a folder"
            if target.is_dir()
            else "a file outside of it"
            if target.is_file()
            else "a device or pipe"
        )
        raise DataError(
            f"{path}: expected links to files of this folder only, "
            f"got a link to {where}; put the file itself there"
        )
    return target


def _raise(error: OSError) -> None:
    raise error


def _scan_zip(place: Path) -> FileSet:
    with _opened(place) as archive:
        infos = archive.infolist()
    for info in infos:
        _check_member(place, info)
    return _scanned(
        place, [(info.filename.replace("\\", "/"), info.filename, info.file_size) for info in infos]
    )


def _scanned(place: Path, entries: list[tuple[str, str, int]]) -> FileSet:
    """The set of an archive. ``entries``: name (of a folder with ``/``), name as stored, and
    size.
    """
    _check_entries(place, [(name, size) for name, _, size in entries])
    stored = {
        name: raw
        for name, raw, _ in entries
        if not name.endswith("/") and not _IGNORED.search(name)
    }
    every = [name for name, _, _ in entries]
    filled = {above for name in every for above in _above(name.removesuffix("/"))}
    empty = [
        name.removesuffix("/")
        for name in every
        if name.endswith("/") and name.removesuffix("/") not in filled
    ]
    state = place.stat()
    stamp = ((str(place), state.st_size, state.st_mtime_ns),)
    return FileSet(place, tuple(sorted(stored)), stamp, stored, _visible(empty))


def _above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _check_name(place: Path, name: str) -> None:
    plain = name.replace("\\", "/")
    bad = (
        plain.startswith("/")
        or "\0" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or any(step in ("", ".", "..") for step in plain.removesuffix("/").split("/"))
    )
    if bad:
        raise DataError(
            f"{place}: expected names that stay inside the archive, got {name!r}; "
            "pack the folder of the data itself"
        )


def _check_member(place: Path, info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    _check_name(place, name)
    if info.flag_bits & 0x1:
        raise DataError(
            f"{place}: expected files without a password, got {name!r} encrypted; unpack it by hand"
        )
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode):  # archives made on other systems leave the kind out
        _check_kind(place, name, mode)


def _check_kind(place: Path, name: str, mode: int) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a device or pipe"
        raise DataError(
            f"{place}: expected only files and folders, got {kind} {name!r}; put the file itself"
            " there"
        )


def _check_entries(place: Path, entries: list[tuple[str, int]]) -> None:
    if len(entries) > MAX_FILES:
        raise DataError(
            f"{place}: expected at most {MAX_FILES} files, got {len(entries)}; give a part of them"
        )
    seen: dict[str, str] = {}
    total = 0
    for name, size in entries:
        folded = name.rstrip("/").casefold()
        if folded in seen:
            raise DataError(
                f"{place}: expected each name once whatever its case, "
                f"got {seen[folded]!r} and {name!r}; rename one"
            )
        seen[folded] = name
        total += size
        if size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
            raise DataError(
                f"{place}: expected files of at most {MAX_FILE_BYTES} bytes and {MAX_TOTAL_BYTES}"
                f" together, got {size} in {name!r}, {total} so far"
            )


def _opened(place: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(place)
    except _DAMAGE as error:
        raise DataError(
            f"{place}: expected a whole zip file, got one that cannot be read "
            f"({str(error)[:200]}); {_COPY_AGAIN}"
        ) from error


def _read_zip(place: Path, names: Iterable[str]) -> Iterator[bytes]:
    with _opened(place) as archive:
        for name in names:
            try:
                info = archive.getinfo(name)
                with archive.open(info) as stream:
                    content = stream.read(
                        info.file_size
                    )  # bounded: more may lie there than was declared
            except _DAMAGE as error:
                raise DataError(
                    f"{place}: expected {name!r} whole, got a file that cannot be read "
                    f"({str(error)[:200]}); {_COPY_AGAIN}"
                ) from error
            if len(content) != info.file_size:
                raise DataError(
                    f"{place}: expected {info.file_size} bytes in {name!r} as declared, got "
                    f"{len(content)}; {_COPY_AGAIN}"
                )
            yield content


def _scan_tar(place: Path) -> FileSet:
    entries = []
    for member in open_tar(place, MAX_FILES, MAX_TOTAL_BYTES).members:
        name = _tar_name(member)
        if not name:
            continue
        _check_name(place, name)
        if not (member.isreg() or member.isdir()) or member.issparse():
            kind = "a link" if member.issym() or member.islnk() else "a device, pipe or sparse file"
            raise DataError(
                f"{place}: expected only files and folders, got {kind} {name!r}; "
                "pack the files themselves"
            )
        entries.append((name + "/" * member.isdir(), name, member.isreg() * member.size))
    return _scanned(place, entries)


def _tar_name(member: TarInfo) -> str:
    """The name without the ``./`` that tar puts before all of a folder's; "" for the folder."""
    return "" if member.name == "." else member.name.removeprefix("./")


def _read_tar(place: Path, names: Iterable[str]) -> Iterator[bytes]:
    tar = open_tar(place, MAX_FILES, MAX_TOTAL_BYTES)
    listed = {_tar_name(member): member for member in tar.members}
    for name in names:
        content = tar.content(listed[name])
        if len(content) != listed[name].size:
            raise DataError(
                f"{place}: expected {listed[name].size} bytes in {name!r} as declared, "
                f"got {len(content)}; {_COPY_AGAIN}"
            )
        yield content


def _read_folder(place: Path, names: Iterable[str]) -> Iterator[bytes]:
    homes = _homes(place)
    for name in names:
        path = place / name
        try:
            content = (_followed(path, homes) if path.is_symlink() else path).read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}: expected a readable file, got: {error.strerror or error}"
            ) from error
        yield content
