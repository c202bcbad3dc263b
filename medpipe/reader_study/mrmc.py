"""A mean over readers whose interval takes readers and images as random: Obuchowski and Rockette
(1995) with Hillis' degrees of freedom.

Readers look at the same images, so their errors are alike. The spread between readers' estimates
holds what differs between readers and what each errs alone; what they err in common, the mean
covariance of two readers, is added. Hillis and others, Statistics in Medicine 24 (2005) 1579
(single treatment); Hillis, Statistics in Medicine 26 (2007) 596.

One departure: the interval is never narrower than for these very readers, whose spread may be small
by luck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval, normal_quantile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A mean over ``readers`` on ``n`` images, its standard error and degrees of freedom (infinite
    for one reader).

    ``fixed_error`` is the standard error for these very readers, over images alone. ``error`` is
    the variance of one reader's estimate that is the reader's alone, ``common`` what two readers
    share, ``between`` the variance of true readers. ``low`` and ``high`` bound what the mean can
    be. ``nothing`` is the interval where no error is seen.
    """

    estimate: float
    standard_error: float
    fixed_error: float
    df: float
    readers: int
    n: int
    error: float
    common: float
    between: float
    low: float
    high: float
    nothing: Interval

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided interval."""
        if self.silent:
            return self.nothing
        half = max(
            self.quantile(0.5 + confidence / 2) * self.standard_error,
            normal_quantile(confidence) * self.fixed_error,
        )
        return Interval(
            max(self.low, self.estimate - half),
            self.estimate,
            min(self.high, self.estimate + half),
            self.n,
            self.method,
            confidence,
        )

    @property
    def silent(self) -> bool:
        """Whether neither images nor readers show any error, as where everybody told everything
        apart.
        """
        return max(self.standard_error, self.fixed_error) == 0

    @property
    def method(self) -> str:
        """What the interval is, for the reader."""
        if self.readers == 1:
            return (
                f"over {plural(self.n, 'image')}; one reader, so it says nothing of other readers"
            )
        return (
            f"Obuchowski and Rockette, Hillis: {self.readers} readers and {self.n} images as"
            f" random, Student's t with {self.df:.1f} df"
        )

    def quantile(self, p: float) -> float:
        """Of Student's t with the mean's degrees of freedom."""
        return normal_quantile(2 * p - 1) if math.isinf(self.df) else float(stdtrit(self.df, p))

    def p_above(self, value: float) -> float:
        """One-sided p of a mean above ``value`` against a true mean of at most that; `silent` means
        do not ask.
        """
        shift = self.estimate - value
        ps = [0.5 * math.erfc(shift / self.fixed_error / math.sqrt(2))] if self.fixed_error else []
        if self.standard_error:
            t = shift / self.standard_error
            ps.append(
                float(stdtr(self.df, -t))
                if math.isfinite(self.df)
                else 0.5 * math.erfc(t / math.sqrt(2))
            )
        return max(ps)

    def p_below(self, value: float) -> float:
        """The same for a mean below ``value``."""
        return replace(self, estimate=-self.estimate).p_above(-value)


def mean_over_readers(
    estimates: Array, covariance: Array, n: int, *, bounds: tuple[float, float], nothing: Interval
) -> Mean:
    """The mean of R readers' estimates ``(R,)`` with the covariance ``(R, R)`` of their errors over
    images.

    ``bounds``: what an estimate can be at all. ``nothing``: the interval to give where neither
    images nor readers show any error.
    """
    r = len(estimates)
    variance = float(np.mean(np.diag(covariance)))
    fixed = math.sqrt(max(0.0, float(covariance.mean())))
    if r == 1:
        return Mean(
            float(estimates[0]), fixed, fixed, math.inf, 1, n, variance, 0.0, 0.0, *bounds, nothing
        )
    common = max(0.0, float((covariance.sum() - np.trace(covariance)) / (r * (r - 1))))
    square = float(np.var(estimates, ddof=1))
    error = max(0.0, variance - common)
    total = square + r * common
    df = total**2 / (square**2 / (r - 1)) if square > 0 else math.inf
    return Mean(
        float(np.mean(estimates)),
        math.sqrt(total / r),
        fixed,
        df,
        r,
        n,
        error,
        common,
        max(0.0, square - error),
        *bounds,
        nothing,
    )
