"""Samples in batches, predictions for them, and progress in the steps of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.errors import MedpipeError
from medpipe.pipeline.checkpoint import Tensors
from medpipe.pipeline.machine import Index, Machine
from medpipe.running.experiment import Progress

EVALUATION_BATCH = 256
EVALUATION_COST = 1 / 3
"""What a sample costs without the backward pass, compared with training on it."""


class Samples(Protocol):
    """N samples that can be asked for in batches."""

    @property
    def label(self) -> Index:
        """int64 ``(N,)``."""

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        """The model's arguments for the samples ``index``; as training sees them in ``epoch``, or
        as they are if it is None.
        """


class Meter:
    """Progress over a whole run, in optimisation steps; evaluation counts as the part of a step
    that it costs.
    """

    def __init__(self, progress: Progress, total: float) -> None:
        self._progress, self._total, self.message = progress, total, "training"
        self.done = 0.0

    def advance(self, steps: float) -> None:
        """``steps`` more are done."""
        self.move_to(self.done + steps)

    def move_to(self, done: float) -> None:
        """``done`` steps are done."""
        self.done = min(done, self._total)
        self._progress(int(self.done), max(1, int(self._total)), self.message)


def evaluation_steps(samples: int, batch_size: int) -> float:
    """What evaluating ``samples`` counts in steps of training."""
    return samples / batch_size * EVALUATION_COST


def forward(model: nn.Module, inputs: Tensors, machine: Machine) -> Tensor:
    """The model's logits ``(B, C)``, from a model that returns them or an object that has them."""
    moved = {name: value.to(machine.device, non_blocking=True) for name, value in inputs.items()}
    out = model(**moved)
    return cast(Tensor, out if isinstance(out, Tensor) else out.logits)


def predict(
    model: nn.Module, samples: Samples, machine: Machine, tick: Callable[[int], None]
) -> NDArray[np.float32]:
    """Logits ``(N, C)``, in the samples' order and under test conditions; ``tick(n)`` is called for
    every n samples done.
    """
    model.eval()
    logits: Tensor | None = None
    count = len(samples.label)
    with torch.inference_mode():
        for start in range(0, count, EVALUATION_BATCH):
            index = np.arange(start, min(start + EVALUATION_BATCH, count))
            mine = machine.share(index)
            if len(mine):
                out = forward(model, samples.batch(mine, None), machine).float()
                logits = out.new_zeros((count, out.shape[1])) if logits is None else logits
                logits[torch.as_tensor(mine, device=out.device)] = out
            tick(len(index))
        if logits is None:
            raise MedpipeError(
                "prediction: expected at least one sample for each process, got none"
            )
        return cast("NDArray[np.float32]", machine.total(logits).cpu().numpy())


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Softmax of ``(N, C)`` in double precision; rows sum to 1."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return cast("NDArray[np.float64]", shifted / shifted.sum(axis=1, keepdims=True))
