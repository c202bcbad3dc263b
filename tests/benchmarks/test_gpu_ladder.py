"""The ladder on a GPU: ResNet-50 at 224 pixels in every form, side by side; what the judge needs is stored beside the benchmark's file.

``pytest -m gpu --benchmark-only`` on a CUDA machine. Each form is a benchmark of its own; the ratios come from
one run of `measure`, in which all forms take turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from medpipe.pipeline.deployment.bench import Measured, bench
from medpipe.pipeline.deployment.rungs import Device, ladder
from medpipe.pipeline.models.resnet import build_resnet

SIDE = 224
DEVICE: Device = "cuda"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    torch.manual_seed(0)
    network = build_resnet("resnet50", classes=4, weights="none", head_dropout=0.5).eval()
    images = np.random.default_rng(0).standard_normal((256, 3, SIDE, SIDE)).astype(np.float32)
    measured, _ = bench(network, tmp_path_factory.mktemp("forms"), side=SIDE, batch=1, rounds=200, named=None, images=images,
                        progress=lambda what: None)
    return {m.built.rung.slug: m for m in measured}


@pytest.mark.parametrize("slug", [r.slug for r in ladder(DEVICE)])
@pytest.mark.parametrize("batch", [1, 16, 256])
def test_a_form_answers(benchmark: Any, found: dict[str, Measured], slug: str, batch: int) -> None:
    if slug not in found:
        pytest.skip(f"{slug} was not built on this machine")
    m = found[slug]
    assert m.built.exported is not None
    answer = m.built.exported.at(batch, SIDE)
    images = np.random.default_rng(1).standard_normal((batch, 3, SIDE, SIDE)).astype(np.float32)
    benchmark.extra_info |= {"slug": slug, "batch": batch, "times_as_fast_as_eager": m.times.estimate, "low": m.times.low,
                             "high": m.times.high, "flipped": m.flipped, "n": m.n, "largest_difference": m.difference,
                             "seconds_by_round": m.seconds.tolist(), "made_by": m.built.version}
    benchmark(answer, images)
