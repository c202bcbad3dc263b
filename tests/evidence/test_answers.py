"""Shares of answers that changed, and differences of two, over samples that depend on each other in
clusters.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medpipe.audits.backend_timing import parity
from medpipe.evidence import Observations
from medpipe.metrics.contributions import area_under_curve, clustered, mean
from medpipe.metrics.prediction_changes import flipped, lost, paired_difference

COUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200)).filter(
    lambda c: sum(c) > 1
)


def answers(worse: int, better: int, same: int, times: int = 1) -> Observations:
    """So many samples that only the reference gets right, only the form, and both; each ``times``
    in a cluster of its own.
    """
    n = worse + better + same
    pred, reference = (
        np.repeat(np.repeat([a, b, 0], [worse, better, same]), times) for a, b in ((1, 0), (0, 1))
    )
    return Observations(
        {
            "sample_id": np.arange(n * times).astype(str),
            "y_true": np.zeros(n * times, int),
            "y_pred": pred,
            "reference_pred": reference,
            "difference": np.zeros(n * times),
            "patient": np.repeat(np.arange(n).astype(str), times),
        },
        ("a", "b"),
        "patient" if times > 1 else None,
    )


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_flips_of_independent_samples_have_the_exact_interval_of_scipy(
    counts: tuple[int, int, int],
) -> None:
    found, wanted = (
        flipped(answers(*counts)),
        stats.binomtest(counts[0] + counts[1], sum(counts)).proportion_ci(0.95, "exact"),
    )
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(2, 6))
def test_copies_of_a_sample_are_no_further_samples(
    counts: tuple[int, int, int], times: int
) -> None:
    """Intervals that ignored the clusters would be narrower by the root of ``times``."""
    for measure in (flipped, lost):
        once, often = measure(answers(*counts)), measure(answers(*counts, times))
        assert often.estimate == pytest.approx(once.estimate)
        assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_the_other_way_round_a_difference_is_its_opposite(counts: tuple[int, int, int]) -> None:
    worse, better, same = counts
    one, other = lost(answers(worse, better, same)), lost(answers(better, worse, same))
    assert (one.low, one.estimate, one.high) == pytest.approx(
        (-other.high, -other.estimate, -other.low), abs=1e-12
    )


def test_a_large_difference_has_the_interval_of_the_paired_t() -> None:
    """Where shares are common, that they exclude each other counts: taken as independent the
    interval would be a tenth narrower.
    """
    o = answers(300, 200, 500)
    d = (o["reference_pred"] == 0).astype(float) - (o["y_pred"] == 0)
    wanted = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    found = lost(o)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=3e-3)


@pytest.mark.parametrize(("times", "severity"), [(1, "clean"), (10, "narrows")])
def test_a_form_passes_only_where_independent_images_exclude_its_flips(
    times: int, severity: str
) -> None:
    o = answers(0, 0, 1200 // times, times)
    timed = Observations({**o.arrays, "batch": np.ones(len(o), int)}, o.classes, o.cluster)
    assert parity(o, timed, exact=False).severity == severity


def test_means_in_clusters_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).normal(1.0, 2.0, 40)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    once, often = (
        clustered(values, None),
        clustered(np.repeat(values, 5), np.repeat(np.arange(40), 5)),
    )
    assert (once.low, once.high) == pytest.approx((wanted.low, wanted.high), rel=0.02)
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-9)


@pytest.mark.parametrize(("positive", "negative"), [(20, 30), (5, 400)])
def test_an_area_of_one_is_bounded_by_its_smaller_side(positive: int, negative: int) -> None:
    found = area_under_curve(1.0 + np.arange(positive), -1.0 - np.arange(negative)).interval()
    assert found.high == found.estimate == 1.0
    assert found.low == pytest.approx(
        stats.binomtest(positive, positive).proportion_ci(0.95, "exact").low
    )


def test_a_share_of_independent_samples_is_exact() -> None:
    wanted = stats.binomtest(3, 200).proportion_ci(0.95, "exact")
    found = mean(np.arange(200) < 3).interval()
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_one_sided_answers_are_bounded_on_the_other_side_too() -> None:
    found = paired_difference(np.arange(100) < 5, np.zeros(100, bool), None)
    assert found.low < 0.05 < found.high and found.n == 100
