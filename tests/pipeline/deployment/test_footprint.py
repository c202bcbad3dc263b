"""Memory of a kept form is measured in a process of its own, and what cannot be opened there is no
number.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from medpipe.pipeline.deployment.backend_builder import build, opened
from medpipe.pipeline.deployment.backends import Backend, Source
from medpipe.pipeline.deployment.footprint import footprint_mb

SIDE = 33


def wide() -> nn.Module:
    """A network with 64 MiB of weights."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 2),
    ).eval()


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs the memory counters of Linux"
)
def test_it_is_at_least_what_the_weights_take(tmp_path: Path) -> None:
    network = wide()
    eager = build(
        Backend("eager", "fp32", "cpu"),
        Source(network, np.zeros((1, 3, SIDE, SIDE), np.float32), tmp_path),
    )
    assert 64 < footprint_mb(eager, network, tmp_path, 1, SIDE) < 64 * 3
    assert eager.exported is not None
    eager.exported.paths[0].write_bytes(b"no weights")
    assert math.isnan(footprint_mb(eager, network, tmp_path, 1, SIDE))  # the process failed
    assert math.isnan(footprint_mb(replace(eager, exported=None), network, tmp_path, 1, SIDE))


@pytest.mark.parametrize("name", ["eager", "eager_channels_last", "script", "frozen"])
@pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated")
def test_a_form_that_is_opened_answers_as_the_one_that_was_timed(name: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    images = draw.standard_normal((2, 3, SIDE, SIDE)).astype(np.float32)
    made = build(Backend(name, "fp32", "cpu"), Source(network, images, tmp_path))
    assert made.exported is not None, made.reason
    other = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    again = opened(made.rung, made.exported.paths, other)(2, SIDE)(images)
    assert np.allclose(again, made.exported.at(2, SIDE)(images), atol=1e-6)
