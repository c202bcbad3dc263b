"""Batches of augmented images made by torch on the device that trains: bytes travel there, and are
turned and looked up there.

The arithmetic is Pillow's, in whole numbers where Pillow has them, so that host and device give the
same pixels from the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpipe.pipeline.augmentation import Variant, normalisation_table

Pixels = NDArray[np.uint8]
ONE = 1 << 16
"""Pillow's transforms count places in 65,536ths of a pixel."""
LUMA = (19595, 38470, 7471)
"""Pillow's weights of red, green and blue in grey, in 65,536ths (ITU-R 601)."""
UNCHANGED = Variant(flipped=False, angle=0.0, brightness=1.0, contrast=1.0, brightness_first=True)


class DeviceBatches:
    """Makes batches on ``device``."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._normalised = normalisation_table().reshape(-1).to(device)
        self._levels = torch.arange(256, device=device)[None]

    def batch(self, images: Sequence[Pixels], variants: Sequence[Variant | None]) -> Tensor:
        """As `HostBatches.batch`, on the device."""
        told = [variant or UNCHANGED for variant in variants]
        turned = self._turned(self._moved(images), told)
        level = _looked_up(self._tables(turned, told), turned).permute(0, 2, 3, 1)
        channel = 256 * torch.arange(3, device=self._device)
        spread = (level + channel).contiguous()  # a single plane is spread over all three
        return self._normalised[spread].permute(0, 3, 1, 2)

    def _moved(self, images: Sequence[Pixels]) -> Tensor:
        """uint8 ``(B, C, H, W)``: C is 1 where all are grey, else 3."""
        channels = max(len(image) for image in images)
        stacked = np.stack(
            [np.broadcast_to(image, (channels, *image.shape[1:])) for image in images]
        )
        return torch.from_numpy(stacked).to(self._device)

    def _turned(self, planes: Tensor, variants: Sequence[Variant]) -> Tensor:
        """Flipped and turned, levels as int64 ``(B, C, H, W)``."""
        height, width = planes.shape[2:]
        steps = torch.tensor(
            [source_steps(v, width, height) for v in variants], device=self._device
        )[..., None, None]
        column, line = (
            torch.arange(width, device=self._device),
            torch.arange(height, device=self._device)[:, None],
        )
        x = (steps[:, 0] * column + steps[:, 1] * line + steps[:, 2]) >> 16
        y = (steps[:, 3] * column + steps[:, 4] * line + steps[:, 5]) >> 16
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        source = torch.where(inside, y * width + x, 0)
        found = (
            planes.flatten(2)
            .gather(2, source.flatten(1)[:, None].expand(-1, planes.shape[1], -1))
            .reshape(planes.shape)
        )
        return torch.where(inside[:, None], found, 0).long()

    def _tables(self, planes: Tensor, variants: Sequence[Variant]) -> Tensor:
        """What brightness and contrast make of each level, int64 ``(B, 256)``."""
        brightness, contrast = (
            torch.tensor(
                [getattr(v, name) for v in variants], dtype=torch.float32, device=self._device
            )[:, None]
            for name in ("brightness", "contrast")
        )
        first = torch.tensor([v.brightness_first for v in variants], device=self._device)[:, None]
        black = torch.zeros_like(first, dtype=torch.int64)
        brighter = _blended(black, self._levels, brightness)
        before = torch.where(first, brighter, self._levels)
        contrasted = _blended(_mean(_looked_up(before, planes)), before, contrast)
        return torch.where(first, contrasted, _blended(black, contrasted, brightness))


def source_steps(variant: Variant, width: int, height: int) -> tuple[int, ...]:
    """Where the pixel in column i and line j comes from, in 65,536ths: x is a i + b j + c, y is d i
    + e j + f, as ``(a, ..., f)``.

    As in Pillow's ``Image.rotate``, its rounding included, the flip folded in.
    """
    turn = -math.radians(variant.angle % 360.0)
    a, b, d = round(math.cos(turn), 15), round(math.sin(turn), 15), round(-math.sin(turn), 15)
    c = a * (-width / 2) + b * (-height / 2) + width / 2
    f = d * (-width / 2) + a * (-height / 2) + height / 2
    x = [math.floor(v * ONE + 0.5) for v in (a, b, c + a * 0.5 + b * 0.5)]
    y = [math.floor(v * ONE + 0.5) for v in (d, a, f + d * 0.5 + a * 0.5)]
    if variant.flipped:
        x = [
            -x[0],
            -x[1],
            width * ONE - 1 - x[2],
        ]  # so that the whole part of x becomes width - 1 - x
    return (*x, *y)


def _looked_up(tables: Tensor, planes: Tensor) -> Tensor:
    """Levels int64 ``(B, C, H, W)`` through one table each, ``(B, 256)`` or ``(1, 256)``."""
    return tables.expand(len(planes), -1).gather(1, planes.flatten(1)).reshape(planes.shape)


def _blended(level: Tensor, table: Tensor, factor: Tensor) -> Tensor:
    """Pillow's ``Image.blend``: from ``level`` towards ``table``, in single precision, cut to 0 to
    255 and to a whole number.
    """
    step = factor * (table - level).to(torch.float32)
    return (level.to(torch.float32) + step).clamp(0, 255).to(torch.int64)


def _mean(planes: Tensor) -> Tensor:
    """Pillow's rounded mean of the grey image, int64 ``(B, 1)``."""
    grey = planes[:, 0]
    if planes.shape[1] == 3:
        weights = torch.tensor(LUMA, device=planes.device)[:, None, None]
        grey = ((weights * planes).sum(dim=1) + ONE // 2) >> 16
    total = grey.flatten(1).sum(dim=1, keepdim=True)
    return (total.double() / grey[0].numel() + 0.5).to(torch.int64)
