"""The attempt ledger: every start of a run is written down before it begins, each entry chained to
the one before.

A chain shows edits, gaps and swaps. It does not show a cut tail or a chain written anew, unless its
head was kept elsewhere: the head stands in every signed report. Where evidence is taken from
another bundle, that bundle's ledger comes along.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medpipe.documents import MAX_JSON_BYTES, canonical_json, parse_json, read_file
from medpipe.errors import BundleError, SpecError
from medpipe.evidence.files import sha256

START = "started"
ENDS = ("finished", "failed", "unavailable")
TAKEN = ("reused", "kept")
"""``reused``: the evidence was taken from another bundle, whose ledger comes along; ``kept``: so
was this, though it was made by other code or packages than today's.
"""

EVENTS = (START, *ENDS, *TAKEN)

MAX_LINE_BYTES = 10_000

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line: what happened to which run, when; ``digest`` is of this entry and, through
    ``previous``, of all before it.
    """

    sequence: int
    time: str
    event: str
    run: str
    previous: str

    @property
    def digest(self) -> str:
        return sha256(canonical_json(self.as_json()))

    def as_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "time": self.time,
            "event": self.event,
            "run": self.run,
            "previous": self.previous,
        }


def read_ledger(path: Path) -> tuple[Entry, ...]:
    """The entries of a ledger file, chain checked; empty where there is none. Raises
    `BundleError`.
    """
    try:
        return entries_from(read_file(path, MAX_JSON_BYTES), str(path)) if path.exists() else ()
    except SpecError as error:
        raise BundleError(str(error)) from error


def entries_from(raw: bytes, where: str) -> tuple[Entry, ...]:
    """The entries in a ledger's bytes, chain checked. A last line cut short by a crash is refused
    like any other damage.
    """
    entries: list[Entry] = []
    previous = GENESIS
    for number, line in enumerate(raw.splitlines()):
        try:
            entry = Entry(**parse_json(line, f"{where}: line {number + 1}", limit=MAX_LINE_BYTES))
            if any(
                type(value) is not (int if key == "sequence" else str)
                for key, value in vars(entry).items()
            ):
                raise TypeError("a value of another type")
        except (SpecError, TypeError) as error:
            raise BundleError(
                f"{where}: line {number + 1}: expected an entry of the ledger, got something else"
            ) from error
        if entry.sequence != number or entry.previous != previous or entry.event not in EVENTS:
            raise BundleError(
                f"{where}: line {number + 1}: expected entry {number} of an unbroken chain, got one"
                " that does not follow"
            )
        entries.append(entry)
        previous = entry.digest
    return tuple(entries)


def written(entries: Iterable[Entry]) -> bytes:
    """Entries as they stand in a file."""
    return b"".join(canonical_json(e.as_json()) + b"\n" for e in entries)


def append(path: Path, event: str, run: str) -> Entry:
    """Write one more entry, on disk before this returns."""
    entries = read_ledger(path)
    entry = Entry(
        len(entries),
        datetime.now(UTC).isoformat(timespec="seconds"),
        event,
        run,
        entries[-1].digest if entries else GENESIS,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(written([entry]))
        file.flush()
        os.fsync(file.fileno())
    return entry


def unfinished(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Starts that nothing followed: the run was killed, or is still going."""
    open_entries: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.event == START:
            open_entries.setdefault(entry.run, []).append(entry)
        elif entry.event in ENDS and open_entries.get(entry.run):
            open_entries[entry.run].pop()
    return tuple(e for left in open_entries.values() for e in left)


@dataclass(frozen=True)
class Attempts:
    """What all ledgers of a bundle tell: its own, and those of the bundles that evidence was taken
    from.
    """

    own: tuple[Entry, ...]
    taken: tuple[tuple[Entry, ...], ...] = ()

    @property
    def chains(self) -> tuple[tuple[Entry, ...], ...]:
        """The ledgers that hold anything, without those that another one goes on from."""
        there = tuple(dict.fromkeys(chain for chain in (*self.taken, self.own) if chain))
        return tuple(
            c
            for c in there
            if not any(len(other) > len(c) and other[: len(c)] == c for other in there)
        )

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry once."""
        return tuple({entry.digest: entry for chain in self.chains for entry in chain}.values())

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        """Starts that nothing followed, in any of the ledgers."""
        return tuple(
            {entry.digest: entry for chain in self.chains for entry in unfinished(chain)}.values()
        )

    def untold(self, runs: Iterable[str]) -> tuple[str, ...]:
        """Which of these runs have their start in none of the ledgers, so that nobody can tell how
        often they were tried.
        """
        started = {entry.run for entry in self.entries if entry.event == START}
        return tuple(run for run in runs if run not in started)
