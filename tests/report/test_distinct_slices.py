"""Distinct slices of a data set, counted over all splits of the data audit."""

from __future__ import annotations

import numpy as np

from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.report.distinct_slices import distinct_slices


def split(first: int, label: list[int], slices: str, groups: str) -> Observations:
    columns = {
        "sample_id": np.array([f"{first + i}.png" for i in range(len(label))]),
        "y_true": np.array(label),
        "slice": np.array(list(slices)),
        "related_group": np.array(list(groups)),
    }
    return Observations(columns, ("glioma", "notumor"))


def run(**observations: Observations) -> Evidence:
    return Evidence(Run("toy", {}, 0), {}, Provenance("c", {}, {}), observations)


def test_copies_in_different_splits_count_once() -> None:
    audit = run(
        training=split(0, [0, 0, 1], "abc", "aac"), testing=split(3, [0, 1, 1], "acd", "acd")
    )
    found = distinct_slices({"other": [run()], "audit": [audit]})
    assert found["rows"] == [
        {"class": "glioma", "images": "3", "slices": "2", "groups": "1"},
        {"class": "notumor", "images": "3", "slices": "2", "groups": "2"},
    ]
    assert found["found"].startswith("1,422 of 1,440, 98.8 % (98.")


def test_nothing_is_said_where_no_run_grouped_images() -> None:
    assert distinct_slices({"other": [run()]}) == {}
