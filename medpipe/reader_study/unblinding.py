"""What tells the origin without anatomy: brightness, contrast, blackness, border, sharpness.

A reader who can tell by these judges the making of the files rather than the generator. The person
who plans a study is told; the readers are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.metrics.intervals import Interval
from medpipe.reader_study.auc import Flags, auc_interval

BLACK = 8
"""Grey values (0 to 255) below this are background."""
NAMES = ("brightness", "contrast", "black share", "brightness of the border", "sharpness")


@dataclass(frozen=True)
class Cue:
    """How well one simple number tells synthetic from real: an area with an interval that allows
    for all the cues looked at.
    """

    name: str
    area: Interval

    @property
    def tells(self) -> bool:
        """Whether the interval leaves 0.5 out."""
        return not self.area.low <= 0.5 <= self.area.high


def cues(pixels: NDArray[np.uint8], synthetic: Flags) -> tuple[Cue, ...]:
    """Every cue of N pictures ``(N, s, s)`` or ``(N, s, s, 3)``; ``synthetic`` bool ``(N,)``. 95 %
    for all of them together.
    """
    grey = pixels.astype(np.float64) if pixels.ndim == 3 else pixels.astype(np.float64).mean(axis=3)
    flat = grey.reshape(len(grey), -1)
    edge = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(
        axis=(1, 2)
    )
    values = (
        flat.mean(axis=1),
        flat.std(axis=1),
        (flat < BLACK).mean(axis=1),
        edge.mean(axis=1),
        steps,
    )
    confidence = 1 - 0.05 / len(NAMES)
    return tuple(
        Cue(name, auc_interval(value, synthetic, confidence))
        for name, value in zip(NAMES, values, strict=True)
    )
