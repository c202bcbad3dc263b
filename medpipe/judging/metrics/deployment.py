"""Metrics of deployment: times and ratios over rounds, and whether two forms of a network give the same answers.

Intervals are over blocks of neighbouring rounds (the group ``block``), for what slows a machine lasts longer than one call; that of a ratio
is the one that audits and figures tell.
"""

from __future__ import annotations

import numpy as np

from medpipe.evidence.answers import flipped, lost
from medpipe.evidence.observations import Observations
from medpipe.evidence.rounds import geometric
from medpipe.judging.metrics.contributing import ByInterval
from medpipe.statistics import Interval


def median_seconds(o: Observations) -> float:
    """The median time of an answer in seconds."""
    return float(np.median(o["seconds"]))


def p95_seconds(o: Observations) -> float:
    """The time in seconds within which 95 in 100 answers come."""
    return float(np.quantile(o["seconds"], 0.95))


def _ratio(o: Observations, confidence: float) -> Interval:
    return geometric(np.log(o["ratio"]), o["block"], confidence)


speed_ratio = ByInterval("times as fast", "geometric mean over rounds of how many times as fast as the baseline of the same round", _ratio)
flipped_share = ByInterval("flipped predictions", "share of samples that are called otherwise than by the reference", flipped,
                           (0.0, 1.0))
accuracy_loss = ByInterval("accuracy lost", "accuracy of the reference - accuracy, of the same samples", lost, (-1.0, 1.0))
