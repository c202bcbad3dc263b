"""Agreement: against scikit-learn's weighted kappa, another Krippendorff's alpha, and his published
example.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medpipe.reader_study.agreement import ordinal_alpha, weighted_kappa

FOUR = np.array(
    [
        [int(c) for c in row]
        for row in (
            "221333124521143142131431",
            "214252215562363141223333",
            "214232323441152131242312",
            "222343224641352231222533",
        )
    ]
)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=3, max_size=30))
def test_kappa_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = np.array(pairs).T
    assume(len({*first, *second}) > 1)
    found = weighted_kappa(first, second)
    assert found.estimate == pytest.approx(
        metrics.cohen_kappa_score(first, second, weights="quadratic", labels=range(1, 7)), abs=1e-9
    )
    assert found.n == len(pairs)


def test_alpha_is_that_of_the_package_krippendorff() -> None:
    found = ordinal_alpha(FOUR, 6)
    assert found.estimate == pytest.approx(
        0.5581325453911088, abs=1e-12
    )  # krippendorff 0.9.0, level_of_measurement="ordinal"
    assert (
        found.interval is not None
        and found.interval.low < found.estimate < found.interval.high
        and found.interval.n == 24
    )


def test_readers_who_always_agree_and_readers_who_never_differ() -> None:
    same = np.tile(np.arange(20) % 5 + 1, (3, 1))
    assert ordinal_alpha(same, 5).estimate == 1 and ordinal_alpha(same, 5).interval is None
    assert ordinal_alpha(np.ones((3, 20), np.int64), 5).estimate is None, (
        "no variation: not defined, not 1"
    )
    assert weighted_kappa(same[0], same[0]).estimate == 1
    assert weighted_kappa(np.ones(5, np.int64), np.ones(5, np.int64)).estimate is None
    assert ordinal_alpha(same[:1], 5).estimate is None


def test_chance_is_about_zero() -> None:
    rng = np.random.default_rng(0)
    alphas = [ordinal_alpha(rng.integers(1, 6, (4, 50)), 5).estimate for _ in range(40)]
    assert np.mean([a for a in alphas if a is not None]) == pytest.approx(0, abs=0.03)
