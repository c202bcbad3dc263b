"""What published figures show by themselves: it refutes without a run where it is a proof, and
bears on validity elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of, observations, pairs

from medpipe.documents import parse_json
from medpipe.errors import SpecError
from medpipe.evidence.finding import Finding
from medpipe.judging import Outcome, Validity, judge
from medpipe.judging.judge import verdicts_document
from medpipe.judging.verdict import verdict_from
from medpipe.specs.loading import Specs, validate

SpecsMaker = Callable[..., Specs]
ID = "toy.model.accuracy"


def seen(
    severity: str,
    *,
    certain: bool = True,
    audit: str = "recomputed",
    claims: tuple[str, ...] = (ID,),
) -> Finding:
    return Finding(
        audit,
        severity,
        f"The figures {severity}.",
        claims,
        {"paper.accuracy": "80%"},
        id=f"{audit}:x",
        certain=certain,
        of="figures",
    )


def measured(accuracy: float) -> dict[str, Any]:
    return {
        "toy": pairs(
            evidence_of({"validation": observations(np.random.default_rng(0), 40_000, accuracy)})
        )
    }


def test_a_proof_refutes_a_claim_that_no_run_was_made_for(specs: SpecsMaker) -> None:
    loaded = specs()
    verdict = judge(
        loaded.claims[0], loaded, {"toy": [(pairs(evidence_of({}))[0][0], None)]}, [seen("refutes")]
    )
    assert verdict.outcome is Outcome.REFUTED
    assert verdict.reason == "The figures refutes."
    assert verdict.interval is None
    assert verdict.findings == ("recomputed:x",)


def test_a_proof_stands_whatever_the_runs_found(specs: SpecsMaker) -> None:
    loaded = specs()
    assert judge(loaded.claims[0], loaded, measured(0.8)).outcome is Outcome.SUPPORTED
    verdict = judge(loaded.claims[0], loaded, measured(0.8), [seen("refutes")])
    assert verdict.outcome is Outcome.REFUTED
    assert "whatever the runs found" in verdict.reason
    assert "inside the accepted region" in verdict.reason


@pytest.mark.parametrize(
    "finding",
    [
        seen("refutes", certain=False),
        seen("undermines"),
        seen("narrows"),
        seen("clean"),
        seen("refutes", claims=("toy.other.claim",)),
    ],
)
def test_nothing_less_than_a_proof_about_this_claim_decides_its_outcome(
    specs: SpecsMaker, finding: Finding
) -> None:
    loaded = specs()
    assert judge(loaded.claims[0], loaded, measured(0.8), [finding]).outcome is Outcome.SUPPORTED


def test_what_was_not_examined_is_said_beside_what_was_found(specs: SpecsMaker) -> None:
    loaded = specs(threats=["leakage", "shortcuts"])
    verdict = judge(loaded.claims[0], loaded, measured(0.8), [seen("undermines")])
    assert verdict.validity is Validity.UNDERMINED
    assert verdict.validity_reason == "The figures undermines; not examined: leakage, shortcuts"


def stated(specs: SpecsMaker, **change: Any) -> Specs:
    """A claim in words: everything that measures is taken away."""
    return specs(
        **{
            "published": None,
            "measure": None,
            "criterion": None,
            "depends_on": None,
            "unmeasured": "Nothing here measures it; a reader study would.",
            **change,
        }
    )


def test_a_claim_in_words_is_not_tested_with_its_reason(specs: SpecsMaker) -> None:
    loaded = stated(specs)
    claim = loaded.claims[0]
    verdict = judge(claim, loaded, {})
    assert (verdict.outcome, verdict.validity) == (Outcome.NOT_TESTED, Validity.NOT_ASSESSED)
    assert verdict.reason == "Nothing here measures it; a reader study would."
    assert verdict.published is None
    assert list(claim.measure.parts()) == []
    assert verdict.validity_reason == "nothing measures it; no audit bears on it"
    assert (
        judge(claim, loaded, {}, [seen("clean")]).validity_reason
        == "nothing measures it; looked at and in order: recomputed"
    )


@pytest.mark.parametrize("findings", [[], [seen("refutes")]])
def test_a_claim_in_words_goes_round_under_the_schema(
    specs: SpecsMaker, findings: list[Finding]
) -> None:
    loaded = stated(specs)
    verdict = judge(loaded.claims[0], loaded, {}, findings)
    data = parse_json(verdicts_document(loaded, "small", [verdict]), "x")
    validate(data, "verdicts", "x")
    assert verdict_from(data["verdicts"][0]) == verdict


@pytest.mark.parametrize(
    "mixed",
    [
        {"measure": {"metric": "accuracy", "run": "toy", "split": "validation"}},
        {"depends_on": ["data"]},
    ],
)
def test_a_claim_is_either_measured_or_says_why_it_is_not(
    specs: SpecsMaker, mixed: dict[str, Any]
) -> None:
    with pytest.raises(SpecError):
        stated(specs, **mixed)
    with pytest.raises(SpecError, match="measure"):
        specs(measure=None)
