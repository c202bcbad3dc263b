"""What to type instead, where something was given without its command or its option."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__mro__[1]  # typer shows no other way to it
BY_ENDING = {
    "check-report": (".pdf",),
    "audit-figures --from": (".csv", ".tsv", ".xlsx", ".yaml", ".yml"),
    "audit-data": (".zip", ".tar", ".tar.gz", ".tgz"),
    "forensics": (".jpg", ".jpeg", ".png"),
    "bench --models": (".pt", ".pth", ".ts", ".pt2", ".onnx", ".ckpt", ".safetensors"),
}
FOLDERS = {"judge --bundle": "bundle.json", "plan --specs": "claims"}
"""By command, what a folder for it holds."""


class Commands(TyperGroup):
    """The commands of medpipe, with hints."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for; wrong usage gets a hint."""
        given = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except UsageError as error:
            hint = self._hint(ctx, error.ctx or ctx, given)
            if hint:
                said = error.format_message()
                stop = "" if said.endswith((".", "?")) else "."
                raise UsageError(f"{said}{stop} {hint}", error.ctx) from None
            raise

    def _hint(self, ctx: Any, inner: Any, given: list[str]) -> str:
        if isinstance(inner.command, TyperGroup):
            wanted = command_for(given[0]) if inner.command is self and given else None
            return (
                f"Try: medpipe {wanted}" if wanted else f"All commands: {inner.command_path} --help"
            )
        depth, above = 0, inner
        while above is not ctx:
            depth, above = depth + 1, above.parent
        return _without_option(inner, given[depth:])


def command_for(given: str) -> str | None:
    """The command line after ``medpipe`` that takes such a file or folder, by its name or by what
    it holds."""
    path = Path(given)
    for command, endings in BY_ENDING.items():
        if given.lower().endswith(endings):
            return f"{command} {shlex.quote(given)}"
    if path.is_dir():
        found = next((c for c, name in FOLDERS.items() if (path / name).exists()), "audit-data")
        return f"{found} {shlex.quote(given)}"
    return None


def _without_option(ctx: Any, arguments: list[str]) -> str:
    """A hint where a command got something beside its options."""
    try:
        options, rest, _ = ctx.command.make_parser(ctx).parse_args(list(arguments))
    except UsageError:
        return ""
    taken = [p for p in ctx.command.params if p.param_type_name == "argument"]
    if not rest or taken:
        return ""
    able = [p for p in ctx.command.params if p.param_type_name == "option" and not p.is_flag]
    missing = [p for p in able if p.required and p.name not in options]
    if missing:
        return f"Try: {ctx.command_path} {missing[0].opts[0]} {shlex.quote(rest[0])}"
    wanted = command_for(rest[0])
    names = ", ".join(p.opts[0] for p in able)
    return f"Try: medpipe {wanted}" if wanted else f"Use one of these options: {names}."
