"""The command line. Importing this imports no torch, no PDF library and nothing slow: each command does so itself.

`codes` names the exit codes.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise

if ("-m", "medpipe") in ((a, b.partition(".")[0]) for a, b in pairwise(sys.orig_argv)) and sys.path[:1] in ([""], [os.getcwd()]):
    del sys.path[0]  # ``python -m`` puts the current folder there, and what a stranger put into it must not be imported

import typer  # noqa: E402

from medpipe.cli.codes import run_command  # noqa: E402

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Hold the published claims of a medical AI to evidence, and report what holds.")


def main() -> None:
    """Run the command line; every error becomes one sentence and an exit code."""
    run_command(_with_commands)


def _with_commands() -> typer.Typer:
    from medpipe.cli import auditing, data_auditing, deploying, judging, making, marking, reading

    making.register(app)
    judging.register(app)
    auditing.register(app)
    data_auditing.register(app)
    reading.register(app)
    deploying.register(app)
    marking.register(app)
    return app
