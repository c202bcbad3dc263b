"""Every metric against scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.evidence import Observations
from medpipe.metrics import classification
from medpipe.metrics.classification import ConfusionMetric, confusion

sklearn = pytest.importorskip("sklearn.metrics")

REFERENCES: dict[str, Callable[[Any, Any], float]] = {"accuracy": sklearn.accuracy_score} | {
    f"{average}_{name}": partial(
        getattr(sklearn, f"{name}_score"), average=average, zero_division=0
    )
    for average in ("macro", "weighted")
    for name in ("precision", "recall", "f1")
}

LABELS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
    )
)


def seen(labels: tuple[list[int], list[int]]) -> Observations:
    true, predicted = (np.array(side) for side in labels)
    return Observations(
        {"sample_id": np.arange(len(true)).astype(str), "y_true": true, "y_pred": predicted},
        tuple("abcd"),
    )


@pytest.mark.parametrize("name", sorted(REFERENCES))
@given(labels=LABELS)
def test_agrees_with_scikit_learn(name: str, labels: tuple[list[int], list[int]]) -> None:
    metric = getattr(classification, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert metric(seen(labels)) == pytest.approx(REFERENCES[name](*labels))


@pytest.mark.parametrize("name", sorted(REFERENCES))
@given(labels=LABELS)
def test_stays_in_range_and_ignores_order(name: str, labels: tuple[list[int], list[int]]) -> None:
    metric: ConfusionMetric = getattr(classification, name)
    value = metric(seen(labels))
    assert 0 <= value <= 1
    assert metric(seen((labels[0][::-1], labels[1][::-1]))) == pytest.approx(value)


@given(LABELS)
def test_confusion_agrees_with_scikit_learn_and_splits_by_group(
    labels: tuple[list[int], list[int]],
) -> None:
    o = seen(labels)
    assert (confusion(o)[0] == sklearn.confusion_matrix(*labels, labels=range(4))).all()
    group = np.arange(len(o)) % 3
    assert (confusion(o, group, 3).sum(axis=0) == confusion(o)[0]).all()
    assert (
        (confusion(o, np.where(group == 1, 0, -1), 1)[0] == confusion(o.take(group == 1))[0]).all()
        if (group == 1).any()
        else True
    )
