"""The command line. Importing this imports no torch, no PDF library and nothing slow: each command does so itself.

Exit codes: 0 done, 1 a claim is refuted under ``--strict``, 2 wrong usage or unreadable input, 3 could not complete, 4 altered.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise

if ("-m", "medpipe") in ((a, b.partition(".")[0]) for a, b in pairwise(sys.orig_argv)) and sys.path[
    :1
] in ([""], [os.getcwd()]):
    del sys.path[
        0
    ]  # ``python -m`` puts the current folder there, and what a stranger put into it must not be imported

import typer

from medpipe.cli.codes import ALTERED, INCOMPLETE, USAGE

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Hold the published claims of a medical AI to evidence, and report what holds.")


def main() -> None:
    """Run the command line; every error that medpipe raises on purpose becomes one sentence and an exit code."""
    from medpipe.cli import auditing, data_auditing, deploying, judging, making, marking, reading
    from medpipe.errors import MedpipeError, SignatureError, SpecError, TamperedError, UnknownNameError

    making.register(app)
    judging.register(app)
    auditing.register(app)
    data_auditing.register(app)
    reading.register(app)
    deploying.register(app)
    marking.register(app)
    try:
        app()
    except (TamperedError, SignatureError) as error:
        _end(error, ALTERED)
    except (SpecError, UnknownNameError) as error:
        _end(error, USAGE)
    except MedpipeError as error:
        _end(error, INCOMPLETE)
    except ModuleNotFoundError as error:
        _end(f"this command needs {error.name}, which is not installed; run: pip install 'medpipe[train,report]'", INCOMPLETE)
    except KeyboardInterrupt:
        _end("stopped; the same command goes on from where it was", INCOMPLETE)


def _end(message: object, code: int) -> None:
    sys.stderr.write(f"medpipe: {message}\n")
    sys.exit(code)
