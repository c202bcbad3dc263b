"""Classification metrics, computed from confusion matrices so that a bootstrap is one matrix
product.

A metric of medpipe is a `ConfusionMetric`. A stranger's metric is any function ``(Observations) ->
float``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.metrics.statistic import Rows, Statistic, centred, combined, proportion

Array = NDArray[np.float64]
SIDES = ("negative", "positive")


def confusion(
    observations: Observations, groups: NDArray[np.int64] | None = None, count: int = 1
) -> Array:
    """Confusion counts by group: float64 ``(count, C, C)``, rows the true class, columns the
    predicted one.

    ``groups`` int64 ``(N,)`` in 0..count-1 gives each sample's group; a negative one leaves the
    sample out.
    """
    c = len(observations.classes)
    true, predicted = (
        observations["y_true"].astype(np.int64),
        observations["y_pred"].astype(np.int64),
    )
    index = np.zeros(len(observations), np.int64) if groups is None else groups
    kept = index >= 0
    flat = (index[kept] * c + true[kept]) * c + predicted[kept]
    return np.bincount(flat, minlength=count * c * c).reshape(count, c, c).astype(np.float64)


@dataclass(frozen=True)
class ConfusionMetric:
    """A metric with range [0, 1], higher is better. ``from_confusion`` maps ``(…, C, C)`` counts to
    ``(…,)``, NaN where undefined.

    ``score`` of each class is averaged as ``average`` says: ``macro``, ``weighted`` (by how often a
    class is true), or that of one of two classes alone, ``positive`` or ``negative``; ``all``
    samples together for accuracy.
    """

    name: str
    formula: str
    from_confusion: Callable[[Array], Array]
    score: str
    average: str

    @property
    def method(self) -> str:
        """How its interval is made, as a sentence part."""
        joined = self.average in ("macro", "weighted") and (self.score, self.average) != (
            "recall",
            "weighted",
        )
        return "Clopper-Pearson by class, joined by MOVER" if joined else "Clopper-Pearson"

    def __call__(self, observations: Observations) -> float:
        return float(self.from_confusion(confusion(observations)[0]))

    def statistic(self, rows: Rows, expected: Collection[int]) -> Statistic:
        """The metric of each run with its error. Raises `DataError` where a class in ``expected``
        has no sample to know it by.
        """
        by_run = np.array([self(o) for o in rows.runs])
        classes = self._classes(rows, expected)
        parts = [(weight, self._of_class(rows, c)) for weight, c in classes]
        if self.average == "weighted" and self.score != "recall":  # the weights have an error, too
            by_class = np.zeros(len(rows.runs[0].classes))
            by_class[[c for _, c in classes if c is not None]] = [s.value for _, s in parts]
            parts.append(
                (
                    1.0,
                    centred(
                        rows, np.zeros(len(by_run)), [by_class[o["y_true"]] for o in rows.runs]
                    ),
                )
            )
        one = parts[0][1]
        return (
            combined(parts).recentred(by_run, rows.n)
            if len(parts) > 1
            else one.recentred(by_run, one.n or rows.n)
        )

    def paired(self, first: Rows, second: Rows, expected: Collection[int]) -> Statistic | None:
        """The difference where both ask the same of the same samples: from those on which just one
        of them is correct. Else None.
        """
        if self.score not in ("recall", "accuracy"):
            return None
        if 1 in (len(first.runs), len(second.runs)):  # such as a baseline, which has no other runs
            most = max(len(first.runs), len(second.runs))
            first, second = (
                rows.repeated(most) if len(rows.runs) == 1 else rows for rows in (first, second)
            )
        if len(first.runs) != len(second.runs):
            return None
        alike = zip(first.runs, second.runs, first.samples, second.samples, strict=True)
        if not all(
            np.array_equal(a, b) and np.array_equal(o["y_true"], p["y_true"])
            for o, p, a, b in alike
        ):
            return None
        correct = [
            [(o["y_true"] == o["y_pred"]).astype(np.float64) for o in rows.runs]
            for rows in (first, second)
        ]
        gained, lost = (
            [np.maximum(s * (a - b), 0) for a, b in zip(*correct, strict=True)] for s in (1, -1)
        )
        parts = []
        for weight, c in self._classes(first, expected):
            among = None if c is None else [o["y_true"] == c for o in first.runs]
            parts += [
                (weight, proportion(first, gained, among)),
                (-weight, proportion(first, lost, among)),
            ]
        by_run = np.array([self(o) - self(p) for o, p in zip(first.runs, second.runs, strict=True)])
        return combined(parts).recentred(by_run, first.n)

    def _classes(self, rows: Rows, expected: Collection[int]) -> list[tuple[float, int | None]]:
        """The classes that are averaged with their weights; None for all samples together."""
        if self.score == "accuracy" or (self.score, self.average) == ("recall", "weighted"):
            return [(1.0, None)]
        counts = [confusion(o)[0] for o in rows.runs]
        true = sum(m.sum(axis=1) / m.sum() for m in counts) / len(counts)
        seen = np.flatnonzero(sum(m.sum(axis=1) + m.sum(axis=0) for m in counts))
        names = rows.runs[0].classes
        if self.average in SIDES:
            two_classes(counts[0])
            seen = np.array([SIDES.index(self.average)])
            expected = seen.tolist()
        absent = [names[c] for c in expected if true[c] == 0]
        if absent:
            raise DataError(
                f"{self.name}: expected samples of every class, got none of {', '.join(absent)}: "
                "nothing is known of how it does on them"
            )
        weight = true if self.average == "weighted" else np.full(len(names), 1 / len(seen))
        return [(float(weight[c]), int(c)) for c in seen if weight[c] > 0]

    def _of_class(self, rows: Rows, c: int | None) -> Statistic:
        """The score of one class. F1 is 2 J / (1 + J) of the share J of hits among the samples that
        are of the class or called it.
        """
        pairs = [(o["y_true"], o["y_pred"]) for o in rows.runs]
        if c is None:
            return proportion(rows, [t == p for t, p in pairs])
        hits = [(t == c) & (p == c) for t, p in pairs]
        among = {
            "recall": [t == c for t, _ in pairs],
            "precision": [p == c for _, p in pairs],
            "f1": [(t == c) | (p == c) for t, p in pairs],
        }[self.score]
        share = proportion(rows, hits, among)
        return (
            share.mapped(lambda j: 2 * j / (1 + j), 2 / (1 + share.value) ** 2)
            if self.score == "f1"
            else share
        )

    def convention(self, classes: Sequence[str]) -> str:
        """What is averaged how, and which class is the positive one."""
        if self.average == "macro":
            return f"unweighted mean over {len(classes)} classes"
        if self.average == "weighted":
            return f"mean over {len(classes)} classes, weighted by how many samples are of each"
        if self.average == "all":
            return "share of all samples"
        return f"positive class: {classes[-1]}"


def _divide(a: Any, b: Any, undefined: float = 0.0) -> Array:
    """Quotient; 0/0 is 0, as scikit-learn counts a class that was never predicted, or another
    value.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    quotient = np.full(np.broadcast_shapes(a.shape, b.shape), undefined)
    np.divide(a, b, out=quotient, where=b > 0)
    return quotient


def _accuracy(m: Array) -> Array:
    total = m.sum(axis=(-2, -1))
    right: Array = np.trace(m, axis1=-2, axis2=-1)
    return _divide(right, total, undefined=np.nan)


def _precision(m: Array) -> Array:
    return _divide(np.diagonal(m, axis1=-2, axis2=-1), m.sum(axis=-2))


def _recall(m: Array) -> Array:
    return _divide(np.diagonal(m, axis1=-2, axis2=-1), m.sum(axis=-1))


def _f1(m: Array) -> Array:
    return _divide(2 * np.diagonal(m, axis1=-2, axis2=-1), m.sum(axis=-2) + m.sum(axis=-1))


def _macro(by_class: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Plain mean over the classes that were true or predicted at least once."""

    def value(m: Array) -> Array:
        seen = (m.sum(axis=-1) + m.sum(axis=-2)) > 0
        return _divide((by_class(m) * seen).sum(axis=-1), seen.sum(axis=-1), undefined=np.nan)

    return value


def _weighted(by_class: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Mean over classes weighted by how often each is true."""

    def value(m: Array) -> Array:
        support = m.sum(axis=-1)
        return _divide((by_class(m) * support).sum(axis=-1), support.sum(axis=-1), undefined=np.nan)

    return value


def two_classes(m: Array) -> Array:
    """The counts themselves. Raises `DataError` unless there are two classes."""
    if m.shape[-1] != 2:
        raise DataError(
            f"sensitivity, specificity, precision, F1: expected two classes, got {m.shape[-1]}; "
            "name the 'positive' ones in the measure"
        )
    return m


def _of_side(
    by_class: Callable[[Array], Array], side: int, undefined: float = 0.0
) -> Callable[[Array], Array]:
    """The score of one of two classes; where it has no sample, or none that is called it, another
    value.
    """

    def value(m: Array) -> Array:
        nothing = two_classes(m)[..., side, :].sum(axis=-1) == 0
        return np.where(nothing, undefined, by_class(m)[..., side])

    return value


accuracy = ConfusionMetric("accuracy", "right / all", _accuracy, "accuracy", "all")
sensitivity = ConfusionMetric(
    "sensitivity", "TP / (TP + FN)", _of_side(_recall, 1, np.nan), "recall", "positive"
)
specificity = ConfusionMetric(
    "specificity", "TN / (TN + FP)", _of_side(_recall, 0, np.nan), "recall", "negative"
)
precision = ConfusionMetric(
    "precision", "TP / (TP + FP)", _of_side(_precision, 1), "precision", "positive"
)
f1 = ConfusionMetric("F1", "2 TP / (2 TP + FP + FN)", _of_side(_f1, 1), "f1", "positive")
macro_precision = ConfusionMetric(
    "macro precision",
    "mean over classes of TP / (TP + FP)",
    _macro(_precision),
    "precision",
    "macro",
)
macro_recall = ConfusionMetric(
    "macro recall", "mean over classes of TP / (TP + FN)", _macro(_recall), "recall", "macro"
)
macro_f1 = ConfusionMetric(
    "macro F1", "mean over classes of 2 TP / (2 TP + FP + FN)", _macro(_f1), "f1", "macro"
)
weighted_precision = ConfusionMetric(
    "weighted precision",
    "mean over classes, by support, of TP / (TP + FP)",
    _weighted(_precision),
    "precision",
    "weighted",
)
weighted_recall = ConfusionMetric(
    "weighted recall",
    "mean over classes, by support, of TP / (TP + FN)",
    _weighted(_recall),
    "recall",
    "weighted",
)
weighted_f1 = ConfusionMetric(
    "weighted F1",
    "mean over classes, by support, of 2 TP / (2 TP + FP + FN)",
    _weighted(_f1),
    "f1",
    "weighted",
)
