"""Images from latent points, and the latent points that pictures are made of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.pipeline.machine import Machine
from medpipe.pipeline.models.dcgan import LATENT

Pixels = NDArray[np.uint8]
BATCH = 100


def latent_points(count: int, seed: int, purpose: int) -> Tensor:
    """``count`` standard normal points, float32 ``(count, 100)``; equal keys give equal points,
    whatever was drawn before.
    """
    drawn = np.random.default_rng((seed, purpose)).standard_normal((count, LATENT))
    return torch.from_numpy(drawn.astype(np.float32))


def between(first: Tensor, second: Tensor, steps: int) -> Tensor:
    """``steps`` points on the arc from one latent point ``(100,)`` to another: normal points lie
    near a sphere, so the straight line between them leaves what the generator was trained on
    (spherical interpolation, Shoemake 1985).
    """
    angle = torch.arccos(torch.clamp(nn.functional.cosine_similarity(first, second, dim=0), -1, 1))
    along = torch.linspace(0, 1, steps)[:, None]
    return (torch.sin((1 - along) * angle) * first + torch.sin(along * angle) * second) / torch.sin(
        angle
    )


def generate(generator: nn.Module, points: Tensor, machine: Machine) -> Pixels:
    """RGB images uint8 ``(N, 64, 64, 3)`` in evaluation mode, so that an image depends on its own
    latent point alone, and in the machine's precision.

    Values outside [-1, 1], which a generator without tanh may give, are cut off. The generator's
    mode is left as it was.
    """
    was_training = generator.training
    generator.eval()
    with torch.inference_mode(), machine.accelerator.autocast():
        made = [
            as_pixels(generator(points[start : start + BATCH].to(machine.device)))
            for start in range(0, len(points), BATCH)
        ]
    generator.train(was_training)
    return np.concatenate(made)


def as_pixels(images: Tensor) -> Pixels:
    """Images ``(N, 3, H, W)`` in [-1, 1] as uint8 ``(N, H, W, 3)``."""
    scaled = (images.detach().float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def as_images(pixels: Pixels, device: torch.device) -> Tensor:
    """The way back: uint8 ``(N, H, W, 3)`` as float32 ``(N, 3, H, W)`` in [-1, 1]."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def grey(pixels: Pixels) -> Pixels:
    """The mean of the channels, uint8 ``(N, H, W)``."""
    return np.asarray(np.rint(pixels.mean(axis=3, dtype=np.float32)), dtype=np.uint8)
