"""The published augmentation of MRI slices, drawn anew for every sample in every epoch, and the
normalisation after it.

What is drawn is here; `medpipe.pipeline.imaging.host` and `medpipe.pipeline.imaging.device` carry
it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Variant:
    """What happens to one image: flipped or not, turned counter-clockwise by ``angle`` degrees
    about its centre (nearest neighbour, black corners), then ``brightness`` and ``contrast``
    (factors, 1 leaves the image) in the order that is stated.
    """

    flipped: bool
    angle: float
    brightness: float
    contrast: float
    brightness_first: bool


@dataclass(frozen=True)
class Augmentation:
    """Horizontal flip with probability ``flip``, rotation by up to ``rotation`` degrees, then
    brightness and contrast, in either order, by factors of up to 1 -/+ their value: torchvision's
    RandomHorizontalFlip, RandomRotation and ColorJitter on Pillow images.
    """

    flip: float
    rotation: float
    brightness: float
    contrast: float

    def draw(self, key: tuple[int, ...]) -> Variant:
        """One variant. Equal keys give equal variants, whatever was drawn before."""
        draw = np.random.default_rng(key)
        return Variant(
            flipped=draw.random() < self.flip,
            angle=draw.uniform(-self.rotation, self.rotation),
            brightness=draw.uniform(max(0.0, 1 - self.brightness), 1 + self.brightness),
            contrast=draw.uniform(max(0.0, 1 - self.contrast), 1 + self.contrast),
            brightness_first=draw.random() < 0.5,
        )


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Images uint8 ``(B, H, W, 3)`` as float32 ``(B, 3, H, W)`` in channels-last memory, by
    ImageNet's mean and deviation.
    """
    scaled = torch.from_numpy(pixels).to(torch.float32).div_(255)
    return (
        scaled.sub_(torch.tensor(IMAGENET_MEAN))
        .div_(torch.tensor(IMAGENET_STD))
        .permute(0, 3, 1, 2)
    )


def normalisation_table() -> Tensor:
    """`normalise` of every level in every channel: float32 ``(3, 256)``."""
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 256, 1)
    return normalise(np.repeat(levels, 3, axis=3))[0, :, 0].contiguous()
