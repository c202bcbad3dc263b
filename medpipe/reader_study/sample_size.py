"""How many readers and images it takes to show that readers guess."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scipy.special import stdtr, stdtrit

MOST_IMAGES = 20_000
POWER = 0.8
LEVEL = 0.05


@dataclass(frozen=True)
class Components:
    """Variance components of an area over readers, as in `over_readers.Mean`, at ``images``
    images.
    """

    between: float
    common: float
    error: float
    images: int

    def standard_error(self, readers: int, images: int) -> tuple[float, float]:
        """The standard error of the mean and its degrees of freedom with other numbers of readers
        and images.
        """
        scale = self.images / images
        square, common = self.between + self.error * scale, self.common * scale
        total = square + readers * common
        if readers == 1:
            return math.sqrt(total), math.inf
        return math.sqrt(total / readers), (
            total**2 / (square**2 / (readers - 1)) if square else math.inf
        )


def guessing(real: int, synthetic: int) -> Components:
    """What is expected of readers who guess, each alone, on a fine scale; coarser scales err
    less.
    """
    return Components(0.0, 0.0, (real + synthetic + 1) / (12 * real * synthetic), real + synthetic)


def power(components: Components, readers: int, images: int, margin: float) -> float:
    """The chance, about, that readers who truly guess are shown to do so: that both one-sided tests
    at 5 % succeed.
    """
    error, df = components.standard_error(readers, images)
    if error == 0:
        return 1.0
    if math.isinf(df):
        return max(0.0, 2 * NormalDist().cdf(margin / error - NormalDist().inv_cdf(1 - LEVEL)) - 1)
    return max(0.0, 2 * float(stdtr(df, margin / error - float(stdtrit(df, 1 - LEVEL)))) - 1)


def images_needed(components: Components, readers: int, margin: float) -> int | None:
    """The fewest images, about, with which `power` is 80 %, in the same shares of origin; None
    where 20,000 do not suffice.
    """
    if power(components, readers, MOST_IMAGES, margin) < POWER:
        return None
    low, high = 1, MOST_IMAGES
    while low < high:
        middle = (low + high) // 2
        low, high = (
            (low, middle)
            if power(components, readers, middle, margin) >= POWER
            else (middle + 1, high)
        )
    return low


def needed(
    components: Components, readers: Sequence[int], margin: float
) -> list[tuple[int, int | None]]:
    """`images_needed` for several numbers of readers."""
    return [(r, images_needed(components, r, margin)) for r in sorted(set(readers))]
