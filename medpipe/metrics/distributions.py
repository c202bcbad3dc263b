"""Distances between two samples of features, with the influence of each sample on them.

Both are of the two samples' distributions, not of the samples: generated images against real ones
that the generator did not see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.metrics.contributions import Contributed

Array = NDArray[np.float64]
DEGREE, COEFFICIENT = 3, 1.0
"""Of the polynomial kernel; its gamma is 1 / D (Bińkowski et al. 2018)."""


def kernel_distance(first: Array, second: Array) -> Contributed:
    """Squared maximum mean discrepancy, unbiased, of features ``(N, D)`` and ``(M, D)``; kernel
    (x·y / D + 1)³. Can be below 0 by chance.

    Influences are those of Hoeffding's first projection. Where both distributions are equal it
    vanishes, and what is left of it in a sample overstates the error about 1.4 times. Raises
    `DataError` for fewer than two samples a side.
    """
    _check(first, second)
    within_first, within_second, between = (
        _kernel(first, first),
        _kernel(second, second),
        _kernel(first, second),
    )
    own_first = (within_first.sum(axis=1) - np.diagonal(within_first)) / (len(first) - 1)
    own_second = (within_second.sum(axis=1) - np.diagonal(within_second)) / (len(second) - 1)
    value = own_first.mean() + own_second.mean() - 2 * between.mean()
    return Contributed(
        float(value),
        (2 * (own_first - between.mean(axis=1)), 2 * (own_second - between.mean(axis=0))),
        squared=True,
    )


def _kernel(first: Array, second: Array) -> Array:
    return np.asarray((first @ second.T / first.shape[1] + COEFFICIENT) ** DEGREE, np.float64)


def frechet_distance(first: Array, second: Array) -> Contributed:
    """Fréchet distance of the Gaussians with the mean and covariance (n - 1) of each sample: 0
    upwards.

    It is biased upwards by about the trace of the covariance over n, so it is a quantity *at this
    n*, and its interval has no lower end but 0: it can show that the distance is small, never that
    it is large. Influences are its derivative along each sample: with T the optimal transport map
    between the Gaussians, 2 (m1 - m2)·(x - m1) + (x - m1)ᵀ (I - T) (x - m1). With fewer samples
    than features T is taken on the directions that both span. Raises `DataError` for fewer than two
    samples a side.
    """
    _check(first, second)
    shift = first.mean(axis=0) - second.mean(axis=0)
    centred = [first - first.mean(axis=0), second - second.mean(axis=0)]
    roots = [_root(c.T @ c / (len(c) - 1)) for c in centred]
    left, common, right = np.linalg.svd(
        roots[0] @ roots[1]
    )  # (S1 S2)^½ has the trace of these singular values, exactly to rounding
    kept = common > common[0] * len(common) * np.finfo(np.float64).eps
    influences = []
    for samples, sign, of_target in (
        (centred[0], 1, roots[1] @ right.T),
        (centred[1], -1, roots[0] @ left),
    ):
        transport = (of_target[:, kept] / common[kept]) @ of_target[:, kept].T
        influences.append(
            2 * sign * samples @ shift
            + np.einsum("ij,ij->i", samples, samples - samples @ transport)
        )
    spread = sum(float((c**2).sum()) / (len(c) - 1) for c in centred)
    value = max(float(shift @ shift + spread - 2 * common.sum()), 0.0)
    return Contributed(value, (influences[0], influences[1]), (0.0, value), squared=True)


def _root(matrix: Array) -> Array:
    """The root of a symmetric matrix that is not negative, on the directions that it has."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > values[-1] * len(matrix) * np.finfo(np.float64).eps
    return np.asarray((vectors[:, kept] * np.sqrt(values[kept])) @ vectors[:, kept].T, np.float64)


def _check(first: Array, second: Array) -> None:
    if min(len(first), len(second)) < 2:
        raise DataError(
            f"distance of features: expected two samples or more a side, got {len(first)} and"
            f" {len(second)}"
        )
