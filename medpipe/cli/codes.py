"""Exit codes, and the one place that turns an error into a message and a code.

docs/exit_codes.md has the table for readers.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

from medpipe.cli.encoding import degrade
from medpipe.errors import (
    BundleError,
    BusyError,
    MedpipeError,
    SignatureError,
    SpecError,
    TamperedError,
    UnknownNameError,
)

DONE, REFUTED, USAGE, INCOMPLETE, ALTERED, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 4, 70, 130

WRONG_USAGE: Any = typer.BadParameter.__base__
"""click's ``UsageError``, of which newer versions of typer have their own copy."""


def run_command(make_app: Callable[[], typer.Typer]) -> NoReturn:
    """Run the command line and exit with one of the codes above, whatever happens in it.

    The app is not called as such: its own handling of errors exits with 1, the code of a refuted
    claim.
    """
    degrade()
    code = DONE
    try:
        command = typer.main.get_command(make_app())
        with command.make_context("medpipe", sys.argv[1:]) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as ending:
        code = ending.exit_code
    except BrokenPipeError:  # whoever read our output has gone, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = INCOMPLETE
    except BaseException as error:
        code = _told(error)
    sys.exit(code)


def _told(error: BaseException) -> int:
    """Print an error and return its exit code."""
    if isinstance(error, WRONG_USAGE):
        error.show()  # with the usage of the command
        return USAGE
    try:
        code, sentence = told(error)
    except Exception:  # an error whose text raises one itself
        code, sentence = (
            INTERNAL,
            f"an internal error ({type(error).__name__}) that cannot be printed",
        )
    sys.stderr.write(f"medpipe: {sentence}\n")
    return code


def told(error: BaseException) -> tuple[int, str]:
    """The exit code and the one sentence of an error."""
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED, "interrupted; the same command continues from where it stopped"
    if isinstance(error, (TamperedError, SignatureError)):
        return ALTERED, str(error)
    unreadable = isinstance(error, BundleError) and not isinstance(error, BusyError)
    if unreadable or isinstance(error, (SpecError, UnknownNameError)):
        return USAGE, str(error)
    if isinstance(error, MedpipeError):
        return INCOMPLETE, str(error)
    if (
        isinstance(error, ModuleNotFoundError)
        and error.name
        and not error.name.startswith("medpipe")
    ):
        return (
            INCOMPLETE,
            (
                f"this command needs {error.name}, which is not installed; "
                "run: pip install 'medpipe[train,report]'"
            ),
        )
    if isinstance(error, OSError) and error.filename is not None:
        return (
            INCOMPLETE,
            f"{os.fsdecode(error.filename)}: {error.strerror or type(error).__name__}",
        )
    said = " ".join(str(error).split())[:200]
    return (
        INTERNAL,
        (
            f"an internal error ({type(error).__name__}{': ' if said else ''}{said}); "
            f"{_saved(error)}; please report it with that file"
        ),
    )


def _saved(error: BaseException) -> str:
    """Where the traceback was saved."""
    trace = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix="medpipe-traceback-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(trace)
    except OSError as problem:
        return f"the traceback could not be saved ({problem.strerror})"
    return f"the traceback was saved to {name}"


def check_output_folder(folder: Path, option: str) -> None:
    """See that a folder can be written to, before any work begins. Raises `SpecError`."""
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise SpecError(f"{option} {folder}", "a folder to write to", f"{there}, which is a file")
    with _refusing(folder, option):
        handle, name = tempfile.mkstemp(dir=there, prefix=".medpipe-")
        os.close(handle)
        os.unlink(name)


def check_output_file(path: Path, option: str) -> None:
    """The same of a file. Raises `SpecError`."""
    if path.is_dir():
        raise SpecError(f"{option} {path}", "a file to write to", "a folder")
    check_output_folder(path.absolute().parent, option)
    if path.exists():
        with _refusing(path, option), path.open("ab"):
            pass


def check_name(name: str, option: str) -> None:
    """See that a name stays inside the folder in which it is used. Raises `SpecError`."""
    if (
        not name
        or name.startswith((".", "-"))
        or not name.isprintable()
        or len(name) > 100
        or any(c in name for c in '/\\:*?"<>|')
    ):
        raise SpecError(
            option,
            "a plain name of at most 100 characters, without slashes and not beginning with a dot",
            repr(name),
        )


@contextmanager
def _refusing(place: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SpecError(
            f"{option} {place}", "a place that can be written to", reason.lower()
        ) from error
