"""The command line. Importing this imports no torch, no PDF library and nothing slow: each command
does so itself.

`codes` names the exit codes.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import Annotated

AS_MODULE = ("-m", "medpipe") in ((a, b.partition(".")[0]) for a, b in pairwise(sys.orig_argv))
if AS_MODULE and sys.path[:1] in ([""], [os.getcwd()]):
    # ``python -m`` puts the current folder there, and what a stranger put into it must not be
    # imported
    del sys.path[0]

import typer  # noqa: E402

from medpipe.cli.codes import run_command  # noqa: E402
from medpipe.cli.hints import Commands  # noqa: E402

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Check the published claims of medical AI against evidence, and write a signed report.",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"medpipe {version('medpipe')}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command("help")
def show_help(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="The command to explain (default: list all commands)."),
    ] = None,
) -> None:
    """Explain a command, or list all of them."""
    from medpipe.errors import UnknownNameError

    above = ctx.parent
    assert above is not None
    for name in command or ():
        known = getattr(above.command, "commands", {})
        if name not in known:
            raise UnknownNameError("command", name, known)
        above = known[name].make_context(name, [], parent=above, resilient_parsing=True)
    typer.echo(above.get_help())


def main() -> None:
    """Run the command line; every error becomes one sentence and an exit code."""
    run_command(_with_commands)


def _with_commands() -> typer.Typer:
    from medpipe.cli import (
        data_audits,
        deployment_commands,
        figure_audits,
        judging,
        making,
        marking,
        reader_study,
    )

    making.register(app)
    judging.register(app)
    figure_audits.register(app)
    data_audits.register(app)
    reader_study.register(app)
    deployment_commands.register(app)
    marking.register(app)
    return app
