"""The drawn slices are kept as they are drawn, and drawn again where what is kept is broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medpipe.pipeline.data import phantom_cache, phantoms


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path))
    return tmp_path


def same(one: phantoms.Phantoms, other: phantoms.Phantoms) -> bool:
    return np.array_equal(one.pixels, other.pixels) and (one.names, one.labels, one.people) == (
        other.names,
        other.labels,
        other.people,
    )


def test_what_is_kept_is_what_was_drawn(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = phantoms.make("Testing")
    first = phantom_cache.slices("Testing")
    monkeypatch.setattr(phantoms, "make", lambda _: pytest.fail("drawn again"))
    again = phantom_cache.slices("Testing")
    assert (
        same(first, plain) and same(again, plain) and isinstance(again.people[0], phantoms.Person)
    )
    assert [p.suffix for p in (cache / "drawn").iterdir()] == [".npz"]


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 no zip", "half", "other"])
def test_what_is_broken_is_drawn_again(cache: Path, broken: bytes | str) -> None:
    first = phantom_cache.slices("Testing")
    (kept,) = (cache / "drawn").iterdir()
    if broken == "other":
        np.savez(kept, pixels=first.pixels)
    else:
        kept.write_bytes(kept.read_bytes()[:5000] if isinstance(broken, str) else broken)
    assert same(phantom_cache.slices("Testing"), first)


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path / "file"))
    assert same(phantom_cache.slices("Testing"), phantoms.make("Testing"))
