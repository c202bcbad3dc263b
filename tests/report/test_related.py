"""Samples with a relative in training against the others: both accuracies, their difference, and
nothing where there is nothing to tell.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medpipe.evidence import Bundle, Evidence, Observations, Provenance, Run
from medpipe.report.leaked_samples import against_others, related
from medpipe.report.report_data import ReportData, read_case

N = 400


def run(
    seed: int,
    of_related: float,
    of_others: float,
    trained: tuple[str, ...] = ("in",),
    cluster: str | None = "cluster",
) -> Evidence:
    """Half of the samples, two of each cluster, are of the clusters ``in…``; so many of each side
    are right, in another order by seed.
    """
    side = np.repeat(np.arange(N // 2) % 2 == 0, 2)
    right = np.zeros(N, bool)
    for flags, share in ((side, of_related), (~side, of_others)):
        right[np.flatnonzero(flags)[: round(share * flags.sum())]] = True
    clusters = np.char.add(np.where(side, "in", "out"), np.repeat(np.arange(N // 2), 2).astype(str))
    arrays: dict[str, Any] = {
        "sample_id": np.arange(N).astype(str),
        "y_true": np.zeros(N, int),
        "y_pred": (~right).astype(int),
        "cluster": clusters,
    }
    order = np.random.default_rng(seed).permutation(N)
    seen = Observations({name: a[order] for name, a in arrays.items()}, ("a", "b"), cluster)
    known = np.append(
        clusters[np.any([np.char.startswith(clusters, head) for head in trained], axis=0)],
        "elsewhere",
    )
    training = Observations(
        {"sample_id": np.char.add("t", np.arange(len(known)).astype(str)), "cluster": known},
        ("a", "b"),
        cluster,
    )
    return Evidence(
        Run("toy", {}, seed),
        {},
        Provenance("sha256:0", {}, {}),
        {"testing": seen, "training_running": training},
    )


def test_both_sides_and_their_difference() -> None:
    found = against_others([run(0, 0.95, 0.8), run(1, 0.91, 0.7)], "testing")
    assert found is not None
    one, other, difference = found
    assert (one.n, other.n, one.runs) == (
        N // 2,
        N // 2,
        2,
    ) and one.clusters == other.clusters == N // 4
    assert [i.estimate for i in found] == pytest.approx([0.93, 0.75, 0.18])
    assert difference.low < 0.18 < difference.high and "spread over 2 runs" in difference.method


def test_the_interval_agrees_with_the_textbook_where_clusters_are_all_or_none() -> None:
    """Two samples of a cluster that are right or wrong together count as one."""
    found = against_others([run(0, 0.9, 0.7)], "testing")
    assert found is not None
    half = 1.96 * np.sqrt(0.9 * 0.1 / (N / 4) + 0.7 * 0.3 / (N / 4))
    assert (found[2].high - found[2].low) / 2 == pytest.approx(half, rel=0.1)


def test_a_side_that_is_all_right_is_bounded_by_its_clusters() -> None:
    found = against_others([run(0, 1.0, 0.7)], "testing")
    assert (
        found is not None
        and found[0].high == 1.0
        and found[0].low == pytest.approx(0.963, abs=0.001)
        and found[0].method == "Wilson"
    )


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run(0, 0.9, 0.8, trained=("none",))],
        [run(0, 0.9, 0.8, trained=("in", "out"))],
        [run(0, 0.9, 0.8, cluster=None)],
        [run(0, 0.9, 0.8), run(1, 0.9, 0.8, trained=("out",))],
    ],
    ids=["no run", "none", "all", "no clusters", "others by run"],
)
def test_where_there_is_nothing_to_compare_nothing_is_told(runs: list[Evidence]) -> None:
    assert against_others(runs, "testing") is None


def test_a_row_names_protocol_and_split(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read_case(small_bundle)
    part = case.parts[0]
    protocol = case.protocols_of(part)[0]
    made = [run(0, 0.95, 0.8), run(1, 0.95, 0.8)]
    made = [
        replace(e, observations={**e.observations, "validation": e.observations["testing"]})
        for e in made
    ]
    monkeypatch.setattr(ReportData, "protocols_of", lambda self, part: (protocol,))
    monkeypatch.setattr(ReportData, "made", lambda self, name: made)
    rows = related(case, part)
    row = next(r for r in rows if r["split"] == "validation")
    assert row["title"] == case.specs.protocols[protocol].title and (row["n"], row["n_others"]) == (
        "200",
        "200",
    )
    assert (
        row["related"].startswith("95")
        and row["others"].startswith("80")
        and row["difference"].startswith("15")
    )
