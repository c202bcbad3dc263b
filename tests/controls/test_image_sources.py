"""Controls: a collection that the features hold is found, one that they do not is not; a source
left out shares no copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medpipe.audits.shortcuts import above_commonest
from medpipe.audits.sources import SMALL
from medpipe.evidence.observations import Observations
from medpipe.pipeline.imaging.image_collections import left_out, told_within
from medpipe.pipeline.splits import Subset

N, D = 400, 12


class Part:
    def __init__(self, n: int = N, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.label = rng.integers(0, 3, n)
        self.sample_id = np.array([f"p/{i:04d}" for i in range(n)])
        self.cluster = np.array([f"c{i // 2:04d}" for i in range(n)])
        self.groups = {"cluster": self.cluster}


def above(shift: float, seed: int) -> Any:
    """How far above the commonest source a linear model reads two sources from features that differ
    by ``shift`` deviations.
    """
    rng = np.random.default_rng(seed)
    part = Part(seed=seed)
    by_cluster = np.repeat(rng.integers(0, 2, N // 2), 2)
    features = rng.normal(size=(N, D)).astype(np.float32)
    features[:, 0] += shift * by_cluster
    source = np.where(by_cluster == 1, "one", "two")
    part.label[:] = 1
    told = told_within(1, features, Subset(part, np.arange(N)), source, part.cluster, 20, 0)
    assert told is not None
    at, truth, called, names = told
    return above_commonest(
        Observations(
            {
                "sample_id": part.sample_id[at],
                "y_true": truth,
                "y_pred": called,
                "cluster": part.cluster[at],
            },
            names,
            "cluster",
        )
    )


def test_a_planted_source_is_found_and_its_absence_is_passed() -> None:
    planted = [above(3.0, seed).low > SMALL for seed in range(20)]
    clean = [above(0.0, seed).low > SMALL for seed in range(20)]
    assert np.mean(planted) >= 0.95 and np.mean(clean) == 0


def test_classes_of_one_source_are_not_asked() -> None:
    part = Part()
    assert (
        told_within(
            0,
            np.zeros((N, 2), np.float32),
            Subset(part, np.arange(N)),
            np.full(N, "one"),
            part.cluster,
            20,
            0,
        )
        is None
    )


@pytest.mark.parametrize("seed", range(3))
def test_both_trainings_are_of_one_size_and_share_no_cluster_with_what_is_reported(
    seed: int,
) -> None:
    part: Any = Part(600, seed)
    source = np.where(
        np.arange(600) // 20 % 3 == 0, "small", np.where(part.label == 2, "of one class", "large")
    )
    pairs = list(left_out(part, source, part.cluster, 20, seed))
    assert {p.source for p in pairs} == {"large", "small"}
    for p in pairs:
        assert set(source[p.reported.index]) == {p.source} and p.source not in set(
            source[p.without.index]
        )
        assert p.source in set(source[p.within.index])
        for training in (p.without, p.within):
            assert not set(part.cluster[training.index]) & set(part.cluster[p.reported.index])
        assert (
            np.bincount(p.without.label, minlength=3).tolist()
            == np.bincount(p.within.label, minlength=3).tolist()
        )
