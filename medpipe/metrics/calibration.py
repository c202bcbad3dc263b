"""Metrics of stated probabilities: how far they can be trusted, and which answers to leave to
somebody else.

Each is called with the `Observations` of one run and returns a float:

- ``y_true``: integers ``(N,)``, indices into the C classes;
- ``y_prob``: float ``(N, C)``, rows that sum to 1;
- ``y_pred``: integers ``(N,)``, optional; without it the most probable class is the answer.

The *confidence* of an answer is the largest probability of its row. A missing array is a
`DataError`. Definition, range, direction and reference stand with each metric, at the end of this
file. Its ``statistic`` pools several runs and gives the value its error.
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
"""Bins of confidence: of equal width, closed below, the last one closed on both sides."""

COVERAGE = 0.9
"""Proportion of answers that `accuracy_at_90_percent_coverage` keeps."""

THRESHOLD_NEIGHBOURS, FEWEST_NEIGHBOURS = 10, 5
"""The accuracy about a threshold is that of the nearest N / 10 answers, and of at least 5."""


@dataclass(frozen=True)
class CalibrationMetric:
    """A metric of probabilities with its error.

    ``value`` maps the observations of one run to the metric; ``of_runs`` maps several runs to their
    mean with its error. ``formula``, ``conventions`` (of the class names) and ``method``, how the
    interval is made, are for the reader.
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
        """The metric of each run with its error. ``expected``, the classes that must have samples,
        is for other metrics: these need none in particular.
        """
        return self.of_runs(rows)

    def convention(self, classes: Sequence[str]) -> str:
        """Over which classes, bins or samples the metric is taken, for the reader."""
        return self.conventions(classes)


def binned(observations: Observations) -> tuple[Array, Array, Array]:
    """The reliability diagram's numbers: for each bin of confidence the number of samples, the sum
    of their confidences and the number of correct answers, each float64 ``(BINS,)``.
    """
    confidence, correct = _answers(observations)
    index = _bin(confidence)
    by_bin = (
        np.bincount(index, weights=w, minlength=BINS).astype(np.float64)
        for w in (np.ones(len(confidence)), confidence, correct)
    )
    samples, confidences, hits = by_bin
    return samples, confidences, hits


def _bin(confidence: Array) -> NDArray[np.int64]:
    """The bin of each confidence: integers ``(N,)`` in 0..BINS-1."""
    return np.asarray(np.minimum((confidence * BINS).astype(np.int64), BINS - 1), np.int64)


def _calibration_error(observations: Observations) -> float:
    _, confidences, hits = binned(observations)
    return float(np.abs(confidences - hits).sum() / len(observations))


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
    """The differences between confidence and accuracy of one run, by bin, with their errors.

    The error is the largest sum of the bins' differences over all choices of their signs. The sum
    with the true signs is an ordinary mean, and its upper bound holds, so the largest upper bound
    over all choices does. The lower bound adds what each bin surely differs by (Bonferroni over
    bins), or is what confidence and accuracy surely differ by as a whole, whichever is more.

    With K bins that hold samples and U independent units: ``share`` and ``difference`` ``(K,)``;
    ``confidences`` and ``answers``, the influence of each unit on a bin's mean confidence and on
    its accuracy, ``(K, U)``; ``signs`` ``(2**K, K)``.
    """

    def __init__(self, rows: Rows, r: int) -> None:
        one = Rows(
            [rows.runs[r]], [rows.samples[r]], [rows.units[r]], rows.sample_count, rows.unit_count
        )
        confidence, correct = _answers(rows.runs[r])
        index, n = _bin(confidence), len(confidence)
        self.occupied = np.unique(index)
        self.share = np.bincount(index, minlength=BINS)[self.occupied] / n
        self.correct = [proportion(one, [correct], [index == b]) for b in self.occupied]
        accuracy = np.array([s.value for s in self.correct])
        stated = np.bincount(index, confidence, BINS)[self.occupied] / n
        self.difference = stated - self.share * accuracy

        # Of the confidences and of the sizes of bins: by sample (N, K), then by unit.
        by_sample = (index[:, None] == self.occupied) * (
            confidence[:, None] - accuracy
        ) - self.difference
        by_unit = [np.bincount(rows.units[r], column, rows.unit_count) for column in by_sample.T]
        self.confidences = np.stack(by_unit) / n
        self.answers = np.stack([s.influence for s in self.correct]) * self.share[:, None]
        self.influence = np.sign(self.difference) @ (self.confidences - self.answers)
        self.signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(self.occupied))))
        self.whole = combined(
            [(1.0, mean_of(one, [confidence])), (-1.0, proportion(one, [correct]))]
        )

    def bounds(self, tail: float) -> tuple[float, float]:
        return self._low(tail / 2), self._high(tail)

    def _low(self, tail: float) -> float:
        """What the bins, or the run as a whole, surely differ by; at least 0."""
        each = tail / (2 * len(self.occupied))
        surely = 0.0
        for k, statistic in enumerate(self.correct):
            below, above = statistic.distances(each)
            overconfident = self.difference[k] > 0
            reach = math.hypot(
                self.share[k] * (above if overconfident else below),
                spread_of(self.confidences[k]).half_width(each, 0 if overconfident else 1),
            )
            surely += max(abs(self.difference[k]) - reach, 0.0)
        low, high = self.whole.bounds(tail / 2)
        return max(surely, low, -high, 0.0)

    def _high(self, tail: float) -> float:
        """The largest upper bound over all choices of signs."""
        below, above = np.array([s.distances(tail) for s in self.correct]).T * self.share
        reach = np.where(self.signs > 0, below, above)
        together = _correlation(self.answers)
        of_answers = np.einsum("sk,kl,sl->s", reach * self.signs, together, reach * self.signs)
        apart = (reach**2).sum(axis=1)
        of_confidence = np.einsum(
            "sk,kl,sl->s", self.signs, self.confidences @ self.confidences.T, self.signs
        )
        half = np.sqrt(
            np.maximum(of_answers, apart)
            + normal_quantile(1 - 2 * tail) ** 2 * np.maximum(of_confidence, 0.0)
        )
        return float(np.max(self.signs @ self.difference + half))


def _correlation(influences: Array) -> Array:
    """Correlations ``(K, K)`` between the rows of ``(K, U)`` influences; a row of zeros has none
    with the others.
    """
    norms = np.sqrt((influences**2).sum(axis=1))
    products = np.outer(norms, norms)
    return np.divide(
        influences @ influences.T, products, out=np.eye(len(norms)), where=products > 0
    )


def _brier(observations: Observations) -> float:
    return float(_squared_error(observations).mean())


def _squared_error(observations: Observations) -> Array:
    """``(N,)``: of two classes that of the second one's probability, of more the sum over them."""
    p = observations["y_prob"].astype(np.float64)
    each = (p - np.eye(p.shape[1])[observations["y_true"].astype(np.int64)]) ** 2
    return np.asarray(each[:, 1] if p.shape[1] == 2 else each.sum(axis=1), np.float64)


def _brier_statistic(rows: Rows) -> Statistic:
    errors = [1 - _answers(o)[1] for o in rows.runs]
    largest = 1.0 if len(rows.runs[0].classes) == 2 else 2.0
    return mean_of(rows, [_squared_error(o) for o in rows.runs], largest, errors)


def _risk_coverage(observations: Observations) -> float:
    errors = 1 - _most_confident_first(observations)
    return float((np.cumsum(errors) / np.arange(1, len(errors) + 1)).mean())


def _risk_coverage_influence(observations: Observations) -> Array:
    """What each sample adds, ``(N,)`` with mean 0: its error, weighted by the logarithm of its
    rank, and what it takes from those ranked below it. Equal confidences are one rank.
    """
    confidence, correct = _answers(observations)
    errors, n = 1 - correct, len(correct)
    _, place, count = np.unique(confidence, return_inverse=True, return_counts=True)
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
    """The statistic with an upper bound that allows for errors too rare to be among the samples,
    and bounds inside [0, 1].
    """
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
    correct = _most_confident_first(observations)
    return float(correct[: max(1, round(COVERAGE * len(correct)))].mean())


def _kept_statistic(rows: Rows) -> Statistic:
    """A proportion of the answers kept; which ones are kept is itself found from the samples, and
    adds the error of the threshold.
    """
    by_run = np.array([_kept_accuracy(o) for o in rows.runs])
    answers = [_answers(o) for o in rows.runs]
    kept = [c >= np.quantile(c, 1 - COVERAGE) for c, _ in answers]
    moved = [_threshold_influence(*a, k) for a, k in zip(answers, kept, strict=True)]
    share = proportion(rows, [correct for _, correct in answers], kept)
    of_threshold = centred(rows, np.zeros(len(by_run)), moved)
    return combined([(1.0, share), (1.0, of_threshold)]).recentred(by_run, rows.n)


def _threshold_influence(
    confidence: Array, correct: Array, kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What each sample adds, ``(N,)``, by moving the threshold: it exchanges answers of the
    accuracy about the threshold for answers of the accuracy kept.
    """
    n = len(correct)
    away = np.abs(confidence - np.quantile(confidence, 1 - COVERAGE))
    neighbours = min(max(n // THRESHOLD_NEIGHBOURS, FEWEST_NEIGHBOURS), n)
    near = away <= np.sort(away)[neighbours - 1]
    exchanged = correct[near].mean() - correct[kept].mean()
    return np.asarray((kept / COVERAGE - 1) * exchanged, np.float64)


def _answers(observations: Observations) -> tuple[Array, Array]:
    """The confidence of each answer, and 1 where it is correct and 0 where not, each float64
    ``(N,)``.
    """
    p = observations["y_prob"].astype(np.float64)
    chosen = observations["y_pred"] if "y_pred" in observations else p.argmax(axis=1)
    return p.max(axis=1), (chosen == observations["y_true"]).astype(np.float64)


def _most_confident_first(observations: Observations) -> Array:
    """1 for a correct answer, 0 for another, ``(N,)`` in that order. Answers of equal confidence
    each count the mean of them all, so that no order among them matters.
    """
    confidence, correct = _answers(observations)
    _, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(place, correct) / count
    return np.asarray(mean[np.sort(place)])


def _brier_convention(classes: Sequence[str]) -> str:
    if len(classes) == 2:
        return f"mean squared error of the probability of {classes[1]}, 0 to 1"
    return f"squared errors summed over {len(classes)} classes, 0 to 2"


brier_score = CalibrationMetric(
    "Brier score", "mean of (p - y)²", _brier, _brier_statistic, _brier_convention
)
"""Mean squared error of the probabilities; lower is better, 0 is perfect.

Of two classes: that of the second one's probability, 0 to 1. Of more: summed over the classes, 0 to
2. Both are what scikit-learn's ``brier_score_loss`` returns since version 1.7 for classes in the
same order. A strictly proper score: stating what one believes is the best that one can do. Brier,
Monthly Weather Review 78 (1950).
"""

expected_calibration_error = CalibrationMetric(
    "expected calibration error",
    "mean of |confidence - accuracy| of the bin",
    _calibration_error,
    _calibration_statistic,
    lambda classes: f"{BINS} bins of equal width of the largest probability",
    "bounds over all signs of the bins' differences",
)
"""Difference between mean confidence and accuracy of a bin, without its sign, averaged over the
samples; 0 to 1, lower is better.

0 is necessary but not sufficient: stating the same base rate for everybody reaches it, too. Biased
upwards where bins hold few samples, so that a calibrated model does not reach 0; the bounds allow
for that. Naeini, Cooper and Hauskrecht, AAAI (2015); of the largest probability as in Guo et al.,
ICML (2017).
"""

area_under_risk_coverage = CalibrationMetric(
    "area under risk-coverage",
    "mean error over all numbers of answers kept",
    _risk_coverage,
    _risk_coverage_statistic,
    lambda classes: "the most confident answers kept first",
)
"""Proportion of incorrect answers among the k most confident ones, averaged over k = 1..N; 0 to 1,
lower is better.

Depends on the order of the confidences alone, and on the accuracy: the best order cannot make up
for incorrect answers, so that 0 takes a model without any. Geifman, Uziel and El-Yaniv, ICLR
(2019).
"""

accuracy_at_90_percent_coverage = CalibrationMetric(
    "accuracy at 90 % coverage",
    "right / all of the nine tenths most confident",
    _kept_accuracy,
    _kept_statistic,
    lambda classes: "the least confident tenth left out",
    "Clopper-Pearson",
)
"""Accuracy of the nine tenths of answers (`COVERAGE`, at least one) with the highest confidence,
the others left to somebody else; 0 to 1, higher is better.

Where answers of equal confidence lie on both sides of the cut, each counts their mean. One point of
the risk-coverage curve of Geifman and El-Yaniv, NeurIPS (2017).
"""
