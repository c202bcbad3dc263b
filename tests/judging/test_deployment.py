"""Metrics of deployment against numpy, scipy and statsmodels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from made_up import evidence_of
from made_up_ladder import answered, ladder_evidence
from scipy import stats

from medpipe.claims.loading import Specs
from medpipe.judging.estimate import estimate
from medpipe.judging.metrics.deployment import accuracy_loss, flipped_share, median_ratio, median_seconds, p95_seconds

SpecsMaker = Callable[..., Specs]


def test_times_are_those_of_numpy() -> None:
    o = ladder_evidence({"eager_grad": 1.0, "eager": 2.0}).observations["speed_eager"]
    assert median_ratio(o) == np.median(o["ratio"]) and median_seconds(o) == np.median(o["seconds"])
    assert p95_seconds(o) == np.percentile(o["seconds"], 95)


def test_the_interval_of_a_ratio_holds_it_about_as_often_as_stated(specs: SpecsMaker) -> None:
    claim = specs(measure={"metric": "median_ratio", "run": "toy", "split": "speed_eager"},
                  criterion={"kind": "at_least", "value": 1.5, "unit": "number", "rationale": "because"}).claims[0]
    holds = 0
    for seed in range(30):
        o = ladder_evidence({"eager_grad": 1.0, "eager": 2.0}, seed=seed).observations["speed_eager"]
        found = estimate(claim, {"toy": [evidence_of({"speed_eager": o})]}).found
        holds += found.low <= 2.0 <= found.high
    assert holds >= 25


def test_flips_and_losses_are_those_of_scipy() -> None:
    o = answered(500, 25, np.random.default_rng(1))
    assert flipped_share(o) == pytest.approx(25 / 500)
    right, wanted = (o[name] == o["y_true"] for name in ("y_pred", "reference_pred"))
    assert accuracy_loss(o) == pytest.approx(np.mean(wanted) - np.mean(right))
    reference = stats.ttest_rel(wanted.astype(float), right.astype(float)).confidence_interval(0.95)
    found = accuracy_loss.of(o)[0].interval()
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=2e-3)


def test_where_nothing_differs_the_interval_is_not_nothing() -> None:
    o = answered(500, 0, np.random.default_rng(1))
    lost, flipped = (metric.of(o)[0].interval() for metric in (accuracy_loss, flipped_share))
    assert lost.estimate == flipped.estimate == 0 and lost.low == -lost.high < 0 and 0.005 < flipped.high < 0.01
