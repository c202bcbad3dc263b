"""Observations refuse what would turn into a wrong score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import DataError
from medpipe.evidence import Observations

GOOD: dict[str, Any] = {
    "sample_id": np.array(["a", "b"]),
    "y_true": np.array([0, 1]),
    "y_pred": np.array([0, 0]),
    "y_prob": np.array([[0.9, 0.1], [0.5, 0.5]]),
}


def test_keeps_labels_small_and_probabilities_half() -> None:
    o = Observations(GOOD, ("x", "y"))
    assert (o["y_true"].dtype, o["y_prob"].dtype, len(o)) == (np.uint8, np.float16, 2)
    assert o.groups == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sample_id": np.array(["a", "a"])}, "unique sample ids"),
        ({"sample_id": np.array([], dtype=str)}, "at least one sample"),
        ({"y_true": np.array([0, 2])}, "'y_true' in 0..1"),
        ({"y_true": np.array([0, -1])}, "'y_true' in 0..1"),
        ({"y_true": np.array([0.0, 1.0])}, "integers"),
        ({"y_true": np.array([0])}, "2 rows"),
        ({"y_prob": np.array([[0.9, 0.1], [np.nan, 0.5]])}, "finite probabilities"),
        ({"y_prob": np.array([[0.9, 0.3], [0.5, 0.5]])}, "rows sum to 1"),
        ({"y_prob": np.array([[1.1, -0.1], [0.5, 0.5]])}, "finite probabilities"),
        ({"y_prob": np.array([[0.9], [0.5]])}, "shape (2, 2)"),
        ({"y_pred": np.array([1, 0])}, "most probable class"),
    ],
)
def test_refuses(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError) as caught:
        Observations({**GOOD, **change}, ("x", "y"))
    assert says in str(caught.value)


def test_refuses_an_unknown_cluster_and_a_missing_id() -> None:
    with pytest.raises(DataError, match="cluster by"):
        Observations(GOOD, ("x", "y"), cluster="patient_id")
    with pytest.raises(DataError, match="sample_id"):
        Observations({"y_true": np.array([0])}, ("x",))
    with pytest.raises(DataError, match="expected an array 'sex'"):
        Observations(GOOD, ("x", "y"))["sex"]


@given(st.integers(2, 6), st.integers(1, 50), st.integers(0, 1000))
def test_any_softmax_is_accepted(classes: int, n: int, seed: int) -> None:
    z = np.random.default_rng(seed).normal(scale=5, size=(n, classes))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    o = Observations(
        {"sample_id": np.arange(n).astype(str), "y_pred": p.argmax(axis=1), "y_prob": p},
        tuple("abcdef"[:classes]),
    )
    half = o.take(np.arange(n) % 2 == 0)
    assert len(half) == (n + 1) // 2
    assert (half["y_prob"] == o["y_prob"][::2]).all()
