"""What rounds tell in which forms took turns: how many times as fast one is as another, and whether they were begun too early.

Audits and judging tell the same number with the same interval, by the same function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import kendalltau

from medpipe.statistics import Interval

TREND, SURE = 1.10, 0.001
"""Ratio of the first quarter of rounds to the rest from which, with a trend of this p, the warm-up was too short."""


def geometric(logs: NDArray[np.float64], block: NDArray[np.str_], confidence: float = 0.95) -> Interval:
    """The geometric mean of ratios from their logarithms ``(R,)``, with the interval of Student's t over the means of blocks."""
    _, number = np.unique(block, return_inverse=True)
    means = np.bincount(number, logs) / np.bincount(number)
    wide = float(stdtrit(len(means) - 1, (1 + confidence) / 2)) if len(means) > 1 else math.inf
    half = wide * float(means.std(ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else math.inf
    centre = float(logs.mean())
    return Interval(math.exp(centre - half), math.exp(centre), math.exp(min(centre + half, 700.0)), len(logs),
                    "Student's t over blocks of rounds", confidence, clusters=len(means))


def short_warm_up(seconds: Sequence[float]) -> str | None:
    """Rounds that get faster with time were begun too early."""
    values = np.asarray(seconds, np.float64)
    quarter = max(len(values) // 4, 1)
    ratio = float(np.median(values[:quarter]) / np.median(values[quarter:]))
    found = kendalltau(np.arange(len(values)), values)
    if ratio >= TREND and found.statistic < 0 and found.pvalue < SURE:
        return f"the first quarter of the rounds takes {ratio:.2f} times as long as the rest: the warm-up was too short"
    return None


def hurried(seconds: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Names of those, of the same rounds ``(R,)``, that get faster with time beside the median of all, where there are three at least: a
    machine that gets faster is not the fault of one.
    """
    logs = np.log(np.stack(list(seconds.values())))
    beside = np.exp(logs - np.median(logs, axis=0)) if len(logs) > 2 else np.exp(logs)
    return [name for name, row in zip(seconds, beside, strict=True) if short_warm_up(row.tolist())]
