"""The table of sanity checks of saliency maps: what each asks, and how many runs pass and fail it,
from what was seen of each image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medpipe.audits.saliency_checks import stored_checks
from medpipe.evidence import Bundle, Evidence, Observations, Provenance, Run
from medpipe.report.report_data import ReportData, read_case
from medpipe.report.saliency_table import explained

N = 40


def checked(better: float, similarity: float = 0.1) -> Observations:
    """The map's area is ``better`` than that of either map that knows nothing, in both curves."""
    area = np.random.default_rng(0).uniform(0.3, 0.6, N)
    areas = {
        f"deletion_area_{m}": area - (better if m == "saliency" else 0)
        for m in ("saliency", "random", "centre")
    }
    areas |= {
        f"insertion_area_{m}": area + (better if m == "saliency" else 0)
        for m in ("saliency", "random", "centre")
    }
    stages = np.stack([np.full(N, 0.9), np.full(N, similarity)], axis=1)
    return Observations(
        {"sample_id": np.arange(N).astype(str), **areas, "randomised_similarity": stages},
        ("a", "b"),
    )


def run(seed: int, better: float, similarity: float = 0.1) -> Evidence:
    return Evidence(
        Run("toy", {}, seed),
        {},
        Provenance("sha256:0", {}, {}),
        {"testing_explained": checked(better, similarity)},
    )


@pytest.mark.parametrize(
    ("better", "similarity", "outcomes"),
    [
        (0.1, 0.1, ["pass"] * 5),
        (-0.1, 0.1, ["fail"] * 4 + ["pass"]),
        (0.1, 0.9, ["pass"] * 4 + ["fail"]),
    ],
)
def test_the_checks_are_made_again_from_the_evidence(
    better: float, similarity: float, outcomes: list[str]
) -> None:
    found = stored_checks(run(0, better, similarity))
    assert [c.outcome for c in found] == outcomes
    assert {c.name for c in found} == {
        "randomisation",
        "deletion_against_random",
        "deletion_against_centre",
        "insertion_against_random",
        "insertion_against_centre",
    }


def test_a_run_without_maps_has_no_checks() -> None:
    assert stored_checks(replace(run(0, 0.1), observations={})) == ()


def test_rows_count_the_runs(small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    case = read_case(small_bundle)
    protocol = case.protocols_of(case.parts[0])[0]
    assert explained(case, case.parts[0]) == []
    monkeypatch.setattr(ReportData, "protocols_of", lambda self, part: (protocol, "the same again"))
    monkeypatch.setattr(
        ReportData, "made", lambda self, name: [run(0, 0.1), run(1, -0.1), run(2, -0.1)]
    )
    rows = {r["name"]: r for r in explained(case, case.parts[0])}
    assert (
        rows["deletion against centre"]["passed"],
        rows["deletion against centre"]["failed"],
    ) == ("1 of 3", "2 of 3")
    assert (
        rows["randomisation"]["passed"] == "3 of 3"
        and "a map of the centre" in rows["insertion against centre"]["asks"]
    )
    assert all(r["asks"].endswith("?") for r in rows.values())
