"""Splits without relatives, and their control with them but equal in everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import DataError
from medpipe.pipeline.config import parse
from medpipe.pipeline.data.images import ImagePart
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.imaging.imaging_settings import Data
from medpipe.pipeline.imaging.splitting import divide, fraction_of
from medpipe.pipeline.splits import whole


def written(**change: Any) -> Data:
    every = {
        "source": "x",
        "part": "Training",
        "split": "disjoint",
        "validation_fraction": 0.2,
        "split_seed": 7,
    }
    return parse(Data, every | change, "data")


def part_of(images: int, each: int) -> tuple[ImagePart, np.ndarray[Any, Any]]:
    """Images of four classes in groups of ``each``; the last tenth of the images belongs to no
    known group.
    """
    ids = np.array([f"{i:05d}.png" for i in range(images)])
    groups = np.array([f"g{i // each}" if i < 0.9 * images else "" for i in range(images)])
    return (
        ImagePart(
            np.arange(images) // each % 4,
            ids,
            {},
            lambda size: Planes.of(np.zeros((images, size, size, 3), np.uint8)),
        ),
        groups,
    )


@given(st.integers(20, 60), st.integers(2, 6), st.integers(0, 50))
def test_the_control_differs_in_nothing_but_relatives(patients: int, each: int, seed: int) -> None:
    part, groups = part_of(4 * patients * each, each)
    (clean, reported), (mixed, same) = (
        divide(part, written(split=split, split_seed=seed), groups)
        for split in ("disjoint", "related")
    )
    assert reported.index.tolist() == same.index.tolist()
    assert np.bincount(clean.label).tolist() == np.bincount(mixed.label).tolist()
    held = set(groups[reported.index].tolist())
    assert not held & set(groups[clean.index].tolist())
    assert held & set(groups[mixed.index].tolist())
    for training in (clean, mixed):
        assert len(set(training.index.tolist())) == len(training)
        assert not set(training.index.tolist()) & set(reported.index.tolist())
        assert "" not in groups[training.index] and "" not in groups[reported.index]


def test_says_what_it_needs() -> None:
    part, _ = part_of(80, 2)
    with pytest.raises(DataError, match=r"expected data\.groups"):
        divide(part, written(), None)
    with pytest.raises(DataError, match="whose group is known, got none"):
        divide(part, written(), np.full(80, ""))
    with pytest.raises(DataError, match="at least two held-out images"):
        divide(
            *part_of(20, 1)[:1],
            written(validation_fraction=0.25),
            np.array([f"g{i}" for i in range(20)]),
        )


@given(st.integers(1, 40), st.floats(0.05, 0.95), st.integers(0, 9))
def test_a_smaller_share_is_part_of_a_larger_one(each: int, share: float, seed: int) -> None:
    part, _ = part_of(4 * each, 1)
    some, more = (set(fraction_of(whole(part), f, seed).tolist()) for f in (share, (1 + share) / 2))
    assert some <= more
    counts = np.bincount(part.label[sorted(some)], minlength=4)
    assert (counts == counts[0]).all() and share * each - 1e-6 <= counts[0] < share * each + 1


def test_all_is_all() -> None:
    part, _ = part_of(24, 1)
    assert fraction_of(whole(part), 1.0, 3).tolist() == list(range(24))


@pytest.mark.parametrize("groups", ["fold", "table:folds.csv", "table:a.txt:fold"])
def test_refuses_other_groups(groups: str) -> None:
    with pytest.raises(Exception, match=r"data\.groups"):
        written(groups=groups)
