"""How two samples of features lie among each other: shares of one within reach of the nearest neighbours of the other.

Reach of a sample is the distance to its k-th nearest other sample of its own side; on the edge is within. Each value is a mean over the
samples of one side, and its error is theirs **with the other side as it is**: another reference would give another quantity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.contributions import Contributed, mean
from medpipe.errors import DataError

Array = NDArray[np.float64]
PRECISION_K = 3
"""Neighbours of improved precision and recall, as Kynkäänniemi et al. (2019) chose them."""
COVERAGE_K = 5
"""Neighbours of density and coverage, as Naeem et al. (2020) chose them."""
_ROUNDING = 1e-9


def precision(real: Array, generated: Array, k: int = PRECISION_K) -> Contributed:
    """Share of generated samples within reach of a real one: do they look real? 0 to 1."""
    return mean(_within_reach(real, generated, k).max(axis=0))


def recall(real: Array, generated: Array, k: int = PRECISION_K) -> Contributed:
    """Share of real samples within reach of a generated one: does the generator make them? 0 to 1."""
    return precision(generated, real, k)


def density(real: Array, generated: Array, k: int = COVERAGE_K) -> Contributed:
    """Mean over generated samples of how many real ones have them within reach, over k: 0 upwards, about 1 where both are alike."""
    reached = _within_reach(real, generated, k).sum(axis=0) / k
    return Contributed(float(reached.mean()), (reached,))


def coverage(real: Array, generated: Array, k: int = COVERAGE_K) -> Contributed:
    """Share of real samples that have a generated one within reach: 0 to 1."""
    return mean(_within_reach(real, generated, k).max(axis=1))


def _within_reach(centres: Array, others: Array, k: int) -> Array:
    """Whether each centre has each other sample within its reach, 0 or 1: float64 ``(centres, others)``."""
    if len(centres) <= k:
        raise DataError(f"neighbours: expected more than {k} samples a side, got {len(centres)}")
    own = squared_distances(centres, centres)
    np.fill_diagonal(own, -1.0)  # itself, whatever rounding says
    reach = np.partition(own, k, axis=1)[:, k]
    return np.asarray(squared_distances(centres, others) <= reach[:, None] * (1 + _ROUNDING), np.float64)


def squared_distances(first: Array, second: Array) -> Array:
    """Squared Euclidean distances ``(N, M)``; what is no more than rounding is 0."""
    lengths = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None]
    squared = lengths - 2 * first @ second.T
    squared[squared < 1e-12 * lengths] = 0.0
    return np.asarray(squared, np.float64)
