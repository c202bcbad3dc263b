"""Metrics of classification, all computed from confusion matrices, so that a bootstrap of thousands of replicates is one matrix product.

A metric of medpipe is a `ConfusionMetric`. A stranger's metric is any function ``(Observations) -> float``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations

Array = NDArray[np.float64]


def confusion(observations: Observations, groups: NDArray[np.int64] | None = None, count: int = 1) -> Array:
    """Confusion counts by group: float64 ``(count, C, C)``, rows the true class, columns the predicted one.

    ``groups`` int64 ``(N,)`` in 0..count-1 gives each sample's group; a negative one leaves the sample out.
    """
    c = len(observations.classes)
    true, predicted = observations["y_true"].astype(np.int64), observations["y_pred"].astype(np.int64)
    index = np.zeros(len(observations), np.int64) if groups is None else groups
    kept = index >= 0
    flat = (index[kept] * c + true[kept]) * c + predicted[kept]
    return np.bincount(flat, minlength=count * c * c).reshape(count, c, c).astype(np.float64)


@dataclass(frozen=True)
class ConfusionMetric:
    """A metric with range [0, 1], higher is better. ``from_confusion`` maps ``(…, C, C)`` counts to ``(…,)``, NaN where undefined.

    ``counted``, of a plain proportion: what is counted and of how many, from counts ``(C, C)``.
    """

    name: str
    formula: str
    from_confusion: Callable[[Array], Array]
    counted: Callable[[Array], tuple[int, int]] | None = None

    def __call__(self, observations: Observations) -> float:
        return float(self.from_confusion(confusion(observations)[0]))


def _divide(a: Any, b: Any, undefined: float = 0.0) -> Array:
    """Quotient; 0/0 is 0, as scikit-learn counts a class that was never predicted, or another value."""
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


def _of_side(side: int) -> Callable[[Array], Array]:
    """Recall of one of two classes."""

    def value(m: Array) -> Array:
        if m.shape[-1] != 2:
            raise DataError(f"sensitivity, specificity: expected two classes, got {m.shape[-1]}; name the 'positive' ones in the measure")
        return _divide(m[..., side, side], m[..., side, :].sum(axis=-1), undefined=np.nan)

    return value


accuracy = ConfusionMetric("accuracy", "right / all", _accuracy, lambda m: (int(np.trace(m)), int(m.sum())))
sensitivity = ConfusionMetric("sensitivity", "TP / (TP + FN)", _of_side(1), lambda m: (int(m[1, 1]), int(m[1].sum())))
specificity = ConfusionMetric("specificity", "TN / (TN + FP)", _of_side(0), lambda m: (int(m[0, 0]), int(m[0].sum())))
macro_precision = ConfusionMetric("macro precision", "mean over classes of TP / (TP + FP)", _macro(_precision))
macro_recall = ConfusionMetric("macro recall", "mean over classes of TP / (TP + FN)", _macro(_recall))
macro_f1 = ConfusionMetric("macro F1", "mean over classes of 2 TP / (2 TP + FP + FN)", _macro(_f1))
weighted_precision = ConfusionMetric("weighted precision", "mean over classes, by support, of TP / (TP + FP)", _weighted(_precision))
weighted_recall = ConfusionMetric("weighted recall", "mean over classes, by support, of TP / (TP + FN)", _weighted(_recall))
weighted_f1 = ConfusionMetric("weighted F1", "mean over classes, by support, of 2 TP / (2 TP + FP + FN)", _weighted(_f1))
