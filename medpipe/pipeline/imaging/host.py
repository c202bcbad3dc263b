"""Batches of augmented images made on the processor: turned by Pillow, everything after that by
tables of 256 levels.

Brightness, contrast and normalisation each map a level to a level, so a pixel is looked up once. An
image is as torchvision makes it from the same draws, bit by bit: Pillow itself turns it and blends
the table that it would have blended the image with.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from medpipe.pipeline.augmentation import Variant, normalisation_table

Pixels = NDArray[np.uint8]
LEVELS = np.arange(256, dtype=np.uint8)


class HostBatches:
    """Makes batches with as many threads as torch uses in this process, which OMP_NUM_THREADS
    bounds.
    """

    def __init__(self) -> None:
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._threads)
        self._normalised = normalisation_table().numpy()
        cv2.setNumThreads(1)  # the threads are over images; OpenCV's own would come on top

    def batch(self, images: Sequence[Pixels], variants: Sequence[Variant | None]) -> Tensor:
        """Images uint8 ``(1 or 3, H, W)`` of one size, each as its variant or as it is where that
        is None.

        Normalised float32 ``(B, 3, H, W)`` in channels-last memory.
        """
        out = torch.empty((len(images), *images[0].shape[1:], 3))
        rows = out.numpy()

        def fill(first: int) -> None:
            for i in range(first, len(images), self._threads):
                self._fill(rows[i], images[i], variants[i])

        list(self._pool.map(fill, range(self._threads)))
        return out.permute(0, 3, 1, 2)

    def _fill(self, row: NDArray[np.float32], image: Pixels, variant: Variant | None) -> None:
        planes, table = list(image), LEVELS
        if variant is not None:
            planes = [_turned(plane, variant) for plane in planes]
            table = _table(planes, variant)
        levels = self._normalised[:, table]
        cv2.merge([cv2.LUT(planes[c % len(planes)], levels[c]) for c in range(3)], dst=row)


def _turned(plane: Pixels, variant: Variant) -> Pixels:
    straight = cv2.flip(plane, 1) if variant.flipped else plane
    return np.asarray(Image.fromarray(straight).rotate(variant.angle))


def _table(planes: list[Pixels], variant: Variant) -> Pixels:
    """What brightness and contrast make of each level: uint8 ``(256,)``."""
    if variant.brightness_first:
        brighter = _blended(0, LEVELS, variant.brightness)
        return _blended(
            _mean([np.asarray(cv2.LUT(plane, brighter), np.uint8) for plane in planes]),
            brighter,
            variant.contrast,
        )
    return _blended(0, _blended(_mean(planes), LEVELS, variant.contrast), variant.brightness)


def _blended(level: int, table: Pixels, factor: float) -> Pixels:
    """The table of an image that Pillow blends with one of a single level, as its ImageEnhance
    does.
    """
    blended = Image.blend(Image.new("L", (256, 1), level), Image.fromarray(table[None]), factor)
    return np.asarray(blended).reshape(256)


def _mean(planes: list[Pixels]) -> int:
    """Pillow's rounded mean of the grey image, the level about which contrast is taken."""
    grey = (
        planes[0]
        if len(planes) == 1
        else np.asarray(
            Image.merge("RGB", [Image.fromarray(plane) for plane in planes]).convert("L")
        )
    )
    return int(cv2.sumElems(grey)[0] / grey.size + 0.5)
