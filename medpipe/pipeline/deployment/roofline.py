"""How far from the limit of the device an answer is: operations and bytes of one image, and the
peaks that this machine reaches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIZE, COPIED = 1536, 2**26
REPEATS = 5


def operations(network: nn.Module, side: int) -> float:
    """Floating-point operations of one image, a multiplication and an addition counted as two, by
    torch's counter.
    """
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    return float(counter.get_total_flops())


def moved_bytes(network: nn.Module, side: int, width: int = 4) -> float:
    """Bytes that one image must move at least: every weight once, the input and output of every
    layer with weights once, ``width`` bytes a value.
    """
    values = sum(p.numel() for p in network.parameters())
    hooks, seen = [], [0]

    def count(layer: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        seen[0] += given[0].numel() + result.numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            hooks.append(layer.register_forward_hook(count))
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return float(width * (values + seen[0]))


def peaks(device: torch.device) -> dict[str, float]:
    """The best of some repeats: ``gemm_fp32`` and ``gemm_bf16`` in operations a second, ``copy`` in
    bytes a second, read and written.

    What the device cannot do is left out.
    """
    found = {}
    for name, kind in (("gemm_fp32", torch.float32), ("gemm_bf16", torch.bfloat16)):
        a, b = (torch.ones(SIZE, SIZE, device=device, dtype=kind) for _ in range(2))
        found[name] = 2 * SIZE**3 / _fastest(partial(torch.mm, a, b), device)
    one = torch.zeros(COPIED, device=device, dtype=torch.uint8)
    other = torch.empty_like(one)
    found["copy"] = 2 * COPIED / _fastest(lambda: other.copy_(one), device)
    return found


def _fastest(call: Callable[[], Any], device: torch.device) -> float:
    seconds = []
    for _ in range(REPEATS + 1):  # the first warms up
        wait(device)
        start = time.perf_counter()
        call()
        wait(device)
        seconds.append(time.perf_counter() - start)
    return float(np.min(seconds[1:]))


def wait(device: torch.device) -> None:
    """Return when the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
