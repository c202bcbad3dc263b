from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from medpipe.audits import text_labels, text_overlap
from medpipe.errors import DataError

SENTENCES = st.lists(
    st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), min_size=1, max_size=8
)


@given(SENTENCES, SENTENCES)
def test_resemblance_is_shared_shingles_by_all_shingles(
    training: list[str], evaluation: list[str]
) -> None:
    def shingles(sentence: str) -> set[tuple[str, ...]]:
        words = sentence.split()
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    score, place = text_overlap.nearest(training, evaluation)
    for sentence, found, at in zip(evaluation, score, place, strict=True):
        mine = shingles(sentence)
        expected = [
            len(mine & shingles(t)) / len(mine | shingles(t)) if mine | shingles(t) else 0.0
            for t in training
        ]
        assert found == pytest.approx(max(expected), abs=1e-6)
        assert expected[at] == pytest.approx(max(expected), abs=1e-6)


def test_repeats_are_those_that_a_reader_would_see() -> None:
    assert text_overlap.repeated(["We gave @ mg ."], ["we  gave @ mg", "we gave @ g"]).tolist() == [
        True,
        False,
    ]


def test_the_empty_id_is_no_group() -> None:
    assert text_overlap.shared_groups(["", "a"], ["", "a", "b"]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "check", [text_overlap.repeated, text_overlap.nearest, text_overlap.shared_groups]
)
def test_overlap_with_nothing_is_refused(check: object) -> None:
    with pytest.raises(DataError, match="expected training and evaluation samples, got 0 and 1"):
        check([], ["a"])  # type: ignore[operator]


def test_suspects_are_those_of_cleanlab() -> None:
    cleanlab = pytest.importorskip("cleanlab.count", reason="cleanlab is not installed")
    draw = np.random.default_rng(0)
    label = draw.integers(0, 4, 600)
    probable = (
        draw.dirichlet(np.full(4, 0.4), 600)
        + 0.8 * np.eye(4)[np.where(draw.random(600) < 0.15, draw.integers(0, 4, 600), label)]
    )
    probable /= probable.sum(axis=1, keepdims=True)
    found = text_labels.suspect_labels(label, probable)
    _, theirs = cleanlab.compute_confident_joint(
        label, probable, calibrate=False, return_indices_of_off_diagonals=True
    )
    assert np.flatnonzero(found).tolist() == sorted(theirs)


def test_one_class_leaks_nothing_and_says_so() -> None:
    with pytest.raises(DataError, match="at least two classes"):
        text_labels.first_word_information(["a", "b"], np.zeros(2, np.int64))
    with pytest.raises(DataError, match="at least 5 groups"):
        text_labels.held_out_probabilities(["a", "b"], np.array([0, 1]), ["x", "y"])
    with pytest.raises(DataError, match="class balance"):
        text_labels.class_shares(np.zeros(0, np.int64), 2)
