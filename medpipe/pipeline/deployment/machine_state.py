"""What a timing depends on beside the network: threads, clocks, power, driver, allocator, as far as
the machine lets them be read.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch

from medpipe.formatting import plural

UNREADABLE = "not readable"
_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
_HEAT = Path("/sys/class/thermal/thermal_zone0/temp")
_ALLOCATOR = (
    "LD_PRELOAD",
    "MALLOC_CONF",
    "MALLOC_ARENA_MAX",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "OMP_NUM_THREADS",
    "KMP_AFFINITY",
)
_GPU = "name,driver_version,clocks.sm,clocks.mem,pstate,temperature.gpu,power.draw,persistence_mode"


def conditions() -> tuple[str, ...]:
    """Sentences for the reader; what cannot be read is said to be so."""
    governor, clock = (_text(_CPU / name) for name in ("scaling_governor", "scaling_cur_freq"))
    said = [
        (
            f"processor: {_processor()}; {plural(torch.get_num_threads(), 'thread')} within an "
            f"operation, {torch.get_num_interop_threads()} between"
        ),
        f"clock governor: {governor}; clock now: {clock}; temperature: {_text(_HEAT)}",
        "allocator and threads: "
        + ", ".join(f"{name}={os.environ.get(name, 'not set')}" for name in _ALLOCATOR),
    ]
    return (*said, *([f"GPU ({_GPU}): {_gpu()}"] if torch.cuda.is_available() else []))


def energy_j() -> float | None:
    """The processor's energy counter in joules, or None where it cannot be read."""
    try:
        return int(_ENERGY.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def energy_of(call: Callable[[], object], seconds: float = 1.0) -> float:
    """Joules of the processor for one call, over calls of ``seconds`` in all; NaN where its counter
    cannot be read or ran over.
    """
    before, start, calls = energy_j(), time.perf_counter(), 0
    if before is None:
        return float("nan")
    while time.perf_counter() - start < seconds:
        call()
        calls += 1
    after = energy_j()
    return float("nan") if after is None or after < before else (after - before) / calls


def _text(path: Path) -> str:
    try:
        return path.read_text().strip() or UNREADABLE
    except OSError:
        return UNREADABLE


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in _text(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else UNREADABLE


def _gpu() -> str:
    try:
        found = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_GPU}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return found.stdout.strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return UNREADABLE
