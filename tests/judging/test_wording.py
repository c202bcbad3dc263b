"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from medpipe.judging.wording import show, show_interval, show_region, show_runs
from medpipe.metrics.intervals import Interval


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.8642, "proportion", "86.42 %"),
        (-0.0099, "points", "−0.99 points"),
        (3394053, "count", "3,394,053"),
        (-0.00001, "points", "0.00 points"),
        (0.01234, "number", "0.0123"),
        (-12345.6, "number", "−12,346"),
        (0.0, "number", "0.000"),
    ],
)
def test_values(value: float, unit: str, text: str) -> None:
    assert show(value, unit) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0.939, 0.951, 0.961), "95.1 % (93.9 to 96.1)"),
        ((0.2, 0.4, 0.6), "40 % (20 to 60)"),
        ((0.9501, 0.951, 0.952), "95.10 % (95.01 to 95.20)"),
        ((0.5, 0.5, 0.5), "50.00 %"),
    ],
)
def test_as_many_decimals_as_the_interval_deserves(
    bounds: tuple[float, float, float], text: str
) -> None:
    assert show_interval(Interval(*bounds, n=10, method="x"), "proportion") == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0.0101, 0.0123, 0.0152), "0.0123 (0.0101 to 0.0152)"),
        ((-0.4, 0.0, 21.7), "0 (0 to 22)"),
        ((151.8, 154.2, 156.6), "154.2 (151.8 to 156.6)"),
    ],
)
def test_numbers_get_the_digits_of_their_interval(
    bounds: tuple[float, float, float], text: str
) -> None:
    assert show_interval(Interval(*bounds, n=10, method="x"), "number") == text


@pytest.mark.parametrize(
    ("region", "text"),
    [
        ((0.7794, 0.7994), "77.94 to 79.94 %"),
        ((-math.inf, 0.02), "at most 2.00 %"),
        ((0.0, math.inf), "at least 0.00 %"),
        ((0.5, 0.5), "50.00 %"),
    ],
)
def test_regions(region: tuple[float, float], text: str) -> None:
    assert show_region(region, "proportion") == text


def test_one_run_says_that_others_may_differ() -> None:
    assert show_runs(Interval(0.7, 0.8, 0.9, 10, "x")) == "1 run; other training runs may differ"
    assert show_runs(Interval(0.7, 0.8, 0.9, 10, "x", runs=3)) == "3 runs"
    assert show_runs(Interval(8, 8, 8, 1, "counted exactly")) == "1 run"
