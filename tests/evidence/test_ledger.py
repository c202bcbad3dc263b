"""The ledger shows edits, gaps and swaps, and lists starts that nothing followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medpipe.errors import BundleError
from medpipe.evidence import Bundle
from medpipe.evidence.ledger import Attempts, append, read_ledger, unfinished


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of five entries, one start of it unfinished."""
    file = tmp_path / "ledger.jsonl"
    for event, run in (
        ("started", "a"),
        ("started", "b"),
        ("finished", "a"),
        ("started", "a"),
        ("failed", "b"),
    ):
        append(file, event, run)
    return file


def test_taking_evidence_from_elsewhere_closes_no_start(path: Path) -> None:
    append(path, "reused", "a")
    assert [e.run for e in unfinished(read_ledger(path))] == ["a"]


def test_reads_back(path: Path) -> None:
    entries = read_ledger(path)
    assert [e.event for e in entries] == ["started", "started", "finished", "started", "failed"]
    assert [e.run for e in unfinished(entries)] == ["a"]
    assert read_ledger(path.with_name("none")) == ()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [lines[0], lines[2], *lines[3:]],  # an entry taken out
        lambda lines: [lines[1], lines[0], *lines[2:]],  # two swapped
        lambda lines: [lines[0].replace(b'"a"', b'"c"'), *lines[1:]],  # one edited
        lambda lines: [*lines, lines[-1]],  # one repeated
        lambda lines: [*lines[:-1], lines[-1][:20]],  # cut in the middle of a line
        lambda lines: [*lines, b"[]"],
    ],
)
def test_tampering_breaks_the_chain(
    path: Path, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    path.write_bytes(b"\n".join(tamper(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(BundleError, match="line"):
        read_ledger(path)


def test_a_cut_tail_alone_is_not_seen(path: Path) -> None:
    """What a chain cannot show, and why its head stands in the signed report."""
    head = read_ledger(path)[-1].digest
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:-1]) + b"\n")
    assert read_ledger(path)[-1].digest != head


def test_a_ledger_that_another_goes_on_from_counts_once(path: Path) -> None:
    before = read_ledger(path)
    append(path, "finished", "a")
    after = read_ledger(path)
    attempts = Attempts(after, (before, before))
    assert attempts.chains == (after,) and attempts.entries == after and attempts.unfinished == ()
    assert Attempts((), (before,)).unfinished == unfinished(before)
    assert Attempts(()).entries == ()


def test_attempts_of_several_ledgers_add_up(path: Path, tmp_path: Path) -> None:
    append(tmp_path / "own.jsonl", "started", "c")
    append(tmp_path / "own.jsonl", "reused", "d")
    attempts = Attempts(read_ledger(tmp_path / "own.jsonl"), (read_ledger(path),))
    assert len(attempts.entries) == 7 and sorted(e.run for e in attempts.unfinished) == ["a", "c"]
    assert attempts.untold(["a", "b", "c", "d", "e"]) == ("d", "e")


def test_ledgers_come_along_from_bundle_to_bundle(path: Path, tmp_path: Path) -> None:
    first, second, third = (
        Bundle.create(tmp_path / name, name, "small") for name in ("first", "second", "third")
    )
    first.write("ledger.jsonl", path.read_bytes())
    second.take_ledgers(first)
    append(second.ledger_path, "reused", "a")
    third.take_ledgers(second)
    assert third.ledger() == () and len(third.attempts().taken) == 2
    assert {e.digest for e in third.attempts().entries} == {
        e.digest for b in (first, second) for e in b.ledger()
    }
    third.take_ledgers(Bundle.create(tmp_path / "empty", "empty", "small"))
    assert len(third.attempts().taken) == 2


def test_a_carried_ledger_that_was_cut_is_seen(path: Path, tmp_path: Path) -> None:
    source, bundle = (
        Bundle.create(tmp_path / name, name, "small") for name in ("source", "bundle")
    )
    source.write("ledger.jsonl", path.read_bytes())
    bundle.take_ledgers(source)
    carried = next((bundle.folder / "ledgers").iterdir())
    carried.write_bytes(b"".join(carried.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(BundleError, match="digest in the file's name"):
        bundle.attempts()
