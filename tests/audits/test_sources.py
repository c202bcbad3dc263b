"""Collections told from features and collections left out become findings; made-up data says
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import claim_data

from medpipe.audits.sources import sources
from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.specs.claim import claim_from

N = 1500
MODEL = {"kind": "net"}
SETTINGS = {"toy": {"data": {"source": "real"}, "model": MODEL}}


def told(right: float, names: tuple[str, ...] = ("a", "b"), **more: Any) -> Observations:
    truth = np.arange(N) % len(names)
    hit = np.random.default_rng(0).permutation(N) < right * N
    return Observations(
        {
            "sample_id": np.arange(N).astype(str),
            "y_true": truth,
            "y_pred": np.where(hit, truth, (truth + 1) % len(names)),
            "cluster": (np.arange(N) // 2).astype(str),
            **more,
        },
        names,
        "cluster",
    )


def made(source: str = "real", **observations: Observations) -> Evidence:
    parameters = {"data": {"source": source}, "model": MODEL}
    return Evidence(
        Run("image_sources", parameters, 0),
        parameters,
        Provenance("sha256:0", {}, {}),
        observations,
    )


def claims() -> tuple[Any, ...]:
    measure = {"metric": "accuracy", "run": "toy", "split": "validation"}
    return (
        claim_from(claim_data(id="imaging.a.b", measure=measure, threats=["shortcuts"]), {}),
        claim_from(claim_data(id="text.a.b", measure=measure, threats=["shortcuts"]), {}),
    )


@pytest.mark.parametrize(
    ("right", "severity", "says"),
    [
        (0.5, "clean", "not seen in the features"),
        (0.56, "narrows", "is open"),
        (0.9, "narrows", "hold the collection"),
    ],
)
def test_what_features_tell_of_the_source_is_weighed(
    right: float, severity: str, says: str
) -> None:
    (found,) = sources([made(source_in_glioma=told(right))], claims(), SETTINGS)
    assert (found.severity, found.claims, found.id) == (
        severity,
        ("imaging.a.b",),
        "shortcuts:source_in_glioma.seed0",
    )
    assert says in found.statement and "1,500 images of the class glioma" in found.statement
    assert found.figures["above"] == pytest.approx(right - 0.5, abs=0.002)


@pytest.mark.parametrize(
    ("lost", "severity"), [(0.0, "narrows"), (0.08, "narrows"), (0.3, "undermines")]
)
def test_a_loss_on_a_source_left_out_is_weighed(lost: float, severity: str) -> None:
    (found,) = sources(
        [
            made(
                left_out_1=told(0.9 - lost, source=np.full(N, "L x")),
                trained_on_1=told(0.9, source=np.full(N, "L x")),
            )
        ],
        claims(),
        SETTINGS,
    )
    assert (found.severity, found.id) == (severity, "shortcuts:left_out_1.seed0")
    assert (
        found.figures["lost"] == pytest.approx(lost, abs=0.002)
        and "The source L x left out" in found.statement
    )


def test_one_pair_of_trainings_never_shows_that_an_accuracy_carries_over() -> None:
    (found,) = sources(
        [
            made(
                left_out_1=told(0.95, source=np.full(N, "L x")),
                trained_on_1=told(0.9, source=np.full(N, "L x")),
            )
        ],
        claims(),
        SETTINGS,
    )
    assert (
        float(found.figures["high"]) < 0
        and "one pair of trainings has no spread over seeds" in found.statement
    )


@pytest.mark.parametrize(
    "of_claim", [{"model": {"kind": "wider"}}, {"data": {"source": "real", "split": "disjoint"}}]
)
def test_another_network_or_split_is_not_touched(of_claim: dict[str, Any]) -> None:
    (found,) = sources(
        [made(source_in_glioma=told(0.9))], claims(), {"toy": {**SETTINGS["toy"], **of_claim}}
    )
    assert found.claims == ()


def test_demonstration_data_says_nothing() -> None:
    assert sources([made("demonstration", source_in_glioma=told(0.9))], claims(), SETTINGS) == ()
