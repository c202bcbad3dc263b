"""Which images are seen, and that none of those held out is related to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.errors import DataError
from medpipe.pipeline.config import parse
from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.synthesis.generator_data import Chosen, Images, choose, in_one_row, pools
from medpipe.pipeline.synthesis.synthesis_settings import Data

COUNTS = {"a": 1321, "b": 1339, "c": 1595, "d": 1457}  # as the four classes of the published set


def written(**change: Any) -> Data:
    return parse(Data, {"source": "x", "part": "Training"} | change, "data")


def data(counts: dict[str, int] = COUNTS, others: int = 300, copies: int = 3) -> ImageData:
    """Two parts of four classes: images by threes are copies of each other, and the second part
    begins with copies of the first.
    """

    def part(name: str, sizes: dict[str, int]) -> ImagePart:
        ids = [
            f"{name}/{kind}/{i:05d}.png" for kind in reversed(sizes) for i in range(sizes[kind])
        ]  # not in order
        cluster = [
            f"{kind}{i // copies}" if name == "Training" or i < 30 else f"{name}{kind}{i}"
            for kind in reversed(sizes)
            for i in range(sizes[kind])
        ]
        label = [list(sizes).index(kind) for kind in reversed(sizes) for _ in range(sizes[kind])]
        return ImagePart(
            np.array(label),
            np.array(ids),
            {"cluster": np.array(cluster)},
            lambda size: Planes.of([np.zeros((2, 2, 3), np.uint8)]),
        )

    parts = {
        "Training": part("Training", counts),
        "Testing": part("Testing", dict.fromkeys(counts, others)),
    }
    return ImageData("x", tuple(counts), parts, "sha256:x")


def clusters(images: Images, places: np.ndarray[Any, Any]) -> set[str]:
    return set(images.cluster[places].tolist())


def test_the_first_3000_are_those_of_the_published_run() -> None:
    images = in_one_row(data())
    chosen = choose(images, written(first=3000))
    ids = images.every.sample_id[chosen.seen].tolist()
    assert ids == sorted(ids) and np.bincount(
        images.every.label[chosen.seen], minlength=4
    ).tolist() == [1321, 1339, 340, 0]
    assert not clusters(images, chosen.seen) & clusters(images, chosen.unseen)
    assert {"Training", "Testing"} == set(images.part[chosen.unseen].tolist())


@settings(max_examples=20)
@given(
    st.sampled_from([0.1, 0.2, 0.5]),
    st.sampled_from([None, 8, 22]),
    st.sampled_from([None, 160]),
    st.integers(0, 99),
    st.booleans(),
)
def test_no_image_held_out_is_a_copy_of_one_seen(
    held_out: float, train_sample: int | None, first: int | None, seed: int, as_seen: bool
) -> None:
    images = in_one_row(data(dict.fromkeys("abcd", 60), others=40))
    chosen = choose(
        images, written(first=first, held_out=held_out, train_sample=train_sample, sample_seed=seed)
    )
    assert not clusters(images, chosen.seen) & clusters(images, chosen.unseen)
    seen, unseen = pools(images, chosen, 200, seed, as_seen=as_seen)
    assert (
        len(seen) == len(unseen) <= 200
        and set(seen) <= set(chosen.seen)
        and set(unseen) <= set(chosen.unseen)
    )
    assert (
        np.bincount(images.every.label[seen]).tolist()
        == np.bincount(images.every.label[unseen]).tolist()
    )
    for side in (seen, unseen):
        assert len(clusters(images, side)) == len(side)
    if train_sample is not None:
        counts = np.bincount(images.every.label[chosen.seen], minlength=4)
        assert (
            counts.sum() == train_sample
            and counts[counts > 0].max() - counts[counts > 0].min() <= 1
        )


def test_pools_have_the_proportions_of_what_was_seen() -> None:
    images = in_one_row(data())
    chosen = choose(images, written(first=3000))
    seen, unseen = pools(images, chosen, 1000, 0, as_seen=True)
    for side in (seen, unseen):
        assert np.bincount(images.every.label[side], minlength=4)[3] == 0
        assert np.bincount(images.every.label[side])[:3] / len(side) == pytest.approx(
            [1321 / 3000, 1339 / 3000, 340 / 3000], abs=0.01
        )
    others = pools(images, chosen, 1000, 1, as_seen=True)
    assert not np.array_equal(others[0], seen) and np.array_equal(
        pools(images, chosen, 1000, 1, as_seen=True)[0], others[0]
    )


def test_pools_take_all_that_both_sides_have_where_proportions_do_not_matter() -> None:
    images = in_one_row(data())
    chosen = choose(images, written(first=3000))
    label = images.every.label
    both = [
        [len(clusters(images, side[label[side] == kind])) for kind in range(4)]
        for side in (chosen.seen, chosen.unseen)
    ]
    seen, unseen = pools(images, chosen, 10_000, 0, as_seen=False)
    for side in (seen, unseen):
        assert np.bincount(label[side], minlength=4).tolist() == np.min(both, axis=0).tolist()
    assert len(seen) > len(pools(images, chosen, 10_000, 0, as_seen=True)[0])
    few = pools(images, chosen, 50, 0, as_seen=False)
    assert 45 < len(few[0]) == len(few[1]) <= 50


def test_patients_of_drawn_images_are_on_one_side(phantoms: Images) -> None:
    chosen = choose(phantoms, written(held_out=0.5))
    assert not clusters(phantoms, chosen.seen) & clusters(phantoms, chosen.unseen)
    assert len(chosen.seen) + len(chosen.unseen) == (phantoms.part == "Training").sum()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"part": "Validation"}, "data.part: expected one of Training, Testing"),
        ({"first": 6000}, "data.first: expected at most the 5712 images"),
        ({"train_sample": 6000}, "data.train_sample: expected at most"),
    ],
)
def test_says_what_it_needs(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        choose(in_one_row(data()), written(**change))


@pytest.mark.parametrize("as_seen", [True, False])
def test_something_must_stay_unseen(as_seen: bool) -> None:
    whole = data()
    alone = in_one_row(ImageData("x", whole.classes, {"Training": whole.parts["Training"]}, ""))
    with pytest.raises(
        DataError, match=r"data\.held_out: expected real images that the generator does not see"
    ):
        choose(alone, written())
    with pytest.raises(DataError, match="expected unseen images of every class"):
        pools(alone, Chosen(np.arange(3000), np.array([4000])), 100, 0, as_seen=as_seen)
