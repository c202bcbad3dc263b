"""The area under the ROC curve of ratings, with DeLong's covariance and an interval that has a
width even where all is told apart.

DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837; Newcombe, Statistics in Medicine 25
(2006) 559 (his method 5).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medpipe.metrics.intervals import Interval, normal_quantile

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def auc(scores: Array, positive: Flags) -> tuple[Array, Array]:
    """Areas of R scores on the same N samples, and DeLong's covariance of their errors: ``(R,)``
    and ``(R, R)``.

    ``scores`` ``(R, N)``, higher for positive; ``positive`` bool ``(N,)``. The area is the
    probability, 0 to 1, that a positive sample has the higher score than a negative one, ties
    counted by half. Raises `ValueError` for fewer than two of either.
    """
    scores = np.asarray(scores, np.float64)
    if min(positive.sum(), (~positive).sum()) < 2:
        raise ValueError(
            f"expected at least two positive and two negative samples, got {positive.sum()} and"
            f" {(~positive).sum()}"
        )
    of_positive = np.stack([_beaten(row[positive], row[~positive]) for row in scores])
    of_negative = 1 - np.stack([_beaten(row[~positive], row[positive]) for row in scores])
    return of_positive.mean(axis=1), covariance_of_mean(of_positive) + covariance_of_mean(
        of_negative
    )


def _beaten(values: Array, others: Array) -> Array:
    """The share of ``others`` that each value exceeds, ties counted by half."""
    ordered = np.sort(others)
    beaten = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(beaten / (2 * len(others)), np.float64)


def covariance_of_mean(values: Array) -> Array:
    """Covariance of the means of R variables over the same N independent samples: ``(R, N)`` to
    ``(R, R)``.
    """
    covariance: Array = np.atleast_2d(np.cov(values, ddof=1)) / values.shape[1]
    return covariance


def auc_interval(scores: Array, positive: Flags, confidence: float = 0.95) -> Interval:
    """The area of one score ``(N,)`` with DeLong's interval; Newcombe's where the sample shows no
    error, as with all told apart.
    """
    areas, covariance = auc(np.asarray(scores)[None], positive)
    area, variance = float(areas[0]), float(covariance[0, 0])
    m, n = int(positive.sum()), int((~positive).sum())
    if variance <= 0:
        return newcombe_auc(area, m, n, confidence)
    half = normal_quantile(confidence) * math.sqrt(variance)
    return Interval(max(0.0, area - half), area, min(1.0, area + half), m + n, "DeLong", confidence)


def newcombe_auc(area: float, m: int, n: int, confidence: float = 0.95) -> Interval:
    """Newcombe's score-like interval from an area and the numbers of positive and negative samples
    alone.
    """
    z = normal_quantile(confidence)
    low, high = _newcombe_low(area, m, n, z), 1 - _newcombe_low(1 - area, m, n, z)
    return Interval(min(low, area), area, max(high, area), m + n, "Newcombe's method 5", confidence)


def _newcombe_low(area: float, m: int, n: int, z: float) -> float:
    """The smallest true area that is not more than ``z`` of its own standard errors below ``area``,
    by bisection.
    """
    low, high = 0.0, area
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if area - middle > z * math.sqrt(newcombe_variance(middle, m, n))
            else (low, middle)
        )
    return low


def newcombe_variance(area: float, m: int, n: int) -> float:
    """Hanley and McNeil's variance of an area, made symmetric in the two samples by Newcombe."""
    more = (m + n) / 2 - 1
    return area * (1 - area) / (m * n) * (1 + more * ((1 - area) / (2 - area) + area / (1 + area)))
