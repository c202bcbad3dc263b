"""The table of splits without relatives: both sides and the paired difference, read off the
evidence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up import observations

from medpipe.evidence import Bundle, Evidence, Run
from medpipe.report.leakage_free_splits import NOT_FREE, leakage_free_splits, pair_members
from medpipe.report.report_data import ReportData, read_case


def side(evidence: Evidence, split: str, right: float) -> Evidence:
    parameters = {
        **evidence.run.parameters,
        "data": {"source": "real", "split": split, "groups": "patient_id"},
    }
    seen = observations(np.random.default_rng(3), 500, right)
    return replace(
        evidence,
        run=Run(evidence.run.experiment, parameters, evidence.run.seed),
        observations={"validation": seen},
    )


@pytest.fixture
def case(small_bundle: Bundle) -> ReportData:
    return read_case(small_bundle)


def test_a_row_holds_both_sides_and_the_difference(
    case: ReportData, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = case.parts[0]
    protocol = case.protocols_of(part)[0]
    runs = case.made(protocol)
    made = {
        protocol: [side(e, "disjoint", 0.8) for e in runs],
        "control": [side(e, "related", 0.9) for e in runs],
    }
    monkeypatch.setattr(ReportData, "protocols_of", lambda self, part: (protocol, "control"))
    monkeypatch.setattr(ReportData, "made", lambda self, name: made[name])
    (row,) = leakage_free_splits(case, part)
    exact = [
        np.mean(
            made[p][0].observations["validation"]["y_true"]
            == made[p][0].observations["validation"]["y_pred"]
        )
        for p in ("control", protocol)
    ]
    assert (row["with"], row["without"]) == tuple(f"{100 * v:.2f} %" for v in exact)
    assert row["adds"].startswith(f"{100 * (exact[0] - exact[1]):.1f} points") and (
        row["n"],
        row["runs"],
    ) == ("500", f"{len(runs)} runs")
    assert pair_members(made) == {protocol, "control"}
    assert pair_members({protocol: made[protocol]}) == set()

    keys = frozenset(e.run.key for e in made[protocol])
    monkeypatch.setattr("medpipe.report.leakage_free_splits.leaking", lambda evidence: keys)
    (row,) = leakage_free_splits(case, part)
    assert (row["with"], row["without"], row["adds"]) == ("–", "–", NOT_FREE)
