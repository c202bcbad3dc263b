"""Splits that were called free of leakage, against the groups that are known now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import claim_data

from medpipe.audits.split_leakage import leaking, split_leakage
from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.specs.claim import Claim, claim_from

N = 400
DATA = {"source": "scans", "part": "Training", "split": "disjoint", "groups": "clusters"}
MODEL = {"kind": "resnet18"}
SETTINGS = {"net": {"data": DATA, "model": MODEL}, "random": {"data": {**DATA, "split": "x"}}}
GENERATOR = {"data": {"source": "scans"}}


def evidence(
    experiment: str, parameters: dict[str, Any], observations: dict[str, Any], digest: str = "d"
) -> Evidence:
    made = {split: Observations(columns) for split, columns in observations.items()}
    return Evidence(
        Run(experiment, parameters, 0), parameters, Provenance("c", {}, {"scans": digest}), made
    )


def ids(first: int, count: int) -> np.ndarray:
    return np.array([f"{i}.png" for i in range(first, first + count)])


def audit(shared: int, digest: str = "d") -> Evidence:
    """Images 0 to N are trained on, N to 2 N reported on; the first ``shared`` of these show the
    slices of the first ones.
    """
    slices = np.arange(2 * N)
    slices[N : N + shared] = np.arange(shared)
    columns = {
        "sample_id": ids(0, 2 * N),
        "slice": slices.astype(str),
        "related_group": (slices // 2).astype(str),
    }
    return evidence("image_data_audit", {"data": {"source": "scans"}}, {"all": columns}, digest)


def trained() -> Evidence:
    sides = {"training_running": {"sample_id": ids(0, N)}, "validation": {"sample_id": ids(N, N)}}
    return evidence("mri_classification", {"data": DATA, "model": MODEL}, sides)


def generator() -> Evidence:
    origin = np.array(["generated"] * 10 + ["held_out"] * N)
    names = np.concatenate([[f"generated/{i}" for i in range(10)], ids(N, N)])
    sides = {
        "seen": {"sample_id": ids(0, N)},
        "quality": {"sample_id": names, "origin": origin},
    }
    return evidence("image_synthesis", GENERATOR, sides)


def claims() -> tuple[Claim, ...]:
    def about(name: str, run: str, *threats: str) -> Claim:
        measure = {"metric": "accuracy", "run": run, "split": "validation"}
        return claim_from(claim_data(id=name, measure=measure, threats=list(threats)), {})

    return (
        about("imaging.a.net", "net", "duplicates"),
        about("imaging.a.random", "random", "duplicates"),
        about("synthesis.a.kept", "gan", "memorisation"),
        about("synthesis.a.other", "gan"),
    )


@pytest.mark.parametrize(
    ("shared", "severity"), [(0, "clean"), (4, "narrows"), (N // 2, "undermines")]
)
def test_shared_slices_are_found_in_both_kinds_of_runs(shared: int, severity: str) -> None:
    found = split_leakage(
        [audit(shared), trained(), generator()], claims(), SETTINGS, {generator().run.key: ["gan"]}
    )
    by_id = {f.id: f for f in found}
    split = by_id["duplicates:disjoint.resnet18.clusters.slice"]
    held_out = by_id["memorisation:gan.held_out_slices"]
    assert split.severity == held_out.severity == severity
    assert split.claims == ("imaging.a.net",) and held_out.claims == ("synthesis.a.kept",)
    assert split.statement.startswith(f"{shared} of {N} images reported on show a slice")
    assert ("understated" in held_out.statement) is bool(shared)
    assert leaking([audit(shared), trained()]) == (
        frozenset({trained().run.key}) if shared > 4 else frozenset()
    )


def test_other_data_unknown_images_and_random_splits_are_left_alone() -> None:
    random = evidence(
        "mri_classification",
        {"data": {**DATA, "split": "random-by-image"}, "model": MODEL},
        {"training_running": {"sample_id": ids(0, N)}, "validation": {"sample_id": ids(N, N)}},
    )
    strange = evidence(
        "mri_classification",
        {"data": DATA, "model": MODEL},
        {"training_running": {"sample_id": ids(0, N)}, "validation": {"sample_id": ids(9999, 9)}},
    )
    for seen in ([audit(200, "other"), trained()], [audit(200), random], [audit(200), strange]):
        assert split_leakage(seen, claims(), SETTINGS, {}) == () and not leaking(seen)
