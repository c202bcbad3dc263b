"""The state of every random generator as JSON values and tensors, and back: a resumed training goes
on with the same numbers.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_values() -> dict[str, Any]:
    """The states of Python's and numpy's generators as JSON values."""
    kind, numbers, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, python_gauss = random.getstate()
    return {
        "python": [version, list(words), python_gauss],
        "numpy": [kind, np.asarray(numbers).tolist(), int(position), int(has_gauss), float(gauss)],
    }


def random_tensors() -> dict[str, Tensor]:
    """The states of torch's generators, uint8 ``(bytes,)``: the CPU's, and that of the CUDA device
    in use.
    """
    states = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random(values: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Set all generators to what `random_values` and `random_tensors` gave."""
    version, words, gauss = values["python"]
    random.setstate((version, tuple(words), gauss))
    kind, numbers, position, has_gauss, numpy_gauss = values["numpy"]
    np.random.set_state(
        (kind, np.array(numbers, dtype=np.uint32), position, has_gauss, numpy_gauss)
    )
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])
