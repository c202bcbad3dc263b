"""What makes a form faster, taken apart into named factors that multiply to the whole.

Each factor is a step between two forms that differ in one thing, timed in the same rounds. Factors
are geometric means over rounds, so they multiply to the total exactly, in every round as in the
mean; intervals are over blocks of neighbouring rounds. A step whose forms were not both timed is
not tested: its factor is unknown, not 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medpipe.evidence import Observations
from medpipe.metrics.intervals import Interval
from medpipe.metrics.timing import geometric

SPEED = "speed_"
STEPS: tuple[tuple[str, str, str], ...] = (
    ("inference mode, on the processor", "eager_no_grad", "eager"),
    ("layout, on the processor", "eager", "eager_channels_last"),
    ("TorchScript, frozen, on the processor", "eager_channels_last", "frozen"),
    ("precision bf16, on the processor", "frozen", "frozen_bf16"),
)
GPU_STEPS: tuple[tuple[str, str, str], ...] = (
    ("device, from processor to GPU", "eager_no_grad", "eager_no_grad_cuda"),
    ("inference mode, on the GPU", "eager_no_grad_cuda", "eager_cuda"),
    ("TorchScript, on the GPU", "eager_cuda", "script_cuda"),
)
"""The published step: the plain model without gradients on the processor to TorchScript on a GPU.
"""


@dataclass(frozen=True)
class Factor:
    """How many times as fast a step makes it; ``interval`` None where it was not tested."""

    name: str
    first: str
    second: str
    interval: Interval | None


def attributed(
    observations: Mapping[str, Observations], steps: tuple[tuple[str, str, str], ...] = STEPS
) -> tuple[Factor, ...]:
    """The factor of each step and, last, their product, not tested where a step is not."""
    last = ("all of them together", steps[0][1], steps[-1][2])
    whole = all(SPEED + slug in observations for _, *pair in steps for slug in pair)
    return tuple(
        Factor(
            name,
            first,
            second,
            _interval(observations, first, second) if name != last[0] or whole else None,
        )
        for name, first, second in (*steps, last)
    )


def _interval(observations: Mapping[str, Observations], first: str, second: str) -> Interval | None:
    if SPEED + first not in observations or SPEED + second not in observations:
        return None
    before, after = observations[SPEED + first], observations[SPEED + second]
    return geometric(np.log(before["seconds"]) - np.log(after["seconds"]), before["block"])
