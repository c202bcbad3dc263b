"""The files of a data set, whether they lie in a folder or in a zip file, read without trusting either.

Whatever looks wrong is refused, never repaired: names that leave the folder, links, names that differ only in case,
sizes beyond the limit, encryption, damage.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medpipe.errors import DataError

MAX_FILES = 100_000
MAX_FILE_BYTES = 512 * 2**20
MAX_TOTAL_BYTES = 8 * 2**30
_IGNORED = re.compile(r"(^|/)(\.[^/]+|__MACOSX|Thumbs\.db|desktop\.ini)(/|$)")

Stamp = tuple[tuple[str, int, int], ...]
"""Name, size in bytes and time of change of what was listed: equal stamps mean that nothing was written since."""


@dataclass(frozen=True)
class FileSet:
    """The files in ``place``, a folder or a zip file: relative names with ``/``, in sorted order.

    What file managers leave behind (hidden files, ``Thumbs.db``, ``__MACOSX``) is not listed.
    """

    place: Path
    names: tuple[str, ...]
    stamp: Stamp

    def read_each(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each of ``names``. Raises `DataError` where one cannot be read in full."""
        return _read_folder(self.place, names) if self.place.is_dir() else _read_zip(self.place, names)

    def read(self, name: str) -> bytes:
        """The content of one file. Raises `DataError`."""
        return next(self.read_each([name]))[1]


def open_files(place: Path) -> FileSet:
    """List and check the files of a folder or zip file. Raises `DataError`."""
    try:
        return _scan_folder(place) if place.is_dir() else _scan_zip(place)
    except OSError as error:
        raise DataError(f"{place}: expected a readable folder or zip file, got: {error.strerror or error}") from error


def _scan_folder(place: Path) -> FileSet:
    entries: list[tuple[str, int, int]] = []
    for folder, folders, files in os.walk(place, onerror=_raise):
        for name in [*folders, *files]:
            path = Path(folder, name)
            relative = path.relative_to(place).as_posix()
            if _IGNORED.search(relative):
                continue
            info = path.lstat()
            _check_kind(place, relative, info.st_mode)
            if not stat.S_ISDIR(info.st_mode):
                entries.append((relative, info.st_size, info.st_mtime_ns))
    _check_entries(place, [(name, size) for name, size, _ in entries])
    entries.sort()
    return FileSet(place, tuple(name for name, _, _ in entries), tuple(entries))


def _raise(error: OSError) -> None:
    raise error


def _scan_zip(place: Path) -> FileSet:
    with _opened(place) as archive:
        infos = archive.infolist()
    for info in infos:
        _check_member(place, info)
    _check_entries(place, [(info.filename, info.file_size) for info in infos])
    names = sorted(info.filename for info in infos if not info.is_dir() and not _IGNORED.search(info.filename))
    state = place.stat()
    return FileSet(place, tuple(names), ((str(place), state.st_size, state.st_mtime_ns),))


def _check_member(place: Path, info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    bad = (name.startswith("/") or "\\" in name or "\0" in name or re.match(r"[A-Za-z]:", name) is not None
           or any(step in ("", ".", "..") for step in name.removesuffix("/").split("/")))
    if bad:
        raise DataError(f"{place}: expected names that stay inside the archive, got {name!r}; get the file again from its source")
    if info.flag_bits & 0x1:
        raise DataError(f"{place}: expected files without a password, got {name!r} encrypted; unpack it by hand")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode):  # archives made on other systems leave the kind out
        _check_kind(place, name, mode)


def _check_kind(place: Path, name: str, mode: int) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a device or pipe"
        raise DataError(f"{place}: expected only files and folders, got {kind} {name!r}; put the file itself there")


def _check_entries(place: Path, entries: list[tuple[str, int]]) -> None:
    if len(entries) > MAX_FILES:
        raise DataError(f"{place}: expected at most {MAX_FILES} files, got {len(entries)}")
    seen: dict[str, str] = {}
    total = 0
    for name, size in entries:
        folded = name.rstrip("/").casefold()
        if folded in seen:
            raise DataError(f"{place}: expected each name once whatever its case, got {seen[folded]!r} and {name!r}; rename one")
        seen[folded] = name
        total += size
        if size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
            raise DataError(f"{place}: expected files of at most {MAX_FILE_BYTES} bytes and {MAX_TOTAL_BYTES} together, "
                            f"got {size} in {name!r}, {total} so far")


def _opened(place: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(place)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{place}: expected a whole zip file, got a damaged or cut one ({error}); "
                        "give a whole copy of it") from error


def _read_zip(place: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    with _opened(place) as archive:
        for name in names:
            try:
                info = archive.getinfo(name)
                with archive.open(info) as stream:
                    content = stream.read(info.file_size)  # bounded: more may lie there than was declared
            except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, NotImplementedError, RuntimeError) as error:
                raise DataError(f"{place}: expected {name!r} whole, got a damaged one ({error}); "
                                "give a whole copy of the zip file") from error
            if len(content) != info.file_size:
                raise DataError(f"{place}: expected {info.file_size} bytes in {name!r} as declared, got {len(content)}; give a whole copy")
            yield name, content


def _read_folder(place: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        try:
            content = (place / name).read_bytes()
        except OSError as error:
            raise DataError(f"{place / name}: expected a readable file, got: {error.strerror or error}") from error
        yield name, content
