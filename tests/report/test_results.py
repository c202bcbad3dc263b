"""The published result files, made from evidence: every number is one of the bundle."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from medpipe.evidence import Bundle
from medpipe.report.report_data import ReportData, read_case
from medpipe.report.results import COLUMNS, analysis_text, comparison_csv
from medpipe.report.write import result_files


@pytest.fixture(scope="module")
def case(small_bundle: Bundle) -> ReportData:
    return read_case(small_bundle)


def test_the_comparison_holds_the_means_over_seeds(case: ReportData) -> None:
    (row,) = csv.DictReader(io.StringIO(comparison_csv(case, "text").decode()))
    assert tuple(row) == COLUMNS
    runs = case.made("text.toy")
    accuracies = [
        float(
            np.mean(
                e.observations["validation"]["y_true"] == e.observations["validation"]["y_pred"]
            )
        )
        for e in runs
    ]
    assert float(row["validation_accuracy"]) == pytest.approx(np.mean(accuracies), abs=5e-5)
    assert (
        float(row["validation_lowest_seed"]),
        float(row["validation_highest_seed"]),
    ) == pytest.approx((min(accuracies), max(accuracies)), abs=5e-5)
    assert (row["protocol"], row["seeds"], row["parameters"], row["validation_n"]) == (
        "text.toy",
        "0 1",
        "1234",
        "900",
    )
    assert (
        row["training_accuracy"] == row["gap"] == ""
    )  # no such split in this evidence: absence is not zero


def test_the_analysis_speaks_of_every_tested_claim_and_of_no_other(case: ReportData) -> None:
    text = analysis_text(case, "imaging").decode()
    assert case.root_digest in text
    for item in case.of_part("imaging"):
        assert (f"(claim {item.number})" in text) == (item.verdict.interval is not None)
    assert "Gradients" not in text


def test_each_part_with_evidence_gets_both_files(small_bundle: Bundle) -> None:
    assert set(result_files(small_bundle)) == {
        f"{p}-{kind}" for p in ("text", "imaging") for kind in ("comparison.csv", "analysis.txt")
    }
