"""Turn unusable input files into one message and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from medpipe.cli.codes import USAGE
from medpipe.errors import DataError


@contextmanager
def given_files() -> Iterator[None]:
    """A `DataError` within is about files that the user named: one sentence, and exit code 2."""
    try:
        yield
    except DataError as error:
        typer.echo(f"medpipe: {error}", err=True)
        raise typer.Exit(USAGE) from error
