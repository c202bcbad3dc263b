"""Ratings of synthetic images beside those of real ones by the same readers: a rating without that
says nothing.

Ratings are ordered, not measured: beside the difference of means stands the probability that a
synthetic image is rated higher than a real one, ties counted by half (Mann and Whitney's U over m
n), with the same interval over readers and images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.metrics.intervals import Interval, newcombe, wilson
from medpipe.reader_study.auc import auc, covariance_of_mean, newcombe_auc
from medpipe.reader_study.mrmc import Mean, mean_over_readers
from medpipe.reader_study.study import RATING_STEPS

Answers = NDArray[np.int64]
Flags = NDArray[np.bool_]
RANGE = RATING_STEPS - 1


@dataclass(frozen=True)
class Rating:
    """Means over readers of one question, 1 to 5: real, synthetic, synthetic minus real;
    ``higher``: the probability of Mann and Whitney.

    ``p``: two-sided p of Mann and Whitney's test by reader, with correction for ties.
    """

    question: str
    real: Interval
    synthetic: Interval
    difference: Interval
    higher: Interval
    p: tuple[float, ...]


def rate(question: str, answers: Answers, synthetic: Flags, level: float) -> Rating:
    """One question's ratings ``(R, N)``; ``synthetic`` bool ``(N,)``."""
    values = answers.astype(np.float64)
    s, r = values[:, synthetic], values[:, ~synthetic]
    m, n = s.shape[1], r.shape[1]
    shares = (float(s.mean()) - 1) / RANGE, (float(r.mean()) - 1) / RANGE
    difference = mean_over_readers(
        s.mean(axis=1) - r.mean(axis=1),
        covariance_of_mean(s) + covariance_of_mean(r),
        m + n,
        bounds=(-RANGE, RANGE),
        nothing=_scaled(newcombe(shares[0], m, shares[1], n, level), 0),
    )
    areas, covariance = auc(values, synthetic)
    higher = mean_over_readers(
        areas,
        covariance,
        m + n,
        bounds=(0.0, 1.0),
        nothing=newcombe_auc(float(areas.mean()), m, n, level),
    )
    return Rating(
        question,
        _mean(r, shares[1]).interval(level),
        _mean(s, shares[0]).interval(level),
        difference.interval(level),
        higher.interval(level),
        tuple(mann_whitney(a, b) for a, b in zip(s, r, strict=True)),
    )


def share_right(right: Flags, synthetic: Flags) -> Mean:
    """The mean share of right answers ``(R, N)`` over readers; synthetic and real images are two
    samples of fixed size.
    """
    values, n = right.astype(np.float64), right.shape[1]
    covariance = np.zeros((len(values), len(values)))
    for side in (synthetic, ~synthetic):
        covariance += (side.sum() / n) ** 2 * covariance_of_mean(values[:, side])
    share = float(values.mean())
    return mean_over_readers(
        values.mean(axis=1), covariance, n, bounds=(0.0, 1.0), nothing=wilson(share * n, n)
    )


def _mean(values: NDArray[np.float64], share: float) -> Mean:
    n = values.shape[1]
    return mean_over_readers(
        values.mean(axis=1),
        covariance_of_mean(values),
        n,
        bounds=(1, RATING_STEPS),
        nothing=_scaled(wilson(share * n, n), 1),
    )


def _scaled(interval: Interval, offset: float) -> Interval:
    """From shares of the way from 1 to 5 to ratings; no answers within these bounds spread more
    than answers at their ends.
    """
    low, estimate, high = (
        offset + RANGE * v for v in (interval.low, interval.estimate, interval.high)
    )
    return Interval(
        low,
        estimate,
        high,
        interval.n,
        f"{interval.method}, as no answers differ",
        interval.confidence,
    )


def mann_whitney(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Two-sided p of Mann and Whitney's test, corrected for ties; 1 where all values are one. Its
    error is known without DeLong's.
    """
    from scipy.stats import mannwhitneyu  # slow to import

    if len(np.unique(np.concatenate([first, second]))) == 1:
        return 1.0
    return float(mannwhitneyu(first, second, method="asymptotic").pvalue)
