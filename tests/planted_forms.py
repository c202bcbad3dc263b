"""Forms whose faults are planted in what they do: timed and asked by the code that measures the
real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from made_up_ladder import CLASSES, ladder_evidence
from numpy.typing import NDArray
from torch import Tensor

from medpipe.evidence import Evidence
from medpipe.pipeline.deployment import backend_observations
from medpipe.pipeline.deployment.backend_observations import Compared, Plan, timed_observations
from medpipe.pipeline.deployment.backends import Backend, Built, Exported
from medpipe.pipeline.deployment.torch_backends import TorchAnswer
from medpipe.pipeline.splits import whole

SIDE, ROUNDS, CHECKED = 8, 40, 64
Network = Callable[[Tensor], Tensor]


class Clock:
    """Time that passes only where a test says so: no timing hangs on what else the machine does."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-7  # so that nothing takes no time at all
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


class FarDevice:
    """A device that works on its own: a call returns at once, the work is done later."""

    def __init__(self) -> None:
        self.done = 0.0

    def call(self, seconds: float) -> None:
        self.done = max(self.done, CLOCK.now) + seconds

    def wait(self) -> None:
        CLOCK.now = max(CLOCK.now, self.done)


@dataclass(frozen=True)
class Part:
    """Some images with a label and an id."""

    label: NDArray[np.int64] = field(default_factory=lambda: np.arange(CHECKED) % 4)
    sample_id: NDArray[np.str_] = field(
        default_factory=lambda: np.array([f"image {k}" for k in range(CHECKED)])
    )
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)


def logits(given: Tensor) -> Tensor:
    """Four numbers of each image: float32 ``(B, 4)``."""
    return given.flatten(1)[:, :4].contiguous()


def taking(seconds: float | Iterator[float], answer: Network = logits) -> Network:
    """A network that takes so long for a call."""

    def network(given: Tensor) -> Tensor:
        CLOCK.sleep(seconds if isinstance(seconds, float) else next(seconds))
        return answer(given)

    return network


def planted(networks: Mapping[str, Network], mode: Callable[[], Any] = torch.no_grad) -> Evidence:
    """Evidence of `timed_observations` of forms in fp32 on the processor by slug, which must hold
    ``eager`` and ``eager_no_grad``; the parity of the whole evaluation set is made up and clean.
    """

    def built(slug: str, network: Network) -> Built:
        rung = Backend(slug, "fp32", "cpu")
        return Built(
            rung, "built", "", Exported(lambda batch, side: TorchAnswer(rung, network, mode))
        )

    draw = np.random.default_rng(0)
    images = draw.standard_normal((CHECKED, 3, SIDE, SIDE)).astype(np.float32)
    plan = Plan(
        SIDE,
        [1],
        ROUNDS,
        [b"a", b"b"],
        lambda content: images[:1],
        Compared(CLASSES, "", whole(Part()), images, SIDE),
    )
    with (
        patch.object(
            backend_observations, "measure", partial(backend_observations.measure, clock=CLOCK)
        ),
        patch.object(
            backend_observations,
            "does_not_wait",
            partial(backend_observations.does_not_wait, clock=CLOCK),
        ),
    ):
        seen, scalars = timed_observations(
            [built(*form) for form in networks.items()], plan, 0, lambda done, of, what: None
        )
    made_up = ladder_evidence(dict.fromkeys(networks, 1.0), flops=1e3)
    return replace(
        made_up,
        observations={**made_up.observations, **seen},
        scalars={"eval_n": 1000.0, **scalars},
    )
