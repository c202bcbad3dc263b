"""Made-up studies whose truth is known: what a metric is in the population that the samples were
drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medpipe.evidence import Observations
from medpipe.metrics import classification

Array = NDArray[Any]
RUN_SPREAD = 0.01
"""Standard deviation of training runs about their mean, at most a third of what is left up to 1:
normal, cut off at three of them.
"""
SHARED_OVER_RUNS = 0.7
"""Share of samples on which two runs of the same accuracy do alike."""


@dataclass(frozen=True)
class Study:
    """How a study is drawn. ``rarest`` is the share of the first class, ``drop`` what group 0 does
    worse by.
    """

    n: int
    value: float
    clusters: int | None = None
    alike: float = 0.0
    rarest: float = 0.5
    classes: int = 2
    groups: int = 1
    drop: float = 0.0
    runs: int = 1

    @property
    def shares(self) -> Array:
        """How often each class is true."""
        others = (1 - self.rarest) / (self.classes - 1)
        return np.array([self.rarest] + [others] * (self.classes - 1))

    def recalls(self, group: int) -> Array:
        """The recall of each class: the rarest and the second lie 0.04 apart about the value, as
        far as there is room.
        """
        apart = min(0.02, 1 - self.value)
        around = np.full(self.classes, self.value)
        around[0], around[1] = self.value - apart, self.value + apart
        return around - (self.drop if group == 0 else 0.0)


def units(rng: np.random.Generator, study: Study) -> Array:
    """The cluster of each sample; of unequal sizes."""
    if study.clusters is None:
        return np.arange(study.n)
    more = rng.multinomial(study.n - study.clusters, rng.dirichlet(np.full(study.clusters, 4.0)))
    return np.repeat(np.arange(study.clusters), 1 + more)


NAMES = np.arange(5000).astype(np.str_)


def _columns(study: Study, unit: Array) -> dict[str, Any]:
    arrays: dict[str, Any] = {"sample_id": NAMES[: study.n], "group": NAMES[unit % study.groups]}
    if study.clusters is not None:
        arrays["patient_id"] = NAMES[unit]
    return arrays


def _chances(rng: np.random.Generator, mean: Array, alike: float) -> Array:
    """A chance of success for each cluster, with this mean and correlation within the cluster
    (beta-binomial).
    """
    if alike == 0:
        return mean
    inside = np.clip(mean, 1e-9, 1 - 1e-9)
    scale = (1 - alike) / alike
    return np.where((mean <= 0) | (mean >= 1), mean, rng.beta(inside * scale, (1 - inside) * scale))


def _shift(rng: np.random.Generator, study: Study) -> float:
    return float(np.clip(rng.normal(), -3, 3)) if study.runs > 1 else 0.0


SHIFTS = np.linspace(-3, 3, 61)
WEIGHTS = np.exp(-(SHIFTS**2) / 2) / np.exp(-(SHIFTS**2) / 2).sum()


def _shifted(p: Array, shift: float) -> Array:
    return np.asarray(p + shift * np.minimum(RUN_SPREAD, np.minimum(1 - p, p) / 3))


def _moved(chances: Array, mean: Array, shift: float) -> Array:
    """Chances whose mean is moved to that of a run: all nearer to 1, or all nearer to 0."""
    by = _shifted(mean, shift) - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            by < 0,
            chances * (1 + by / mean),
            np.where(by > 0, chances + (1 - chances) * by / (1 - mean), chances),
        )


def predictions(rng: np.random.Generator, study: Study) -> list[Observations]:
    """The predictions of each run; the class is the cluster's, as a patient's diagnosis is."""
    unit = units(rng, study)
    count = int(unit.max()) + 1
    of_unit = rng.choice(study.classes, count, p=study.shares)
    recalls = np.stack([study.recalls(g) for g in range(study.groups)])
    mean = recalls[np.arange(count) % study.groups, of_unit]
    chances = _chances(rng, mean, study.alike if study.clusters is not None else 0.0)
    true, columns, common = of_unit[unit], _columns(study, unit), rng.random(study.n)
    cluster = "patient_id" if study.clusters is not None else None
    drawn = []
    for _ in range(study.runs):
        of_run = _moved(chances, mean, _shift(rng, study)) if study.runs > 1 else chances
        own = (
            np.where(rng.random(study.n) < SHARED_OVER_RUNS, common, rng.random(study.n))
            if study.runs > 1
            else common
        )
        correct = own < of_run[unit]
        arrays = {
            **columns,
            "y_true": true,
            "y_pred": np.where(correct, true, (true + 1) % study.classes),
        }
        drawn.append(Observations(arrays, tuple("abcdefgh"[: study.classes]), cluster))
    return drawn


def true_score(study: Study, name: str) -> float:
    """A classification metric of the population, or the largest difference between groups: its mean
    over training runs.
    """
    metric = getattr(classification, name)
    values = []
    for shift in SHIFTS if study.runs > 1 else [0.0]:
        of_groups = []
        for g in range(study.groups):
            recall = _shifted(study.recalls(g), shift) if study.runs > 1 else study.recalls(g)
            counts = np.diag(study.shares * recall)
            for c in range(study.classes):
                counts[c, (c + 1) % study.classes] += study.shares[c] * (1 - recall[c])
            of_groups.append(float(metric.from_confusion(counts)))
        values.append(of_groups)
    means = np.average(values, axis=0, weights=WEIGHTS if study.runs > 1 else None)
    return float(means[0]) if study.groups == 1 else float(means.max() - means.min())


@dataclass(frozen=True)
class Confident(Study):
    """A study of stated probabilities. ``over`` is by how much confidence exceeds accuracy, in
    group 0 ``drop`` more.
    """

    over: float = 0.0

    def stated(self, at: Array) -> Array:
        """The confidences at quantiles, as they are stored: their mean is the value."""
        middle = min(max(2 * self.value - 1, 0.02), 0.98)
        return np.asarray(
            (0.5 + 0.5 * stats.beta.ppf(at, 4 * middle, 4 * (1 - middle))).astype(np.float16),
            np.float64,
        )

    def correct(self, confidence: Array, group: Array | int, shift: float = 0.0) -> Array:
        """The chance that an answer of this confidence is correct."""
        return np.clip(
            _shifted(
                np.clip(
                    confidence - self.over - np.where(np.asarray(group) == 0, self.drop, 0.0), 0, 1
                ),
                shift,
            ),
            0,
            1,
        )


STATED: dict[float, Array] = {}


def confidences(rng: np.random.Generator, study: Confident) -> list[Observations]:
    """The answers of each run with their probabilities; clusters share part of their luck."""
    unit = units(rng, study)
    if study.value not in STATED:
        STATED[study.value] = study.stated((np.arange(20_000) + 0.5) / 20_000)
    confidence = STATED[study.value][rng.integers(0, 20_000, study.n)]
    luck = rng.random(int(unit.max()) + 1)[unit]
    together = rng.random(study.n) < np.sqrt(study.alike)
    common = (
        np.where(together, luck, rng.random(study.n))
        if study.clusters is not None
        else rng.random(study.n)
    )
    called, columns = (rng.random(study.n) < study.rarest).astype(int), _columns(study, unit)
    p = np.empty((study.n, 2))
    p[np.arange(study.n), called], p[np.arange(study.n), 1 - called] = confidence, 1 - confidence
    drawn = []
    for _ in range(study.runs):
        shift = _shift(rng, study)
        own = (
            np.where(rng.random(study.n) < SHARED_OVER_RUNS, common, rng.random(study.n))
            if study.runs > 1
            else common
        )
        correct = own < study.correct(confidence, unit % study.groups, shift)
        arrays = {
            **columns,
            "y_pred": called,
            "y_true": np.where(correct, called, 1 - called),
            "y_prob": p,
        }
        drawn.append(
            Observations(arrays, ("a", "b"), "patient_id" if study.clusters is not None else None)
        )
    return drawn


def true_confidence_score(study: Confident, name: str) -> float:
    """A metric of probabilities in the population, or the largest difference between groups: its
    mean over training runs.
    """
    confidence = study.stated((np.arange(20_000) + 0.5) / 20_000)
    values = []
    for shift in SHIFTS if study.runs > 1 else [0.0]:
        values.append(
            [
                _population(name, confidence, study.correct(confidence, g, shift))
                for g in range(study.groups)
            ]
        )
    means = np.average(values, axis=0, weights=WEIGHTS if study.runs > 1 else None)
    return float(means[0]) if study.groups == 1 else float(means.max() - means.min())


def _population(name: str, confidence: Array, correct: Array) -> float:
    if name == "brier_score":
        return float((correct * (1 - confidence) ** 2 + (1 - correct) * confidence**2).mean())
    if name == "expected_calibration_error":
        index = np.minimum((confidence * 10).astype(int), 9)
        return float(np.abs(np.bincount(index, confidence - correct, 10)).sum() / len(confidence))
    _, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    right = (np.bincount(place, correct) / count)[np.sort(place)]
    if name == "area_under_risk_coverage":
        return float((np.cumsum(1 - right) / np.arange(1, len(right) + 1)).mean())
    return float(right[: round(0.9 * len(right))].mean())


def scores(rng: np.random.Generator, study: Study) -> list[Observations]:
    """A score with the area under the curve ``value`` for a positive class of share ``rarest``."""
    unit = units(rng, study)
    true = (rng.random(int(unit.max()) + 1) < study.rarest).astype(int)[unit]
    apart = np.sqrt(2) * stats.norm.ppf(study.value)
    of_unit = rng.normal(size=int(unit.max()) + 1)[unit]
    noise = np.sqrt(study.alike) * of_unit + np.sqrt(1 - study.alike) * rng.normal(size=study.n)
    arrays = {**_columns(study, unit), "y_true": true, "score": noise + apart * true}
    arrays["y_pred"] = (arrays["score"] > apart / 2).astype(int)
    return [
        Observations(arrays, ("a", "b"), "patient_id" if study.clusters is not None else None)
    ] * study.runs


def own_accuracy(o: Observations) -> float:
    """A metric of the user's own."""
    return float((o["y_true"] == o["y_pred"]).mean())


def own_balanced_accuracy(o: Observations) -> float:
    """Another, which rare classes rule."""
    return float(
        np.mean([(o["y_pred"][o["y_true"] == c] == c).mean() for c in np.unique(o["y_true"])])
    )


def own_area_under_curve(o: Observations) -> float:
    """A third, of ranks."""
    ranks = stats.rankdata(o["score"])
    positive = o["y_true"] == 1
    m, n = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - m * (m + 1) / 2) / (m * n)) if m and n else float("nan")


OWN: Sequence[str] = ("own_accuracy", "own_balanced_accuracy", "own_area_under_curve")
