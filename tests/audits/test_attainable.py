"""Which percentages whole counts can print."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.audits.attainability import attainable
from medpipe.audits.result import AuditResult
from medpipe.audits.rounding import counts
from medpipe.specs.printed_values import read_printed

from .conftest import build, one, quantity


def share(text: str, n: int) -> AuditResult:
    return one(attainable, build(quantities=[quantity("accuracy", text, n=n)]))


def test_a_planted_impossible_share_is_refuted_with_its_neighbours() -> None:
    seen = share("98.90%", 1143)
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "attainable",
        "accuracy",
        "refutes",
        True,
    )
    assert seen.bears_on == seen.rests_on == ("accuracy",)
    assert seen.arithmetic == "1,130 of 1,143 is 98.863 % and 1,131 of 1,143 is 98.950 %"
    assert (
        "orchard.pdf (table 2) prints 98.90% as accuracy of the sorter, of 1,143 samples"
        in seen.statement
    )


@pytest.mark.parametrize(
    ("text", "n", "severity", "certain"),
    [
        ("98.86%", 1143, "clean", True),
        ("0.9886", 1143, "clean", True),
        ("100%", 7, "clean", True),
        ("0%", 7, "clean", True),
        ("0.0", 3, "clean", True),
        ("1.000", 3, "clean", True),
        ("0.13", 8, "clean", True),
        ("0.12", 8, "clean", True),  # 0.125 exactly: a tie may go up or down
        ("0.62", 8, "clean", True),
        ("0.63", 8, "clean", True),
        ("33.33%", 3, "clean", True),
        ("66.66%", 3, "narrows", False),
        ("66.67%", 3, "clean", True),
        ("66.65%", 3, "refutes", True),
        ("83.1%", 500, "refutes", True),
        ("83.2%", 500, "clean", True),
        ("110%", 20, "refutes", True),
        ("-5%", 10, "refutes", True),
    ],
)
def test_shares(text: str, n: int, severity: str, certain: bool) -> None:
    seen = share(text, n)
    assert (seen.severity, seen.certain) == (severity, certain), seen.arithmetic


def test_where_nothing_can_be_learnt_the_result_says_so() -> None:
    assert "nothing is learnt" in share("98.91%", 20_000).statement
    assert "nothing is learnt" not in share("98.86%", 1143).statement


def test_a_limit_is_no_share_to_attain() -> None:
    assert (
        list(
            attainable(
                build(quantities=[quantity("accuracy", "<2%", n=10), quantity("other", "81%")])
            )
        )
        == []
    )


@given(st.integers(1, 60), st.integers(0, 4), st.integers(0, 10_000))
def test_counts_are_those_that_print_it(n: int, decimals: int, number: int) -> None:
    """Against trying every count: Python's own rounding is among what is allowed, and nothing
    beyond a tie.
    """
    text = f"{Decimal(number % (10**decimals + 1)) / 10**decimals:.{decimals}f}"
    found = set(counts(read_printed(text, "x"), n))
    half = Fraction(1, 2 * 10**decimals)
    assert found == {c for c in range(n + 1) if abs(Fraction(c, n) - Fraction(text)) <= half}
    assert {c for c in range(n + 1) if f"{c / n:.{decimals}f}" == text} <= found
