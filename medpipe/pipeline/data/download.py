"""One file over HTTP, resumed where it broke off."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from medpipe.errors import DataError, UnavailableError
from medpipe.running.experiment import Progress

MAX_BYTES = 4 * 2**30
TIMEOUT_S = 30.0
PAUSES_S = (0.5, 2.0, 5.0)
"""Pauses before each further attempt, counted anew whenever an attempt got further than all before.
"""

_CHUNK = 256 * 1024


class Remote(NamedTuple):
    """What to get: its public address, what to do if it cannot be had, and, where the bytes lie
    elsewhere, what finds their address anew for each attempt (it may raise `OSError`).
    """

    url: str
    advice: str
    locate: Callable[[], str] | None = None


class _CutOff(Exception):
    """The connection ended before the file did."""


def download(
    remote: Remote, target: Path, check: Callable[[Path], None], progress: Progress
) -> None:
    """Get a file into ``target``, by way of ``<target>.part``, which is kept when the connection
    breaks and resumed next time.

    ``check(part)`` must raise `DataError` unless the whole file is right; only then is it renamed.
    ``progress`` counts bytes; a total of 0 means that it is not known.

    Raises `UnavailableError` (no network, not allowed, not there) or `DataError` (broken, no room
    on the disk).
    """
    part = target.with_name(target.name + ".part")
    _get_all(remote, part, progress, target.name)
    try:
        check(part)
    except DataError as error:
        _discard(part)
        raise DataError(
            f"{remote.url}: got a file that is not what was expected ({error}); run the command"
            f" again; {remote.advice}"
        ) from error
    try:
        part.replace(target)
    except OSError as error:
        raise DataError(
            f"{target}: expected to be able to write, got: {error.strerror or error}"
        ) from error
    _discard(part)


def _get_all(remote: Remote, part: Path, progress: Progress, name: str) -> None:
    pauses, best = list(PAUSES_S), _size(part)
    while True:
        try:
            _attempt(remote, part, progress, name)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in (408, 429) and error.code < 500:
                raise _refused(remote, error.code) from error
            cause: Exception = error
        except (_CutOff, OSError, http.client.HTTPException) as error:
            cause = error
        if _size(part) > best:
            pauses, best = list(PAUSES_S), _size(part)
        if not pauses:
            raise _gave_up(remote, part, cause) from cause
        time.sleep(pauses.pop(0))


def _refused(remote: Remote, code: int) -> UnavailableError:
    why = {401: "access was refused", 403: "access was refused", 404: "nothing is there"}.get(
        code, "the server refused"
    )
    return UnavailableError(
        f"{remote.url}: expected a file, but {why} (HTTP {code}); {remote.advice}"
    )


def _gave_up(remote: Remote, part: Path, cause: Exception) -> UnavailableError:
    kept = _size(part)
    have = f"; {kept} bytes are kept and the same command goes on from there" if kept else ""
    reason = getattr(cause, "reason", None) or cause
    return UnavailableError(
        f"{remote.url}: expected a file, but the network or the server failed ({reason}){have}; "
        f"check the network and try again, or {remote.advice}"
    )


def _attempt(remote: Remote, part: Path, progress: Progress, name: str) -> None:
    """Ask for what is still missing and append it; returns when the file is complete, raises
    `_CutOff` when it is not.
    """
    tag_file = _tag_file(part)
    start, tag = (
        _size(part),
        (tag_file.read_text("utf-8", "ignore").strip() if tag_file.exists() else ""),
    )
    if not tag:  # without a mark of the version, the rest might be that of another file
        start = 0
    address = remote.locate() if remote.locate else remote.url
    if not address.startswith(("http://", "https://")):
        raise DataError(
            f"{remote.url}: expected an address that begins with http:// or https://; correct the"
            " setting it comes from"
        )
    request = urllib.request.Request(
        address,
        headers={"Accept-Encoding": "identity", "User-Agent": "medpipe"},
    )
    if start:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", tag)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            start, total = _begin(response, start)
            if total > MAX_BYTES:
                raise DataError(
                    f"{remote.url}: expected at most {MAX_BYTES} bytes, the server announces"
                    f" {total}; {remote.advice}"
                )
            _write_text(tag_file, _version_tag(response))
            done = _append(
                _chunks(response), part, start, lambda count: progress(count, total, name)
            )
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        error.close()
        _discard(part)  # what is here does not fit what is there: begin again
        raise _CutOff("the server's file changed") from error
    if total and done != total:
        raise _CutOff(f"{done} of {total} bytes came")


def _begin(response: http.client.HTTPResponse, start: int) -> tuple[int, int]:
    """Where the body begins in the file, and the length of the whole (0 for unknown)."""
    announced = response.headers.get("Content-Length", "")
    length = int(announced) if announced.isdecimal() else 0
    if response.status != 206:
        return 0, length
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if span is None or int(span[1]) != start:
        raise _CutOff("the server sent another range than the one asked for")
    return start, int(span[2]) if span[2] != "*" else start + length


def _version_tag(response: http.client.HTTPResponse) -> str:
    """What names the version of the file: a strong ETag, else the time of change, else nothing."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK):
        yield chunk


def _append(chunks: Iterator[bytes], part: Path, start: int, report: Callable[[int], None]) -> int:
    done = start
    try:
        stream = part.open("r+b" if start else "wb")
    except OSError as error:
        raise _no_room(part, error) from error
    with stream:
        stream.truncate(start)
        stream.seek(start)
        for chunk in chunks:
            done += len(chunk)
            if done > MAX_BYTES:
                raise DataError(
                    f"{part}: expected at most {MAX_BYTES} bytes, got more; fetch into another"
                    " --folder"
                )
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise _no_room(part, error) from error
            report(done)
    return done


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise _no_room(path, error) from error


def _no_room(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: expected to be able to write, got: {error.strerror or error}; free some space or"
        " name another folder"
    )


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)
