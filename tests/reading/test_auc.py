"""The area and its interval: against Stata's printed DeLong interval, an independent DeLong, and
scikit-learn.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.reader_study.auc import auc, auc_interval, newcombe_auc

HANLEY = ((33, 6, 6, 11, 2), (3, 2, 2, 11, 33))
"""Ratings 1 to 5 of 109 CT images, normal and abnormal: Hanley and McNeil, Radiology 143 (1982) 29,
table 1.
"""
THREE = np.array(
    [
        [int(c) for c in row]
        for row in (
            "66545466546664563511141544134413226246344",
            "63662664663665656634342346612513465333633",
            "65535566565656362132462345445524425264434",
        )
    ],
    np.float64,
)
FIRST_18 = np.arange(41) < 18


def rated(counts: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    scores = np.concatenate([np.repeat(np.arange(1, 6), c) for c in counts]).astype(np.float64)
    return scores, np.repeat([False, True], [sum(c) for c in counts])


def test_it_is_the_interval_that_stata_prints_for_hanley_and_mcneils_ratings() -> None:
    found = auc_interval(*rated(HANLEY))
    assert (round(found.estimate, 4), round(found.low, 5), round(found.high, 5)) == (
        0.8932,
        0.83295,
        0.95339,
    )  # roctab, [R] roctab
    assert (found.n, found.method) == (109, "DeLong")


def test_areas_and_covariances_are_those_of_another_delong() -> None:
    areas, covariance = auc(THREE, FIRST_18)
    # by fastDeLong of the package confidenceinterval 1.0.5, which counts ranks in float32
    assert areas == pytest.approx([0.8526570, 0.7801932, 0.7306763], abs=2e-7)
    assert covariance.ravel() == pytest.approx(
        [
            0.003332590,
            -0.000715741,
            0.001617895,
            -0.000715741,
            0.005371236,
            -0.000917084,
            0.001617895,
            -0.000917084,
            0.007448141,
        ],
        abs=1e-8,
    )


@given(st.lists(st.integers(1, 6), min_size=6, max_size=40), st.data())
def test_laws(scores: list[int], data: st.DataObject) -> None:
    flags = np.array(
        data.draw(
            st.permutations(
                [True, True, False, False] + [k % 3 == 0 for k in range(len(scores) - 4)]
            )
        )
    )
    values = np.array([scores, scores], np.float64)
    (area, twin), covariance = auc(values, flags)
    (mirrored, _), again = auc(-values, flags)
    assert area == twin and area + mirrored == pytest.approx(1)
    assert covariance == pytest.approx(again) and covariance == pytest.approx(covariance.T)
    found = auc_interval(values[0], flags)
    assert 0 <= found.low <= area <= found.high <= 1 and found.low < found.high


def test_the_area_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    for row in THREE:
        assert auc(row[None], FIRST_18)[0][0] == pytest.approx(metrics.roc_auc_score(FIRST_18, row))


def test_telling_all_apart_and_telling_nothing_both_have_an_interval_with_a_width() -> None:
    flags = np.repeat([True, False], 15)
    perfect, dull = auc_interval(flags.astype(float), flags), auc_interval(np.ones(30), flags)
    assert perfect.high == 1 and 0.7 < perfect.low < 0.95 and "Newcombe" in perfect.method
    assert dull.low < 0.35 and dull.high > 0.65 and dull.estimate == 0.5


def test_newcombes_bounds_solve_his_equation() -> None:
    found = newcombe_auc(0.9, 20, 30)
    for bound in (found.low, found.high):
        more = (20 + 30) / 2 - 1
        variance = (
            bound
            * (1 - bound)
            / 600
            * (1 + more * ((1 - bound) / (2 - bound) + bound / (1 + bound)))
        )
        assert abs(bound - 0.9) == pytest.approx(1.959964 * variance**0.5, rel=1e-5)


def test_one_sample_of_a_kind_has_no_area() -> None:
    with pytest.raises(
        ValueError, match="at least two positive and two negative samples, got 1 and 3"
    ):
        auc(np.ones((1, 4)), np.array([True, False, False, False]))
