"""Images as a network gets them: augmented for training, as they are for evaluation, or spoilt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.pipeline.augmentation import Augmentation, normalise
from medpipe.pipeline.checkpoint import Tensors
from medpipe.pipeline.imaging.corruption import corrupted
from medpipe.pipeline.machine import Index
from medpipe.pipeline.splits import Subset


class Slices:
    """Images of a subset from the pixels uint8 ``(N, H, W, 3)`` of its part: augmented in an epoch, as they are without one."""

    def __init__(self, pixels: NDArray[np.uint8], subset: Subset, augmentation: Augmentation, seed: int) -> None:
        self.label = subset.label
        self._pixels, self._index, self._augmentation, self._seed = pixels, subset.index, augmentation, seed

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        images = self._pixels[self._index[index]]
        if epoch is not None:
            images = np.stack([self._augmentation(image, (self._seed, epoch, i)) for image, i in zip(images, index.tolist(), strict=True)])
        return {"x": normalise(images)}


class Spoilt:
    """The same images under one corruption, for evaluation alone."""

    def __init__(self, pixels: NDArray[np.uint8], subset: Subset, kind: str, level: float) -> None:
        self.label = subset.label
        self._pixels, self._index, self._kind, self._level = pixels, subset.index, kind, level

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        places = self._index[index]
        return {"x": normalise(np.stack([corrupted(self._kind, self._level, self._pixels[i], int(i)) for i in places]))}
