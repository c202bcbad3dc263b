"""Estimates with their own sampling error: the contribution of each sample, by independent stratum.

A bootstrap draws samples twice, and a sample is its own nearest neighbour: for U-statistics and
neighbour counts it gives another quantity than the one estimated. Here the influence of each sample
is computed once (the infinitesimal jackknife), and the error is that of the sums of these
contributions: Student's t, or for a share Clopper and Pearson's interval at its effective n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.metrics.intervals import (
    Interval,
    clopper_pearson,
    effective_bounds,
    effective_n,
    spread_of,
    t_quantile,
)

Array = NDArray[np.float64]
FEW = 20
"""Of fewer clusters than this the skewness of a measurement does not average out, and half of the
degrees of freedom count.
"""


@dataclass(frozen=True, eq=False)
class Contributed:
    """An estimate ``value`` with the influences of the samples that it was made of.

    ``strata``: float64 ``(n_s,)`` each, of samples drawn independently of the other strata; they
    are centred here. To first order the estimate from another draw is ``value`` plus the sum over
    strata of the mean of the influences drawn. ``least`` is what an interval must hold at least,
    (low, high), where influences cannot tell. ``counted`` is above 0 where the value is a share
    from 0 to 1: it is then known at least as precisely as one counted in this part of the smallest
    stratum. ``squared``: it is the square of a distance, so that its error grows with it. Raises
    `DataError`.
    """

    value: float
    strata: tuple[Array, ...]
    least: tuple[float, float] | None = None
    counted: float = 0.0
    squared: bool = False

    def __post_init__(self) -> None:
        if not all(len(s) for s in self.strata) or not self.strata:
            raise DataError(
                "expected samples in every part that is compared, got a part without any"
            )
        if not math.isfinite(self.value) or not all(np.isfinite(s).all() for s in self.strata):
            raise DataError("expected finite measurements of every sample, got others")
        object.__setattr__(
            self,
            "strata",
            tuple(np.asarray(s, np.float64) - np.mean(s, dtype=np.float64) for s in self.strata),
        )

    @property
    def n(self) -> int:
        """Samples in all strata."""
        return sum(len(s) for s in self.strata)

    @property
    def standard_error(self) -> float:
        """Standard error of ``value``."""
        return math.sqrt(sum(float((s**2).sum()) / len(s) ** 2 for s in self.strata))

    def samples(self, alike: float = 1.0) -> tuple[float, float] | None:
        """How many independent samples a share is of, at least and at most; None for what is no
        share.

        ``alike``: the size of clusters of samples that depend on each other.
        """
        if not self.counted:
            return None
        return max(self.counted * min(map(len, self.strata)) / alike, 1.0), self.n

    def interval(
        self, confidence: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)
    ) -> Interval:
        """The interval over independent samples, cut to what the quantity can be."""
        added = np.concatenate([contributions(s) for s in self.strata])
        low, high = limits(self.value, added, (1 - confidence) / 2, self.samples())
        found = Interval(low, self.value, high, self.n, how(self), confidence)
        return within(widened(rooted(found) if self.squared else found, self.least), bounds)


def rooted(interval: Interval) -> Interval:
    """The interval of the square of a distance, whose upper limit is that of the distance."""
    half = interval.high - interval.estimate
    return (
        replace(interval, high=interval.high + half**2 / (4 * max(interval.estimate, half)))
        if half
        else interval
    )


def contributions(influences: Array) -> Array:
    """What each sample of a stratum ``(n,)`` adds to the error of the estimate."""
    n = len(influences)
    return influences / math.sqrt(n * max(n - 1, 1))


def limits(
    value: float,
    added: Array,
    tail: float,
    of: tuple[float, float] | None = None,
    units: int | None = None,
) -> tuple[float, float]:
    """Limits of an estimate, each exceeded with the probability ``tail``, from what each of some
    independent ``units`` has ``added`` to its error.

    By Student's t; or of a share of at least and at most so many independent samples ``of``.
    """
    spread = spread_of(added, units)
    if of is not None:
        return effective_bounds(value, effective_n(value, spread, tail, *of), tail)
    return value - spread.half_width(tail, 0), value + spread.half_width(tail, 1)


def how(found: Contributed) -> str:
    """The method of `limits`, for the reader."""
    method = "Clopper-Pearson at the effective n" if found.counted else "Student's t"
    return f"{method}, from the influence of each sample"


def widened(interval: Interval, least: tuple[float, float] | None) -> Interval:
    """An interval that also holds ``least``."""
    if least is None:
        return interval
    return replace(interval, low=min(interval.low, least[0]), high=max(interval.high, least[1]))


def within(interval: Interval, bounds: tuple[float, float]) -> Interval:
    """The part of an interval between two bounds; the estimate always stays in it."""
    low, high = bounds
    return replace(
        interval,
        low=min(max(interval.low, low), interval.estimate),
        high=max(min(interval.high, high), interval.estimate),
    )


def mean(values: Array) -> Contributed:
    """The share of independent samples, each 0 to 1 ``(N,)``."""
    values = np.asarray(values, np.float64)
    return Contributed(float(values.mean()) if len(values) else math.nan, (values,), counted=1.0)


def clustered(values: Array, cluster: NDArray[Any] | None, confidence: float = 0.95) -> Interval:
    """The mean of measurements ``(N,)`` that depend on each other within a cluster ``(N,)``:
    Student's t.
    """
    n, centre = len(values), float(np.mean(values, dtype=np.float64))
    place = np.arange(n) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    added = np.bincount(place, (values - centre) / n).astype(np.float64)
    spread = spread_of(added)
    df = spread.df if len(added) >= FEW else max(spread.df / 2, 1.0)
    half = t_quantile((1 - confidence) / 2, df) * math.sqrt(spread.variance)
    method = f"Student's t over {'samples' if cluster is None else 'clusters'}"
    return Interval(centre - half, centre, centre + half, n, method, confidence, len(added))


def difference(first: Array, second: Array) -> Contributed:
    """The mean of ``first`` ``(N,)`` minus the mean of ``second`` ``(M,)``."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return Contributed(
        float(first.mean() - second.mean()) if len(first) and len(second) else math.nan,
        (first, -second),
    )


def excess(
    flags: Array,
    calibration: Array,
    *,
    groups: tuple[NDArray[Any], NDArray[Any]],
    chance: float = 0.5,
) -> Contributed:
    """The share of samples that are flagged for a reason, where some are flagged by chance: (p - q)
    / (1 - q), at most 1.

    ``flags`` 0 to 1 ``(N,)``, mean p, of the samples asked about; ``calibration`` ``(M,)`` of
    samples that have no reason to be flagged; q is their mean, or ``chance`` where that is more. If
    a share of the former is flagged for certain and the rest by chance, this is that share; below 0
    by chance alone. ``groups`` name by sample what depends on each other, in each. Raises
    `DataError` where every sample without a reason is flagged.
    """
    flags, calibration = np.asarray(flags, np.float64), np.asarray(calibration, np.float64)
    if not len(flags) or not len(calibration):
        raise DataError("expected samples in every part that is compared, got a part without any")
    p, seen = float(flags.mean()), float(calibration.mean())
    q = max(seen, chance)
    if q >= 1:
        raise DataError(
            "expected samples for calibration that are not flagged, got none: no excess over them"
            " can be told"
        )
    edge = at_the_edge(p, len(np.unique(groups[0])))
    least = None if edge is None else ((edge[0] - q) / (1 - q), (edge[1] - q) / (1 - q))
    slope = (p - 1) / (1 - q) ** 2 if seen > chance else 0.0
    return Contributed(
        (p - q) / (1 - q),
        (summed(flags / (1 - q), groups[0]), summed(slope * calibration, groups[1])),
        least,
    )


def summed(influences: Array, group: NDArray[Any]) -> Array:
    """Influences ``(N,)``, centred, with those of each group added up on its first sample, and
    widened for few groups by √(G / (G - 1)).
    """
    _, first, place = np.unique(group, return_index=True, return_inverse=True)
    together = np.zeros(len(influences))
    together[first] = np.bincount(place, influences - influences.mean()) * math.sqrt(
        len(first) / max(len(first) - 1, 1)
    )
    return together


def area_under_curve(positive: Array, negative: Array) -> Contributed:
    """The chance that a positive scores above a negative, ties counted half, with DeLong's
    placements (1988) as influences: 0 to 1.
    """
    positive, negative = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    if not len(positive) or not len(negative):
        raise DataError("expected samples in every part that is compared, got a part without any")
    above, below = _placements(positive, negative), 1 - _placements(negative, positive)
    return Contributed(float(above.mean()), (above, below), counted=1.0)


def _placements(scores: Array, among: Array) -> Array:
    """Of each score, the share of the others below it, those equal counted half."""
    ordered = np.sort(among)
    lower, upper = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    return np.asarray((lower + upper) / (2 * len(among)), np.float64)


def at_the_edge(share: float, n: int) -> tuple[float, float] | None:
    """Clopper and Pearson's interval of a share of 0 or 1, whose samples do not differ; None for
    any other.
    """
    if share not in (0.0, 1.0) or not n:
        return None
    found = clopper_pearson(share * n, n)
    return found.low, found.high
