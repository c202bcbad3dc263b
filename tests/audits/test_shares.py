from __future__ import annotations

import numpy as np
import pytest

from medpipe.audits.proportions import share
from medpipe.errors import DataError
from medpipe.metrics.intervals import clopper_pearson


def test_a_share_never_seen_is_bounded_by_the_clusters_looked_at() -> None:
    ids, clusters = [str(i) for i in range(100)], [str(i // 10) for i in range(100)]
    found = share("x", np.zeros(100, bool), ids, clusters)
    assert (found.count, found.interval.estimate, found.interval.n, found.interval.clusters) == (
        0,
        0.0,
        100,
        10,
    )
    assert found.interval.high == clopper_pearson(0, 10).high > clopper_pearson(0, 100).high
    assert share("x", np.ones(100, bool), ids).interval.low == clopper_pearson(100, 100).low


def test_dependent_flags_make_a_wider_interval() -> None:
    draw = np.random.default_rng(0)
    of_cluster = draw.random(60) < 0.3
    ids, clusters = [str(i) for i in range(600)], [str(i // 10) for i in range(600)]
    flags = np.repeat(of_cluster, 10)
    together, apart = (share("x", f, ids, clusters) for f in (flags, draw.permutation(flags)))
    assert together.count == apart.count
    assert together.interval.high - together.interval.low > 2 * (
        apart.interval.high - apart.interval.low
    )


def test_scalars_name_split_and_audit() -> None:
    scalars = share("near", np.array([True, False]), ["a", "b"]).scalars("validation")
    assert (
        scalars["validation_near_share"] == 0.5
        and scalars["validation_near_count"] == 1
        and scalars["validation_near_n"] == 2
    )
    assert set(scalars) == {
        f"validation_near_{end}" for end in ("share", "share_low", "share_high", "count", "n")
    }


def test_nothing_is_made_from_nothing() -> None:
    with pytest.raises(DataError, match="near: expected samples"):
        share("near", np.zeros(0, bool), [])
