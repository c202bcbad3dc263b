"""Images as a network gets them: augmented for training, as they are for evaluation, or spoilt."""

from __future__ import annotations

import numpy as np
import torch

from medpipe.pipeline.augmentation import Augmentation, normalise
from medpipe.pipeline.checkpoint import Tensors
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.imaging.corruption import corrupted
from medpipe.pipeline.imaging.device import DeviceBatches
from medpipe.pipeline.imaging.host import HostBatches
from medpipe.pipeline.machine import Index
from medpipe.pipeline.splits import Subset


class Slices:
    """Images of a subset of the part that ``planes`` holds: augmented in an epoch, as they are
    without one.
    """

    def __init__(
        self,
        planes: Planes,
        subset: Subset,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
    ) -> None:
        self.label = subset.label
        self._planes, self._index, self._augmentation, self._seed = (
            planes,
            subset.index,
            augmentation,
            seed,
        )
        self._maker = DeviceBatches(device) if device.type == "cuda" else HostBatches()

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        images = [self._planes[place] for place in self._index[index].tolist()]
        variants = [
            None if epoch is None else self._augmentation.draw((self._seed, epoch, i))
            for i in index.tolist()
        ]
        return {"x": self._maker.batch(images, variants)}


class CorruptedImages:
    """The same images under one corruption, for evaluation alone."""

    def __init__(self, planes: Planes, subset: Subset, kind: str, level: float) -> None:
        self.label = subset.label
        self._planes, self._index, self._kind, self._level = planes, subset.index, kind, level

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        places = self._index[index].tolist()
        images = zip(self._planes.rgb(places), places, strict=True)
        return {
            "x": normalise(
                np.stack(
                    [corrupted(self._kind, self._level, image, place) for image, place in images]
                )
            )
        }
