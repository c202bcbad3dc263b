"""Agreement of a reader with himself, and of readers with each other, on ordered answers 1 …
``steps``.

Cohen's weighted kappa (Psychological Bulletin 70 (1968) 213) with quadratic weights; Krippendorff's
alpha for ordinal data (Content Analysis, 4th edition, chapter 12). Both are 1 for full agreement
and about 0 for chance; intervals are bootstraps over images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval, cluster_weights, percentile

Array = NDArray[np.float64]
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """A coefficient, or None where the answers do not differ and it is not defined; no interval
    where the bootstrap has no spread.
    """

    estimate: float | None
    interval: Interval | None
    n: int


def weighted_kappa(first: Answers, second: Answers) -> Agreement:
    """Two answers to each of N images, ``(N,)`` each. Quadratic weights: 1 - observed over expected
    squared difference.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    n = len(x)
    if n < 2:
        return Agreement(None, None, n)
    return _agreement(
        lambda w: _kappa(x, y, w), n, f"bootstrap over {plural(n, 'image')} shown twice"
    )


def _kappa(x: Array, y: Array, weights: Array) -> Array:
    """Kappa of each row of weights ``(B, N)``, which sum to N: ``(B,)``, NaN where all answers are
    one.
    """
    w = weights / weights.sum(axis=1, keepdims=True)
    mean_x, mean_y = w @ x, w @ y
    expected = w @ x**2 - 2 * mean_x * mean_y + w @ y**2
    return _one_minus(w @ (x - y) ** 2, expected)


def ordinal_alpha(answers: Answers, steps: int) -> Agreement:
    """Krippendorff's ordinal alpha of R readers' answers ``(R, N)`` from 1 to ``steps``, none
    missing.
    """
    r, n = answers.shape
    if r < 2 or n < 2:
        return Agreement(None, None, n)
    counts = (
        (answers[:, :, None] == np.arange(1, steps + 1)).sum(axis=0).astype(np.float64)
    )  # (N, steps)
    pairs = (counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(steps)) / (r - 1)
    return _agreement(
        lambda w: _alpha(w, pairs), n, f"bootstrap over {plural(n, 'image')}, {plural(r, 'reader')}"
    )


def _alpha(weights: Array, pairs: Array) -> Array:
    """Alpha of each row of weights ``(B, N)`` from the pairs of answers by image ``(N, steps,
    steps)``.
    """
    steps = pairs.shape[1]
    coincidence = (weights @ pairs.reshape(len(pairs), -1)).reshape(-1, steps, steps)
    sizes = coincidence.sum(axis=2)
    total = sizes.sum(axis=1)
    middle = np.cumsum(sizes, axis=1) - sizes / 2  # of each step, in ranks
    distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (coincidence * distance).sum(axis=(1, 2)) / total
    expected = (sizes[:, :, None] * sizes[:, None, :] * distance).sum(axis=(1, 2)) / (
        total * (total - 1)
    )
    return _one_minus(observed, expected)


def _one_minus(observed: Array, expected: Array) -> Array:
    share = np.full(len(observed), np.nan)
    np.divide(observed, expected, out=share, where=expected > 1e-12)
    return 1 - share


def _agreement(value: Callable[[Array], Array], n: int, method: str) -> Agreement:
    estimate = float(value(np.ones((1, n)))[0])
    if not np.isfinite(estimate):
        return Agreement(None, None, n)
    draws = value(_weights(n))
    interval = percentile(draws, estimate, n=n, method=method)
    return Agreement(estimate, interval if interval.high > interval.low else None, n)


@lru_cache(maxsize=4)
def _weights(n: int) -> Array:
    return cluster_weights(n).astype(np.float64)
