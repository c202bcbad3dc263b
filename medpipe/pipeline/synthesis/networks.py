"""Generator and discriminator together, and what the discriminator says of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from medpipe.pipeline.models.dcgan import build_discriminator, build_generator
from medpipe.pipeline.synthesis.generating import Pixels, as_images
from medpipe.pipeline.synthesis.synthesis_settings import Model

BATCH = 256


@dataclass(frozen=True, eq=False)
class Networks:
    """``average``: a moving average of the generator, or None."""

    generator: nn.Module
    discriminator: nn.Module
    average: AveragedModel | None = None

    @property
    def maker(self) -> nn.Module:
        """What makes the images: the average where there is one."""
        return self.generator if self.average is None else self.average.module

    def by_name(self) -> Mapping[str, nn.Module]:
        """All that have a state."""
        return {"generator": self.generator, "discriminator": self.discriminator} | (
            {"average": self.average} if self.average else {}
        )


def build_networks(written: Model, ema: float | None) -> Networks:
    """Both networks as written; with a moving average of the generator, statistics of batch
    normalisation included, where asked for.
    """
    generator = build_generator(
        width=written.width,
        upsampling=written.upsampling,
        normalisation=written.normalisation,
        output=written.output,
        initialisation=written.initialisation,
    )
    discriminator = build_discriminator(
        width=written.width,
        dropout=written.dropout,
        spectral=written.spectral,
        activation=written.activation,
        normalisation=written.normalisation,
        initialisation=written.initialisation,
    )
    generator, discriminator = (
        network.to(memory_format=torch.channels_last) for network in (generator, discriminator)
    )
    averaging: Any = get_ema_multi_avg_fn  # torch has no types there
    average = (
        None
        if ema is None
        else AveragedModel(generator, multi_avg_fn=averaging(ema), use_buffers=True)
    )
    return Networks(generator, discriminator, average)


def judge(discriminator: nn.Module, pixels: Pixels, device: torch.device) -> NDArray[np.float32]:
    """The discriminator's logits float32 ``(N,)`` for images uint8 ``(N, 64, 64, 3)``, in
    evaluation mode; its mode stays as it was.
    """
    was_training = discriminator.training
    discriminator.eval()
    with torch.inference_mode():
        logits = [
            discriminator(as_images(pixels[start : start + BATCH], device)).float().cpu()
            for start in range(0, len(pixels), BATCH)
        ]
    discriminator.train(was_training)
    return torch.cat(logits).numpy()
