from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.pipeline.models.lstm import Vocabulary
from medpipe.pipeline.text.samples import View, Words, bucketed_order, order_of_length

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=120).map(np.array)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 6), st.integers(0, 9), st.integers(1, 9))
def test_every_epoch_sees_every_sample_once_and_again_the_same(
    lengths: np.ndarray, batch: int, pool: int, seed: int, epoch: int
) -> None:
    order = bucketed_order(lengths, batch, pool, (seed, epoch))
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(len(lengths)))
    assert np.array_equal(order, bucketed_order(lengths, batch, pool, (seed, epoch)))


@given(LENGTHS, st.integers(1, 9), st.integers(0, 9))
def test_a_pool_of_one_batch_is_the_published_order(
    lengths: np.ndarray, batch: int, seed: int
) -> None:
    expected = np.random.default_rng((seed, 2)).permutation(len(lengths))
    assert np.array_equal(bucketed_order(lengths, batch, 1, (seed, 2)), expected)


def test_batches_are_of_like_length_and_in_no_order_of_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 120, 32 * 100 + 7)
    orders = [bucketed_order(lengths, 32, 20, (1, epoch)) for epoch in (1, 2)]
    assert not np.array_equal(*orders)
    for order in orders:
        batches = lengths[order[:3200]].reshape(100, 32)
        assert np.ptp(batches, axis=1).mean() < 8 < 100 < np.ptp(lengths)
        longest = batches.max(axis=1)
        assert abs(np.corrcoef(longest[1:], longest[:-1])[0, 1]) < 0.35
    left_over = [set(order[3200:].tolist()) for order in orders]
    assert left_over[0] != left_over[1]


def test_a_view_gives_the_same_samples_in_its_order() -> None:
    sentences = ["a b c", "a", "b c", "c c c c"]
    words = Words(
        Vocabulary(sentences, size=9, words=9), sentences, np.arange(4), length=5, masked=True
    )
    assert words.lengths.tolist() == [3, 1, 2, 4] and order_of_length(words).tolist() == [
        3,
        0,
        2,
        1,
    ]
    view = View(words, order_of_length(words))
    assert view.label.tolist() == [3, 0, 2, 1] and view.lengths.tolist() == [4, 3, 2, 1]
    batch, same = view.batch(np.array([1, 3]), None), words.batch(np.array([0, 1]), None)
    assert all(torch.equal(batch[name], same[name]) for name in ("words", "lengths")) and batch[
        "words"
    ].shape == (2, 3)


def test_without_a_mask_every_sentence_costs_its_padding() -> None:
    words = Words(
        Vocabulary(["a"], size=9, words=9),
        ["a", "a a"],
        np.zeros(2, np.int64),
        length=5,
        masked=False,
    )
    assert words.lengths.tolist() == [5, 5]
    batch = words.batch(np.array([0]), 1)
    assert batch["words"].shape == (1, 5) and batch["lengths"].tolist() == [1]
