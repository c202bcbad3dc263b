"""Every value that a run uses, with the file and key that set it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medpipe.specs.protocol import Origin, Profile, Protocol, flatten, with_changes


@dataclass(frozen=True)
class Setting:
    """A value of a run under a profile.

    ``kind`` is ``run`` for what is no parameter (title, seeds, …), ``parameters``, or ``unstated``
    for a choice that the source leaves open. ``set_by`` says what the file is to the protocol: its
    own file, a parent, a template, a grid, or the profile.
    """

    kind: str
    name: str
    value: Any
    set_by: str
    origin: Origin


def settings(protocol: Protocol, profile: Profile) -> tuple[Setting, ...]:
    """Every value of a protocol under a profile, the profile's changes applied, in the order in
    which they are written: first what is no parameter, then parameters, then what is unstated.
    """
    return tuple(
        Setting(kind, name, value, _set_by(origin, protocol.id), origin)
        for kind, name, value, origin in (
            *_of_run(protocol, profile),
            *_parameters(protocol, profile),
            *(
                ("unstated", path, reason, protocol.origins[f"unstated.{path}"])
                for path, reason in protocol.unstated.items()
            ),
        )
    )


def _of_run(protocol: Protocol, profile: Profile) -> Iterator[tuple[str, str, Any, Origin]]:
    for name in ("experiment", "title", "source"):
        yield "run", name, getattr(protocol, name), protocol.origins[name]
    wanted = profile.run_for(protocol.id)
    if wanted.leave_out is not None:
        yield "run", "leave_out", wanted.leave_out, wanted.origins["leave_out"]
        return
    yield "run", "seeds", list(wanted.seeds), wanted.origins["seeds"]
    for name in ("because", "minutes"):
        if (value := getattr(wanted, name)) is not None:
            yield "run", name, value, wanted.origins[name]


def _parameters(protocol: Protocol, profile: Profile) -> Iterator[tuple[str, str, Any, Origin]]:
    wanted = profile.run_for(protocol.id)
    for path, value in flatten(with_changes(protocol.parameters, wanted.change)):
        changed = wanted.origins.get(f"change.{path}")
        yield "parameters", path, value, changed or protocol.origins[f"parameters.{path}"]


def _set_by(origin: Origin, protocol: str) -> str:
    if origin.kind == "profile":
        return f"profile {origin.name}"
    if origin.kind == "template":
        return "template"
    return origin.kind if origin.name == protocol else f"parent {origin.name}"
