"""The published protocol, the profile of this machine, and the deviations computed between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GRADES = ("published", "reduced", "demonstration")
_ABSENT = "not part of it"


@dataclass(frozen=True)
class Origin:
    """Where a value was set: a file of the specifications and the key in it; and what that key
    belongs to, a ``protocol``, ``grid member``, ``template`` or ``profile`` of some name.
    """

    file: str
    key: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}"


@dataclass(frozen=True)
class Protocol:
    """The published way to make one kind of run: an experiment with its nested parameters.

    ``unstated`` explains, by dotted path, choices that the source leaves open. ``origins`` names
    where each value was set: ``title``, ``parameters.model.dropout``, ``unstated.data.first``, …
    """

    id: str
    experiment: str
    title: str
    parameters: Mapping[str, Any]
    unstated: Mapping[str, str]
    source: str = ""
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class ProfileRun:
    """What a profile does with one protocol: changed parameters with the reason, and seeds; or
    leaves it out, with the reason.

    ``minutes``: about how long one run takes on one CPU core, as measured; None where nobody has.
    ``origins`` names where each setting stands: ``seeds``, ``change.training.epochs``, …
    """

    seeds: tuple[int, ...]
    change: Mapping[str, Any]
    because: str | None = None
    minutes: float | None = None
    leave_out: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Profile:
    """What a machine can afford: one `ProfileRun` for each protocol it changes, and the seeds of
    all others.
    """

    id: str
    title: str
    seeds: tuple[int, ...]
    runs: Mapping[str, ProfileRun]
    file: str = field(default="", compare=False)

    def run_for(self, protocol: str) -> ProfileRun:
        """What this profile does with a protocol."""
        seeds = Origin(self.file, "seeds", "profile", self.id)
        return self.runs.get(protocol, ProfileRun(self.seeds, {}, origins={"seeds": seeds}))


def planned(protocol: Protocol, profile: Profile) -> tuple[tuple[str, dict[str, Any], int], ...]:
    """The runs that a profile makes of a protocol, as (experiment, parameters, seed); none where it
    is left out.
    """
    wanted = profile.run_for(protocol.id)
    if wanted.leave_out:
        return ()
    parameters = with_changes(protocol.parameters, wanted.change)
    return tuple((protocol.experiment, parameters, seed) for seed in wanted.seeds)


@dataclass(frozen=True)
class Deviation:
    """One parameter that was not as published: dotted path, published and used value (None where
    absent).
    """

    path: str
    published: Any
    used: Any

    def __str__(self) -> str:
        return f"{self.path}: {_show(self.used)} for {_show(self.published)}"


def _show(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return " or ".join(_show(v) for v in value)
    return str(value)


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted paths and leaves of nested parameters, in order."""
    for key, value in parameters.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, path + ".")
        else:
            yield path, value


def copied(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested parameters, section by section; lists are shared, as nobody changes them."""
    return {
        key: copied(value) if isinstance(value, Mapping) else value
        for key, value in parameters.items()
    }


def with_changes(parameters: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested parameters with the values at some dotted paths replaced. Raises KeyError
    for a path that is not there.
    """
    changed = copied(parameters)
    for path, value in change.items():
        *parents, last = path.split(".")
        node = changed
        for parent in parents:
            node = node[parent]
        if last not in node:
            raise KeyError(path)
        node[last] = value
    return changed


def deviations(published: Mapping[str, Any], used: Mapping[str, Any]) -> tuple[Deviation, ...]:
    """Every leaf in which two nested sets of parameters differ, by path."""
    before, after = dict(flatten(published)), dict(flatten(used))
    return tuple(
        Deviation(path, before.get(path, _ABSENT), after.get(path, _ABSENT))
        for path in [*before, *(p for p in after if p not in before)]
        if before.get(path, _ABSENT) != after.get(path, _ABSENT)
    )


def bearing(found: Sequence[Deviation], depends_on: Sequence[str]) -> tuple[Deviation, ...]:
    """The deviations that lie under one of the dotted prefixes."""
    return tuple(
        d for d in found if any(d.path == p or d.path.startswith(p + ".") for p in depends_on)
    )


def grade(found: Sequence[Deviation], used: Mapping[str, Any]) -> str:
    """``demonstration`` where the data is the package's own, ``published`` where nothing deviates,
    else ``reduced``.
    """
    if dict(flatten(used)).get("data.source") == "demonstration":
        return "demonstration"
    return "reduced" if found else "published"
