"""What rounds tell in which forms took turns: how many times as fast one is as another, and whether
they were begun too early.

Audits and judging tell the same number with the same interval, by the same function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from medpipe.metrics.intervals import Interval, spread_of

TREND, SURE = 1.10, 0.001
"""Ratio of the first quarter of rounds to the rest from which, with a trend of this p, the warm-up
was too short.
"""

LASTING = 0.9
"""Autocorrelation of neighbouring blocks from which on their number says nothing of how sure a mean
over them is.
"""


def geometric(
    logs: NDArray[np.float64], block: NDArray[np.str_], confidence: float = 0.95
) -> Interval:
    """The geometric mean of ratios from their logarithms ``(R,)``, with the interval of Student's t
    over blocks.

    Where neighbouring blocks are alike, what slows a machine lasts longer than a block, and the
    interval is widened for it. One block has an interval without ends: 0 and the largest number.
    """
    centre, added = float(logs.mean()), _added(logs, block)
    spread, tail, alike = (
        spread_of(added),
        (1 - confidence) / 2,
        min(alikeness(logs, block), LASTING),
    )
    below, above = (
        (
            math.sqrt((1 + alike) / (1 - alike)) * spread.half_width(tail, side)
            if len(added) > 1
            else math.inf
        )
        for side in (0, 1)
    )
    return Interval(
        math.exp(centre - below),
        math.exp(centre),
        math.exp(min(centre + above, 700.0)),
        len(logs),
        "Student's t over blocks of rounds",
        confidence,
        clusters=len(added),
    )


def alikeness(logs: NDArray[np.float64], block: NDArray[np.str_]) -> float:
    """How alike neighbouring blocks are: their first autocorrelation, corrected for their number;
    at least 0.

    The estimate from B blocks is too small by (1 + 4 rho) / B (Marriott and Pope 1954), so 4 blocks
    tell nothing.
    """
    added = _added(logs, block)
    blocks, squares = len(added), float((added**2).sum())
    if not squares:
        return 0.0
    if blocks <= 4:
        return 1.0
    return max(
        (float((added[1:] * added[:-1]).sum()) / squares + 1 / blocks) / (1 - 4 / blocks), 0.0
    )


def _added(logs: NDArray[np.float64], block: NDArray[np.str_]) -> NDArray[np.float64]:
    _, number = np.unique(block, return_inverse=True)
    return np.asarray(np.bincount(number, logs - logs.mean()) / len(logs), np.float64)


def short_warm_up(seconds: Sequence[float]) -> str | None:
    """Rounds that get faster with time were begun too early."""
    values = np.asarray(seconds, np.float64)
    quarter = max(len(values) // 4, 1)
    ratio = float(np.median(values[:quarter]) / np.median(values[quarter:]))
    found = kendalltau(np.arange(len(values)), values)
    if ratio >= TREND and found.statistic < 0 and found.pvalue < SURE:
        return (
            f"the first quarter of the rounds takes {ratio:.2f} times as long as the rest: the"
            " warm-up was too short"
        )
    return None


def insufficient_warm_up(seconds: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Names of those, of the same rounds ``(R,)``, that get faster with time beside the median of
    all, where there are three at least: a machine that gets faster is not the fault of one.
    """
    logs = np.log(np.stack(list(seconds.values())))
    beside = np.exp(logs - np.median(logs, axis=0)) if len(logs) > 2 else np.exp(logs)
    return [name for name, row in zip(seconds, beside, strict=True) if short_warm_up(row.tolist())]
