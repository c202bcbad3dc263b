"""Keeping what libraries print off the screen: in a log file, which is named where something
failed."""

from __future__ import annotations

import ctypes
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from medpipe.cli.show import errors, note


@dataclass
class Log:
    """A file of what libraries wrote; ``wanted``: it stays, and its place is told."""

    path: Path
    wanted: bool = False

    def finish(self) -> None:
        """Tell where the log is, or drop it."""
        if self.wanted and self.path.stat().st_size:
            note(f"What the libraries wrote about it: {self.path}")
        else:
            self.path.unlink()


class _Descriptor(io.TextIOBase):
    """Text for a descriptor, wherever that leads by then: loggers keep the stream that they began
    with."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fileno(self) -> int:
        return self.number

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        os.write(self.number, text.encode("utf-8", "replace"))
        return len(text)


@contextmanager
def captured() -> Iterator[Log]:
    """Warnings, logs and all else that is written to either standard stream, by Python or beside
    it, goes to a log file; progress is still shown. The log stays where the body raises, or asks
    for it by ``wanted``.
    """
    number, name = tempfile.mkstemp(prefix="medpipe-", suffix=".log")
    log = Log(Path(name))
    try:
        with _to_file(number):
            yield log
    except BaseException as error:
        log.wanted = isinstance(error, Exception)
        raise
    finally:
        os.close(number)
        log.finish()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


@contextmanager
def _to_file(number: int) -> Iterator[None]:
    """Both standard streams lead to a descriptor, and what `errors` shows to the screen."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    screen = _screen(kept[2])
    errors.file, before = screen, errors._file
    for stream in kept:
        os.dup2(number, stream)
    try:
        with (
            redirect_stdout(_Descriptor(1)),
            redirect_stderr(_Descriptor(2)),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("default")
            warnings.showwarning = _show_warning
            yield
    finally:
        with suppress(OSError, AttributeError, TypeError):  # where C keeps its own buffers
            ctypes.CDLL(None).fflush(None)
        errors._file = before
        screen.flush()
        for stream, old in kept.items():
            os.dup2(old, stream)
            os.close(old)


def _screen(copy: int) -> TextIO:
    """Standard error as it was, for progress."""
    try:
        real = sys.stderr.fileno() == 2
    except (OSError, ValueError):
        real = False
    if not real:
        return sys.stderr
    return open(
        copy,
        "w",
        encoding=sys.stderr.encoding,
        errors=sys.stderr.errors,
        buffering=1,
        closefd=False,
    )
