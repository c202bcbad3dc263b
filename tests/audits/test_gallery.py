from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.audits.gallery_choice import DRAWN, ERRORS, choose_gallery, most_confident_errors
from medpipe.errors import DataError


@given(st.integers(1, 120), st.floats(0, 1), st.integers(0, 9))
def test_the_choice_is_by_lot_and_by_confidence(n: int, accuracy: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    prob = draw.dirichlet(np.ones(3), n)
    pred = prob.argmax(axis=1)
    true = np.where(draw.random(n) < accuracy, pred, (pred + 1) % 3)
    index = choose_gallery(true, pred, prob, seed)
    wrong = true != pred
    assert len(set(index.tolist())) == len(index) <= DRAWN + ERRORS
    assert index[:DRAWN].tolist() == np.random.default_rng(seed).permutation(n)[:DRAWN].tolist()
    assert wrong[index[DRAWN:]].all()
    left_out = np.setdiff1d(np.flatnonzero(wrong), index)
    errors = most_confident_errors(true, pred, prob)
    assert len(errors) == min(ERRORS, wrong.sum()) and set(errors) <= set(index)
    if len(left_out):
        assert prob[left_out].max(axis=1).max() <= prob[errors].max(axis=1).min() + 1e-3  # float16
    assert choose_gallery(true, pred, prob.astype(np.float16), seed).tolist() == index.tolist()


def test_ten_are_drawn_alike_whatever_the_predictions_are() -> None:
    one, other = (
        choose_gallery(np.zeros(50, int), np.full(50, p), np.full((50, 2), 0.5), 4)[:DRAWN]
        for p in (0, 1)
    )
    assert one.tolist() == other.tolist()


def test_no_gallery_of_nothing() -> None:
    with pytest.raises(DataError, match="expected predictions"):
        choose_gallery(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)), 0)
