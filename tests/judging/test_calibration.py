"""Metrics of stated probabilities, each against another implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe import registry
from medpipe.errors import DataError
from medpipe.evidence import Observations
from medpipe.metrics import calibration

sklearn = pytest.importorskip("sklearn.metrics")
pandas = pytest.importorskip("pandas")
NAMES = (
    "accuracy_at_90_percent_coverage",
    "area_under_risk_coverage",
    "brier_score",
    "expected_calibration_error",
)


def outputs(n: int, seed: int, sharpness: float = 2.0) -> Observations:
    draw = np.random.default_rng(seed)
    p = np.exp(draw.normal(0, sharpness, (n, 3)))
    p /= p.sum(axis=1, keepdims=True)
    return Observations(
        {
            "sample_id": np.arange(n).astype(str),
            "y_true": draw.integers(0, 3, n),
            "y_pred": p.argmax(axis=1),
            "y_prob": p,
        },
        tuple("abc"),
    )


OUTPUTS = st.builds(outputs, st.integers(2, 80), st.integers(0, 10_000))


@given(OUTPUTS)
def test_brier_agrees_with_scikit_learn(o: Observations) -> None:
    p = o["y_prob"].astype(np.float64)
    theirs = sklearn.brier_score_loss(
        o["y_true"], p / p.sum(axis=1, keepdims=True), labels=[0, 1, 2], scale_by_half=False
    )
    assert calibration.brier_score(o) == pytest.approx(
        theirs, abs=2e-3
    )  # stored probabilities are float16


@given(OUTPUTS)
def test_calibration_error_agrees_with_a_table_in_pandas(o: Observations) -> None:
    confidence = o["y_prob"].astype(np.float64).max(axis=1)
    table = pandas.DataFrame(
        {"confidence": confidence, "right": (o["y_true"] == o["y_pred"]).astype(float)}
    )
    by_bin = table.groupby(pandas.cut(confidence, np.linspace(0, 1, 11), right=False).codes)
    theirs = (
        by_bin.size() * (by_bin["confidence"].mean() - by_bin["right"].mean()).abs()
    ).sum() / len(o)
    if confidence.max() < 1:
        assert calibration.expected_calibration_error(o) == pytest.approx(theirs)


@given(OUTPUTS)
def test_risk_and_coverage_by_counting(o: Observations) -> None:
    confidence, right = o["y_prob"].astype(np.float64).max(axis=1), o["y_true"] == o["y_pred"]
    if len(np.unique(confidence)) == len(o):
        order = sorted(range(len(o)), key=lambda i: -confidence[i])
        risks = [1 - np.mean([right[i] for i in order[:k]]) for k in range(1, len(o) + 1)]
        assert calibration.area_under_risk_coverage(o) == pytest.approx(np.mean(risks))
        kept = order[: max(1, round(0.9 * len(o)))]
        assert calibration.accuracy_at_90_percent_coverage(o) == pytest.approx(
            np.mean([right[i] for i in kept])
        )


@given(OUTPUTS)
def test_order_does_not_matter_not_even_among_equals(o: Observations) -> None:
    order = np.random.default_rng(len(o)).permutation(len(o))
    flat = Observations(
        {
            **o.arrays,
            "y_prob": (
                np.round(o["y_prob"].astype(float), 1)
                / np.round(o["y_prob"].astype(float), 1).sum(axis=1, keepdims=True)
            ),
            "y_pred": np.round(o["y_prob"].astype(float), 1).argmax(axis=1),
        },
        o.classes,
    )
    for name in NAMES:
        metric = registry.resolve("metric", name)
        assert metric(flat.take(order)) == pytest.approx(metric(flat))


def answers(y_true: list[int], y_prob: list[list[float]]) -> Observations:
    return Observations(
        {
            "sample_id": np.arange(len(y_true)).astype(str),
            "y_true": np.array(y_true),
            "y_prob": np.array(y_prob),
        },
        tuple("abc"[: len(y_prob[0])]),
    )


def test_values_computed_by_hand() -> None:
    """Four answers, each in a bin of its own; the third most confident one is incorrect."""
    o = answers([0, 1, 1, 1], [[0.95, 0.05], [0.15, 0.85], [0.75, 0.25], [0.35, 0.65]])
    expected = {
        "brier_score": (0.05**2 + 0.15**2 + 0.75**2 + 0.35**2) / 4,
        "expected_calibration_error": (0.05 + 0.15 + 0.75 + 0.35) / 4,
        "area_under_risk_coverage": (0 + 0 + 1 / 3 + 1 / 4) / 4,
        "accuracy_at_90_percent_coverage": 3 / 4,  # 3.6 of 4 answers are rounded to all of them
    }
    for name in NAMES:
        found = registry.resolve("metric", name)(o)
        assert found == pytest.approx(expected[name], abs=1e-3), name


@pytest.mark.parametrize(
    ("name", "perfect", "worst"),
    [
        ("brier_score", 0, {2: 1, 3: 2}),
        ("expected_calibration_error", 0, {2: 1, 3: 1}),
        ("area_under_risk_coverage", 0, {2: 1, 3: 1}),
        ("accuracy_at_90_percent_coverage", 1, {2: 0, 3: 0}),
    ],
)
@pytest.mark.parametrize("classes", [2, 3])
def test_both_ends_of_the_documented_range_are_reached(
    name: str, perfect: float, worst: dict[int, float], classes: int
) -> None:
    """Sure and always correct; sure and never correct."""
    truth = [0, 1, 0, 1, 1]
    metric = registry.resolve("metric", name)
    sure = np.eye(classes)
    assert metric(answers(truth, [sure[t].tolist() for t in truth])) == perfect
    assert metric(answers(truth, [sure[1 - t].tolist() for t in truth])) == worst[classes]


@given(OUTPUTS)
def test_every_value_lies_in_the_documented_range(o: Observations) -> None:
    for name in NAMES:
        value = registry.resolve("metric", name)(o)
        assert 0 <= value <= (2 if name == "brier_score" else 1), name


@pytest.mark.parametrize("name", NAMES)
def test_missing_probabilities_are_one_sentence(name: str) -> None:
    o = Observations({"sample_id": np.array(["1"]), "y_true": np.array([0])}, ("a", "b"))
    with pytest.raises(DataError, match="expected an array 'y_prob', got sample_id, y_true"):
        registry.resolve("metric", name)(o)


def test_a_network_that_says_what_it_knows_has_no_error() -> None:
    """Right in 8 of 10 and 80 % sure of each: calibrated; sure of everything: off by 20 points."""
    truth = np.array([0] * 8 + [1] * 2)
    for stated, off in ((0.8, 0.0), (1.0, 0.2)):
        p = np.tile([stated, 1 - stated], (10, 1))
        o = Observations(
            {
                "sample_id": np.arange(10).astype(str),
                "y_true": truth,
                "y_pred": np.zeros(10, int),
                "y_prob": p,
            },
            ("a", "b"),
        )
        assert calibration.expected_calibration_error(o) == pytest.approx(off, abs=1e-3)


def test_the_score_of_two_classes_is_the_usual_one() -> None:
    """Not summed over both classes, which would give twice as much (the default of scikit-learn's
    ``brier_score_loss``).
    """
    rng = np.random.default_rng(0)
    p = rng.random(400).astype(np.float16).astype(float)
    truth = (rng.random(400) < p).astype(int)
    o = Observations(
        {
            "sample_id": np.arange(400).astype(str),
            "y_true": truth,
            "y_prob": np.stack([1 - p, p], axis=1),
        },
        ("well", "ill"),
    )
    assert calibration.brier_score(o) == pytest.approx(sklearn.brier_score_loss(truth, p), abs=1e-3)
    assert (
        calibration.brier_score.convention(o.classes)
        == "mean squared error of the probability of ill, 0 to 1"
    )
    assert (
        calibration.brier_score.convention(tuple("abc"))
        == "squared errors summed over 3 classes, 0 to 2"
    )


def test_a_perfectly_calibrated_network_is_not_refuted() -> None:
    """200 samples of a calibrated network have an expected calibration error of about 5 %; the
    interval reaches down to 0.
    """
    from made_up_studies import Confident, confidences

    from medpipe.metrics.units import rows_of

    reached = 0
    for seed in range(40):
        rows = rows_of([confidences(np.random.default_rng(seed), Confident(200, 0.9))])[0][0]
        reached += (
            calibration.expected_calibration_error.statistic(rows, ()).bounds(0.025)[0] <= 0.02
        )
    assert reached >= 38
