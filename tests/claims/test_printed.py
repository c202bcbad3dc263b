"""Printed numbers, read back as what could have been printed so."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import SpecError
from medpipe.specs.printed_values import in_one_unit, read_printed


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("78.94%", "0.78935", "0.78945"),
        ("-0.03%", "-0.00035", "-0.00025"),
        ("−0.03%", "-0.00035", "-0.00025"),
        ("+2", "1.5", "2.5"),
        ("3,394,053", "3394052.5", "3394053.5"),
        ("4.2M", "4150000", "4250000"),
        ("110M", "109500000", "110500000"),
        ("10k", "9500", "10500"),
        ("3.98e-01", "0.3975", "0.3985"),
        ("4e3", "3500", "4500"),
        ("25.7x", "25.65", "25.75"),
        ("0.25 points", "0.00245", "0.00255"),
        ("0.3 pp", "0.0025", "0.0035"),
        ("4.9/5", "4.85", "4.95"),
        ("0", "-0.5", "0.5"),
        ("0.000", "-0.0005", "0.0005"),
        ("~100", "0", "200"),
        ("≈4.9 ms", "4.8", "5.0"),
        (" 5 % ", "0.045", "0.055"),
        ("007", "6.5", "7.5"),
    ],
)
def test_a_number_stands_for_what_rounds_to_it(text: str, low: str, high: str) -> None:
    found = read_printed(text, "x")
    assert (found.low, found.high, found.text) == (Fraction(low), Fraction(high), text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("<2%", None, "0.02"), ("≤ 2%", None, "0.02"), (">2%", "0.02", None), ("≥0.5", "0.5", None)],
)
def test_a_limit_is_open_on_one_side(text: str, low: str | None, high: str | None) -> None:
    found = read_printed(text, "x")
    assert (found.low, found.high) == tuple(
        None if end is None else Fraction(end) for end in (low, high)
    )


@pytest.mark.parametrize(
    ("text", "zeros"),
    [
        ("110M", 10**7),
        ("108M", 10**6),
        ("10,000", 10**4),
        ("10,050", 10),
        ("0", 1),
        ("1.50", Fraction(1, 100)),
        ("80%", Fraction(1, 100)),
    ],
)
def test_trailing_zeros_of_whole_numbers_may_be_no_digits(text: str, zeros: Fraction) -> None:
    assert read_printed(text, "x").zeros == zeros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n/a",
        "0,812",
        "12,5%",
        "1,00",
        "1.000.000",
        "1 000",
        "0.8 ± 0.1",
        "0.8-0.9",
        "=1+1",
        ".5",
        "5.",
        "1e",
        "٣",
        "two",
        "5 kg",
        "5 percent",
        "--5",
        "1e31",
        "1e-999",
        "9" * 31,
        "0." + "1" * 30,
        "nan",
        "inf",
        "0x1f",
        "1_000",
        "5%%",
        "5\n6",
    ],
)
def test_what_is_no_single_number_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"^here: expected one printed number") as caught:
        read_printed(text, "here")
    assert len(str(caught.value)) < 300


def test_units_are_brought_together() -> None:
    def values(*texts: str) -> list[Fraction] | None:
        found = in_one_unit([read_printed(text, "x") for text in texts])
        return None if found is None else [n.value for n in found]

    assert values("125 ms", "4.9 ms") == [125, Fraction("4.9")]
    assert values("0.125 s", "4.9 ms") == [Fraction("0.125"), Fraction("0.0049")]
    assert values("1 MiB", "1 MB", "1 GB") == [2**20, 10**6, 10**9]
    assert values("125", "4.9 ms") == [125, Fraction("4.9")]
    assert values("125", "4.9 ms", "1 s") is None  # of which unit is 125?
    assert values("1 s", "1 MB") is None
    assert values("25x", "1 s") is None


VALUES = st.decimals(
    min_value=-(10**6), max_value=10**6, allow_nan=False, allow_infinity=False, places=7
)


@given(
    VALUES, st.integers(0, 6), st.sampled_from(["", "%", "k", "ms"]), st.booleans(), st.booleans()
)
def test_what_is_printed_holds_what_it_was_printed_from(
    value: Decimal, decimals: int, unit: str, half_up: bool, commas: bool
) -> None:
    """Both ways to round a tie; with and without commas."""
    rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) if half_up else value
    text = f"{rounded:{',' if commas else ''}.{decimals}f}{unit}"
    found = read_printed(text, "x")
    truth = Fraction(value) * {"%": Fraction(1, 100), "k": 1000}.get(unit, 1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= truth <= found.high
    assert found.high - found.low == found.step


@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15),
    st.integers(0, 9),
)
def test_floats_that_python_prints_are_read_back(value: float, decimals: int) -> None:
    for text in (f"{value:.{decimals}f}", f"{value:.{decimals}e}"):
        if abs(value) > 1e-20 or "e" not in text:  # smaller ones are refused
            found = read_printed(text, "x")
            assert found.low is not None
            assert found.high is not None
            assert found.low <= Fraction(value) <= found.high
