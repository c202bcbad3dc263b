"""Metrics of stated probabilities: can they be believed, and do they tell which answers to leave to somebody else?

Each is a function of `Observations` with ``y_true`` int ``(N,)`` and ``y_prob`` float ``(N, C)``; lower is better but for
`accuracy_at_90_percent_coverage`. The stated confidence of an answer is the largest probability of its row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence.observations import Observations

Array = NDArray[np.float64]
BINS = 10
"""Bins of equal width, as the reliability diagram shows them."""

COVERAGE = 0.9


def binned(observations: Observations) -> tuple[Array, Array, Array]:
    """By bin of confidence, each float64 ``(BINS,)``: samples, sum of stated confidence, right answers."""
    confidence, right = _answers(observations)
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    samples, stated, correct = (np.bincount(index, weights=w, minlength=BINS).astype(np.float64)
                                for w in (np.ones(len(confidence)), confidence, right))
    return samples, stated, correct


def expected_calibration_error(observations: Observations) -> float:
    """Mean over samples of |mean confidence - share of right answers| of their bin (Naeini et al. 2015): 0 to 1.

    Biased upwards where bins hold few samples: a perfectly calibrated network does not reach 0.
    """
    _, stated, right = binned(observations)
    return float(np.abs(stated - right).sum() / len(observations))


def brier_score(observations: Observations) -> float:
    """Mean over samples of the squared distance between probabilities and the truth, summed over classes (Brier 1950): 0 to 2."""
    p = observations["y_prob"].astype(np.float64)
    truth = np.eye(p.shape[1])[observations["y_true"].astype(np.int64)]
    return float(((p - truth) ** 2).sum(axis=1).mean())


def area_under_risk_coverage(observations: Observations) -> float:
    """Mean error of the answers kept, over all numbers of answers kept, the most confident first (Geifman and El-Yaniv 2017): 0 to 1."""
    errors = 1 - _most_confident_first(observations)
    return float((np.cumsum(errors) / np.arange(1, len(errors) + 1)).mean())


def accuracy_at_90_percent_coverage(observations: Observations) -> float:
    """Accuracy of the nine tenths of answers that are stated most confidently, the rest left to a reader: 0 to 1."""
    right = _most_confident_first(observations)
    return float(right[:max(1, round(COVERAGE * len(right)))].mean())


def _answers(observations: Observations) -> tuple[Array, Array]:
    """Confidence and 0 or 1 for a right answer, each ``(N,)``."""
    p = observations["y_prob"].astype(np.float64)
    chosen = observations["y_pred"] if "y_pred" in observations else p.argmax(axis=1)
    return p.max(axis=1), (chosen == observations["y_true"]).astype(np.float64)


def _most_confident_first(observations: Observations) -> Array:
    """Right answers in that order; answers of equal confidence each count the mean of them all, so that no order among them matters."""
    confidence, right = _answers(observations)
    _, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(place, right) / count
    return np.asarray(mean[np.sort(place)])
