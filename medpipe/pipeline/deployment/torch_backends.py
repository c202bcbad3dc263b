"""Rungs that torch runs itself: eager in its modes, TorchScript, torch.compile, AOTInductor."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medpipe.pipeline.deployment.backends import (
    Answer,
    Backend,
    Exported,
    Images,
    Logits,
    Source,
    as_host,
)

TYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def export(rung: Backend, source: Source) -> Exported:
    """The form that ``rung`` names."""
    return _MAKERS[rung.name](rung, fitted(rung, source.network), source)


def fitted(rung: Backend, network: nn.Module) -> nn.Module:
    """A copy of the network on the form's device, in its precision and layout; it tracks gradients
    only in ``eager_grad``.
    """
    network = (
        _copy(network)
        .eval()
        .to("meta" if _is_empty(network) else rung.device, TYPES[rung.precision])
    )
    if rung.name not in ("eager_grad", "eager_no_grad", "eager", "script", "trace"):
        network = network.to(memory_format=torch.channels_last)
    for parameter in network.parameters():  # one by one: a scripted module cannot do it at once
        parameter.requires_grad_(rung.name == "eager_grad")
    return network


def _is_empty(network: nn.Module) -> bool:
    """Whether it has shapes only: weights are then put in as they are kept, without a second copy
    of them.
    """
    return any(parameter.is_meta for parameter in network.parameters())


def _copy(network: nn.Module) -> nn.Module:
    """A network of its own. Copies of a scripted one share what it computes with, so it is saved
    and read again.
    """
    jit: Any = torch.jit  # has no types
    if not isinstance(network, jit.ScriptModule):
        return copy.deepcopy(network)
    written = io.BytesIO()
    jit.save(network, written)
    again: nn.Module = jit.load(io.BytesIO(written.getvalue()), map_location="cpu")
    return again


@dataclass(frozen=True, eq=False)
class TorchAnswer:
    """Host images in, host logits out, by ``place`` and ``compute``; what is timed of the device
    alone is ``compute`` of what is placed.

    A network may answer with a tuple whose first item is the logits: torchvision's Inception does
    so once it is scripted.
    """

    rung: Backend
    network: Callable[[Tensor], Tensor | tuple[Tensor, ...]]
    mode: Callable[[], Any] = torch.inference_mode

    def __call__(self, images: Images) -> Logits:
        """Logits float32 ``(B, C)`` of float32 images ``(B, 3, H, W)``."""
        return as_host(self.compute(self.place(images)))

    def place(self, images: Images) -> Tensor:
        """Images on the form's device, in its precision and layout."""
        plain = self.rung.name in ("eager_grad", "eager_no_grad", "eager", "script", "trace")
        layout = torch.contiguous_format if plain else torch.channels_last
        given = torch.from_numpy(images).to(
            self.rung.device, TYPES[self.rung.precision], non_blocking=True
        )
        return given.contiguous(memory_format=layout)

    def compute(self, given: Tensor) -> Tensor:
        """Logits on the device."""
        with self.mode():
            found = self.network(given)
        return found if isinstance(found, Tensor) else found[0]


def cuda_seconds(call: Callable[[], Any]) -> float:
    """How long the device takes for what ``call`` gives it to do, by CUDA events."""
    event: Any = torch.cuda.Event  # has no types
    start, end = event(enable_timing=True), event(enable_timing=True)
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def opened(
    rung: Backend, paths: Sequence[Path], network: nn.Module
) -> Callable[[int, int], Answer]:
    """A kept form, read from its files: TorchScript, which is fitted to this machine where it is
    frozen, or weights for ``network``.
    """
    if rung.name in ("script", "trace", "frozen"):
        jit: Any = torch.jit  # has no types
        with torch.inference_mode(False), torch.no_grad():
            made = jit.load(str(paths[0]), map_location=rung.device)
            made = jit.optimize_for_inference(made) if rung.name == "frozen" else made
        return lambda batch, side: TorchAnswer(rung, made)
    network.load_state_dict(
        torch.load(paths[0], map_location=rung.device, weights_only=True), assign=_is_empty(network)
    )
    mode = {"eager_grad": torch.enable_grad, "eager_no_grad": torch.no_grad}.get(
        rung.name, torch.inference_mode
    )
    return lambda batch, side: _with_tf32(rung, TorchAnswer(rung, network, mode))


def _eager(rung: Backend, network: nn.Module, source: Source) -> Exported:
    path = source.folder / f"{rung.slug}_weights.pt"
    torch.save(network.state_dict(), path)  # as published, whose size is a claim
    return Exported(opened(rung, (path,), network), (path,))


def _with_tf32(rung: Backend, answer: Answer) -> Answer:
    if rung.precision != "tf32":
        return answer

    def rounded(images: Images) -> Logits:
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        try:
            return answer(images)
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before

    return rounded


def _script(rung: Backend, network: nn.Module, source: Source) -> Exported:
    example = source.example(1).to(rung.device, TYPES[rung.precision])
    with torch.inference_mode(False), torch.no_grad():
        jit: Any = torch.jit  # has no types
        made = jit.script(network) if rung.name == "script" else jit.trace(network, example)
        made = jit.freeze(made.eval()) if rung.name == "frozen" else made
        path = source.folder / f"{rung.slug}.pt"
        made.save(str(path))  # not fitted to this machine yet, for such a graph cannot be kept
    return Exported(opened(rung, (path,), network), (path,))


def _compiled(rung: Backend, network: nn.Module, source: Source) -> Exported:
    how: dict[str, Any] = {
        "compile": {},
        "compile_max_autotune": {"mode": "max-autotune-no-cudagraphs"},
        "compile_cudagraphs": {"mode": "reduce-overhead"},
    }[rung.name]

    def at(batch: int, side: int) -> Answer:
        from torch._inductor import config as inductor

        torch._dynamo.reset()
        inductor.freezing = (
            True  # torch.compile(options={"freezing": True}) is accepted and does nothing
        )
        return TorchAnswer(rung, torch.compile(network, dynamic=False, **how), torch.no_grad)

    return Exported(at)


def _ahead_of_time(rung: Backend, network: nn.Module, source: Source) -> Exported:
    def at(batch: int, side: int) -> Answer:
        example = torch.zeros(batch, source.calibration.shape[1], side, side, device=rung.device)
        example = example.contiguous(memory_format=torch.channels_last)
        path = source.folder / f"{rung.slug}_{batch}_{side}.pt2"
        with torch.no_grad():
            program = torch.export.export(network, (example,))
            torch._inductor.aoti_compile_and_package(program, package_path=str(path))
        return TorchAnswer(rung, torch._inductor.aoti_load_package(str(path)), torch.no_grad)

    return Exported(at)


_MAKERS: dict[str, Callable[[Backend, nn.Module, Source], Exported]] = {
    "eager_grad": _eager,
    "eager_no_grad": _eager,
    "eager": _eager,
    "eager_channels_last": _eager,
    "script": _script,
    "trace": _script,
    "frozen": _script,
    "compile": _compiled,
    "compile_max_autotune": _compiled,
    "compile_cudagraphs": _compiled,
    "aot_inductor": _ahead_of_time,
}
