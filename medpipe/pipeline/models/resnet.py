"""The residual networks as published: torchvision's, with their heads."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, Literal

from torch import nn
from torchvision import models

from medpipe.errors import UnavailableError

Kind = Literal["resnet18", "resnet50"]
DOWNLOAD_TIMEOUT_S = 30.0

_BUILDERS = {
    "resnet18": (models.resnet18, models.ResNet18_Weights.IMAGENET1K_V1),
    "resnet50": (models.resnet50, models.ResNet50_Weights.IMAGENET1K_V1),
}


def build_resnet(
    kind: Kind, *, classes: int, weights: Literal["imagenet", "none"], head_dropout: float
) -> nn.Module:
    """A ResNet whose head is linear, behind a dropout where ``head_dropout`` is above 0.

    ``weights="imagenet"``: torchvision's IMAGENET1K_V1, downloaded once; raises `UnavailableError`
    where they cannot be had.
    """
    make, pretrained = _BUILDERS[kind]
    try:
        with _download_limits():
            network: Any = make(
                weights=pretrained if weights == "imagenet" else None, progress=False
            )
    except (OSError, RuntimeError) as error:  # no network, or a broken download
        raise UnavailableError(
            f"expected the ImageNet weights of {kind}, got no {pretrained.url.rsplit('/', 1)[-1]}"
            f" ({error}); connect once, or place the file in torch.hub's folder 'checkpoints', or"
            " set model.weights: none"
        ) from error
    head = nn.Linear(network.fc.in_features, classes)
    network.fc = nn.Sequential(nn.Dropout(head_dropout), head) if head_dropout else head
    model: nn.Module = network
    return model


@contextmanager
def _download_limits() -> Iterator[None]:
    """torch.hub has no time limit of its own, and announces downloads on the standard error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
