from __future__ import annotations

import urllib.error
from typing import Any

import pytest
import torch
from torch import nn

from medpipe.errors import UnavailableError
from medpipe.pipeline.models.resnet import build_resnet


@pytest.mark.parametrize(
    ("kind", "dropout", "parameters"),
    [("resnet18", 0.0, 11_178_564), ("resnet50", 0.5, 23_516_228)],
)
def test_the_published_networks(kind: Any, dropout: float, parameters: int) -> None:
    with torch.device("meta"):
        network: Any = build_resnet(kind, classes=4, weights="none", head_dropout=dropout)
    assert sum(p.numel() for p in network.parameters()) == parameters
    if dropout:
        assert [type(layer) for layer in network.fc] == [nn.Dropout, nn.Linear] and network.fc[
            0
        ].p == 0.5
    else:
        assert isinstance(network.fc, nn.Linear)


def test_weights_that_cannot_be_had_are_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(
        UnavailableError, match=r"ImageNet weights of resnet18.*set model.weights: none"
    ):
        build_resnet("resnet18", classes=4, weights="imagenet", head_dropout=0.0)
    assert capsys.readouterr().err == ""
