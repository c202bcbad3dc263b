"""The published augmentation of MRI slices, drawn anew for every sample in every epoch, and the normalisation after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Augmentation:
    """Horizontal flip with probability ``flip``, rotation by up to ``rotation`` degrees (nearest neighbour, black corners), then
    brightness and contrast, in either order, by factors of up to 1 -/+ their value: torchvision's RandomHorizontalFlip,
    RandomRotation and ColorJitter on Pillow images.
    """

    flip: float
    rotation: float
    brightness: float
    contrast: float

    def __call__(self, pixels: NDArray[np.uint8], key: tuple[int, ...]) -> NDArray[np.uint8]:
        """A variant of the image uint8 ``(H, W, 3)``. Equal keys give equal variants, whatever was drawn before."""
        draw = np.random.default_rng(key)
        image = Image.fromarray(pixels)
        if draw.random() < self.flip:
            image = functional.hflip(image)
        image = functional.rotate(image, draw.uniform(-self.rotation, self.rotation))
        brightness = draw.uniform(max(0.0, 1 - self.brightness), 1 + self.brightness)
        contrast = draw.uniform(max(0.0, 1 - self.contrast), 1 + self.contrast)
        steps = [(functional.adjust_brightness, brightness), (functional.adjust_contrast, contrast)]
        for adjust, factor in steps if draw.random() < 0.5 else reversed(steps):
            image = adjust(image, factor)
        return np.asarray(image)


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Images uint8 ``(B, H, W, 3)`` as float32 ``(B, 3, H, W)`` in channels-last memory, by ImageNet's mean and deviation."""
    scaled = torch.from_numpy(pixels).to(torch.float32).div_(255)
    return scaled.sub_(torch.tensor(IMAGENET_MEAN)).div_(torch.tensor(IMAGENET_STD)).permute(0, 3, 1, 2)
