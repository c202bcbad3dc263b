"""Estimates and intervals against theory and against other implementations."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import evidence_of, observations
from scipy import stats

from medpipe.errors import DataError
from medpipe.evidence import Observations
from medpipe.judging.estimate import _is_count, estimate
from medpipe.registry import code_from
from medpipe.specs.claim import Measure
from medpipe.specs.loading import Specs

SpecsMaker = Callable[..., Specs]
COUNT = {"kind": "at_most", "value": 100, "rationale": "x", "unit": "count"}


def test_one_run_of_independent_samples_is_exact(specs: SpecsMaker) -> None:
    o = observations(np.random.default_rng(0), 400, 0.8)
    found = estimate(specs().claims[0], {"toy": [evidence_of({"validation": o})]}).found
    k = int((o["y_true"] == o["y_pred"]).sum())
    reference = stats.binomtest(k, 400).proportion_ci(method="exact")
    assert (found.low, found.estimate, found.high) == pytest.approx(
        (reference.low, k / 400, reference.high)
    )
    assert (found.method, found.n) == ("Clopper-Pearson over samples", 400)


def test_clusters_widen_the_interval_as_the_design_effect_says(specs: SpecsMaker) -> None:
    """Twenty copies of each of 50 samples are worth 50 samples, not 1000."""
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(50) < 0.8, 20)
    arrays: dict[str, Any] = {
        "sample_id": np.arange(1000).astype(str),
        "y_true": np.zeros(1000, int),
        "y_pred": (~right).astype(int),
        "patient_id": np.repeat(np.arange(50), 20).astype(str),
    }
    clustered = estimate(
        specs().claims[0],
        {"toy": [evidence_of({"validation": Observations(arrays, ("a", "b"), "patient_id")})]},
    ).found
    p = right.mean()
    assert clustered.high - clustered.low == pytest.approx(
        2 * 1.96 * math.sqrt(p * (1 - p) / 50), rel=0.1
    )
    assert (clustered.clusters, clustered.n) == (50, 1000)


def test_spread_over_runs_is_students_t(specs: SpecsMaker) -> None:
    """With endless samples only the training runs differ, and three runs have two degrees of
    freedom.
    """
    n, wanted = 50_000, [0.70, 0.72, 0.77]
    runs = []
    for seed, accuracy in enumerate(wanted):
        wrong = np.zeros(n, int)
        wrong[: round((1 - accuracy) * n)] = 1
        runs.append(
            evidence_of(
                {
                    "validation": Observations(
                        {
                            "sample_id": np.arange(n).astype(str),
                            "y_true": np.zeros(n, int),
                            "y_pred": wrong,
                            "lot": (np.arange(n) % 100).astype(str),
                        },
                        ("a", "b"),
                        "lot",
                    )
                },
                seed,
            )
        )
    found = estimate(specs().claims[0], {"toy": runs}).found
    half = stats.t(2).ppf(0.975) * np.std(wanted, ddof=1) / math.sqrt(3)
    assert found.estimate == pytest.approx(0.73)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.12)
    assert found.runs == 3


def test_a_difference_on_the_same_samples_is_paired(specs: SpecsMaker) -> None:
    rng = np.random.default_rng(2)
    a = observations(rng, 2000, 0.8, clusters=2000)
    flipped = a["y_pred"].astype(int).copy()
    flipped[:40] = 1 - flipped[:40]
    b = Observations({**a.arrays, "y_pred": flipped}, a.classes, a.cluster)
    measure = {"metric": "accuracy", "run": "toy", "split": "validation", "minus": {"run": "other"}}
    found = estimate(
        specs(measure=measure).claims[0],
        {
            "toy": [evidence_of({"validation": a})],
            "other": [evidence_of({"validation": b}, protocol="other")],
        },
    ).found
    right_a, right_b = (x["y_true"] == x["y_pred"] for x in (a, b))
    each = right_a.astype(float) - right_b
    assert found.estimate == pytest.approx(each.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * each.std() / math.sqrt(2000), rel=0.1)


def test_a_gap_between_splits_subtracts(specs: SpecsMaker) -> None:
    rng = np.random.default_rng(3)
    train, valid = observations(rng, 900, 0.9, prefix="t"), observations(rng, 300, 0.7, prefix="v")
    measure = {
        "metric": "accuracy",
        "run": "toy",
        "split": "training_running",
        "minus": {"split": "validation"},
    }
    found = estimate(
        specs(measure=measure).claims[0],
        {"toy": [evidence_of({"training_running": train, "validation": valid})]},
    ).found
    accuracy = [float((o["y_true"] == o["y_pred"]).mean()) for o in (train, valid)]
    expected = (
        2
        * 1.96
        * math.sqrt(
            sum(p * (1 - p) / len(o) for p, o in zip(accuracy, (train, valid), strict=True))
        )
    )
    assert found.estimate == pytest.approx(accuracy[0] - accuracy[1])
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


def test_group_gap_agrees_with_masking_and_with_fairlearn(specs: SpecsMaker) -> None:
    o = observations(np.random.default_rng(4), 3000, [0.9, 0.8])
    measure = {"metric": "accuracy", "run": "toy", "split": "validation", "by": "sex"}
    found = estimate(
        specs(measure=measure).claims[0], {"toy": [evidence_of({"validation": o})]}
    ).found
    by_hand = [float((o["y_true"] == o["y_pred"])[o["sex"] == s].mean()) for s in ("f", "m")]
    assert found.estimate == pytest.approx(abs(by_hand[0] - by_hand[1]))
    assert found.low < 0.1 < found.high
    fairlearn = pytest.importorskip("fairlearn.metrics")
    from sklearn.metrics import accuracy_score

    frame = fairlearn.MetricFrame(
        metrics=accuracy_score, y_true=o["y_true"], y_pred=o["y_pred"], sensitive_features=o["sex"]
    )
    assert found.estimate == pytest.approx(frame.difference())


def test_gap_of_runs_is_the_gap_of_their_mean(specs: SpecsMaker) -> None:
    """Noise opens a gap in every single run; averaged over runs it closes."""
    measure = {"metric": "accuracy", "run": "toy", "split": "validation", "by": "sex"}
    runs = [
        evidence_of({"validation": observations(np.random.default_rng(10 + s), 400, 0.8)}, s)
        for s in range(8)
    ]
    found = estimate(specs(measure=measure).claims[0], {"toy": runs}).found
    seen = [o for e in runs for o in e.observations.values()]
    means = [
        np.mean([(o["y_true"] == o["y_pred"])[o["sex"] == s].mean() for o in seen])
        for s in ("f", "m")
    ]
    assert found.estimate == pytest.approx(abs(means[0] - means[1]))


@pytest.mark.parametrize(
    ("column", "says"), [("age_band", "no column 'age_band'"), ("one", "1 known group")]
)
def test_a_gap_without_groups_is_not_zero(specs: SpecsMaker, column: str, says: str) -> None:
    o = observations(np.random.default_rng(5), 50, 0.8)
    o = Observations({**o.arrays, "one": np.array(["a"] * 25 + [""] * 25)}, o.classes)
    measure = {"metric": "accuracy", "run": "toy", "split": "validation", "by": column}
    with pytest.raises(DataError, match=says):
        estimate(specs(measure=measure).claims[0], {"toy": [evidence_of({"validation": o})]})


def test_of_many_names_the_likest_are_told(specs: SpecsMaker) -> None:
    many = {f"size_{k}": float(k) for k in range(30)} | {"parameter": 1.0}
    claim = specs(measure={"scalar": "parameters", "run": "toy"}).claims[0]
    with pytest.raises(
        DataError, match=r"scalar 'parameters', got parameter, size_\d+, size_\d+ and 28 more$"
    ):
        estimate(claim, {"toy": [evidence_of({}, scalars=many)]})


def test_absent_split_and_scalar_are_named(specs: SpecsMaker) -> None:
    with pytest.raises(DataError, match="split 'validation', got none"):
        estimate(specs().claims[0], {"toy": [evidence_of({})]})
    claim = specs(measure={"scalar": "parameters", "run": "toy"}).claims[0]
    with pytest.raises(DataError, match="scalar 'parameters', got none"):
        estimate(claim, {"toy": [evidence_of({})]})


def test_a_count_is_exact(specs: SpecsMaker) -> None:
    claim = specs(measure={"scalar": "parameters", "run": "toy"}, criterion=COUNT).claims[0]
    found = estimate(claim, {"toy": [evidence_of({}, scalars={"parameters": 12})]}).found
    assert (found.low, found.high, found.method) == (12, 12, "counted exactly")


@pytest.mark.parametrize(
    ("unit", "value"),
    [("count", 0.5294), ("number", 12.25), ("proportion", 1.0), ("proportion", 0.83)],
)
def test_what_one_run_measured_without_an_interval_decides_nothing(
    specs: SpecsMaker, unit: str, value: float
) -> None:
    claim = specs(
        measure={"scalar": "ratio", "run": "toy"}, criterion=COUNT | {"unit": unit, "value": 0.5}
    ).claims[0]
    with pytest.raises(
        DataError, match=r"one run reports ratio = .* other training runs may differ"
    ):
        estimate(claim, {"toy": [evidence_of({}, scalars={"ratio": value})]})


@given(st.integers(1, 10**10))
def test_bytes_of_a_file_are_counted(count: int) -> None:
    assert _is_count(Measure(run="toy", scalar="size_mb_script"), "number", count / 2**20)


def test_published_error_widens_what_decides(specs: SpecsMaker) -> None:
    o = observations(np.random.default_rng(6), 2000, 0.8)
    claim = specs(published={"value": 0.8, "samples": [{"proportion": 0.8, "n": 500}]}).claims[0]
    made = estimate(claim, {"toy": [evidence_of({"validation": o})]})
    p = made.found.estimate
    expected = 2 * 1.96 * math.sqrt(p * (1 - p) / 2000 + 0.16 / 500)
    assert made.decided_by.high - made.decided_by.low == pytest.approx(expected, rel=0.08)
    bound = specs(
        published={"value": 0.8, "samples": [{"proportion": 0.8, "n": 500}]},
        criterion={"kind": "at_least", "value": 0.7, "rationale": "x", "unit": "proportion"},
    ).claims[0]
    alone = estimate(bound, {"toy": [evidence_of({"validation": o})]})
    assert alone.decided_by == alone.found  # a bound is not a measurement


def test_a_strangers_metric_gives_the_same_interval(
    specs: SpecsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("stranger_metrics")
    module.right = lambda o: float((o["y_true"] == o["y_pred"]).mean())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stranger_metrics", module)
    evidence = {
        "toy": [
            evidence_of(
                {"validation": observations(np.random.default_rng(7), 300, 0.8, clusters=60)}
            )
        ]
    }
    ours = estimate(specs().claims[0], evidence).found
    measure = {"metric": "stranger_metrics:right", "run": "toy", "split": "validation"}
    with code_from(Path("no such folder")):
        theirs = estimate(specs(measure=measure).claims[0], evidence).found
    assert theirs.estimate == ours.estimate
    assert theirs.high - theirs.low == pytest.approx(ours.high - ours.low, rel=0.2)


def test_coverage_of_the_clustered_interval(specs: SpecsMaker) -> None:
    """Over 200 made-up studies the 95 % interval holds the truth about 95 times in 100."""
    claim, held = specs().claims[0], 0
    for study in range(200):
        rng = np.random.default_rng(study)
        by_patient = rng.beta(8, 2, 80)
        right = rng.random(400) < np.repeat(by_patient, 5)
        o = Observations(
            {
                "sample_id": np.arange(400).astype(str),
                "y_true": np.zeros(400, int),
                "y_pred": (~right).astype(int),
                "patient_id": np.repeat(np.arange(80), 5).astype(str),
            },
            ("a", "b"),
            "patient_id",
        )
        found = estimate(claim, {"toy": [evidence_of({"validation": o})]}).found
        held += found.low <= 0.8 <= found.high
    assert 180 <= held <= 199  # binomial(200, 0.95) lies there with probability 0.999


def test_an_interval_stays_among_the_possible_values(specs: SpecsMaker) -> None:
    """Two runs have one degree of freedom, whose tails reach far beyond what a proportion or a gap
    can be.
    """
    runs = [
        evidence_of({"validation": observations(np.random.default_rng(s), 60, accuracy)}, s)
        for s, accuracy in enumerate((0.5, 0.9))
    ]
    for measure, floor in (
        ({"metric": "accuracy", "run": "toy", "split": "validation"}, 0.0),
        ({"metric": "accuracy", "run": "toy", "split": "validation", "by": "sex"}, 0.0),
    ):
        made = estimate(specs(measure=measure).claims[0], {"toy": runs})
        assert floor <= made.found.low <= made.found.high <= 1
        assert floor <= made.decided_by.low <= made.decided_by.high <= 1


def test_a_share_with_the_interval_that_its_run_reports_keeps_it(specs: SpecsMaker) -> None:
    scalars = {"odd_share": 0.08, "odd_share_low": 0.07, "odd_share_high": 0.095, "odd_n": 5000}
    claim = specs(
        measure={"scalar": "odd_share", "run": "toy"},
        criterion={"kind": "at_most", "value": 0.05, "rationale": "x", "unit": "proportion"},
    ).claims[0]
    found = estimate(claim, {"toy": [evidence_of({}, scalars=scalars)]})
    assert (
        found.decided_by.low,
        found.decided_by.estimate,
        found.decided_by.high,
        found.decided_by.n,
    ) == (0.07, 0.08, 0.095, 5000)
    assert found.sample_variance > 0
    with pytest.raises(DataError, match="without an interval"):
        estimate(claim, {"toy": [evidence_of({}, scalars={"odd_share": 0.08})]})


def test_a_difference_of_scalars_keeps_the_spread_over_runs(specs: SpecsMaker) -> None:
    measure = {"scalar": "after", "run": "toy", "minus": {"scalar": "before"}}
    claim = specs(
        measure=measure,
        criterion={"kind": "at_least", "value": 1, "unit": "number", "rationale": "because"},
    ).claims[0]
    runs = [
        evidence_of({}, scalars={"after": a, "before": b})
        for a, b in ((3.0, 1.0), (5.0, 1.0), (4.0, 2.5))
    ]
    found = estimate(claim, {"toy": runs}).found
    difference = np.array([2.0, 4.0, 1.5])
    half = stats.t.ppf(0.975, 2) * difference.std(ddof=1) / math.sqrt(3)
    assert found.estimate == pytest.approx(2.5) and (found.n, found.runs) == (3, 3)
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half), abs=0.15 * half)
