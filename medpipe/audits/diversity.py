"""How varied generated images are, in features: modes of real images that are made or lost, and how
many different images there are.

**Purpose.** A generator can make every class and yet only a few images of each. No count of classes
sees that.

**Method.** *Modes* (after the bins of Richardson and Weiss 2018): k-means divides the held-out real
images; generated and training images are counted in each division. A mode is *lost* where generated
images are surely less than `LOST` times as frequent as training images, and *kept* where surely at
least that frequent, by exact intervals with Bonferroni's correction over all modes. *Effective
support* (after the birthday test of Arora and Zhang 2017): the chance that two generated images are
nearly the same, and its inverse, the number of equally likely images that would coincide as often.
Nearly the same is nearer than half of what a real image usually is to its nearest other one.

**Limits.** A mode is what the features tell apart; one smaller than `Modes.smallest` cannot be
shown lost. Images unlike any real one still fall into some division. Images that differ only in
what the network does not see count as the same.

**Example.** Of 1,000 images 9,980 of 499,500 pairs are nearly the same: about 50 different images
(45 to 56).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from medpipe.metrics.contributions import Contributed
from medpipe.metrics.generator_splits import LOST, squared_distances
from medpipe.metrics.intervals import BOOTSTRAP_SEED, clopper_pearson, normal_quantile

Array = NDArray[np.float64]
MOST_MODES, LEAST_IN_MODE = 20, 25
"""At most so many modes, with so many real images each on average."""
NEARLY = 0.5
"""Of the median distance from a real image to its nearest other one."""


@dataclass(frozen=True, eq=False)
class Modes:
    """By mode: ``share`` of training images, whether it is ``lost`` or ``kept``; neither is
    undecided.

    ``smallest`` is the share of the smallest mode that can be shown lost.
    """

    share: Array
    lost: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    smallest: float

    @property
    def lost_share(self) -> float:
        """Share of the training images whose modes are surely lost."""
        return float(self.share[self.lost].sum())

    @property
    def open_share(self) -> float:
        """Share of the training images whose modes are not surely kept: the most that can have been
        lost.
        """
        return float(self.share[~self.kept].sum())


def modes(generated: Array, training: Array, held_out: Array, confidence: float = 0.95) -> Modes:
    """Which modes of the held-out images are made as they are seen in training, all at once at this
    confidence.
    """
    from scipy.cluster.vq import kmeans2

    count = max(2, min(MOST_MODES, len(held_out) // LEAST_IN_MODE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an empty division, which then has share 0
        centres, _ = kmeans2(held_out, count, minit="++", seed=BOOTSTRAP_SEED)
    made, seen = (
        np.bincount(squared_distances(side, centres).argmin(axis=1), minlength=count)
        for side in (generated, training)
    )
    each = 1 - (1 - confidence) / count
    edge = (
        LOST * len(generated) / (LOST * len(generated) + len(training))
    )  # the share of generated among both, at the edge of being lost
    lost, kept = np.zeros(count, bool), np.zeros(count, bool)
    for k in np.flatnonzero(made + seen):
        of_both = clopper_pearson(int(made[k]), int(made[k] + seen[k]), each)
        lost[k], kept[k] = of_both.high < edge, of_both.low >= edge
    kept |= seen == 0  # nothing to lose
    smallest = math.ceil(math.log((1 - each) / 2) / math.log(1 - edge)) / len(training)
    return Modes(seen / len(training), lost, kept, smallest)


@dataclass(frozen=True)
class Support:
    """The number of equally likely images that coincide as often as those seen: ``low`` to ``high``
    (infinite where none coincided).
    """

    low: float
    estimate: float
    high: float
    close: int
    pairs: int
    n: int


def nearly(held_out: Array) -> float:
    """The squared distance from which on two images are not nearly the same."""
    own = squared_distances(held_out, held_out)
    np.fill_diagonal(own, np.inf)
    return float(NEARLY**2 * np.median(own.min(axis=1)))


def support(features: Array, limit: float, confidence: float = 0.95) -> Support:
    """The effective support of images, two of which are the same where their squared distance is
    below ``limit``.

    The interval of the chance of coinciding is the wider of that from influences, on a log scale,
    and Poisson's exact one; without any coincidence it is the birthday bound: n (n - 1) / 2 pairs
    over 3.7 at 95 %.
    """
    n = len(features)
    close = squared_distances(features, features) <= limit
    np.fill_diagonal(close, False)
    per_image = close.sum(axis=1) / (n - 1)
    pairs, found = n * (n - 1) // 2, int(close.sum()) // 2
    tail = (1 - confidence) / 2
    low = float(gammaincinv(found, tail)) / pairs if found else 0.0
    high = min(float(gammaincinv(found + 1, 1 - tail)) / pairs, 1.0)
    chance = found / pairs
    if found:
        factor = math.exp(
            normal_quantile(confidence)
            * Contributed(chance, (2 * per_image,)).standard_error
            / chance
        )
        low, high = min(low, chance / factor), min(max(high, chance * factor), 1.0)
    return Support(
        1 / high, 1 / chance if chance else math.inf, 1 / low if low else math.inf, found, pairs, n
    )
