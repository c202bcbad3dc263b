"""Metrics of deployment against numpy, scipy and statsmodels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from made_up import evidence_of
from made_up_ladder import answered, ladder_evidence, slow, timed
from scipy import stats

from medpipe.audits.backend_timing import speed
from medpipe.errors import DataError
from medpipe.judging.estimate import estimate
from medpipe.metrics.deployment import (
    accuracy_loss,
    flipped_share,
    median_seconds,
    p95_seconds,
    speed_ratio,
)
from medpipe.metrics.timing import geometric
from medpipe.specs.claim import Claim
from medpipe.specs.loading import Specs

SpecsMaker = Callable[..., Specs]


def test_times_are_those_of_numpy() -> None:
    o = ladder_evidence({"eager_no_grad": 1.0, "eager": 2.0}).observations["speed_eager"]
    assert speed_ratio(o) == pytest.approx(stats.gmean(o["ratio"])) and median_seconds(
        o
    ) == np.median(o["seconds"])
    with pytest.raises(
        DataError,
        match=(
            "60 rounds in 6 blocks are too few to bound the time within which 95 in 100 answers"
            " come"
        ),
    ):
        p95_seconds(o)
    long = ladder_evidence({"eager_no_grad": 1.0, "eager": 2.0}, rounds=600).observations[
        "speed_eager"
    ]
    assert p95_seconds(long) == np.percentile(long["seconds"], 95)


def test_what_lasts_longer_than_a_block_widens_the_interval_and_then_takes_it_away() -> None:
    draw = np.random.default_rng(3)
    own, block = 0.05 * draw.standard_normal(120), np.repeat(np.arange(12), 10).astype(str)
    lasting = np.repeat([0.0, 0.02, 0.0, -0.02], 30)
    widths = []
    for logs in (own, own + lasting, own + np.repeat([0.2, -0.2], 60)):
        found = geometric(logs, np.char.zfill(block, 4))
        widths.append(found.high / found.low)
    assert widths == sorted(widths) and widths[2] > 2.5
    o = timed(np.exp(own + np.repeat([0.2, -0.2], 60)), np.ones(120))
    with pytest.raises(
        DataError, match="12 blocks of rounds are too few or too like their neighbours"
    ):
        speed_ratio.of(o, 0.95)
    steady = stats.ttest_1samp(own.reshape(12, 10).mean(axis=1), 0).confidence_interval(0.95)
    found = geometric(own, np.char.zfill(block, 4))
    assert np.log(found.high / found.low) >= steady.high - steady.low


@pytest.fixture
def claim(specs: SpecsMaker) -> Claim:
    return specs(
        measure={"metric": "speed_ratio", "run": "toy", "split": "speed_eager"},
        criterion={"kind": "at_least", "value": 1.5, "unit": "number", "rationale": "because"},
    ).claims[0]


def test_a_ratio_is_judged_by_the_interval_that_the_audit_tells(claim: Claim) -> None:
    o = ladder_evidence({"eager_no_grad": 1.0, "eager": 2.0}).observations["speed_eager"]
    found = estimate(claim, {"toy": [evidence_of({"speed_eager": o})]})
    assert found.found == found.decided_by == speed(o)
    means = np.log(o["ratio"]).reshape(-1, 10).mean(axis=1)
    low, high = stats.t.interval(0.95, 5, means.mean(), stats.sem(means))
    assert np.log(found.found.low) < low and high < np.log(
        found.found.high
    )  # which allows neither for stalls nor for what lasts
    assert np.log(found.found.estimate) == pytest.approx(means.mean())


def test_several_runs_are_judged_with_their_spread(claim: Claim) -> None:
    ladders = [
        ladder_evidence({"eager_no_grad": 1.0, "eager": s}, seed=k, rounds=120)
        for k, s in enumerate((1.8, 2.0, 2.2))
    ]
    runs = [evidence_of({"speed_eager": ladder.observations["speed_eager"]}) for ladder in ladders]
    found = estimate(claim, {"toy": runs}).found
    assert found.estimate == pytest.approx(2.0, abs=0.05) and found.runs == 3
    assert found.high - found.low > 0.8 * 2 * stats.t.ppf(0.975, 2) * 0.2 / np.sqrt(3)


def test_the_interval_of_a_ratio_holds_it_as_often_as_stated(claim: Claim) -> None:
    """In at least 97 of 100 repeats of the same form against itself, under noise that lasts over
    rounds; 5 in 100 at most are not judged.
    """
    holds, open_ = 0, 0
    for seed in range(400):
        draw = np.random.default_rng((11, seed))
        shared = slow(120, draw)
        first, second = (0.1 * np.exp(shared + slow(120, draw, 0.05, 0.3)) for _ in range(2))
        try:
            found = estimate(
                claim, {"toy": [evidence_of({"speed_eager": timed(first, second)})]}
            ).found
            holds += found.low <= 1.0 <= found.high
        except DataError:
            open_ += 1
    assert holds >= 0.97 * (400 - open_) and open_ <= 20


def test_flips_and_losses_are_those_of_scipy() -> None:
    o = answered(500, 25, np.random.default_rng(1))
    assert flipped_share(o) == pytest.approx(25 / 500)
    right, wanted = (o[name] == o["y_true"] for name in ("y_pred", "reference_pred"))
    assert accuracy_loss(o) == pytest.approx(np.mean(wanted) - np.mean(right))
    reference = stats.ttest_rel(wanted.astype(float), right.astype(float)).confidence_interval(0.95)
    found = accuracy_loss.of(o, 0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=6e-3)
    exact = stats.binomtest(25, 500).proportion_ci(0.95, "exact")
    assert (flipped_share.of(o, 0.95).low, flipped_share.of(o, 0.95).high) == pytest.approx(
        (exact.low, exact.high)
    )


def test_where_nothing_differs_the_interval_is_not_nothing() -> None:
    o = answered(500, 0, np.random.default_rng(1))
    lost, flipped = (metric.of(o, 0.95) for metric in (accuracy_loss, flipped_share))
    assert (
        lost.estimate == flipped.estimate == 0
        and lost.low == -lost.high < 0
        and 0.005 < flipped.high < 0.01
    )
