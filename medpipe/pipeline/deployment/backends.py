"""The ladder: every form in which a trained network can answer, what each needs, and the words for
what became of building it here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Images = NDArray[np.float32]
Logits = NDArray[np.float32]
Device = Literal["cpu", "cuda"]
State = Literal["built", "not_installed", "not_supported", "failed"]
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What exporters and runtimes raise where they cannot make or run a form."""


@dataclass(frozen=True)
class Backend:
    """A form of the network. ``exact``: it computes in fp32, so its predictions must be the same;
    ``needs``: packages beside torch.
    """

    name: str
    precision: Literal["fp32", "tf32", "bf16", "fp16", "int8"]
    device: Device
    family: str = "torch"
    needs: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether it must give the same predictions as eager fp32."""
        return self.precision == "fp32"

    @property
    def slug(self) -> str:
        """A name for splits: rung, precision where it is not fp32, device where it is not the
        processor.
        """
        return "_".join(
            [self.name, *(x for x in (self.precision, self.device) if x not in ("fp32", "cpu"))]
        )


@dataclass(frozen=True, eq=False)
class Source:
    """What rungs are built from: the trained network in evaluation mode on the CPU, images to
    calibrate with float32 ``(N, C, H, W)``, and a folder for what is written. Graphs are traced
    with images of that shape, which some networks then hold to.
    """

    network: nn.Module
    calibration: Images
    folder: Path

    def example(self, batch: int) -> Tensor:
        """Images to trace with, float32 ``(batch, C, H, W)``: zeros of the shape of those to
        calibrate with."""
        return torch.zeros(batch, *self.calibration.shape[1:])


Answer = Callable[[Images], Logits]
"""Host images float32 ``(B, C, H, W)`` in, host logits float32 ``(B, C)`` out."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A form that is ready: ``at(batch, side)`` gives what answers batches of that shape; ``paths``
    are what has to be kept of it.
    """

    at: Callable[[int, int], Answer]
    paths: tuple[Path, ...] = ()

    @property
    def size_bytes(self) -> float:
        """Size of what is kept on disk; NaN where nothing is."""
        return float(sum(p.stat().st_size for p in self.paths)) if self.paths else float("nan")


@dataclass(frozen=True, eq=False)
class Built:
    """What became of a rung: its ``state``, the ``reason`` where it is not built, the ``version``
    of what runs it.
    """

    rung: Backend
    state: State
    reason: str = ""
    exported: Exported | None = None
    export_s: float = float("nan")
    version: str = ""


def ladder(device: Device) -> tuple[Backend, ...]:
    """Every rung that the ladder knows on a device, the published ones first."""
    torch_modes = [
        Backend(name, "fp32", device)
        for name in (
            "eager_grad",
            "eager_no_grad",
            "eager",
            "eager_channels_last",
            "script",
            "trace",
            "frozen",
            "compile",
            "compile_max_autotune",
            "aot_inductor",
        )
    ]
    reduced = [
        Backend(name, precision, device)
        for precision in (("bf16", "fp16") if device == "cuda" else ("bf16",))
        for name in ("eager_channels_last", "frozen", "compile")
    ]
    onnx = ("onnx", "onnxscript", "onnxruntime")
    if device == "cuda":
        return (
            *torch_modes,
            Backend("compile_cudagraphs", "fp32", device),
            *reduced,
            Backend("compile_cudagraphs", "fp16", device),
            Backend("eager_channels_last", "tf32", device),
            Backend("onnxruntime", "fp32", device, "onnxruntime", onnx),
            Backend("tensorrt", "fp16", device, "tensorrt", ("tensorrt", *onnx)),
        )
    vino = ("openvino",)
    return (
        *torch_modes,
        *reduced,
        Backend("onnxruntime", "fp32", device, "onnxruntime", onnx),
        Backend("onnxruntime", "int8", device, "onnxruntime", onnx),
        Backend("openvino", "fp32", device, "openvino", vino),
        Backend("openvino", "bf16", device, "openvino", vino),
        Backend("openvino", "int8", device, "openvino", (*vino, "nncf")),
    )


def first_line(error: BaseException) -> str:
    """The kind of what an error came from, and the first line of what that says."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def logits_of(answer: Answer, images: Images, batch: int) -> Logits:
    """Logits float32 ``(N, C)`` of images, in batches of one shape: the last is filled up with its
    last image.
    """
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        missing = batch - len(part)
        whole = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
        parts.append(np.asarray(answer(whole), np.float32)[: len(part)])
    return np.concatenate(parts)


def as_host(logits: Tensor) -> Logits:
    """Logits on the host, float32."""
    return np.asarray(logits.detach().float().cpu().numpy(), np.float32)
