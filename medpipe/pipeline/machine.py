"""The machine a training runs on: device, precision and processes by accelerate, and what makes a
run repeatable there.
"""

from __future__ import annotations

import hashlib
import os
import random
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from numpy.typing import NDArray
from torch import Tensor

from medpipe.errors import SpecError

Precision = Literal["fp32", "bf16"]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Machine:
    """``precision`` is the one really used; ``notes`` say where it is not the one asked for."""

    accelerator: Accelerator
    precision: Precision
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return torch.device(self.accelerator.device)

    @property
    def processes(self) -> int:
        """How many processes train together, one for each GPU."""
        return int(self.accelerator.num_processes)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return bool(self.accelerator.is_main_process)

    def share(self, index: Index) -> Index:
        """This process's samples of a batch; the batch itself does not grow with the number of
        processes.
        """
        return index[self.accelerator.process_index :: self.processes]

    def total(self, values: Tensor) -> Tensor:
        """The sum over processes; each contributes zeros where it saw nothing."""
        return self.accelerator.reduce(values, "sum") if self.processes > 1 else values

    def describe(self) -> dict[str, Any]:
        """What can change a result in the last digit: devices, threads, processes, versions of the
        packages that compute.
        """
        cuda = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
            "processes": self.processes,
            "threads": 0 if cuda else torch.get_num_threads(),
            **{
                package: version(package)
                for package in ("accelerate", "numpy", "torch", "torchvision", "transformers")
            },
        }


def open_machine(device: str, precision: Precision) -> Machine:
    """The machine for a run, told to repeat itself; what it is told stays so for the process.

    ``device``: ``"auto"`` (CUDA where there is one), ``"cpu"`` or ``"cuda"``. torch takes
    deterministic algorithms where it has them. On the CPU, equal seeds and thread counts then give
    bitwise equal results. On CUDA, cuDNN does not try out algorithms and fp32 is not rounded to
    TF32; a few operations (the backward pass of max pooling) have no deterministic form there, so
    results may differ in the last digits. bf16 falls back to fp32 on a GPU that has no bf16. Raises
    `SpecError`.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise SpecError("device", "auto, cpu or cuda", repr(device))
    cuda = torch.cuda.is_available() and device != "cpu"
    if device == "cuda" and not cuda:
        raise SpecError("device", "auto or cpu on a machine without CUDA", "'cuda'")
    notes: tuple[str, ...] = ()
    if precision == "bf16" and cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
        precision, notes = "fp32", ("this GPU has no bf16: fp32 was used",)
    _be_deterministic()
    return Machine(_accelerator(cpu=not cuda, precision=precision), precision, notes)


def seed_all(seed: int) -> None:
    """Seed Python, numpy and torch, CUDA included."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def code_digest() -> str:
    """SHA-256 over the code of this room but for `data`, whose effect is in the data digests."""
    sha, room = hashlib.sha256(), Path(__file__).parent
    for path in sorted(room.rglob("*.py")):
        name = path.relative_to(room).as_posix()
        if not name.startswith("data/"):
            sha.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{sha.hexdigest()}"


def _accelerator(*, cpu: bool, precision: Precision) -> Accelerator:
    """An accelerator for this run. accelerate keeps its settings for a whole process, and several
    runs share one.
    """
    if not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    return Accelerator(cpu=cpu, mixed_precision="bf16" if precision == "bf16" else "no")


def _be_deterministic() -> None:
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # without it cuBLAS may not repeat itself
    torch.use_deterministic_algorithms(True, warn_only=True)
    # said once for each operation without a deterministic form; `open_machine` says it once for all
    warnings.filterwarnings("ignore", ".*does not have a deterministic implementation", UserWarning)
    cudnn: Any = torch.backends.cudnn  # these attributes are made at run time
    filling: Any = torch.utils.deterministic
    filling.fill_uninitialized_memory = (
        False  # finds reads of memory that was never written, for its time
    )
    cudnn.benchmark, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = False, "ieee", "ieee"
