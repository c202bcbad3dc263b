"""The same thing in two places."""

from __future__ import annotations

from typing import Any

import pytest

from medpipe.audits.restatement import restated
from medpipe.audits.result import AuditResult

from .conftest import PAPER, build, one, quantity


def twice(a: str, b: str, kind: str = "number", as_: str = "result", **more: Any) -> AuditResult:
    record = quantity("size", a, f"{b}@run.json", kind=kind, **more)
    record["printed"][1]["as"] = as_
    return one(restated, build(quantities=[record]))


def test_a_planted_contradiction_is_undermined_in_both_places() -> None:
    seen = twice("4.2M", "3,394,053", kind="count")
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "restated",
        "q.size",
        "undermines",
        True,
    )
    assert seen.bears_on == seen.rests_on == ("size", "size.2")
    both = "orchard.pdf (table 2) says 4.2M, run.json (table 2) holds 3,394,053"
    assert seen.statement == f"Size of the sorter: {both}. Both cannot be right."
    assert twice("3.4M", "3,394,053", kind="count").severity == "clean"


def test_what_the_code_does_refutes_what_is_said() -> None:
    seen = twice("0.5", "0.3", as_="code")
    assert (seen.severity, seen.bears_on) == ("refutes", ("size",))
    assert "What the code does is not what is said." in seen.statement
    assert twice("0.3", "0.30", as_="code").severity == "clean"


@pytest.mark.parametrize(
    ("a", "b", "severity", "certain"),
    [
        ("110M", "108,314,117", "narrows", False),
        ("108M", "108,314,117", "clean", True),
        ("110M", "119,000,000", "undermines", True),
        ("10k", "9,600", "clean", True),
        ("10,000", "9,600", "narrows", False),
        ("3.3M", "3,394,053", "narrows", False),  # cut off
        ("-3.3", "-3.39", "narrows", False),
        ("3.4", "3.39", "clean", True),
        ("3.4", "3.35", "clean", True),
        ("3.4", "3.34", "undermines", True),
        ("78.94%", "0.7894", "clean", True),
        ("80%", "84%", "undermines", True),
        ("<2%", "1.9%", "clean", True),
        ("<2%", "2.0%", "clean", True),
        ("<2%", "2.1%", "undermines", True),
        (">2%", "1.9%", "undermines", True),
        ("~100", "180", "clean", True),
        ("~100", "250", "undermines", True),
        ("4.9 ms", "0.0049 s", "clean", True),
        ("4.9 ms", "0.0059 s", "undermines", True),
        ("12.95 MiB", "13.58 MB", "clean", True),
        ("12.95 MiB", "12.95 MB", "undermines", True),
        ("0", "0.0", "clean", True),
        ("0", "-0.4", "clean", True),
    ],
)
def test_numbers(a: str, b: str, severity: str, certain: bool) -> None:
    seen = twice(a, b)
    assert (seen.severity, seen.certain) == (severity, certain), seen.statement


def test_two_measurements_of_one_time_narrow() -> None:
    assert twice("4.9 ms", "5.6 ms", kind="time").severity == "narrows"
    assert twice("4.9 ms", "4.91 ms", kind="time").severity == "clean"


def test_facts_are_compared_by_what_they_come_to() -> None:
    def facts(means: str) -> AuditResult:
        record = quantity("size", "a ripe one", "RIPE@code.py", kind="fact")
        record["printed"][0]["means"], record["printed"][1]["as"] = means, "code"
        return one(restated, build(quantities=[record]))

    assert facts("ripe").severity == "clean"
    assert facts("unripe").severity == "refutes"


def test_of_three_places_each_pair_that_disagrees_is_named() -> None:
    found = list(
        restated(
            build(
                quantities=[quantity("size", "3.4M", "4.2M@a.txt", "3,394,053@b.txt", kind="count")]
            )
        )
    )
    assert {s.key for s in found} == {"size.size.2", "size.2.size.3"}
    assert {s.severity for s in found} == {"undermines"}


def test_one_place_restates_nothing() -> None:
    assert (
        list(
            restated(
                build(
                    quantities=[quantity("size", "3.4M")],
                    disclosures=[{"id": "d", "what": "a key", **PAPER}],
                )
            )
        )
        == []
    )
