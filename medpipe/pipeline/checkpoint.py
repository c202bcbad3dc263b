"""Checkpoints that survive a kill at any moment.

A checkpoint is a set of tensor files (safetensors) and ``checkpoint.json``, which names each of
them with its SHA-256 and holds counters, history and states as JSON; nothing is pickled. A tensor
file is written under a temporary name, flushed to the disk and renamed, under a name that no
earlier checkpoint uses; replacing ``checkpoint.json`` then makes the new checkpoint the valid one
in a single step, and only after that the files of the last one go.

A checkpoint belongs to one ``identity`` (configuration, seed, digests of data, code and initial
weights, versions, threads). One with another identity, or one that is damaged, is discarded with a
note.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

FORMAT = 1
INDEX = "checkpoint.json"
WEIGHTS = "weights"
"""The one part with a lasting name, ``weights.safetensors``: what a finished training leaves."""

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """``state``: JSON values; ``parts``: tensors on the CPU by part and name."""

    state: dict[str, Any]
    parts: dict[str, Tensors]


class CheckpointStore:
    """The checkpoint of one run in one folder, which holds nothing else."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._identity = json.loads(json.dumps(identity))
        self._files: dict[str, dict[str, str]] = {}
        self._serial = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def weights(self) -> Path:
        """Where the part ``weights`` lies."""
        return self.folder / f"{WEIGHTS}.safetensors"

    def load(self) -> tuple[Checkpoint | None, str | None]:
        """The checkpoint if there is a valid one, and a note if one was discarded. Leftovers of a
        kill are removed.
        """
        checkpoint, note = None, None
        if (self.folder / INDEX).exists():
            try:
                checkpoint = self._read()
            except (
                _Unusable,
                OSError,
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
                SafetensorError,
            ) as error:
                reason = (
                    str(error)
                    if isinstance(error, _Unusable)
                    else f"it is damaged ({type(error).__name__})"
                )
                note = f"a checkpoint was discarded and training started again: {reason}"
                self._files, self._serial = {}, 0
                (self.folder / INDEX).unlink(missing_ok=True)
        self._sweep()
        return checkpoint, note

    def save(
        self, state: Mapping[str, Any], parts: Mapping[str, Tensors], keep: tuple[str, ...] = ()
    ) -> None:
        """Replace the checkpoint. ``keep`` names parts of the last one that are still valid and are
        not written again.
        """
        self._serial += 1
        files = {part: self._files[part] for part in keep if part in self._files}
        for part, tensors in parts.items():
            name = self.weights.name if part == WEIGHTS else f"{part}-{self._serial}.safetensors"
            files[part] = {"name": name, "sha256": self._write_tensors(name, tensors)}
        index = {
            "format": FORMAT,
            "identity": self._identity,
            "serial": self._serial,
            "files": files,
            "state": dict(state),
        }
        temporary = self.folder / f"{INDEX}.tmp"
        temporary.write_text(json.dumps(index), encoding="utf-8")
        _flush(temporary)
        os.replace(temporary, self.folder / INDEX)
        _flush(self.folder)
        self._files = files
        self._sweep()

    def _read(self) -> Checkpoint:
        index = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise _Unusable(f"its format is {index['format']!r}, not {FORMAT}")
        if index["identity"] != self._identity:
            theirs = index["identity"]
            differing = sorted(
                k for k in {*theirs, *self._identity} if theirs.get(k) != self._identity.get(k)
            )
            raise _Unusable(f"it belongs to a run with another {', '.join(differing)}")
        parts = {}
        for part, file in index["files"].items():
            path = self.folder / file["name"]
            if not path.is_file() or _digest(path) != file["sha256"]:
                raise _Unusable(f"its file {file['name']} is missing or damaged")
            parts[part] = load_file(path)
        self._files, self._serial = index["files"], int(index["serial"])
        return Checkpoint(index["state"], parts)

    def _write_tensors(self, name: str, tensors: Tensors) -> str:
        temporary = self.folder / f"{name}.tmp"
        save_file(
            {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, temporary
        )
        _flush(temporary)
        digest = _digest(temporary)
        os.replace(temporary, self.folder / name)
        return digest

    def _sweep(self) -> None:
        wanted = {INDEX, *(file["name"] for file in self._files.values())}
        for path in self.folder.iterdir():
            if path.name not in wanted and (path.name.endswith((".safetensors", ".tmp"))):
                path.unlink()


class _Unusable(Exception):
    """A checkpoint that this run cannot use; the message says why."""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the disk write what it holds of a file or a folder, so that an order of writes outlives
    a power cut.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
