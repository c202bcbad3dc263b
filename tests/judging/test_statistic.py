"""Errors of metrics against other implementations, and the laws that they obey."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import evidence_of
from made_up_studies import Confident, Study, confidences, predictions, scores

from medpipe.errors import DataError
from medpipe.evidence import Observations
from medpipe.judging import Outcome, judge
from medpipe.judging.estimate import Estimate
from medpipe.judging.judge import needed_samples
from medpipe.metrics import calibration, classification
from medpipe.metrics.intervals import (
    Interval,
    clustered_mean,
    difference_of,
    newcombe,
    proportion_bounds,
    spread_of,
    with_run_spread,
)
from medpipe.metrics.statistic import Statistic, gap, proportion
from medpipe.metrics.units import rows_of
from medpipe.registry import resolve
from medpipe.specs.loading import Specs

pytestmark = pytest.mark.usefixtures("own_code")

SpecsMaker = Callable[..., Specs]
CLASSES = (
    "accuracy",
    "sensitivity",
    "specificity",
    "precision",
    "f1",
    "macro_recall",
    "macro_precision",
    "macro_f1",
    "weighted_recall",
    "weighted_precision",
    "weighted_f1",
)
PROBABILITIES = (
    "brier_score",
    "expected_calibration_error",
    "area_under_risk_coverage",
    "accuracy_at_90_percent_coverage",
)
SEEDS = st.integers(0, 10_000)


def bounds(name: str, *runs: Observations) -> tuple[float, float, float]:
    rows, _ = rows_of([list(runs)])
    found: Statistic = resolve("metric", name).statistic(rows[0], range(len(runs[0].classes)))
    low, high = found.with_runs(0.025)
    return low, found.value, high


def study(name: str, seed: int, clusters: int | None = 30) -> Observations:
    rng = np.random.default_rng(seed)
    if name in PROBABILITIES:
        return confidences(
            rng, Confident(240, 0.85, clusters=clusters, alike=0.2 if clusters else 0.0, over=0.03)
        )[0]
    return predictions(rng, Study(240, 0.85, clusters=clusters, alike=0.2 if clusters else 0.0))[0]


@pytest.mark.parametrize("name", CLASSES + PROBABILITIES)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_neither_order_nor_names_matter(name: str, seed: int) -> None:
    o = study(name, seed)
    order = np.random.default_rng(seed).permutation(len(o))
    renamed = Observations(
        {
            **o.arrays,
            "patient_id": np.char.add("p", o["patient_id"]),
            "sample_id": np.char.add("s", o["sample_id"]),
        },
        o.classes,
        "patient_id",
    )
    for other in (o.take(order), renamed):
        assert bounds(name, other) == pytest.approx(bounds(name, o), abs=1e-9)


@pytest.mark.parametrize("name", CLASSES + PROBABILITIES)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_value_lies_between_its_bounds_and_is_that_of_the_metric(name: str, seed: int) -> None:
    o = study(name, seed)
    low, value, high = bounds(name, o)
    assert low <= value <= high and value == pytest.approx(resolve("metric", name)(o))


@pytest.mark.parametrize("name", CLASSES + PROBABILITIES)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_same_samples_again_in_one_cluster_make_nothing_surer(name: str, seed: int) -> None:
    """Every sample stored twice, in the cluster that it is in: the same value, and not less
    error.
    """
    o = study(name, seed)
    twice = {n: np.concatenate([a, a]) for n, a in o.arrays.items()} | {
        "sample_id": np.arange(2 * len(o)).astype(str)
    }
    once, doubled = bounds(name, o), bounds(name, Observations(twice, o.classes, "patient_id"))
    assert doubled[1] == pytest.approx(
        once[1], abs=1e-3 if name == "area_under_risk_coverage" else 1e-9
    )  # twice as many ranks
    assert doubled[2] - doubled[0] >= (once[2] - once[0]) * 0.98


@given(st.integers(0, 199), st.integers(200, 400), st.sampled_from([0.025, 0.001]))
def test_bounds_grow_with_successes(k: int, n: int, tail: float) -> None:
    fewer, more = proportion_bounds(k / n, n, tail), proportion_bounds((k + 1) / n, n, tail)
    assert fewer[0] <= more[0] and fewer[1] <= more[1]
    narrower = proportion_bounds(k / n, 2 * n, tail)
    assert fewer[0] <= narrower[0] <= k / n <= narrower[1] <= fewer[1]


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_over_clusters_is_that_of_statsmodels(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    o = predictions(np.random.default_rng(seed), Study(300, 0.8, clusters=40, alike=0.2))[0]
    correct, unit = (
        (o["y_true"] == o["y_pred"]).astype(float),
        np.unique(o["patient_id"], return_inverse=True)[1],
    )
    theirs = (
        api.OLS(correct, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": unit}).bse[0]
    )
    assert spread_of(
        np.bincount(unit, correct - correct.mean()) / 300
    ).variance ** 0.5 == pytest.approx(theirs)


@given(st.integers(0, 50), st.integers(50, 90), st.integers(0, 30), st.integers(30, 300))
def test_a_difference_of_scores_is_newcombes(k: int, n: int, j: int, m: int) -> None:
    statsmodels = pytest.importorskip("statsmodels.stats.proportion")
    ours = newcombe(k / n, n, j / m, m)
    theirs = statsmodels.confint_proportions_2indep(k, n, j, m, method="newcomb", compare="diff")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)


def test_independent_values_get_the_exact_interval_and_copies_the_one_of_their_clusters() -> None:
    values = np.array([1.0] * 37 + [0.0] * 3)
    alone, copied = (
        clustered_mean(values, None),
        clustered_mean(np.repeat(values, 10), np.repeat(np.arange(40), 10)),
    )
    assert (alone.low, alone.high) == pytest.approx(proportion_bounds(37 / 40, 40, 0.025))
    assert (
        copied.low == pytest.approx(alone.low, abs=0.02)
        and copied.low <= alone.low
        and (copied.n, copied.clusters) == (400, 40)
    )


def test_runs_widen_as_students_t_and_differences_are_joined() -> None:
    one = Interval(0.7, 0.8, 0.9, 100, "x")
    assert with_run_spread(one, np.array([0.8])) == one
    wide = with_run_spread(one, np.array([0.78, 0.82]))
    assert wide.high - 0.8 == pytest.approx(np.hypot(0.1, 12.7062 * 0.02), rel=1e-4)
    assert difference_of(one, one).high == pytest.approx(np.hypot(0.1, 0.1))


def test_f1_is_a_function_of_a_proportion() -> None:
    """Two thirds of the samples that are of the class, or called it, are hits: F1 is 2 J / (1 + J)
    = 0.8, and so are its bounds.
    """
    o = Observations(
        {
            "sample_id": np.arange(90).astype(str),
            "y_true": np.array([1] * 75 + [0] * 15),
            "y_pred": np.array([1] * 60 + [0] * 15 + [1] * 15),
        },
        ("a", "b"),
    )
    low, value, high = bounds("f1", o)
    j = np.array(proportion_bounds(60 / 90, 90, 0.025))
    assert value == pytest.approx(0.8) and (low, high) == pytest.approx(tuple(2 * j / (1 + j)))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("brier_score", calibration._squared_error),
        ("area_under_risk_coverage", calibration._risk_coverage_influence),
    ],
)
def test_influences_are_what_leaving_a_sample_out_changes(
    name: str, function: Callable[[Observations], Any]
) -> None:
    o = study(name, 3, clusters=None)
    metric, influence = resolve("metric", name), function(o)
    influence = influence - influence.mean()
    left_out = np.array([metric(o.take(np.arange(len(o)) != i)) for i in range(len(o))])
    assert np.corrcoef(influence, metric(o) - left_out)[0, 1] > 0.99
    assert np.std(influence) == pytest.approx(np.std((len(o) - 1) * left_out), rel=0.03)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(2, 6))
def test_a_gap_holds_its_own_pairs(seed: int, groups: int) -> None:
    """More groups never make the upper bound smaller, and relabelling them changes nothing."""
    rng = np.random.default_rng(seed)
    o = predictions(rng, Study(600, 0.8, groups=groups, drop=0.1))[0]
    rows = rows_of([[o]])[0][0]
    parts = []
    for level in np.unique(o["group"]):
        inside = rows.where([o["group"] == level])
        parts.append(proportion(inside, [r["y_true"] == r["y_pred"] for r in inside.runs]))
    found = gap(parts, 0.025)
    assert 0 <= found.low <= found.value <= found.high
    assert gap(parts[::-1], 0.025) == found
    assert found.high >= gap(parts[:2], 0.025).high
    pairs = [abs(a.value - b.value) for a in parts for b in parts]
    assert found.value == pytest.approx(max(pairs))


def test_unknown_groups_are_counted_and_put_wherever_they_change_most(specs: SpecsMaker) -> None:
    """Nobody of known sex differs; the unknown ones are all wrong, and could open a gap."""
    rng = np.random.default_rng(0)
    correct = np.concatenate([rng.random(8000) < 0.9, np.zeros(600, bool)])
    sex = np.array(["f", "m"] * 4000 + [""] * 600)
    o = Observations(
        {
            "sample_id": np.arange(8600).astype(str),
            "y_true": np.zeros(8600, int),
            "y_pred": (~correct).astype(int),
            "sex": sex,
        },
        ("a", "b"),
    )
    gaps = specs(
        measure={"metric": "accuracy", "run": "toy", "split": "validation", "by": "sex"},
        criterion={"kind": "at_most", "value": 0.03, "rationale": "x", "unit": "points"},
    )
    verdict = judge(
        gaps.claims[0], gaps, {"toy": [(e.run, e) for e in [evidence_of({"validation": o})]]}
    )
    assert (
        verdict.outcome is Outcome.INCONCLUSIVE
        and "600 samples of unknown group could change the verdict" in verdict.reason
    )
    few = o.take(np.arange(8010))
    verdict = judge(
        gaps.claims[0], gaps, {"toy": [(e.run, e) for e in [evidence_of({"validation": few})]]}
    )
    assert (
        verdict.outcome is Outcome.SUPPORTED
        and "10 samples of unknown group do not change this" in verdict.reason
    )


@pytest.mark.parametrize(
    "name", ["macro_recall", "macro_f1", "weighted_f1", "weighted_precision", "sensitivity"]
)
def test_a_class_that_was_not_seen_gives_no_verdict_but_a_reason(
    specs: SpecsMaker, name: str
) -> None:
    o = Observations(
        {
            "sample_id": np.arange(50).astype(str),
            "y_true": np.zeros(50, int),
            "y_pred": np.zeros(50, int),
        },
        ("a", "b"),
    )
    loaded = specs(measure={"metric": name, "run": "toy", "split": "validation"})
    verdict = judge(
        loaded.claims[0], loaded, {"toy": [(e.run, e) for e in [evidence_of({"validation": o})]]}
    )
    assert (
        verdict.outcome is Outcome.NOT_TESTED
        and "expected samples of every class, got none of b" in verdict.reason
    )


def test_a_rare_class_without_an_error_does_not_look_sure(specs: SpecsMaker) -> None:
    """Ten of ten of the rare class are right; a percentile bootstrap has an interval of no width
    for it.
    """
    true = np.array([0] * 490 + [1] * 10)
    called = np.where(np.arange(500) < 25, 1, true)
    o = Observations(
        {"sample_id": np.arange(500).astype(str), "y_true": true, "y_pred": called}, ("a", "b")
    )
    low, value, _ = bounds("macro_recall", o)
    assert (
        value == pytest.approx((465 / 490 + 1) / 2) and low < value - 0.5 * (1 - 0.025**0.1) + 0.001
    )


def test_own_metrics_say_so_where_too_little_was_seen() -> None:
    rows = rows_of([[predictions(np.random.default_rng(1), Study(200, 0.99))[0]]])[0][0]
    own = resolve("metric", "made_up_studies:own_accuracy")
    from medpipe.metrics.own import OwnMetric

    with pytest.raises(
        DataError, match="expected 5 samples of class a that are incorrect to know its error, got"
    ):
        OwnMetric("mine:accuracy", own).statistic(rows, range(2))
    constant = rows_of([scores(np.random.default_rng(1), Study(200, 0.8))])[0][0]
    with pytest.raises(DataError, match="is 1 whichever samples are left out"):
        OwnMetric("mine:one", lambda o: 1.0).statistic(constant, range(2))


@pytest.mark.parametrize(("value", "edge"), [(0.8, 0.83), (0.8, 0.78)])
def test_the_samples_that_are_needed_decide_in_eight_of_ten(value: float, edge: float) -> None:
    n = 400
    variance = value * (1 - value) / n
    found = Interval(0.7, value, 0.9, n, "x")
    needed = needed_samples(Estimate(found, found, variance, 0.0), (-np.inf, edge), 0.95)
    assert needed is not None
    rng, decided = np.random.default_rng(0), 0
    for k in rng.binomial(needed, value, 2000):
        low, high = proportion_bounds(k / needed, needed, 0.025)
        decided += high <= edge if edge > value else low > edge
    assert 0.75 <= decided / 2000 <= 0.85


def test_paired_models_are_compared_on_the_samples_where_just_one_is_correct(
    specs: SpecsMaker,
) -> None:
    """No sample differs: the difference is 0, and what may have been missed bounds it."""
    o = predictions(np.random.default_rng(0), Study(100, 0.8))[0]
    rows = rows_of([[o], [o]])[0]
    found = classification.accuracy.paired(rows[0], rows[1], range(2))
    assert (
        found is not None
        and found.value == 0
        and found.bounds(0.025)[1] == pytest.approx(1 - 0.025 ** (1 / 100))
    )
    shorter = replace(
        rows[1],
        runs=[o.take(np.arange(50))],
        samples=[rows[1].samples[0][:50]],
        units=[rows[1].units[0][:50]],
    )
    assert classification.accuracy.paired(rows[0], shorter, range(2)) is None
