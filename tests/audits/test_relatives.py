"""What relatives in training are worth: a planted memory is found with its size, a clean pair
passes, and nothing is made of little.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import claim_data

from medpipe.audits.leakage_effect import effect, leakage_effects
from medpipe.errors import DataError
from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.specs.claim import claim_from

N = 1000


def reported(
    right: float, seed: int, shuffled: bool = False, cluster: str | None = "cluster"
) -> Observations:
    """Every sample has its own difficulty, the same in all runs; ``right`` is the share that is
    right.
    """
    difficulty = np.random.default_rng(0).random(N) + np.random.default_rng((seed, 1)).normal(
        0, 0.02, N
    )
    order = np.random.default_rng(seed).permutation(N) if shuffled else np.arange(N)
    arrays = {
        "sample_id": np.arange(N).astype(str),
        "y_true": np.zeros(N, int),
        "y_pred": (np.argsort(np.argsort(difficulty)) >= right * N).astype(int),
        "cluster": (np.arange(N) // 2).astype(str),
    }
    return Observations({k: v[order] for k, v in arrays.items()}, ("a", "b"), cluster)


def run(
    split: str,
    seed: int,
    right: float,
    groups: str = "table:folds.csv:fold",
    source: str = "real",
    **more: Any,
) -> Evidence:
    parameters = {
        "data": {"source": source, "split": split, "groups": groups},
        "model": {"kind": "net", **more},
    }
    seen = {"validation": reported(right, seed, split == "related")}
    return Evidence(Run("toy", parameters, seed), parameters, Provenance("sha256:0", {}, {}), seen)


def settings(
    groups: str = "table:folds.csv:fold", split: str = "related", kind: str = "net"
) -> Any:
    return {
        "toy": {
            "data": {"source": "real", "split": split, "groups": groups},
            "model": {"kind": kind},
        }
    }


def claims() -> tuple[Any, ...]:
    measure = {"metric": "accuracy", "run": "toy", "split": "validation"}
    return tuple(
        claim_from(claim_data(id=f"imaging.a.{t}", measure=measure, threats=[t]), {})
        for t in ("patient_overlap", "duplicates")
    )


@pytest.mark.parametrize(
    ("with_relatives", "severity", "says"),
    [
        (0.95, "undermines", "inflated"),
        (0.90, "clean", "no inflation of a point or more"),
        (0.91, "narrows", "not decided"),
    ],
)
def test_the_effect_is_weighed_with_its_interval(
    with_relatives: float, severity: str, says: str
) -> None:
    evidence = [run("disjoint", s, 0.9) for s in range(3)] + [
        run("related", s, with_relatives) for s in range(3)
    ]
    (found,) = leakage_effects(evidence, claims(), settings())
    assert (found.severity, found.audit, found.claims) == (
        severity,
        "patient_overlap",
        ("imaging.a.patient_overlap",),
    )
    assert found.figures["difference"] == pytest.approx(with_relatives - 0.9)
    assert says in found.statement and "over 3 runs" in found.statement


def test_copies_are_another_threat_than_patients() -> None:
    (found,) = leakage_effects(
        [run("disjoint", 0, 0.9, "clusters"), run("related", 0, 0.9, "clusters")],
        claims(),
        settings("clusters"),
    )
    assert (found.audit, found.claims) == ("duplicates", ("imaging.a.duplicates",))


@pytest.mark.parametrize("of_claim", [{"split": "disjoint"}, {"kind": "wider"}])
def test_claims_without_relatives_or_by_another_network_are_not_touched(
    of_claim: dict[str, str],
) -> None:
    (found,) = leakage_effects(
        [run("disjoint", 0, 0.9), run("related", 0, 0.95)], claims(), settings(**of_claim)
    )
    assert (found.severity, found.claims) == ("undermines", ())


@pytest.mark.parametrize("split", ["related", "random-by-image"])
def test_claims_on_any_split_with_relatives_are_touched(split: str) -> None:
    (found,) = leakage_effects(
        [run("disjoint", 0, 0.9), run("related", 0, 0.95)], claims(), settings("clusters", split)
    )
    assert found.claims


def test_one_pair_of_runs_is_never_clean() -> None:
    (found,) = leakage_effects(
        [run("disjoint", 0, 0.9), run("related", 0, 0.85)], claims(), settings()
    )
    assert found.figures["high"] < 0 and found.severity == "narrows"


def test_only_equal_protocols_seed_by_seed_and_real_data_are_paired() -> None:
    assert (
        leakage_effects([run("disjoint", 0, 0.9), run("related", 1, 0.95)], claims(), settings())
        == ()
    )
    assert (
        leakage_effects(
            [run("disjoint", 0, 0.9), run("related", 0, 0.95, width=2)], claims(), settings()
        )
        == ()
    )
    assert (
        leakage_effects(
            [run(s, 0, 0.9, source="demonstration") for s in ("disjoint", "related")],
            claims(),
            settings(),
        )
        == ()
    )
    assert leakage_effects([run("random-by-image", 0, 0.9)], claims(), settings()) == ()


def test_agrees_with_the_textbook_for_independent_samples() -> None:
    a, b = reported(0.95, 0, cluster=None), reported(0.9, 1, shuffled=True, cluster=None)
    found = effect([(a, b)])
    order = np.argsort(b["sample_id"].astype(int))
    d = (a["y_pred"] == 0).astype(float) - (b["y_pred"][order] == 0)
    half = 1.96 * d.std() / np.sqrt(N)
    assert found.estimate == pytest.approx(d.mean()) and (
        found.high - found.low
    ) / 2 == pytest.approx(half, rel=0.1)


def test_other_samples_are_refused() -> None:
    with pytest.raises(DataError, match="the same samples"):
        effect([(reported(0.9, 0), reported(0.9, 0).take(np.arange(10)))])
