from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.audits.saliency import (
    FEWEST,
    UNCHANGED,
    WORTH,
    check_explanation,
    mean_interval,
    passes,
)
from medpipe.errors import DataError

NOISE = np.random.default_rng(0).normal(0, 0.02, 200)


def outcome(advantage: float, similarity: float) -> list[str]:
    return [
        c.outcome
        for c in check_explanation(
            {"deletion_against_random": advantage + NOISE}, similarity + NOISE
        )
    ]


def test_each_outcome_is_decided_by_the_interval_and_its_threshold() -> None:
    assert outcome(0.1, 0.1) == ["pass", "pass"]
    assert outcome(0.0, 0.9) == outcome(-0.1, 1.0) == ["fail", "fail"]
    assert outcome(WORTH - NOISE.mean(), UNCHANGED - NOISE.mean()) == ["not shown", "not shown"]


@given(st.lists(st.floats(-1, 1), min_size=FEWEST, max_size=40), st.floats(-0.5, 0.5))
def test_a_larger_advantage_never_turns_a_pass_into_less(values: list[float], more: float) -> None:
    def rank(v: np.ndarray) -> int:
        return ["fail", "not shown", "pass"].index(
            check_explanation({"x": v}, np.zeros(len(v)))[0].outcome
        )

    assert rank(np.array(values) + abs(more)) >= rank(np.array(values))


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    from scipy.stats import bootstrap

    found = mean_interval("x", NOISE)
    expected = bootstrap(
        (NOISE,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=3e-4)
    assert (found.estimate, found.n, found.clusters) == (pytest.approx(NOISE.mean()), 200, 200)


def test_images_of_one_patient_count_as_one() -> None:
    values, patients = np.repeat(NOISE[:20], 10), [str(k // 10) for k in range(200)]
    apart, together = mean_interval("x", values), mean_interval("x", values, patients)
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert (together.n, together.clusters) == (200, 20)


def test_scalars_hold_estimate_interval_n_and_outcome() -> None:
    check, _ = check_explanation({"deletion_against_random": 0.1 + NOISE}, NOISE)
    scalars = check.scalars("validation")
    assert (
        scalars["validation_deletion_against_random_passes"] == 1
        and scalars["validation_deletion_against_random_n"] == 200
    )
    assert set(scalars) == {
        f"validation_deletion_against_random{end}" for end in ("", "_low", "_high", "_n", "_passes")
    }
    assert check.said.startswith(
        "deletion against random: better than a map that knows nothing; mean advantage 0.1"
    )


@pytest.mark.parametrize(
    ("values", "cluster", "words"),
    [
        (np.zeros(FEWEST - 1), None, "at least 6 independent samples, got 5"),
        (np.zeros(50), ["a"] * 50, "at least 6 independent samples, got 1"),
        (np.array([0.1] * 9 + [np.nan]), None, "expected finite values"),
        (np.zeros(9), ["a"], "a cluster for each"),
        (np.zeros((9, 2)), None, "expected finite values"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    values: np.ndarray, cluster: list[str] | None, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        mean_interval("x", values, cluster)


def test_nothing_passes_by_having_no_checks() -> None:
    with pytest.raises(DataError, match="expected checks, got none"):
        passes(())
