"""Store images as planes of bytes, so that a grey image takes a third of the memory of a colour
image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Planes:
    """N images of one size. ``channels``: uint8 ``(N,)``, 1 for a grey image, 3 for red, green and
    blue; ``planes``: uint8 ``(P, H, W)``, those of the first image first, where P is the sum of
    ``channels``.
    """

    channels: Pixels
    planes: Pixels

    @classmethod
    def of(cls, images: Iterable[Pixels]) -> Planes:
        """From RGB images uint8 ``(H, W, 3)`` of one size, at least one."""
        every = [split(image) for image in images]
        return cls(
            np.array([len(planes) for planes in every], dtype=np.uint8),
            np.stack(list(chain.from_iterable(every))),
        )

    def __len__(self) -> int:
        return len(self.channels)

    def __getitem__(self, place: int) -> Pixels:
        """The planes of one image, uint8 ``(1 or 3, H, W)``: a view."""
        return self.planes[self._starts[place] : self._starts[place] + self.channels[place]]

    def rgb(self, places: Iterable[int]) -> Pixels:
        """Some of the images as RGB, uint8 ``(n, H, W, 3)``: a copy."""
        chosen = list(places)
        pixels = np.empty((len(chosen), *self.planes.shape[1:], 3), dtype=np.uint8)
        for row, place in zip(pixels, chosen, strict=True):
            row[:] = np.moveaxis(self[place], 0, -1)  # one plane is spread over all three
        return pixels

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum(self.channels, dtype=np.int64) - self.channels


def split(image: Pixels) -> Pixels:
    """The planes of an RGB image ``(H, W, 3)``: one where the three channels are equal, else three;
    uint8 ``(1 or 3, H, W)``.
    """
    grey = bool((image[..., :1] == image[..., 1:]).all())
    return np.ascontiguousarray(np.moveaxis(image[..., :1] if grey else image, -1, 0))
