"""How two samples of features lie among each other: shares of one within reach of the nearest
neighbours of the other.

Reach of a sample is the distance to its k-th nearest other sample of its own side; on the edge is
within. The influence of a sample is what leaving it out changes (the jackknife, computed exactly):
its own part, the reach that it has, and the reach of those whose neighbour it is. So the error is
that of both samples; it is on the safe side, by a tenth to nine tenths. A share that is 0 or 1 is
bounded as one of n / k samples, for what is within reach of one sample is within that of its
neighbours. The values depend on n, and compare only at equal n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.metrics.contributions import Contributed
from medpipe.metrics.generator_splits import squared_distances

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
PRECISION_K = 3
"""Neighbours of improved precision and recall, as Kynkäänniemi et al. (2019) chose them."""
COVERAGE_K = 5
"""Neighbours of density and coverage, as Naeem et al. (2020) chose them."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Reach:
    """What N samples reach of M others: ``near`` bool ``(N, M)``; ``further`` the same without one
    of their k neighbours.

    ``neighbours`` int ``(N, k)`` are each sample's nearest own ones.
    """

    near: Mask
    further: Mask
    neighbours: NDArray[np.int64]

    def of_those_beside(self, per_sample: Array) -> Array:
        """For each sample the sum of a quantity ``(N,)`` over the samples whose neighbour it is."""
        n, k = self.neighbours.shape
        return np.asarray(
            np.bincount(self.neighbours.ravel(), np.repeat(per_sample, k), minlength=n), np.float64
        )


def precision(real: Array, generated: Array, k: int = PRECISION_K) -> Contributed:
    """Share of generated samples within reach of a real one: do they look real? 0 to 1. Influences
    of generated, then real samples.
    """
    r = reach(real, generated, k)
    n, m = r.near.shape
    times = r.near.sum(axis=0)
    reached = (times > 0).astype(np.float64)
    instead = np.zeros((n, m), bool)  # what is reached further where a sample is left out
    for i in range(n):
        instead[r.neighbours[i]] |= r.further[i]
    without = ((times - r.near > 0) | instead).mean(axis=1)
    value = float(reached.mean())
    return Contributed(value, (reached, (n - 1) * (value - without)), counted=1 / k)


def recall(real: Array, generated: Array, k: int = PRECISION_K) -> Contributed:
    """Share of real samples within reach of a generated one: does the generator make them? 0 to 1.
    Influences of real, then generated.
    """
    return precision(generated, real, k)


def density(real: Array, generated: Array, k: int = COVERAGE_K) -> Contributed:
    """Mean over generated samples of how many real ones reach them, over k: 0 upwards, about 1
    where both are alike.

    Influences of generated, then real samples.
    """
    r = reach(real, generated, k)
    reached, reaching, further = (
        r.near.sum(axis=0) / k,
        r.near.mean(axis=1) / k,
        r.further.mean(axis=1) / k,
    )
    lost = reaching - r.of_those_beside(further - reaching)
    return Contributed(float(reached.mean()), (reached, (len(real) - 1) * lost))


def coverage(real: Array, generated: Array, k: int = COVERAGE_K) -> Contributed:
    """Share of real samples that reach a generated one: 0 to 1. Influences of real, then generated
    samples.
    """
    r = reach(real, generated, k)
    n, m = r.near.shape
    times = r.near.sum(axis=1)
    covered = (times > 0).astype(np.float64)
    without_real = (
        covered.sum() - covered + r.of_those_beside(r.further.any(axis=1) - covered)
    ) / (n - 1)
    value = float(covered.mean())
    only = r.near[times == 1].sum(axis=0) / n
    return Contributed(value, ((n - 1) * (value - without_real), (m - 1) * only), counted=1 / k)


def usual_coverage(real: int, generated: int, k: int = COVERAGE_K) -> float:
    """The coverage to expect where both samples are of one distribution (Naeem et al. 2020): it
    depends on their numbers alone.

    A real sample is not covered where its k nearest ones, of the ``real`` - 1 others and the
    ``generated`` ones together, are all real.
    """
    return 1 - math.prod(max(real - 1 - i, 0) / (real - 1 + generated - i) for i in range(k))


def reach(samples: Array, others: Array, k: int) -> Reach:
    """What samples ``(N, D)`` reach of others ``(M, D)``. Raises `DataError` where there are too
    few for k + 1 neighbours.
    """
    if len(samples) < k + 2:
        raise DataError(f"neighbours: expected at least {k + 2} samples a side, got {len(samples)}")
    own = squared_distances(samples, samples)
    np.fill_diagonal(own, np.inf)
    order = np.argpartition(own, (k - 1, k), axis=1)[:, : k + 1]
    limit, next_limit = (
        np.take_along_axis(own, order[:, c : c + 1], axis=1) * (1 + _ROUNDING) for c in (k - 1, k)
    )
    between = squared_distances(samples, others)
    return Reach(between <= limit, between <= next_limit, order[:, :k])
