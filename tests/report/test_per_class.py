"""Scores by class agree with scikit-learn; what cannot be computed is said."""

from __future__ import annotations

import numpy as np
import pytest

from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.report.per_class import per_class


def evidence(truth: list[int], called: list[int] | None) -> Evidence:
    arrays = {"sample_id": np.arange(len(truth)).astype(str), "y_true": np.array(truth)}
    if called is not None:
        arrays["y_pred"] = np.array(called)
    return Evidence(
        Run("x", {}, 0),
        {},
        Provenance("sha256:0", {}, {}),
        {"validation": Observations(arrays, ("a", "b", "c"))},
    )


def test_they_are_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 600).tolist()
    called = np.where(rng.random(600) < 0.7, truth, rng.integers(0, 3, 600)).tolist()
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, called)
    rows = per_class([evidence(truth, called)], "validation")
    assert [r["name"] for r in rows] == ["a", "b", "c"]
    assert [r["n"] for r in rows] == [str(n) for n in support]
    for row, p, r, f in zip(rows, precision, recall, f1, strict=True):
        assert row["sensitivity"].startswith(f"{100 * r:.0f} %") or row["sensitivity"].startswith(
            f"{100 * r:.1f} %"
        )
        assert row["precision"].startswith(f"{100 * p:.0f} %") or row["precision"].startswith(
            f"{100 * p:.1f} %"
        )
        assert row["f1"] == f"{100 * f:.1f} %"


def test_absence_is_said_and_not_zero() -> None:
    rows = per_class([evidence([0, 0, 1], [0, 0, 0])], "validation")
    assert rows[1]["precision"] == "never named"
    assert rows[2] == {
        "name": "c",
        "n": "0",
        "sensitivity": "no such sample",
        "precision": "never named",
        "f1": "no such sample",
    }
    assert per_class([evidence([0, 1], None)], "validation") == []
