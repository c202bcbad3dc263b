"""Intervals. Each carries its n and its method; none is made from nothing.

Plain numpy and scipy.special (scipy.stats takes as long to import as judging takes), deterministic, and compared with statsmodels and
scipy in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, ndtr

from medpipe.errors import DataError

Array = NDArray[np.float64]
REPLICATES = 2000
BOOTSTRAP_SEED = 20_240_917
"""One fixed seed for every bootstrap, so that judging again gives the same digits."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    ``n`` counts samples, ``clusters`` the independent groups among them and ``runs`` the training runs; ``method`` is a
    sentence part for the reader. ``low <= estimate <= high``; equal bounds mean a quantity counted exactly.
    """

    low: float
    estimate: float
    high: float
    n: int
    method: str
    confidence: float = 0.95
    clusters: int | None = None
    runs: int = 1

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.low, self.estimate, self.high)):
            raise ValueError(f"expected finite bounds of an interval, got {self.low}, {self.estimate}, {self.high}")
        if not self.low <= self.estimate <= self.high:
            raise ValueError(f"expected low <= estimate <= high, got {self.low}, {self.estimate}, {self.high}")
        if self.n < 1:
            raise ValueError(f"expected n >= 1, got {self.n}")


def exact(value: float, *, n: int = 1, method: str = "counted exactly", runs: int = 1) -> Interval:
    """A quantity without sampling error, such as a number of parameters."""
    return Interval(value, value, value, n, method, runs=runs)


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of one proportion. ``successes`` may be a rounded percentage times n."""
    _check_counts(successes, n, confidence)
    z = normal_quantile(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(min(low, p), p, max(high, p), n, "Wilson", confidence)


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of one proportion: never covers less than it says."""
    _check_counts(successes, n, confidence)
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Interval(low, successes / n, high, n, "Clopper-Pearson", confidence)


def normal_quantile(confidence: float) -> float:
    """How many standard errors a two-sided interval of this confidence reaches: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _check_counts(successes: float, n: int, confidence: float) -> None:
    if n < 1:
        raise ValueError(f"expected n >= 1 for a proportion, got {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= {n}, got {successes}")
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")


def cluster_weights(clusters: int, replicates: int = REPLICATES, seed: int = BOOTSTRAP_SEED) -> NDArray[np.float32]:
    """How often each cluster is drawn in each bootstrap replicate: ``(replicates, clusters)``, rows sum to ``clusters``."""
    if clusters < 1 or replicates < 1:
        raise ValueError(f"expected at least one cluster and one replicate, got {clusters} and {replicates}")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, clusters, size=(replicates, clusters))
    flat = drawn + np.arange(replicates)[:, None] * clusters
    return np.bincount(flat.ravel(), minlength=replicates * clusters).reshape(replicates, clusters).astype(np.float32)


def seed_noise(per_run: Array, replicates: int = REPLICATES, seed: int = BOOTSTRAP_SEED + 1) -> Array:
    """Draws of the error of the mean over training runs: Student's t with R - 1 degrees of freedom times s / sqrt(R).

    ``per_run`` float64 ``(R,)``: one estimate a run. With a single run nothing is known of the spread: zeros.
    """
    runs = len(per_run)
    if runs < 2:
        return np.zeros(replicates)
    scale = float(np.std(per_run, ddof=1)) / math.sqrt(runs)
    draws = np.random.default_rng(seed).standard_t(runs - 1, size=replicates)
    return np.asarray(draws * scale, dtype=np.float64)


def percentile(replicates: Array, estimate: float, *, n: int, method: str, confidence: float = 0.95,
               clusters: int | None = None, runs: int = 1) -> Interval:
    """The percentile interval of bootstrap replicates, always holding the estimate. Replicates that are NaN are dropped."""
    kept = replicates[np.isfinite(replicates)]
    if not len(kept):
        raise DataError("expected at least one finite bootstrap replicate, got none")
    tail = (1 - confidence) / 2
    low, high = (float(v) for v in np.quantile(kept, [tail, 1 - tail]))
    return Interval(min(low, estimate), estimate, max(high, estimate), n, method, confidence, clusters, runs)


def normal_noise(standard_error: float, replicates: int = REPLICATES, seed: int = BOOTSTRAP_SEED + 2) -> Array:
    """Draws of a normal error with the given standard error, such as that of a published proportion."""
    return np.asarray(np.random.default_rng(seed).normal(0.0, standard_error, size=replicates), dtype=np.float64)


def proportion_standard_error(p: float, n: int) -> float:
    """Standard error of a printed proportion at ``n``, kept above zero at 0 and 1 by adding two successes and two failures."""
    if n < 1 or not 0 <= p <= 1:
        raise ValueError(f"expected a proportion and n >= 1, got {p} at {n}")
    adjusted = (p * n + 2) / (n + 4)
    return math.sqrt(adjusted * (1 - adjusted) / (n + 4))


def newcombe(p1: float, n1: int, p2: float, n2: int, confidence: float = 0.95) -> Interval:
    """Newcombe's hybrid score interval of the difference ``p1 - p2`` of two independent proportions (his method 10)."""
    first, second = wilson(p1 * n1, n1, confidence), wilson(p2 * n2, n2, confidence)
    difference = p1 - p2
    low = difference - math.hypot(p1 - first.low, second.high - p2)
    high = difference + math.hypot(first.high - p1, p2 - second.low)
    return Interval(min(low, difference), difference, max(high, difference), n1 + n2, "Newcombe", confidence)


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact two-sided p: whether two models err on different samples equally often.

    ``only_first`` and ``only_second`` count the samples that just one of them gets right; 1 where there are none.
    """
    differing = only_first + only_second
    if min(only_first, only_second) < 0:
        raise ValueError(f"expected counts from 0, got {only_first} and {only_second}")
    if differing == 0:
        return 1.0
    return min(1.0, 2.0 * float(bdtr(min(only_first, only_second), differing, 0.5)))


def detectable(standard_error: float, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest difference that a two-sided test at this confidence shows with this power."""
    return (normal_quantile(confidence) + NormalDist().inv_cdf(power)) * standard_error


def expected_maximum(k: int) -> float:
    """The mean of the largest of ``k`` independent standard normal values, by numerical integration of its distribution."""
    if k < 1:
        raise ValueError(f"expected k >= 1, got {k}")
    z = np.linspace(-10.0, 10.0, 20_001)
    density = k * ndtr(z) ** (k - 1) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(z * density, z))
