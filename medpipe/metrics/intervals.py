"""Confidence intervals. Each one carries its n and its method, and none is made without data.

Plain numpy and scipy.special (scipy.stats takes as long to import as judging takes), deterministic,
and compared with statsmodels and scipy in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, ndtr, stdtrit

from medpipe.errors import DataError

Array = NDArray[np.float64]
REPLICATES = 2000
BOOTSTRAP_SEED = 20_240_917
"""One fixed seed for every bootstrap, so that judging again gives the same digits."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    ``n`` counts samples, ``clusters`` the independent groups among them and ``runs`` the training
    runs; ``method`` is a sentence part for the reader. ``low <= estimate <= high``; equal bounds
    mean a quantity counted exactly.
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
            raise ValueError(
                f"expected finite bounds of an interval, got {self.low}, {self.estimate},"
                f" {self.high}"
            )
        if not self.low <= self.estimate <= self.high:
            raise ValueError(
                f"expected low <= estimate <= high, got {self.low}, {self.estimate}, {self.high}"
            )
        if self.n < 1:
            raise ValueError(f"expected n >= 1, got {self.n}")


def exact(value: float, *, n: int = 1, method: str = "counted exactly", runs: int = 1) -> Interval:
    """A quantity without sampling error, such as a number of parameters."""
    return Interval(value, value, value, n, method, runs=runs)


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of one proportion. ``successes`` may be a rounded percentage times
    n.
    """
    _check_counts(successes, n, confidence)
    z = normal_quantile(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(min(low, p), p, max(high, p), n, "Wilson", confidence)


def clopper_pearson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of one proportion: never covers less than it says."""
    _check_counts(successes, n, confidence)
    low, high = proportion_bounds(successes / n, n, (1 - confidence) / 2)
    return Interval(low, successes / n, high, n, "Clopper-Pearson", confidence)


def proportion_bounds(p: float, n: float, tail: float) -> tuple[float, float]:
    """Clopper and Pearson's bounds of a proportion ``p`` of ``n``, which need not be whole, each
    exceeded with a probability of at most ``tail``.
    """
    k = p * n
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return min(low, p), max(high, p)


def t_quantile(tail: float, df: float) -> float:
    """The point that Student's t exceeds with probability ``tail``; ``df`` need not be whole."""
    if df > 1e6:
        return NormalDist().inv_cdf(1 - tail)
    return float(stdtrit(df, 1 - tail))


UNSEEN = 2
"""So many units as far off as the farthest that was seen are taken to have been missed by chance.
"""


@dataclass(frozen=True)
class Spread:
    """How precisely a sum of independent contributions is known.

    ``variance`` of the sum; ``df``, the degrees of freedom of that estimate: few where a few units
    make up most of the variance (Satterthwaite); ``units`` that contribute; ``farthest``, the
    largest contribution below and above their mean. Where most units agree and a few differ widely,
    a sample without one of those looks more certain than it is. Each side therefore counts `UNSEEN`
    more units as far off as the farthest on that side, and half of the degrees of freedom.
    """

    variance: float
    df: float
    units: int
    farthest: tuple[float, float] = (0.0, 0.0)

    def guarded(self, side: int) -> float:
        """The variance below (``side`` 0) or above (1) the estimate."""
        return self.variance + UNSEEN * self.farthest[side] ** 2

    def half_width(self, tail: float, side: int) -> float:
        """How far Student's t reaches on one side."""
        if self.variance == 0.0:
            return 0.0
        return t_quantile(tail, max(self.df / 2, 1.0)) * math.sqrt(self.guarded(side))


def spread_of(contributions: Array, units: int | None = None) -> Spread:
    """The spread of the sum of centred contributions ``(G,)``, one for each independent unit.

    ``units`` is given where some of the rows take no part. One unit tells nothing about its spread:
    the variance is 0 then.
    """
    g = len(contributions) if units is None else units
    squares = contributions**2
    second = float(squares.sum())
    if g < 2 or second == 0.0:
        return Spread(0.0, 1.0, max(g, 1))
    excess = float((squares**2).sum()) - second**2 / g
    df = min(g - 1.0, 2 * second**2 / excess) if excess > 0 else g - 1.0
    farthest = max(-float(contributions.min()), 0.0), max(float(contributions.max()), 0.0)
    return Spread(second * g / (g - 1), max(df, 1.0), g, farthest)


def effective_n(
    p: float, spread: Spread, tail: float, least: float, most: float
) -> tuple[float, float]:
    """The number of independent samples that would know a proportion ``p`` as precisely (Korn and
    Graubard 1998), corrected for the degrees of freedom: for its lower and its upper bound.

    At least ``least``, the independent clusters, and at most ``most``, the samples; ``least`` where
    no two of the samples differ, for then nothing shows how alike those of a cluster are.
    """
    if least >= most or spread.variance == 0.0 or not 0.0 < p < 1.0:
        return least, least
    ratio = t_quantile(tail, math.inf) / t_quantile(tail, max(spread.df / 2, 1.0))
    low, high = (p * (1 - p) / spread.guarded(side) * ratio**2 for side in (0, 1))
    return min(max(low, least), most), min(max(high, least), most)


def effective_bounds(p: float, n: tuple[float, float], tail: float) -> tuple[float, float]:
    """`proportion_bounds` with an ``n`` of its own for the lower and the upper one."""
    return proportion_bounds(p, n[0], tail)[0], proportion_bounds(p, n[1], tail)[1]


def clustered_mean(
    values: Array, cluster: NDArray[Any] | None, confidence: float = 0.95
) -> Interval:
    """The mean of values between 0 and 1 ``(N,)`` that depend on each other within a cluster
    ``(N,)``.

    Clopper and Pearson's interval at the effective sample size. None for independent values.
    """
    values = np.asarray(values, np.float64)
    n, p = len(values), float(np.mean(values))
    if n == 0 or values.min() < 0 or values.max() > 1:
        raise ValueError("expected at least one value and all between 0 and 1, got others")
    tail, units = (1 - confidence) / 2, np.arange(n)
    if cluster is not None:
        units = np.unique(cluster, return_inverse=True)[1]
    size = np.bincount(units)
    spread = spread_of(np.bincount(units, values - p) / n)
    known = effective_n(p, spread, tail, n**2 / float((size**2).sum()), n)
    low, high = effective_bounds(p, known, tail)
    method = (
        "Clopper-Pearson"
        if cluster is None
        else "Clopper-Pearson at the effective n of the clusters"
    )
    return Interval(low, p, high, n, method, confidence, None if cluster is None else len(size))


def difference_of(first: Interval, second: Interval, correlation: float = 0.0) -> Interval:
    """The interval of ``first - second`` from the interval of each (MOVER, Zou and Donner 2008).

    ``correlation`` is that of the two estimates; 0 where they are independent.
    """
    value = first.estimate - second.estimate
    low = value - joined((first.estimate - first.low, second.high - second.estimate), correlation)
    high = value + joined((first.high - first.estimate, second.estimate - second.low), correlation)
    return Interval(
        low,
        value,
        high,
        first.n + second.n,
        f"{first.method}, difference (MOVER)",
        first.confidence,
        first.clusters,
        min(first.runs, second.runs),
    )


def joined(distances: tuple[float, float], correlation: float) -> float:
    """The distance of a difference from those of its two sides, which may be correlated."""
    a, b = distances
    return math.sqrt(max(a * a + b * b - 2 * correlation * a * b, 0.0))


def run_half_width(per_run: Array, tail: float) -> float:
    """How far the mean over training runs may be off by the spread between them ``(R,)``: Student's
    t.

    A single run shows no spread: 0.
    """
    if len(per_run) < 2:
        return 0.0
    error = float(np.std(per_run, ddof=1)) / math.sqrt(len(per_run))
    return t_quantile(tail, len(per_run) - 1) * error


def with_run_spread(interval: Interval, per_run: Array) -> Interval:
    """An interval of the samples' error, widened by the spread over training runs ``(R,)``."""
    half = run_half_width(per_run, (1 - interval.confidence) / 2)
    return replace(
        interval,
        runs=len(per_run),
        low=interval.estimate - math.hypot(interval.estimate - interval.low, half),
        high=interval.estimate + math.hypot(interval.high - interval.estimate, half),
    )


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


def cluster_weights(
    clusters: int, replicates: int = REPLICATES, seed: int = BOOTSTRAP_SEED
) -> NDArray[np.float32]:
    """How often each cluster is drawn in each bootstrap replicate: ``(replicates, clusters)``, rows
    sum to ``clusters``.
    """
    if clusters < 1 or replicates < 1:
        raise ValueError(
            f"expected at least one cluster and one replicate, got {clusters} and {replicates}"
        )
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, clusters, size=(replicates, clusters))
    flat = drawn + np.arange(replicates)[:, None] * clusters
    return (
        np.bincount(flat.ravel(), minlength=replicates * clusters)
        .reshape(replicates, clusters)
        .astype(np.float32)
    )


def seed_noise(
    per_run: Array, replicates: int = REPLICATES, seed: int = BOOTSTRAP_SEED + 1
) -> Array:
    """Draws of the error of the mean over training runs: Student's t with R - 1 degrees of freedom
    times s / sqrt(R).

    ``per_run`` float64 ``(R,)``: one estimate a run. With a single run nothing is known of the
    spread: zeros.
    """
    runs = len(per_run)
    if runs < 2:
        return np.zeros(replicates)
    scale = float(np.std(per_run, ddof=1)) / math.sqrt(runs)
    draws = np.random.default_rng(seed).standard_t(runs - 1, size=replicates)
    return np.asarray(draws * scale, dtype=np.float64)


def percentile(
    replicates: Array,
    estimate: float,
    *,
    n: int,
    method: str,
    confidence: float = 0.95,
    clusters: int | None = None,
    runs: int = 1,
) -> Interval:
    """The percentile interval of bootstrap replicates, always holding the estimate. Replicates that
    are NaN are dropped.
    """
    kept = replicates[np.isfinite(replicates)]
    if not len(kept):
        raise DataError("expected at least one finite bootstrap replicate, got none")
    tail = (1 - confidence) / 2
    low, high = (float(v) for v in np.quantile(kept, [tail, 1 - tail]))
    return Interval(
        min(low, estimate), estimate, max(high, estimate), n, method, confidence, clusters, runs
    )


def proportion_standard_error(p: float, n: int) -> float:
    """Standard error of a printed proportion at ``n``, kept above zero at 0 and 1 by adding two
    successes and two failures.
    """
    if n < 1 or not 0 <= p <= 1:
        raise ValueError(f"expected a proportion and n >= 1, got {p} at {n}")
    adjusted = (p * n + 2) / (n + 4)
    return math.sqrt(adjusted * (1 - adjusted) / (n + 4))


def newcombe(p1: float, n1: int, p2: float, n2: int, confidence: float = 0.95) -> Interval:
    """Newcombe's hybrid score interval of the difference ``p1 - p2`` of two independent proportions
    (his method 10).
    """
    first, second = wilson(p1 * n1, n1, confidence), wilson(p2 * n2, n2, confidence)
    return replace(difference_of(first, second), method="Newcombe")


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact two-sided p: whether two models err on different samples equally often.

    ``only_first`` and ``only_second`` count the samples that just one of them gets right; 1 where
    there are none.
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
    """The mean of the largest of ``k`` independent standard normal values, by numerical integration
    of its distribution.
    """
    if k < 1:
        raise ValueError(f"expected k >= 1, got {k}")
    z = np.linspace(-10.0, 10.0, 20_001)
    density = k * ndtr(z) ** (k - 1) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(z * density, z))
