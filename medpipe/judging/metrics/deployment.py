"""Metrics of deployment: times and ratios over rounds, and whether two forms of a network give the same answers.

Intervals are over blocks of neighbouring rounds (the group ``block``), for what slows a machine lasts longer than one call; that of a ratio
is the one that audits and figures tell.
"""

from __future__ import annotations

import numpy as np

from medpipe.evidence.contributions import Contributed, mean
from medpipe.evidence.observations import Observations
from medpipe.evidence.rounds import geometric
from medpipe.judging.metrics.contributing import ByContribution, ByInterval, Rows
from medpipe.statistics import Interval


def median_seconds(o: Observations) -> float:
    """The median time of an answer in seconds."""
    return float(np.median(o["seconds"]))


def p95_seconds(o: Observations) -> float:
    """The time in seconds within which 95 in 100 answers come."""
    return float(np.quantile(o["seconds"], 0.95))


def _ratio(o: Observations, confidence: float) -> Interval:
    return geometric(np.log(o["ratio"]), o["block"], confidence)


def _flipped(o: Observations) -> tuple[Contributed, tuple[Rows]]:
    return mean((o["y_pred"] != o["reference_pred"]).astype(np.float64)), (np.ones(len(o), bool),)


def _lost(o: Observations) -> tuple[Contributed, tuple[Rows]]:
    """Right answers of the reference less those of this form, of the same samples; where no answer differs, Wilson's bound of a flip."""
    right, wanted = (o[name] == o["y_true"] for name in ("y_pred", "reference_pred"))
    found = mean(wanted.astype(np.float64) - right)
    least = None if found.least is None else (-found.least[1], found.least[1])
    return Contributed(found.value, found.strata, least), (np.ones(len(o), bool),)


speed_ratio = ByInterval("times as fast", "geometric mean over rounds of how many times as fast as the baseline of the same round", _ratio)
flipped_share = ByContribution("flipped predictions", "share of samples that are called otherwise than by the reference", _flipped,
                               (0.0, 1.0), made_by_run=None)
accuracy_loss = ByContribution("accuracy lost", "accuracy of the reference - accuracy, of the same samples", _lost, (-1.0, 1.0),
                               made_by_run=None)
