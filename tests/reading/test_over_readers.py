"""Means over readers: the published analysis of Van Dyke's study, coverage of guessing readers, and
what one reader can say.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from medpipe.reader_study.auc import auc, newcombe_auc
from medpipe.reader_study.mrmc import Mean, mean_over_readers
from medpipe.reader_study.sample_size import Components, guessing, images_needed, power

# Van Dyke and others (1993), two treatments, 5 readers, 114 cases: areas, Var(Error), Cov2, and the
# single-treatment analysis with readers and cases random as OR-DBM MRMC 2.51 and RJafroc print it:
# mean, standard error, df, interval.
VAN_DYKE = [
    (
        (0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066),
        0.00101410,
        0.00048396180,
        (0.89703704, 0.033173597, 12.744648, 0.82522360, 0.96885048),
    ),
    (
        (0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169),
        0.00059047,
        0.00020418785,
        (0.94083736, 0.021566368, 12.710190, 0.89413783, 0.98753689),
    ),
]


@pytest.mark.parametrize(("areas", "variance", "common", "printed"), VAN_DYKE)
def test_van_dyke(
    areas: tuple[float, ...], variance: float, common: float, printed: tuple[float, ...]
) -> None:
    covariance = np.full((5, 5), common) + np.eye(5) * (variance - common)
    found = mean_over_readers(
        np.array(areas), covariance, 114, bounds=(0, 1), nothing=newcombe_auc(0.9, 45, 69)
    )
    interval = found.interval()
    assert (found.estimate, found.standard_error, found.df) == pytest.approx(printed[:3], rel=1e-5)
    assert (interval.low, interval.high) == pytest.approx(printed[3:], abs=2e-7)
    assert interval.n == 114 and "5 readers and 114 images" in interval.method


def guessed(readers: int, images: int, rng: np.random.Generator) -> Mean:
    flags = np.arange(images) % 2 == 0
    areas, covariance = auc(rng.integers(1, 7, (readers, images)).astype(float), flags)
    return mean_over_readers(
        areas,
        covariance,
        images,
        bounds=(0, 1),
        nothing=newcombe_auc(0.5, images // 2, images // 2),
    )


@pytest.mark.parametrize("readers", [1, 2, 3, 6])
def test_intervals_of_guessing_readers_hold_a_half_at_least_about_as_often_as_they_say(
    readers: int,
) -> None:
    rng = np.random.default_rng(readers)
    intervals = [guessed(readers, 60, rng).interval() for _ in range(600)]
    held = np.mean([i.low <= 0.5 <= i.high for i in intervals])
    assert held >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 600)
    assert held < 1, "an interval that always holds says nothing"


def test_an_interval_that_forgot_the_readers_would_be_caught() -> None:
    """The control of the test above: readers differ in skill around 0.5; for these readers alone
    the interval is too narrow.
    """
    rng = np.random.default_rng(1)
    flags = np.arange(60) % 2 == 0
    random, fixed = 0, 0
    for _ in range(300):
        skill = 0.8 * rng.normal(size=(4, 1))
        areas, covariance = auc(rng.normal(size=(4, 60)) + skill * flags, flags)
        found = mean_over_readers(
            areas, covariance, 60, bounds=(0, 1), nothing=newcombe_auc(0.5, 30, 30)
        )
        random += abs(found.estimate - 0.5) <= found.interval().high - found.estimate
        fixed += abs(found.estimate - 0.5) <= 1.96 * found.fixed_error
    assert random / 300 >= 0.91 and fixed / 300 < 0.8


def test_one_reader_speaks_for_himself_alone() -> None:
    found = guessed(1, 60, np.random.default_rng(0))
    assert (
        math.isinf(found.df)
        and "one reader, so it says nothing of other readers" in found.interval().method
    )


def test_where_no_error_is_seen_the_interval_is_the_one_given() -> None:
    nothing = newcombe_auc(1.0, 30, 30)
    found = mean_over_readers(np.ones(3), np.zeros((3, 3)), 60, bounds=(0, 1), nothing=nothing)
    assert found.silent and found.interval() == nothing


def test_readers_alike_by_luck_do_not_make_an_interval_narrower_than_for_them_alone() -> None:
    covariance = np.eye(2) * 0.005
    found = mean_over_readers(
        np.array([0.6, 0.6]), covariance, 60, bounds=(0, 1), nothing=newcombe_auc(0.6, 30, 30)
    )
    interval = found.interval()
    assert interval.high - interval.estimate == pytest.approx(1.959964 * math.sqrt(0.0025))


def test_one_sided_p_agrees_with_the_interval() -> None:
    found = guessed(4, 60, np.random.default_rng(3))
    bounds = found.interval(0.9)
    assert found.p_above(bounds.low) == pytest.approx(0.05, abs=1e-9)
    assert found.p_below(bounds.high) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize(("readers", "images"), [(5, 60), (10, 60), (5, 100)])
def test_planned_power_is_about_what_simulated_readers_have(readers: int, images: int) -> None:
    rng = np.random.default_rng(images + readers)
    shown = 0
    for _ in range(400):
        found = guessed(readers, images, rng).interval(0.9)
        shown += found.low > 0.4 and found.high < 0.6
    assert shown / 400 == pytest.approx(
        power(guessing(images // 2, images // 2), readers, images, 0.1), abs=0.1
    )


def test_the_fewest_images_have_the_power_and_one_fewer_has_not() -> None:
    components = guessing(30, 30)
    for readers in (1, 3, 5, 10):
        n = images_needed(components, readers, 0.1)
        assert n is not None
        assert power(components, readers, n, 0.1) >= 0.8 > power(components, readers, n - 1, 0.1)
    assert (
        images_needed(Components(between=0.01, common=0.0, error=0.005, images=60), 3, 0.1) is None
    ), "readers differ: no images help"
