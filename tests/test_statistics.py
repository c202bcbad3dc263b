"""Intervals against statsmodels and scipy, and the laws they obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medpipe.errors import DataError
from medpipe.metrics import intervals
from medpipe.metrics.intervals import (
    Interval,
    clopper_pearson,
    cluster_weights,
    detectable,
    exact,
    mcnemar,
    percentile,
    seed_noise,
    wilson,
)

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(counts: tuple[int, int], confidence: float) -> None:
    k, n = counts
    reference = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    ours = wilson(k, n, confidence)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


@given(COUNTS, st.sampled_from([0.9, 0.95, 0.99]))
def test_clopper_pearson_agrees_with_scipy(counts: tuple[int, int], confidence: float) -> None:
    k, n = counts
    reference = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    ours = clopper_pearson(k, n, confidence)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


@given(COUNTS)
def test_intervals_agree_with_statsmodels(counts: tuple[int, int]) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    k, n = counts
    for ours, method in ((wilson(k, n), "wilson"), (clopper_pearson(k, n), "beta")):
        low, high = proportion.proportion_confint(k, n, method=method)
        assert (ours.low, ours.high) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-9)


@given(COUNTS)
def test_exact_interval_is_never_narrower_than_its_promise(counts: tuple[int, int]) -> None:
    k, n = counts
    assert 0 <= clopper_pearson(k, n).low <= k / n <= clopper_pearson(k, n).high <= 1
    assert 0 <= wilson(k, n).low <= k / n <= wilson(k, n).high <= 1


@pytest.mark.parametrize(
    ("k", "n", "confidence"), [(1, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 95), (1, 5, 0)]
)
def test_nothing_is_made_from_nothing(k: int, n: int, confidence: float) -> None:
    for function in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="expected"):
            function(k, n, confidence)


def test_cluster_weights_are_draws_with_replacement() -> None:
    weights = cluster_weights(40, 3000)
    assert weights.shape == (3000, 40)
    assert (weights.sum(axis=1) == 40).all()
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(1 - 1 / 40, rel=0.02)  # binomial(40, 1/40)


def test_bootstrap_of_a_mean_has_the_textbook_width() -> None:
    values = np.random.default_rng(0).normal(size=400)
    replicates = (cluster_weights(400) @ values.astype(np.float32)).astype(float) / 400
    ours = percentile(replicates, float(values.mean()), n=400, method="bootstrap")
    assert ours.high - ours.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(400), rel=0.06)


def test_seed_noise_is_students_t() -> None:
    per_run = np.array([0.70, 0.72, 0.77])
    noise = seed_noise(per_run, 200_000)
    scale = per_run.std(ddof=1) / math.sqrt(3)
    assert stats.kstest(noise / scale, stats.t(2).cdf).statistic < 0.005
    assert (seed_noise(np.array([0.7])) == 0).all()


def test_percentile_drops_what_is_undefined_and_holds_the_estimate() -> None:
    ours = percentile(np.array([0.4, np.nan, 0.5]), 0.6, n=3, method="bootstrap")
    assert (ours.low, ours.high) == (pytest.approx(0.4025), 0.6)
    with pytest.raises(DataError, match="finite"):
        percentile(np.array([np.nan]), 0.5, n=3, method="bootstrap")


@pytest.mark.parametrize(
    "bounds", [(0.2, 0.1, 0.3), (0.1, 0.4, 0.3), (math.nan, 0.1, 0.2), (0.1, 0.2, math.inf)]
)
def test_interval_refuses_nonsense(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Interval(*bounds, n=3, method="none")


def test_exact_has_no_width() -> None:
    assert exact(3_394_053).low == exact(3_394_053).high == 3_394_053


def test_published_error_is_never_zero_at_the_edges() -> None:
    assert intervals.proportion_standard_error(1.0, 1143) > 0
    assert intervals.proportion_standard_error(0.7894, 5000) == pytest.approx(
        math.sqrt(0.7894 * 0.2106 / 5000), rel=0.01
    )


@given(COUNTS, COUNTS)
def test_newcombe_agrees_with_statsmodels(first: tuple[int, int], second: tuple[int, int]) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    (k1, n1), (k2, n2) = first, second
    low, high = proportion.confint_proportions_2indep(
        k1, n1, k2, n2, method="newcomb", compare="diff", alpha=0.05
    )
    ours = intervals.newcombe(k1 / n1, n1, k2 / n2, n2)
    assert ours.estimate == k1 / n1 - k2 / n2
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-9)


@given(COUNTS, COUNTS)
def test_newcombe_turns_round_with_its_groups(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    (k1, n1), (k2, n2) = first, second
    ours, turned = (
        intervals.newcombe(k1 / n1, n1, k2 / n2, n2),
        intervals.newcombe(k2 / n2, n2, k1 / n1, n1),
    )
    assert (ours.low, ours.high) == pytest.approx((-turned.high, -turned.low), abs=1e-12)


def test_expected_maximum_agrees_with_scipy_and_with_drawing() -> None:
    """The largest of k uniform values has a beta distribution; the normal quantile of it is the
    largest of k normal values.
    """
    for k in (1, 2, 5, 50, 1000):
        reference = stats.beta(k, 1).expect(stats.norm.ppf, epsabs=1e-10)
        assert intervals.expected_maximum(k) == pytest.approx(reference, abs=1e-5)
    assert intervals.expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi))
    drawn = np.random.default_rng(0).normal(size=(200_000, 5)).max(axis=1)
    assert intervals.expected_maximum(5) == pytest.approx(
        drawn.mean(), abs=4 * drawn.std() / math.sqrt(len(drawn))
    )
    with pytest.raises(ValueError, match="expected k >= 1"):
        intervals.expected_maximum(0)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_statsmodels(one: int, other: int) -> None:
    reference = pytest.importorskip("statsmodels.stats.contingency_tables")
    expected = reference.mcnemar([[0, one], [other, 0]], exact=True).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(one, other) == mcnemar(other, one)


def test_mcnemar_refuses_what_is_no_count() -> None:
    with pytest.raises(ValueError, match="counts from 0"):
        mcnemar(-1, 3)


def test_the_detectable_difference_is_found_at_its_power() -> None:
    error = 0.01
    found = np.random.default_rng(0).normal(detectable(error), error, 200_000)
    assert np.mean(np.abs(found) > 1.959964 * error) == pytest.approx(0.8, abs=0.005)
