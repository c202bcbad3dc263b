"""The command line. Importing this imports no torch, no PDF library and nothing slow: each command does so itself.

Exit codes: 0 done, 1 a claim is refuted under ``--strict``, 2 wrong usage or unreadable input, 3 could not complete, 4 altered.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from medpipe.cli.codes import ALTERED, INCOMPLETE, USAGE
from medpipe.cli.encoding import degrade
from medpipe.cli.hints import Commands

app = typer.Typer(cls=Commands,
                  no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Hold the published claims of a medical AI to evidence, and report what holds.")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"medpipe {version('medpipe')}")
        raise typer.Exit


@app.callback()
def _before(version: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False) -> None:
    pass


@app.command("help")
def show_help(ctx: typer.Context, command: Annotated[list[str] | None, typer.Argument(
        help="The command to explain; all are listed if none is named.")] = None) -> None:
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
    """Run the command line; every error that medpipe raises on purpose becomes one sentence and an exit code."""
    from medpipe.cli import auditing, data_auditing, deploying, judging, making, marking, reading
    from medpipe.errors import MedpipeError, SignatureError, SpecError, TamperedError, UnknownNameError

    degrade()
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
