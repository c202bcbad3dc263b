"""Differences against chance: planted claims of noise are found, real differences pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.audits.result import AuditResult
from medpipe.audits.sampling_error import (
    LEAST_DISCORDANT,
    best_case,
    power,
    run_spread,
    sampling_error,
)
from medpipe.specs.figures import Figures

from .conftest import PAPER, build, one, quantity


def compared(
    first: str,
    second: str,
    n: int | None,
    n2: int | None = None,
    better: str = "higher",
    **more: Any,
) -> Figures:
    sizes = [{} if size is None else {"n": size} for size in (n, n2 or n)]
    return build(
        quantities=[quantity("new", first, **sizes[0]), quantity("old", second, **sizes[1])],
        comparisons=[
            {
                "id": "better",
                "said": "the new sorter is better",
                **PAPER,
                "first": "q.new",
                "second": "q.old",
                "better": better,
                **more,
            }
        ],
    )


def test_a_difference_within_chance_is_undermined() -> None:
    seen = one(sampling_error, compared("81.2%", "83.1%", 500, better="lower"))
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "sampling_error",
        "better",
        "undermines",
        True,
    )
    assert seen.bears_on == ("better",)
    assert seen.rests_on == ("new", "old")
    assert (
        seen.arithmetic
        == "-1.9 points, 95 % interval -6.65 points to 2.86 points (Newcombe, n = 500 and 500, as"
        " if unpaired)"
    )
    assert one(sampling_error, compared("90.0%", "80.0%", 500)).severity == "clean"


def test_paired_the_best_case_is_given_what_the_figures_leave_open() -> None:
    three = one(sampling_error, compared("98.86%", "98.60%", 1143, paired=True))
    assert (three.severity, three.certain) == ("undermines", True)
    assert "at most 3 of 1,143 samples" in three.statement
    assert "McNemar p = 0.25" in three.arithmetic
    ten = one(sampling_error, compared("98.86%", "97.99%", 1143, paired=True))
    assert (ten.severity, ten.certain) == ("narrows", False)
    rough = one(
        sampling_error, compared("99%", "98%", 1143, paired=True)
    )  # up to 1,137 against 1,115 at least
    assert "all of 22 differing samples" in rough.arithmetic
    assert "of a size" not in rough.statement
    other_size = one(sampling_error, compared("98.9%", "98.6%", 1143, 1000, paired=True))
    assert "McNemar" not in other_size.arithmetic
    impossible = one(
        sampling_error, compared("98.9%", "98.6%", 7, paired=True)
    )  # of no count: nothing to pair
    assert impossible.severity == "undermines"


def test_figures_that_say_the_opposite_refute() -> None:
    seen = one(sampling_error, compared("80.0%", "90.0%", 500))
    assert (seen.severity, seen.certain) == ("refutes", True)
    assert "the other way round" in seen.statement
    assert one(sampling_error, compared("10.0%", "20.0%", 500, better="lower")).severity == "clean"
    assert (
        one(sampling_error, compared("20.0%", "10.0%", 500, better="lower")).severity == "refutes"
    )


@pytest.mark.parametrize(
    ("first", "second", "n"), [("<2%", "1%", 500), ("81%", "83%", None), ("~81%", "130%", 500)]
)
def test_without_two_shares_of_known_n_there_is_no_result(
    first: str, second: str, n: int | None
) -> None:
    for audit in (sampling_error, power):
        assert list(audit(compared(first, second, n))) == []


def test_shares_at_the_edge_do_not_crash() -> None:
    assert one(sampling_error, compared("100%", "100%", 40)).severity == "undermines"
    assert one(sampling_error, compared("100%", "0%", 40)).severity == "clean"
    assert (
        one(power, compared("100%", "100%", 40)).severity == "narrows"
    )  # no difference was shown by nothing


def test_power_says_what_the_n_could_show() -> None:
    small = one(power, compared("83.1%", "81.2%", 500))
    assert (small.audit, small.key, small.severity, small.certain) == (
        "power",
        "better",
        "narrows",
        True,
    )
    assert small.arithmetic == "unpaired, 80 % power at 5 %: 6.79 points"
    assert one(power, compared("83.1%", "81.2%", 500_000)).severity == "clean"
    paired = one(power, compared("83.2%", "81.2%", 500, paired=True))
    assert (paired.severity, paired.certain) == ("narrows", False)
    assert f"at the very least {LEAST_DISCORDANT} of 500 samples: 1.2 points" in paired.arithmetic
    assert one(power, compared("82.2%", "81.2%", 500, paired=True)).certain


def spread(first: str, second: str, *runs: str, kind: str = "proportion") -> AuditResult:
    names = [f"run{i}" for i in range(len(runs))]
    return one(
        run_spread,
        build(
            quantities=[
                quantity("new", first, kind=kind),
                quantity("old", second, kind=kind),
                *(quantity(name, text, kind=kind) for name, text in zip(names, runs, strict=True)),
            ],
            repeats=[
                {"id": "again", "what": "the old sorter", "of": [f"q.{name}" for name in names]}
            ],
            comparisons=[
                {
                    "id": "better",
                    "said": "the new sorter is better",
                    **PAPER,
                    "first": "q.new",
                    "second": "q.old",
                    "better": "higher",
                    "repeats": "again",
                }
            ],
        ),
    )


def test_a_difference_within_the_spread_of_runs_is_undermined() -> None:
    seen = spread("78.94%", "78.69%", "78.10%", "78.60%", "78.40%")
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "run_spread",
        "better",
        "undermines",
        True,
    )
    assert seen.bears_on == ("better",)
    assert "difference 0.25 points" in seen.arithmetic
    assert "range 0.5 points" in seen.arithmetic
    assert spread("88.94%", "78.69%", "78.10%", "78.60%", "78.40%").severity == "clean"
    few = spread("80.00%", "78.69%", "78.10%", "78.60%")
    assert (few.severity, few.certain) == ("narrows", False)


def test_a_difference_as_large_as_the_spread_is_not_larger() -> None:
    """The two differences are one on paper; in floating point the first is larger."""
    assert 0.8232 - 0.8218 > 0.7635 - 0.7621
    assert spread("0.8232", "0.8218", "0.7635", "0.7621").severity == "undermines"


def test_times_are_not_told_in_points() -> None:
    assert "points" not in spread("125.2", "120.1", "118.0", "126.0", kind="time").arithmetic


@given(st.integers(0, 40), st.integers(41, 5000))
def test_the_best_case_is_mcnemar_s_exact_test(ahead: int, n: int) -> None:
    """Against statsmodels; and no other table of the same margins is better."""
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    figures = compared("1.000000", f"{(n - ahead) / n:.6f}", n)
    best = best_case(figures.quantity("q.new"), figures.quantity("q.old"), "higher")
    assert best is not None
    discordant, p = best
    assert discordant == ahead
    assert p == pytest.approx(mcnemar([[n - ahead, ahead], [0, 0]], exact=True).pvalue)
    assert (
        p
        <= min(mcnemar([[n - ahead, ahead + c], [c, 0]], exact=True).pvalue for c in range(1, 4))
        + 1e-12
    )
