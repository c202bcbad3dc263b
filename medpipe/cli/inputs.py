"""What a command was given: files that cannot be used and places that cannot be written end it with exit code 2, before any work."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from medpipe.cli.codes import USAGE
from medpipe.errors import DataError, SpecError


@contextmanager
def given_files() -> Iterator[None]:
    """A `DataError` within is about files that the user named: one sentence, and exit code 2."""
    try:
        yield
    except DataError as error:
        typer.echo(f"medpipe: {error}", err=True)
        raise typer.Exit(USAGE) from error


def checked_output(folder: Path, option: str = "--out") -> Path:
    """The folder, if files can be written into it; nothing is made yet. Raises `SpecError`."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
    if not there.is_dir():
        raise SpecError(option, "a folder that can be written", f"{folder}, where {there} is a file; give another one")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise SpecError(option, "a folder that can be written",
                        f"{folder}: {error.strerror or error}; give another one") from error
    return folder
