from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from medpipe.pipeline import checkpoint
from medpipe.pipeline.checkpoint import INDEX, WEIGHTS, CheckpointStore

IDENTITY = {"seed": 1, "configuration": {"a": [1, 2.5, None]}, "threads": 2}
PARTS = {"training": {"m": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(7)}}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "new", IDENTITY)
    assert store.load() == (None, None)
    state = {"step": 3, "loss": 0.1 + 0.2, "notes": ["a"]}
    store.save(state, PARTS | {"best": {"w": torch.ones(2)}})
    store.save(state | {"step": 4}, PARTS, keep=("best",))
    found, note = CheckpointStore(tmp_path / "new", IDENTITY).load()
    assert found is not None and note is None
    assert found.state == state | {"step": 4}
    assert (
        torch.equal(found.parts["training"]["m"], PARTS["training"]["m"])
        and found.parts["training"]["n"] == 7
    )
    assert torch.equal(found.parts["best"]["w"], torch.ones(2))
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_only_plain_formats_are_written(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, IDENTITY).save({}, PARTS | {WEIGHTS: {"w": torch.ones(2)}})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        INDEX,
        "training-1.safetensors",
        "weights.safetensors",
    ]
    assert json.loads((tmp_path / INDEX).read_text())["format"] == 1


@pytest.mark.parametrize("fatal", range(12))
def test_a_kill_at_any_write_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    """Every call that changes the disk is a moment at which the process may end."""
    store = CheckpointStore(tmp_path, IDENTITY)
    store.save({"step": 1}, PARTS)
    calls = iter(range(100))

    def dying(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if next(calls) == fatal:
                raise KeyboardInterrupt
            return function(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for module, name in (
            (checkpoint, "save_file"),
            (checkpoint, "_flush"),
            (os, "replace"),
            (Path, "write_text"),
            (Path, "unlink"),
        ):
            patch.setattr(module, name, dying(getattr(module, name)))
        try:
            store.save({"step": 2}, {"training": {"m": torch.zeros(3)}})
            finished = True
        except KeyboardInterrupt:
            finished = False
    found, note = CheckpointStore(tmp_path, IDENTITY).load()
    assert found is not None and note is None
    assert found.state["step"] == 2 or not finished
    assert found.parts["training"]["m"].shape == ((3,) if found.state["step"] == 2 else (2, 3))
    assert len(list(tmp_path.iterdir())) == 2


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_cases() -> dict[str, Any]:
    return {
        "a flipped bit": lambda f: flip(f / "training-1.safetensors"),
        "a missing file": lambda f: (f / "training-1.safetensors").unlink(),
        "an empty file": lambda f: (f / "training-1.safetensors").write_bytes(b""),
        "no JSON": lambda f: (f / INDEX).write_text("{"),
        "another JSON": lambda f: (f / INDEX).write_text("[]"),
        "no UTF-8": lambda f: (f / INDEX).write_bytes(b"\xff"),
        "another format": (
            lambda f: (f / INDEX).write_text(
                (f / INDEX).read_text().replace('"format": 1', '"format": 2')
            )
        ),
        "half a record": lambda f: (f / INDEX).write_text('{"format": 1}'),
    }


@pytest.mark.parametrize("case", damage_cases())
def test_a_damaged_checkpoint_is_discarded_with_a_note(tmp_path: Path, case: str) -> None:
    CheckpointStore(tmp_path, IDENTITY).save({"step": 1}, PARTS)
    damage_cases()[case](tmp_path)
    found, note = CheckpointStore(tmp_path, IDENTITY).load()
    assert (
        found is None
        and note is not None
        and note.startswith("a checkpoint was discarded and training started again: it")
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seed": 2}, "seed"),
        ({"threads": 1}, "threads"),
        ({"torch": "9"}, "torch"),
        ({"seed": 3, "configuration": {}}, "configuration, seed"),
    ],
)
def test_a_foreign_checkpoint_is_discarded_and_the_difference_named(
    tmp_path: Path, other: dict[str, Any], named: str
) -> None:
    CheckpointStore(tmp_path, IDENTITY).save({"step": 1}, PARTS | {WEIGHTS: {"w": torch.ones(2)}})
    store = CheckpointStore(tmp_path, IDENTITY | other)
    found, note = store.load()
    assert (
        found is None
        and note is not None
        and note.endswith(f"it belongs to a run with another {named}")
    )
    assert list(tmp_path.iterdir()) == []
    store.save({"step": 5}, PARTS)
    assert store.load()[0] is not None


def test_leftovers_of_a_kill_are_swept_and_strangers_are_not(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, IDENTITY).save({"step": 1}, PARTS)
    for name in (
        "training-2.safetensors",
        "training-2.safetensors.tmp",
        f"{INDEX}.tmp",
        "notes.txt",
    ):
        (tmp_path / name).write_text("x")
    assert CheckpointStore(tmp_path, IDENTITY).load()[0] is not None
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        INDEX,
        "notes.txt",
        "training-1.safetensors",
    ]
