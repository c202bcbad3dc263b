"""An optimiser's state as tensors for a checkpoint, and back, bit by bit."""

from __future__ import annotations

import torch
from torch import nn

from medpipe.pipeline.checkpoint import Tensors


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The same tensors under longer names."""
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """Those whose names begin so, under the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def optimizer_tensors(network: nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    """What an optimiser remembers of each parameter of ``network``, by place and name."""
    return {
        f"{i}.{name}": value
        for i, parameter in enumerate(network.parameters())
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    network: nn.Module, optimizer: torch.optim.Optimizer, tensors: Tensors
) -> None:
    """Set it to what `optimizer_tensors` gave, in memory laid out as each parameter's, for bitwise
    equality.
    """
    for i, parameter in enumerate(network.parameters()):
        optimizer.state[parameter] = {
            name: (
                torch.empty_like(parameter).copy_(value)
                if value.shape == parameter.shape
                else value
            )
            for name, value in under(f"{i}.", tensors).items()
        }
