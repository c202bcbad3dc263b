"""The published augmentation as torchvision makes it of Pillow images: the reference for whatever
is faster.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from torchvision.transforms import functional

from medpipe.pipeline.augmentation import Variant


def as_torchvision(pixels: np.ndarray, variant: Variant) -> np.ndarray:
    """The variant of an image uint8 ``(H, W, 3)``."""
    image = Image.fromarray(pixels)
    if variant.flipped:
        image = functional.hflip(image)
    image = functional.rotate(image, variant.angle)
    steps = [
        (functional.adjust_brightness, variant.brightness),
        (functional.adjust_contrast, variant.contrast),
    ]
    for adjust, factor in steps if variant.brightness_first else reversed(steps):
        image = adjust(image, factor)
    return np.asarray(image)
