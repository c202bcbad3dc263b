"""Metrics of stated probabilities: can they be believed, and do they tell which answers to leave to
somebody else?

Each is a function of `Observations` with ``y_true`` int ``(N,)`` and ``y_prob`` float ``(N, C)``;
lower is better but for `accuracy_at_90_percent_coverage`. The stated confidence of an answer is the
largest probability of its row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence.observations import Observations
from medpipe.metrics.intervals import effective_n, normal_quantile, spread_of
from medpipe.metrics.statistic import Rows, Statistic, centred, combined, mean_of, proportion

Array = NDArray[np.float64]
BINS = 10
"""Bins of equal width, as the reliability diagram shows them."""

COVERAGE = 0.9


@dataclass(frozen=True)
class CalibrationMetric:
    """A metric of probabilities with its error. ``value`` is of one run; ``of_runs`` of several,
    with the error of their mean.

    ``formula`` and ``conventions`` are for the reader.
    """

    name: str
    formula: str
    value: Callable[[Observations], float]
    of_runs: Callable[[Rows], Statistic]
    conventions: Callable[[Sequence[str]], str]
    method: str = "Student's t"

    def __call__(self, observations: Observations) -> float:
        return self.value(observations)

    def statistic(self, rows: Rows, expected: Collection[int]) -> Statistic:
        """The metric of each run with its error; it needs no class in particular."""
        return self.of_runs(rows)

    def convention(self, classes: Sequence[str]) -> str:
        """Over which classes, bins or samples."""
        return self.conventions(classes)


def binned(observations: Observations) -> tuple[Array, Array, Array]:
    """By bin of confidence, each float64 ``(BINS,)``: samples, sum of stated confidence, right
    answers.
    """
    confidence, right = _answers(observations)
    index = _bin(confidence)
    samples, stated, correct = (
        np.bincount(index, weights=w, minlength=BINS).astype(np.float64)
        for w in (np.ones(len(confidence)), confidence, right)
    )
    return samples, stated, correct


def _bin(confidence: Array) -> NDArray[np.int64]:
    return np.asarray(np.minimum((confidence * BINS).astype(np.int64), BINS - 1), np.int64)


def _calibration_error(observations: Observations) -> float:
    """Mean over samples of |mean confidence - share of right answers| of their bin (Naeini et al.
    2015): 0 to 1.

    Biased upwards where bins hold few samples: a perfectly calibrated network does not reach 0. Its
    bounds allow for that.
    """
    _, stated, right = binned(observations)
    return float(np.abs(stated - right).sum() / len(observations))


def _calibration_statistic(rows: Rows) -> Statistic:
    """Each run's bounds, averaged: their errors are taken to grow together."""
    by_run = np.array([_calibration_error(o) for o in rows.runs])
    of_runs = [_BinnedRun(rows, r) for r in range(len(rows.runs))]

    def bounds(tail: float) -> tuple[float, float]:
        found = np.array([run.bounds(tail) for run in of_runs])
        return float(found[:, 0].mean()), float(found[:, 1].mean())

    influence = sum(run.influence for run in of_runs) / len(of_runs)
    return Statistic(
        by_run, np.asarray(influence, np.float64), influence != 0, bounds, rows.n, biased=True
    )


class _BinnedRun:
    """The differences of confidence and accuracy by bin of one run.

    The error is the largest sum of the bins' differences over all choices of their signs. The sum
    with the true signs is an ordinary mean, and its upper bound holds, so the largest upper bound
    over all choices does. The lower bound adds what each bin surely differs by (Bonferroni over
    bins), or is what confidence and accuracy surely differ by as a whole, whichever is more.
    """

    def __init__(self, rows: Rows, r: int) -> None:
        one = Rows(
            [rows.runs[r]], [rows.samples[r]], [rows.units[r]], rows.sample_count, rows.unit_count
        )
        confidence, right = _answers(rows.runs[r])
        index, n = _bin(confidence), len(confidence)
        self.occupied = np.unique(index)
        self.share = np.bincount(index, minlength=BINS)[self.occupied] / n
        self.right = [proportion(one, [right], [index == b]) for b in self.occupied]
        stated = np.bincount(index, confidence, BINS)[self.occupied] / n
        accuracy = np.array([s.value for s in self.right])
        self.difference = stated - self.share * accuracy
        flags = index[:, None] == self.occupied
        influences = (
            flags * (confidence[:, None] - accuracy) - self.difference
        )  # of the confidences and of the sizes of bins
        self.stated = (
            np.stack(
                [np.bincount(rows.units[r], column, rows.unit_count) for column in influences.T]
            )
            / n
        )
        self.answers = np.stack([s.influence for s in self.right]) * self.share[:, None]
        signs = np.sign(self.difference)
        self.influence = signs @ (self.stated - self.answers)
        self.signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(self.occupied))))
        self.whole = combined([(1.0, mean_of(one, [confidence])), (-1.0, proportion(one, [right]))])

    def bounds(self, tail: float) -> tuple[float, float]:
        return self._low(tail / 2), self._high(tail)

    def _low(self, tail: float) -> float:
        each = tail / (2 * len(self.occupied))
        surely = 0.0
        for k, s in enumerate(self.right):
            below, above = s.distances(each)
            spread = spread_of(self.stated[k])
            side = 0 if self.difference[k] > 0 else 1
            reach = math.hypot(
                self.share[k] * (above if self.difference[k] > 0 else below),
                spread.half_width(each, side),
            )
            surely += max(abs(self.difference[k]) - reach, 0.0)
        low, high = self.whole.bounds(tail / 2)
        return max(surely, low, -high, 0.0)

    def _high(self, tail: float) -> float:
        """The largest upper bound over all choices of signs."""
        below, above = np.array([s.distances(tail) for s in self.right]).T * self.share
        reach = np.where(self.signs > 0, below, above)
        together = _positive_correlation(self.answers)
        of_answers = np.einsum("sk,kl,sl->s", reach * self.signs, together, reach * self.signs)
        apart = (reach**2).sum(axis=1)
        of_confidence = np.einsum(
            "sk,kl,sl->s", self.signs, self.stated @ self.stated.T, self.signs
        )
        half = np.sqrt(
            np.maximum(of_answers, apart)
            + normal_quantile(1 - 2 * tail) ** 2 * np.maximum(of_confidence, 0.0)
        )
        return float(np.max(self.signs @ self.difference + half))


def _positive_correlation(influences: Array) -> Array:
    norms = np.sqrt((influences**2).sum(axis=1))
    products = np.outer(norms, norms)
    return np.divide(
        influences @ influences.T, products, out=np.eye(len(norms)), where=products > 0
    )


def _brier(observations: Observations) -> float:
    """Mean squared error of the probabilities (Brier 1950): of the second class where there are
    two, 0 to 1, as scikit-learn's ``brier_score_loss`` has it; of more classes summed over them, 0
    to 2.
    """
    return float(_squared_error(observations).mean())


def _squared_error(observations: Observations) -> Array:
    p = observations["y_prob"].astype(np.float64)
    each = (p - np.eye(p.shape[1])[observations["y_true"].astype(np.int64)]) ** 2
    return np.asarray(each[:, 1] if p.shape[1] == 2 else each.sum(axis=1), np.float64)


def _brier_statistic(rows: Rows) -> Statistic:
    errors = [1 - _answers(o)[1] for o in rows.runs]
    largest = 1.0 if len(rows.runs[0].classes) == 2 else 2.0
    return mean_of(rows, [_squared_error(o) for o in rows.runs], largest, errors)


def _risk_coverage(observations: Observations) -> float:
    """Mean error of the answers kept, over all numbers of answers kept, the most confident first
    (Geifman and El-Yaniv 2017): 0 to 1.
    """
    errors = 1 - _most_confident_first(observations)
    return float((np.cumsum(errors) / np.arange(1, len(errors) + 1)).mean())


def _risk_coverage_influence(observations: Observations) -> Array:
    """What each sample adds: its error, weighted by the logarithm of its rank, and what it takes
    from those ranked below it.
    """
    confidence, right = _answers(observations)
    errors, n = 1 - right, len(right)
    _, place, count = np.unique(
        confidence, return_inverse=True, return_counts=True
    )  # equal confidences are one rank
    rank = (np.cumsum(count[::-1])[::-1] / n)[place]
    below = (np.cumsum(np.bincount(place, errors / rank)) / n)[place]
    found = errors * -np.log(rank) - below
    return np.asarray(found - found.mean(), np.float64)


def _risk_coverage_statistic(rows: Rows) -> Statistic:
    """Influences; rare errors that are missing by chance count once towards the upper bound."""
    by_run = np.array([_risk_coverage(o) for o in rows.runs])
    found = centred(rows, by_run, [_risk_coverage_influence(o) for o in rows.runs])
    accuracy = proportion(rows, [_answers(o)[1] for o in rows.runs])
    return _with_unseen(found, rows, accuracy)


def _with_unseen(found: Statistic, rows: Rows, accuracy: Statistic) -> Statistic:
    of_unit = spread_of(accuracy.influence, int(accuracy.takes_part.sum()))
    most = float(rows.n)
    least = most if not rows.clustered else float(accuracy.takes_part.sum())

    def bounds(tail: float) -> tuple[float, float]:
        low, high = found.distances(tail)
        n = effective_n(accuracy.value, of_unit, tail, min(least, most), most)[0]
        return max(found.value - low, 0.0), min(
            found.value + math.hypot(high, 1 - tail ** (1 / n)), 1.0
        )

    return Statistic(found.by_run, found.influence, found.takes_part, bounds, found.n)


def _kept_accuracy(observations: Observations) -> float:
    """Accuracy of the nine tenths of answers that are stated most confidently, the rest left to a
    reader: 0 to 1.
    """
    right = _most_confident_first(observations)
    return float(right[: max(1, round(COVERAGE * len(right)))].mean())


def _kept_statistic(rows: Rows) -> Statistic:
    """A share of the answers kept; which ones are kept is itself found from the samples, and adds
    the accuracy about the threshold.
    """
    by_run = np.array([_kept_accuracy(o) for o in rows.runs])
    kept, shift = [], []
    for o in rows.runs:
        confidence, right = _answers(o)
        threshold = np.quantile(confidence, 1 - COVERAGE)
        kept.append(confidence >= threshold)
        away = np.abs(confidence - threshold)
        near = away <= np.sort(away)[min(max(len(right) // 10, 5), len(right)) - 1]
        shift.append((kept[-1] / COVERAGE - 1) * (right[near].mean() - right[kept[-1]].mean()))
    share = proportion(rows, [_answers(o)[1] for o in rows.runs], kept)
    return combined([(1.0, share), (1.0, centred(rows, np.zeros(len(by_run)), shift))]).recentred(
        by_run, rows.n
    )


def _answers(observations: Observations) -> tuple[Array, Array]:
    """Confidence and 0 or 1 for a right answer, each ``(N,)``."""
    p = observations["y_prob"].astype(np.float64)
    chosen = observations["y_pred"] if "y_pred" in observations else p.argmax(axis=1)
    return p.max(axis=1), (chosen == observations["y_true"]).astype(np.float64)


def _most_confident_first(observations: Observations) -> Array:
    """Right answers in that order; answers of equal confidence each count the mean of them all, so
    that no order among them matters.
    """
    confidence, right = _answers(observations)
    _, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(place, right) / count
    return np.asarray(mean[np.sort(place)])


def _brier_convention(classes: Sequence[str]) -> str:
    if len(classes) == 2:
        return f"mean squared error of the probability of {classes[1]}, 0 to 1"
    return f"squared errors summed over {len(classes)} classes, 0 to 2"


brier_score = CalibrationMetric(
    "Brier score", "mean of (p - y)²", _brier, _brier_statistic, _brier_convention
)
expected_calibration_error = CalibrationMetric(
    "expected calibration error",
    "mean of |confidence - accuracy| of the bin",
    _calibration_error,
    _calibration_statistic,
    lambda classes: f"{BINS} bins of equal width of the largest probability",
    "bounds over all signs of the bins' differences",
)
area_under_risk_coverage = CalibrationMetric(
    "area under risk-coverage",
    "mean error over all numbers of answers kept",
    _risk_coverage,
    _risk_coverage_statistic,
    lambda classes: "the most confident answers kept first",
)
accuracy_at_90_percent_coverage = CalibrationMetric(
    "accuracy at 90 % coverage",
    "right / all of the nine tenths most confident",
    _kept_accuracy,
    _kept_statistic,
    lambda classes: "the least confident tenth left out",
    "Clopper-Pearson",
)
