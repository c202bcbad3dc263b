"""Metrics of deployment: times and ratios over rounds, and whether two forms of a network give the
same answers.

Intervals are over blocks of neighbouring rounds (the group ``block``), for what slows a machine
lasts longer than one call; that of a ratio is the one that audits and figures tell.
"""

from __future__ import annotations

import math

import numpy as np

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.metrics.contributing import ByInterval
from medpipe.metrics.intervals import Interval, clustered_mean
from medpipe.metrics.prediction_changes import flipped, lost
from medpipe.metrics.timing import LASTING, alikeness, geometric


def _quantile(o: Observations, share: float, confidence: float) -> Interval:
    """The time within which a ``share`` of answers come: the times that bound it are those at the
    bounds of the share of rounds within it (Woodruff 1952), over blocks. Raises `DataError` where
    so high a quantile has no upper bound yet.
    """
    seconds = np.sort(np.asarray(o["seconds"], np.float64))
    value, n = float(np.quantile(seconds, share)), len(seconds)
    within = clustered_mean((o["seconds"] <= value).astype(np.float64), o["block"], confidence)
    first, last = math.floor(within.low * n) - 1, math.ceil(within.high * n)
    if first < 0 or last >= n:
        raise DataError(
            f"times: {n} rounds in {within.clusters} blocks are too few to bound the time within"
            f" which {100 * share:g} in 100 answers come; time more rounds"
        )
    return Interval(
        float(seconds[first]),
        value,
        float(seconds[last]),
        n,
        "Woodruff's, over blocks of rounds",
        confidence,
        clusters=within.clusters,
    )


def _ratio(o: Observations, confidence: float) -> Interval:
    """Raises `DataError` where the blocks of rounds do not tell how sure the ratio is."""
    found = geometric(np.log(o["ratio"]), o["block"], confidence)
    if found.low == 0.0 or alikeness(np.log(o["ratio"]), o["block"]) > LASTING:
        raise DataError(
            f"times: {found.clusters} blocks of rounds are too few or too like their neighbours to"
            f" tell how sure the ratio of {found.estimate:.3g} is; time again with more rounds on a"
            " machine that does nothing else"
        )
    return found


median_seconds = ByInterval(
    "median time",
    "the time in seconds within which half of the answers come",
    lambda o, confidence: _quantile(o, 0.5, confidence),
    (0.0, math.inf),
)
p95_seconds = ByInterval(
    "95th percentile of times",
    "the time in seconds within which 95 in 100 answers come",
    lambda o, confidence: _quantile(o, 0.95, confidence),
    (0.0, math.inf),
)
speed_ratio = ByInterval(
    "times as fast",
    "geometric mean, over the rounds that were timed, of how many times as fast as the baseline of"
    " the same round",
    _ratio,
)
flipped_share = ByInterval(
    "flipped predictions",
    "share of samples that are called otherwise than by the reference",
    flipped,
    (0.0, 1.0),
)
accuracy_loss = ByInterval(
    "accuracy lost", "accuracy of the reference - accuracy, of the same samples", lost, (-1.0, 1.0)
)
