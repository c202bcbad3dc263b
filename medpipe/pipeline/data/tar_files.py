"""A tar file, compressed or not: what it lists, and where each file's bytes start.

A compressed one is unpacked once, into a temporary file that is deleted when it is closed: files
are then read in any order. Limits hold before anything is read into memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

from medpipe.errors import DataError

MAX_HEADER_BYTES = 2**20
"""Of one header, such as a long name."""

_OPENERS: Mapping[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZ": bz2.BZ2File,
    b"\xfd7": lzma.LZMAFile,
}
_DAMAGE = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


@dataclass(frozen=True, eq=False)
class Tar:
    """The unpacked ``stream`` and what it lists, in the order of the file."""

    stream: IO[bytes]
    members: tuple[tarfile.TarInfo, ...]

    def content(self, member: tarfile.TarInfo) -> bytes:
        """The bytes of a file; fewer than ``member.size`` where the file is cut."""
        self.stream.seek(member.offset_data)
        return self.stream.read(member.size)


def is_tar(place: Path) -> bool:
    """Whether a file begins as a compressed file or a tar file does."""
    with place.open("rb") as raw:
        start = raw.read(512)
    try:
        return start[:2] in _OPENERS or bool(tarfile.TarInfo.frombuf(start, "utf-8", "replace"))
    except tarfile.TarError:
        return False


def open_tar(place: Path, most_files: int, most_bytes: int) -> Tar:
    """List a tar file. Raises `DataError` where it is damaged, holds more files or more bytes."""
    state = place.stat()
    return _listed(place, state.st_size, state.st_mtime_ns, most_files, most_bytes)


@lru_cache(maxsize=2)
def _listed(place: Path, size: int, changed: int, most_files: int, most_bytes: int) -> Tar:
    members = []
    with ExitStack() as until_listed:
        try:
            stream = until_listed.enter_context(_unpacked(place, most_bytes))
            for member in tarfile.TarFile(fileobj=cast(IO[bytes], _Headers(stream))):
                members.append(member)
                if len(members) > most_files:
                    raise DataError(
                        f"{place}: expected at most {most_files} files, got more; "
                        "give a part of them"
                    )
        except _DAMAGE as error:
            raise DataError(
                f"{place}: expected a whole tar file, got one that cannot be read "
                f"({str(error)[:200]}); see whether its copy or download was finished"
            ) from error
        until_listed.pop_all()
    found = Tar(stream, tuple(members))
    weakref.finalize(found, stream.close)
    return found


def _unpacked(place: Path, most_bytes: int) -> IO[bytes]:
    with place.open("rb") as raw:
        opener = _OPENERS.get(raw.read(2))
    if opener is None:
        return place.open("rb")
    with ExitStack() as until_unpacked:
        plain = until_unpacked.enter_context(tempfile.TemporaryFile())
        with opener(place) as packed:
            shutil.copyfileobj(_Bounded(packed, place, most_bytes), plain, 2**20)
        plain.seek(0)
        until_unpacked.pop_all()
    return cast(IO[bytes], plain)


class _Bounded:
    """A stream that ends with a `DataError` beyond ``most`` bytes."""

    def __init__(self, stream: Any, place: Path, most: int) -> None:
        self._stream, self._place, self._left, self._most = stream, place, most, most

    def read(self, size: int = -1, /) -> bytes:
        content: bytes = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(
                f"{self._place}: expected at most {self._most} bytes unpacked, "
                "got more; give a part of them"
            )
        return content


class _Headers(io.RawIOBase):
    """What `tarfile` may read of a stream while it lists it: no header beyond the limit."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()
