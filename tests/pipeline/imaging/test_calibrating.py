"""Temperature scaling: finds the temperature that was planted, keeps the order, and reports on
other clusters than it fitted on.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.pipeline.imaging.calibrating import calibration_splits, fitted_temperature, scaled


def outputs(
    n: int, temperature: float, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities of a network whose logits are ``temperature`` times as large as they should be,
    and labels drawn by the true ones.
    """
    draw = np.random.default_rng(seed)
    honest = scaled(np.exp(draw.normal(0, 1.5, (n, 4))), 1.0)
    label = (draw.random((n, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    return scaled(honest, 1 / temperature), label


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_finds_the_planted_temperature(temperature: float) -> None:
    assert fitted_temperature(*outputs(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_agrees_with_a_logistic_regression_of_one_slope() -> None:
    """For two classes the inverse temperature is the slope of a logistic regression without
    intercept on the difference of logits.
    """
    linear = pytest.importorskip("sklearn.linear_model")
    p, label = outputs(4000, 1.7)
    two = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)
    label = (np.random.default_rng(1).random(4000) > scaled(two, 1.7)[:, 0]).astype(int)
    theirs = linear.LogisticRegression(fit_intercept=False, C=np.inf).fit(
        np.log(two[:, 1:] / two[:, :1]), label
    )
    assert 1 / fitted_temperature(two, label) == pytest.approx(theirs.coef_[0, 0], rel=1e-3)


@given(st.floats(0.6, 10), st.integers(0, 100))
def test_order_and_sums_stay(temperature: float, seed: int) -> None:
    p, _ = outputs(20, 1.0, seed)
    after = scaled(p, temperature)
    assert (
        after.sum(axis=1) == pytest.approx(1) and (after.argmax(axis=1) == p.argmax(axis=1)).all()
    )
    assert scaled(after, 1 / temperature) == pytest.approx(p, abs=1e-4)


def test_halves_share_no_cluster() -> None:
    p, label = outputs(300, 2.0)
    o = Observations(
        {
            "sample_id": np.arange(300).astype(str),
            "y_true": label,
            "y_pred": p.argmax(axis=1),
            "y_prob": p,
            "patient_id": (np.arange(300) // 3).astype(str),
        },
        tuple("abcd"),
        "patient_id",
    )
    temperature, before, after = calibration_splits(o, 4)
    assert 1.2 < temperature < 4
    assert before["sample_id"].tolist() == after["sample_id"].tolist() and len(before) == 150
    fitted = np.setdiff1d(np.arange(300), before["sample_id"].astype(int))
    assert fitted_temperature(o["y_prob"][fitted].astype(float), label[fitted]) == temperature
    assert not set(before["patient_id"].tolist()) & set(o["patient_id"][fitted].tolist())
    with pytest.raises(DataError, match="at least two clusters"):
        calibration_splits(o.take([0, 1, 2]), 4)


def test_nothing_to_fit_on() -> None:
    with pytest.raises(DataError, match="got none"):
        fitted_temperature(np.empty((0, 4)), np.empty(0, np.int64))
