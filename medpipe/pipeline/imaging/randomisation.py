"""Weight randomisation (Adebayo and others 2018): what becomes of a map when the network forgets,
block by block from the head down.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.errors import DataError


def stages(network: nn.Module) -> tuple[str, ...]:
    """The network's blocks that have weights, from the head down: ``fc``, ``layer4``, …, ``conv1``.
    Raises `DataError` for none.
    """
    found = tuple(
        name
        for name, child in reversed(list(network.named_children()))
        if any(True for _ in child.parameters())
    )
    if not found:
        raise DataError(
            "weight randomisation: expected a network of blocks with weights, got none in"
            f" {type(network).__name__}"
        )
    return found


def cascade(network: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """After each block of `stages`: its name, and the network with new weights in it and all above.
    The same network is yielded on.
    """
    new, mixed = randomised(network, seed), deepcopy(network)
    for name in stages(network):
        mixed.get_submodule(name).load_state_dict(new.get_submodule(name).state_dict())
        yield name, mixed


def randomised(network: nn.Module, seed: int) -> nn.Module:
    """A copy with the weights that its modules give themselves when made, the same on every device;
    batch statistics are forgotten too.

    Raises `DataError` for a module that cannot make its weights again: what it keeps would pass for
    a change that did not matter.
    """
    new = deepcopy(network).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in new.named_modules():
            if any(True for _ in module.parameters(recurse=False)):
                again: Any = getattr(module, "reset_parameters", None)
                if again is None:
                    raise DataError(
                        "weight randomisation: expected every module to have reset_parameters, got"
                        f" {name or 'the network'} ({type(module).__name__}) without; put its"
                        " parameters into a layer of torch.nn"
                    )
                again()
    return new


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spearman's rank correlation of two maps ``(N, h, w)``, sample by sample: ``(N,)``, -1 to 1,
    ties at their mean rank.

    A map that is constant has no ranks: against another constant one it is unchanged (1), otherwise
    they have nothing in common (0). Raises `DataError` for maps of different shapes or of a single
    cell.
    """
    from scipy.stats import rankdata

    if one.shape != other.shape or one.ndim != 3 or one[0].size < 2:
        raise DataError(
            "rank correlation: expected maps (N, h, w) of one shape, two cells at least, got"
            f" {one.shape} and {other.shape}"
        )
    a, b = (rankdata(m.reshape(len(m), -1), axis=1) for m in (one, other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    constant = ~a.any(axis=1) & ~b.any(axis=1)
    return np.where(constant, 1.0, (a * b).sum(axis=1) / np.where(size > 0, size, 1.0)).astype(
        np.float32
    )
