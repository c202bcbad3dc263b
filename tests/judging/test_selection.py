"""Which samples are counted, and as what: some true classes alone, or one side against the
other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import evidence_of

from medpipe.errors import DataError, SpecError
from medpipe.evidence import Observations
from medpipe.judging.estimate import estimate
from medpipe.judging.selection import selected
from medpipe.metrics.classification import accuracy, sensitivity, specificity
from medpipe.specs.claim import Measure
from medpipe.specs.loading import Specs

CLASSES = ("glioma", "meningioma", "notumor")
TUMOURS = ("glioma", "meningioma")


def seen(true: Any, called: Any, **more: Any) -> Observations:
    arrays = {
        "sample_id": np.arange(len(true)).astype(str),
        "y_true": np.array(true),
        "y_pred": np.array(called),
        **more,
    }
    return Observations(arrays, CLASSES)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_two_sides_agree_with_scikit_learn(labels: list[tuple[int, int]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    true, called = (np.array(side) for side in zip(*labels, strict=True))
    o = selected(seen(true, called), Measure("toy", positive=TUMOURS))
    if (true < 2).any():
        assert sensitivity(o) == pytest.approx(sklearn.recall_score(true < 2, called < 2))
        among = selected(seen(true, called), Measure("toy", among=TUMOURS, positive=TUMOURS))
        assert accuracy(among) == pytest.approx(sensitivity(o))
    if (true == 2).any():
        assert specificity(o) == pytest.approx(
            sklearn.recall_score(true < 2, called < 2, pos_label=False)
        )


def test_a_call_stays_on_its_side() -> None:
    """Two tumour classes at 0.3 each do not outvote a call of no tumour at 0.4."""
    o = selected(
        seen([0, 2], [2, 2], y_prob=np.array([[0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])),
        Measure("toy", positive=TUMOURS),
    )
    assert (
        o["y_pred"].tolist() == [0, 0]
        and o.classes == ("negative", "positive")
        and "y_prob" not in o
    )


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (
            Measure("toy", among=("gliom",)),
            "expected classes among glioma, meningioma, notumor, got gliom",
        ),
        (Measure("toy", positive=CLASSES), "expected a class beside the positive ones"),
        (Measure("toy", among=("meningioma",)), "expected samples of meningioma, got none"),
    ],
)
def test_refuses_what_is_not_there(measure: Measure, says: str) -> None:
    with pytest.raises(DataError, match=says):
        selected(seen([0, 2], [0, 2]), measure)


def test_sensitivity_needs_two_sides() -> None:
    with pytest.raises(DataError, match="name the 'positive' ones"):
        sensitivity(seen([0, 2], [0, 2]))


def test_a_claim_of_sensitivity_has_the_interval_of_the_positive_samples(
    specs: Callable[..., Specs],
) -> None:
    o = seen([0] * 30 + [1] * 10 + [2] * 60, [0] * 28 + [2] * 2 + [0] * 10 + [2] * 60)
    claim = specs(
        measure={
            "run": "toy",
            "metric": "sensitivity",
            "split": "validation",
            "positive": list(TUMOURS),
        }
    ).claims[0]
    found = estimate(claim, {"toy": [evidence_of({"validation": o})]}).found
    assert (found.estimate, found.n, found.method) == (38 / 40, 40, "Clopper-Pearson over samples")


@pytest.mark.parametrize("runs", [1, 3])
def test_a_proportion_of_one_is_bounded_by_what_was_looked_at(
    specs: Callable[..., Specs], runs: int
) -> None:
    o = seen([0, 1, 2] * 30, [0, 1, 2] * 30, patient_id=np.repeat(np.arange(30), 3).astype(str))
    o = Observations(o.arrays, CLASSES, "patient_id")
    found = estimate(
        specs().claims[0], {"toy": [evidence_of({"validation": o}, seed) for seed in range(runs)]}
    ).found
    assert found.estimate == found.high == 1 and found.low == pytest.approx(
        0.025 ** (1 / 30)
    )  # Clopper-Pearson, 30 of 30
    assert (found.clusters, found.runs) == (30, runs)


def test_the_same_classes_are_chosen_on_both_sides_of_a_difference(
    specs: Callable[..., Specs],
) -> None:
    measure = {
        "run": "toy",
        "metric": "accuracy",
        "split": "validation",
        "among": ["glioma"],
        "minus": {"split": "testing"},
    }
    claim = specs(
        measure=measure,
        criterion={"kind": "at_most", "value": 0, "rationale": "x", "unit": "points"},
    ).claims[0]
    better, worse = seen([0, 0, 2, 2], [0, 0, 0, 0]), seen([0, 0, 2, 2], [0, 1, 2, 2])
    assert estimate(
        claim, {"toy": [evidence_of({"validation": better, "testing": worse})]}
    ).found.estimate == pytest.approx(0.5)


def test_a_scalar_has_no_classes(specs: Callable[..., Specs]) -> None:
    with pytest.raises(SpecError):
        specs(measure={"run": "toy", "scalar": "loss", "among": ["glioma"]})


def at_threshold(threshold: float, n: int = 300, *, classes: int = 2) -> Observations:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(classes), n).astype(np.float16).astype(float)
    called = (p[:, 1] >= threshold).astype(int) if classes == 2 else p.argmax(axis=1)
    return Observations(
        {
            "sample_id": np.arange(n).astype(str),
            "y_true": rng.integers(0, classes, n),
            "y_pred": called,
            "y_prob": p / p.sum(axis=1, keepdims=True),
        },
        tuple("abc"[:classes]),
    )


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_predictions_at_a_stated_threshold_are_judged_as_made(threshold: float) -> None:
    o = at_threshold(threshold)
    stated = selected(o, Measure("toy", metric="accuracy", threshold=threshold))
    assert (stated["y_pred"] == o["y_pred"]).all() and "y_prob" not in stated
    with pytest.raises(DataError, match=r"threshold between .* not at 0.5; state it in the claim"):
        selected(o, Measure("toy", metric="accuracy"))
    with pytest.raises(
        DataError, match=f"expected predictions at the threshold {threshold + 0.15:g}"
    ):
        selected(o, Measure("toy", metric="accuracy", threshold=threshold + 0.15))


def test_a_threshold_makes_the_predictions_from_the_probabilities() -> None:
    o = at_threshold(0.5)
    assert (
        selected(o, Measure("toy", metric="accuracy", threshold=0.3))["y_pred"]
        == (o["y_prob"][:, 1] >= 0.3)
    ).mean() > 0.99
    three = at_threshold(0.5, classes=3)
    side = selected(three, Measure("toy", metric="accuracy", threshold=0.6, positive=("a", "b")))
    assert (
        side["y_pred"] == (three["y_prob"][:, :2].astype(float).sum(axis=1) >= 0.6)
    ).mean() > 0.99
    assert (side["y_true"] == (three["y_true"] < 2)).all()
    with pytest.raises(
        DataError,
        match="expected two classes or the 'positive' ones for a threshold, got 3 classes",
    ):
        selected(three, Measure("toy", metric="accuracy", threshold=0.6))


def test_predictions_that_no_threshold_gives_are_refused() -> None:
    o = at_threshold(0.5)
    with pytest.raises(DataError, match="that a threshold on the probability of the second gives"):
        Observations({**o.arrays, "y_pred": 1 - o["y_pred"].astype(int)}, o.classes)
