"""int8 by OpenVINO gives layers back to fp32 where its answers stray from those of the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from medpipe.pipeline.deployment import openvino_backends
from medpipe.pipeline.deployment.backend_builder import build
from medpipe.pipeline.deployment.backends import Source, ladder

pytest.importorskip("nncf", reason="nncf is not installed")
pytest.importorskip("openvino", reason="openvino is not installed")


def test_layers_go_back_until_calls_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 16),
    )
    images = np.random.default_rng(0).normal(size=(40, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        network[-1].bias -= network.eval()(torch.from_numpy(images)).mean(
            0
        )  # all classes nearly tie: int8 calls some images otherwise
    source = Source(network, images, tmp_path)
    (rung,) = [r for r in ladder("cpu") if r.slug == "openvino_int8"]
    with torch.inference_mode():
        wanted = network(torch.from_numpy(images)).argmax(1).numpy()

    def agreement(drop: float) -> float:
        monkeypatch.setattr(openvino_backends, "DROP", drop)
        exported = build(rung, source).exported
        assert exported is not None
        answer = exported.at(40, 64)
        return float((answer(images).argmax(1) == wanted).mean())

    loose, strict = agreement(1.0), agreement(0.005)
    assert loose < 1 and strict >= 0.995
