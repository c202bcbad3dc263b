"""Deviations are computed, and only what a claim depends on bears on it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.specs.protocol import Deviation, bearing, deviations, flatten, grade, with_changes

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.text("abc", min_size=1, max_size=2)
NESTED = st.dictionaries(
    KEYS, st.dictionaries(KEYS, LEAVES, min_size=1, max_size=3), min_size=1, max_size=3
)


@given(NESTED)
def test_nothing_deviates_from_itself(parameters: dict[str, Any]) -> None:
    assert deviations(parameters, with_changes(parameters, {})) == ()


@given(NESTED, st.data())
def test_every_change_is_one_deviation(parameters: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([p for p, _ in flatten(parameters)]))
    changed = with_changes(parameters, {path: "changed!"})
    assert deviations(parameters, changed) == (
        Deviation(path, dict(flatten(parameters))[path], "changed!"),
    )


def test_absent_on_either_side_is_a_deviation() -> None:
    assert {d.path for d in deviations({"a": {"x": 1}}, {"a": {"y": 1}})} == {"a.x", "a.y"}


def test_bearing_takes_whole_steps_of_a_path() -> None:
    found = (
        Deviation("data.source", 1, 2),
        Deviation("data_set", 1, 2),
        Deviation("training.epochs", 5, 3),
    )
    assert [d.path for d in bearing(found, ["data"])] == ["data.source"]
    assert [d.path for d in bearing(found, ["training.epochs"])] == ["training.epochs"]
    assert bearing(found, []) == ()


def test_unknown_path_is_refused() -> None:
    with pytest.raises(KeyError):
        with_changes({"a": {"x": 1}}, {"a.y": 2})


def test_grades() -> None:
    assert grade((), {"data": {"source": "real"}}) == "published"
    assert grade((Deviation("a", 1, 2),), {"data": {"source": "real"}}) == "reduced"
    assert grade((), {"data": {"source": "demonstration"}}) == "demonstration"


def test_a_deviation_reads_as_a_sentence_part() -> None:
    assert str(Deviation("data.source", "pubmed", ["a", "b"])) == "data.source: a or b for pubmed"
    assert str(Deviation("model.weights", "imagenet", None)) == "model.weights: none for imagenet"
