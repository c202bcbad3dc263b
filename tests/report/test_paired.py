"""Two models on the same samples: discordant counts by seed, only where samples are shared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from made_up import claim_data

from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.report.model_pairs import paired
from medpipe.report.report_data import ReportData
from medpipe.specs.claim import claim_from


def run(protocol: str, seed: int, right: list[bool], prefix: str = "v") -> Evidence:
    seen = Observations(
        {
            "sample_id": np.char.add(prefix, np.arange(len(right)).astype(str)),
            "y_true": np.zeros(len(right), int),
            "y_pred": (~np.array(right)).astype(int),
        },
        ("a", "b"),
    )
    return Evidence(
        Run(protocol, {}, seed), {}, Provenance("sha256:0", {}, {}), {"validation": seen}
    )


def case(first: list[Evidence], second: list[Evidence], **measure: Any) -> ReportData:
    about = {
        "metric": "accuracy",
        "run": "first",
        "split": "validation",
        "minus": {"run": "second"},
        **measure,
    }
    claim = claim_from(claim_data(measure=about), {})
    made = {"first": tuple(first), "second": tuple(second)}
    return cast(
        ReportData,
        SimpleNamespace(
            of_part=lambda part: (SimpleNamespace(claim=claim, number=7),),
            made=lambda protocol: made[protocol],
            specs=SimpleNamespace(
                protocols={name: SimpleNamespace(title=f"The {name}") for name in made}
            ),
        ),
    )


FIRST = [True] * 90 + [False] * 10
SECOND = [True] * 80 + [False] * 12 + [True] * 8


def test_samples_that_only_one_gets_right_are_counted_by_seed() -> None:
    (row,) = paired(
        case([run("first", s, FIRST) for s in (0, 1)], [run("second", s, SECOND) for s in (0, 1)]),
        "toy",
    )
    assert (row["number"], row["first"], row["second"], row["split"]) == (
        7,
        "The first",
        "The second",
        "validation",
    )
    assert row["seeds"] == [{"n": "100", "first": "10", "second": "8", "p": "0.81"}] * 2


def test_one_run_without_chance_stands_beside_every_seed() -> None:
    (row,) = paired(
        case([run("first", s, FIRST) for s in (0, 1, 2)], [run("second", 0, [False] * 100)]), "toy"
    )
    assert [s["p"] for s in row["seeds"]] == ["below 0.001"] * 3


def test_only_shared_samples_count_and_none_is_no_row() -> None:
    half = run("second", 0, SECOND[:50])
    (row,) = paired(case([run("first", 0, FIRST)], [half]), "toy")
    assert row["seeds"][0]["n"] == "50"
    assert (
        paired(case([run("first", 0, FIRST)], [run("second", 0, SECOND, prefix="t")]), "toy") == []
    )


def test_a_gap_within_one_model_is_no_comparison_of_two() -> None:
    assert (
        paired(case([run("first", 0, FIRST)], [], minus={"split": "training_running"}), "toy") == []
    )


def test_a_claim_about_some_classes_counts_these_alone() -> None:
    def of(right: list[bool]) -> Evidence:
        y_true = np.arange(len(right)) % 2
        seen = Observations(
            {
                "sample_id": np.arange(len(right)).astype(str),
                "y_true": y_true,
                "y_pred": np.where(right, y_true, 1 - y_true),
            },
            ("a", "b"),
        )
        return Evidence(Run("toy", {}, 0), {}, Provenance("sha256:0", {}, {}), {"validation": seen})

    pair = (
        of([True, True, False, True] * 10),
        of([False, True, False, True] * 10),
    )  # the first is better on class a alone
    (among,) = paired(case([pair[0]], [pair[1]], among=["b"]), "toy")
    assert among["seeds"] == [{"n": "20", "first": "0", "second": "0", "p": "1"}]
    (every,) = paired(case([pair[0]], [pair[1]]), "toy")
    assert (every["seeds"][0]["n"], every["seeds"][0]["first"]) == ("40", "10")
