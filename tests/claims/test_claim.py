"""What a claim says of itself: whether its source prints the number that it is held against."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import claim_data

from medpipe.specs.claim import Claim, claim_from


def claim(value: float, printed: str) -> Claim:
    return claim_from(
        claim_data(
            source={"document": "paper.pdf", "place": "table 1", "printed": printed},
            published={"value": value},
        ),
        {},
    )


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.9886, "98.86%"),
        (0.7070, "0.7070"),
        (0.7894, "accuracy of 78.94"),
        (4_200_000, "4.2M"),
        (4_861_955, "4,861,955"),
        (25.7, "25.7x faster"),
        (0.02, "<2%"),
        (0.000398, "3.98e-04"),
        (-0.02, "-2%"),
        (4_234_567, "4.2M"),
        (90.0, "90.0 MB"),
    ],
)
def test_a_printed_number_is_found(value: float, printed: str) -> None:
    assert claim(value, printed).prints_value


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.9, "4.9/5"),
        (4, "no mode collapse"),
        (0, "98.86%"),
        (1.6, "25.7x faster"),
        (0.0026, "98.86% over 98.60%"),
        (0, "Zero degradation"),
        (4_300_000, "4.2M"),
    ],
)
def test_a_number_of_our_own_is_not(value: float, printed: str) -> None:
    assert not claim(value, printed).prints_value


def test_words_print_no_number() -> None:
    assert not claim_from(claim_data(published={}), {}).prints_value


@given(st.integers(1, 9999), st.integers(0, 4))
def test_what_is_printed_as_it_is_is_always_found(digits: int, decimals: int) -> None:
    text = f"{digits / 10**decimals:.{decimals}f}"
    assert claim(float(text), text).prints_value
    assert claim(float(text) / 100, f"about {text} %").prints_value
    assert not claim(float(text) * 1.5 + 10, f"{text}x").prints_value
