"""How much memory a kept form takes at the most, in a process of its own: in one process forms
share what the first of them brought along.

``python -m medpipe.pipeline.deployment.footprint`` reads what it shall open as JSON from its input,
opens it, answers `CALLS` times and writes by how many MiB its memory rose at the most above what it
held with all libraries loaded.
"""

from __future__ import annotations

import copy
import importlib
import json
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from medpipe.pipeline.deployment.backend_builder import opened
from medpipe.pipeline.deployment.backends import Backend, Built

CALLS = 3
LONGEST_S = 900.0
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_EMPTY = "network_without_weights.pt"


def footprint_mb(built: Built, network: nn.Module, folder: Path, batch: int, side: int) -> float:
    """MiB that a form takes at the most while it is opened and answers batches of that shape; NaN
    where nothing is kept that could be opened, on a GPU, and where it cannot be measured.
    ``network``: what the weights of a form that keeps only those belong to.
    """
    if built.exported is None or not built.exported.paths or built.rung.device != "cpu":
        return float("nan")
    empty = folder / _EMPTY
    if not empty.exists():
        torch.save(copy.deepcopy(network).to("meta"), empty)
    asked = {
        "rung": asdict(built.rung),
        "paths": [str(p) for p in built.exported.paths],
        "network": str(empty),
        "batch": batch,
        "side": side,
        "threads": torch.get_num_threads(),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", __name__],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=True,
        )
        return float(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return float("nan")


def _measured(asked: Mapping[str, Any]) -> float:
    rung = Backend(**{**asked["rung"], "needs": tuple(asked["rung"]["needs"])})
    torch.set_num_threads(asked["threads"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in rung.needs:
            importlib.import_module(name)
        network = torch.load(
            asked["network"], weights_only=False
        )  # imports the classes of its layers
        images = np.zeros((asked["batch"], 3, asked["side"], asked["side"]), np.float32)
        _CLEAR.write_text("5")  # the kernel begins its high-water mark anew
        before = _resident("VmRSS")
        answer = opened(rung, [Path(p) for p in asked["paths"]], network)(
            asked["batch"], asked["side"]
        )
        for _ in range(CALLS):
            answer(images)
    return _resident("VmHWM") - before


def _resident(name: str) -> float:
    """A line of the process's status, in MiB."""
    (found,) = [
        line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")
    ]
    return int(found) / 1024


if __name__ == "__main__":
    sys.stdout.write(f"{_measured(json.load(sys.stdin))}\n")
