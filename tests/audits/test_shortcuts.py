"""Blind baselines become findings: a planted shortcut is found and weighed, chance is not, made-up
data says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import claim_data

from medpipe.audits.shortcuts import METADATA_NOTE, above_commonest, shortcuts
from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.specs.claim import claim_from

N = 2000
SETTINGS = {"toy": {"data": {"source": "real"}, "model": {"kind": "net"}}}


def told(right: float, cluster: bool = True) -> Observations:
    """Four classes of equal size, ``right`` of them told."""
    truth = np.arange(N) % 4
    hit = np.random.default_rng(0).permutation(N) < right * N
    groups = {"cluster": (np.arange(N) // 2).astype(str)} if cluster else {}
    return Observations(
        {
            "sample_id": np.arange(N).astype(str),
            "y_true": truth,
            "y_pred": np.where(hit, truth, (truth + 1) % 4),
            **groups,
        },
        tuple("abcd"),
        "cluster" if cluster else None,
    )


def baseline(
    right: float,
    kind: str = "file",
    source: str = "real",
    notes: tuple[str, ...] = (METADATA_NOTE,),
) -> Evidence:
    parameters = {"data": {"source": source}, "model": {"kind": kind}}
    return Evidence(
        Run("image_baselines", parameters, 0),
        parameters,
        Provenance("sha256:0", {}, {}),
        {"training": told(1.0), "validation": told(right)},
        notes=notes,
    )


def claims() -> tuple[Any, ...]:
    measure = {"metric": "accuracy", "run": "toy", "split": "validation"}
    return (
        claim_from(claim_data(id="imaging.a.b", measure=measure, threats=["shortcuts"]), {}),
        claim_from(claim_data(id="imaging.a.c", measure=measure), {}),
        claim_from(claim_data(id="text.a.b", measure=measure, threats=["shortcuts"]), {}),
    )


@pytest.mark.parametrize(
    ("right", "severity", "says"),
    [
        (0.25, "clean", "no shortcut that matters"),
        (0.35, "narrows", "may be a shortcut"),
        (0.9, "undermines", "confounded"),
    ],
)
def test_what_is_above_chance_is_weighed_with_its_interval(
    right: float, severity: str, says: str
) -> None:
    (found,) = shortcuts([baseline(right)], claims(), SETTINGS)
    assert (found.severity, found.audit, found.claims, found.id) == (
        severity,
        "shortcuts",
        ("imaging.a.b",),
        "shortcuts:validation.file",
    )
    assert (
        says in found.statement
        and f"{100 * right:.1f} % of 2,000 validation images" in found.statement
    )
    assert found.figures["above"] == pytest.approx(right - 0.25)


def test_evidence_that_rests_on_the_size_in_bytes_narrows_at_most() -> None:
    (old,) = shortcuts([baseline(0.9, notes=())], claims(), SETTINGS)
    assert old.severity == "narrows" and old.statement.startswith(
        "File metadata and the size in bytes tell 90.0 %"
    )
    assert "depends on what an image shows" in old.statement
    assert [
        f.severity for f in shortcuts([baseline(0.9, "border", notes=())], claims(), SETTINGS)
    ] == ["undermines"]


def test_only_blind_baselines_and_real_data_speak() -> None:
    assert (
        shortcuts(
            [baseline(0.9, "nearest"), baseline(0.9, source="demonstration")], claims(), SETTINGS
        )
        == ()
    )


def test_a_short_cut_of_one_split_is_not_held_against_another() -> None:
    (found,) = shortcuts(
        [baseline(0.9)],
        claims(),
        {"toy": {"data": {"source": "real", "split": "disjoint", "groups": "clusters"}}},
    )
    assert (found.severity, found.claims) == ("undermines", ())


def test_the_interval_agrees_with_the_textbook() -> None:
    o = told(0.6, cluster=False)
    d = (o["y_true"] == o["y_pred"]).astype(float) - (o["y_true"] == 0)
    found = above_commonest(o)
    assert found.estimate - found.low == pytest.approx(1.96 * d.std() / np.sqrt(N), rel=0.1)
    assert (
        found.high - found.estimate > found.estimate - found.low
    )  # which class is the commonest is not known for sure
