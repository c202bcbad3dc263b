"""The one rule, what stops it from deciding, and the three axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import PARAMETERS, evidence_of, observations, pairs

from medpipe.documents import parse_json
from medpipe.evidence import Evidence, Failure, Provenance
from medpipe.evidence.finding import Finding
from medpipe.judging import Outcome, Validity, judge
from medpipe.judging.judge import position, verdicts_document
from medpipe.judging.verdict import verdict_from
from medpipe.metrics.intervals import Interval
from medpipe.specs.loading import Specs, validate

SpecsMaker = Callable[..., Specs]
FLOATS = st.floats(-1, 1, allow_nan=False)


def with_accuracy(accuracy: float, n: int = 40_000, **change: Any) -> Evidence:
    return evidence_of(
        {"validation": observations(np.random.default_rng(0), n, accuracy)}, **change
    )


@given(st.tuples(FLOATS, FLOATS).map(sorted), st.tuples(FLOATS, FLOATS).map(sorted))
def test_the_rule_is_exhaustive_and_exclusive(found: list[float], region: list[float]) -> None:
    interval = Interval(found[0], found[0], found[1], n=1, method="x")
    side = position(interval, (region[0], region[1]))
    assert (side == "within") == (region[0] <= found[0] and found[1] <= region[1])
    assert (side in ("below", "above")) == (found[1] < region[0] or found[0] > region[1])


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [
        (0.2, 0.4, "within"),  # both ends of the region belong to it
        (0.1, 0.2, "straddles"),
        (0.4, 0.5, "straddles"),
        (0.1, 0.19, "below"),
        (0.41, 0.5, "above"),
        (0.1, 0.5, "straddles"),
    ],
)
def test_an_interval_that_ends_on_the_edge_of_the_region(
    low: float, high: float, side: str
) -> None:
    assert position(Interval(low, low, high, n=1, method="x"), (0.2, 0.4)) == side


@pytest.mark.parametrize(
    ("accuracy", "n", "outcome"),
    [
        (0.80, 40_000, Outcome.SUPPORTED),
        (0.70, 40_000, Outcome.REFUTED),
        (0.90, 40_000, Outcome.REFUTED),
        (0.81, 300, Outcome.INCONCLUSIVE),
    ],
)
def test_outcomes(specs: SpecsMaker, accuracy: float, n: int, outcome: Outcome) -> None:
    loaded = specs()
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(accuracy, n))})
    assert verdict.outcome is outcome
    assert verdict.grade == "published"


def test_an_inconclusive_claim_says_what_n_it_needs_and_that_n_decides(specs: SpecsMaker) -> None:
    loaded = specs()
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.805, 500))})
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.needed_n is not None
    assert verdict.estimate is not None
    assert f"{verdict.needed_n:,}" in verdict.reason
    enough = judge(
        loaded.claims[0],
        loaded,
        {"toy": pairs(with_accuracy(verdict.estimate, int(verdict.needed_n * 1.5)))},
    )
    assert enough.outcome is not Outcome.INCONCLUSIVE


def test_where_samples_alone_would_not_do_it_says_so(specs: SpecsMaker) -> None:
    loaded = specs(published={"value": 0.8, "samples": [{"proportion": 0.8, "n": 100}]})
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.8))})
    assert (verdict.outcome, verdict.needed_n) == (Outcome.INCONCLUSIVE, None)
    assert "more samples alone would not decide it" in verdict.reason


@pytest.mark.parametrize(
    ("accuracy", "indication"), [(0.7, "below"), (0.8, "within"), (0.9, "above")]
)
def test_our_own_shortcuts_never_judge_the_claimant(
    specs: SpecsMaker, accuracy: float, indication: str
) -> None:
    loaded = specs()
    reduced = {**PARAMETERS, "training": {"epochs": 1}}
    verdict = judge(
        loaded.claims[0], loaded, {"toy": pairs(with_accuracy(accuracy, resolved=reduced))}
    )
    assert (verdict.outcome, verdict.grade, verdict.indication) == (
        Outcome.INCONCLUSIVE,
        "reduced",
        indication,
    )
    assert [(d.path, d.published, d.used) for d in verdict.deviations] == [
        ("training.epochs", 5, 1)
    ]
    assert "training.epochs: 1 for 5" in verdict.reason


def test_a_deviation_that_does_not_bear_on_the_claim_does_not_stop_it(specs: SpecsMaker) -> None:
    loaded = specs(depends_on=["data"])
    reduced = {**PARAMETERS, "training": {"epochs": 1}}
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.8, resolved=reduced))})
    assert (verdict.outcome, verdict.grade, len(verdict.deviations)) == (
        Outcome.SUPPORTED,
        "reduced",
        1,
    )


def test_demonstration_data_does_not_even_indicate(specs: SpecsMaker) -> None:
    loaded = specs()
    made = {**PARAMETERS, "data": {"source": "demonstration"}}
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.8, resolved=made))})
    assert (verdict.outcome, verdict.grade, verdict.indication) == (
        Outcome.INCONCLUSIVE,
        "demonstration",
        None,
    )
    assert "says nothing" in verdict.reason


def test_too_few_runs_decide_nothing(specs: SpecsMaker) -> None:
    loaded = specs(
        criterion={
            "kind": "within",
            "margin": 0.02,
            "rationale": "x",
            "unit": "proportion",
            "min_runs": 3,
        }
    )
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.8))})
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "1 run where the claim asks for 3" in verdict.reason


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (None, "2 of 3 planned runs of toy were not made"),
        (
            Failure("failed", "ValueError: boom"),
            "2 of 3 planned runs of toy failed: ValueError: boom",
        ),
        (Failure("unavailable", "weights cannot be had"), "weights cannot be had"),
    ],
)
def test_a_missing_or_failed_run_is_never_left_out(
    specs: SpecsMaker, broken: Failure | None, says: str
) -> None:
    """Two good seeds of three are no verdict: the third might have been the bad one."""
    loaded, good = specs(), with_accuracy(0.8)
    others: list[Any] = [
        (good.run, None) if broken is None else (good.run, evidence_of({}, s, failure=broken))
        for s in (1, 2)
    ]
    verdict = judge(loaded.claims[0], loaded, {"toy": [*pairs(good), *others]})
    assert (verdict.outcome, verdict.interval, verdict.grade) == (Outcome.NOT_TESTED, None, None)
    assert says in verdict.reason


@pytest.mark.parametrize("first", ["toy", "other"])
def test_a_run_that_can_be_made_is_named_before_one_that_cannot(
    specs: SpecsMaker, first: str
) -> None:
    """Whichever protocol comes first: a reader is told what to run before what is unavailable."""
    loaded, good = specs(), with_accuracy(0.8)
    broken = evidence_of({}, 1, failure=Failure("unavailable", "weights cannot be had"))
    second = "other" if first == "toy" else "toy"
    for absent in (first, second):
        planned: dict[str, Any] = {
            p: [(good.run, None)] if p == absent else pairs(broken) for p in (first, second)
        }
        verdict = judge(loaded.claims[0], loaded, planned)
        assert verdict.incomplete and "were not made; run: medpipe run" in verdict.reason
    unavailable = judge(loaded.claims[0], loaded, {p: pairs(broken) for p in (first, second)})
    assert not unavailable.incomplete and unavailable.reason == "weights cannot be had"


@pytest.mark.parametrize(
    "change",
    [
        {"provenance": Provenance("sha256:1", {}, {})},
        {"provenance": Provenance("sha256:0", {"torch": "2"}, {})},
        {"provenance": Provenance("sha256:0", {}, {"data": "x"})},
        {"resolved": {**PARAMETERS, "more": {"x": 1}}},
    ],
)
def test_runs_that_were_not_made_alike_are_not_pooled(
    specs: SpecsMaker, change: dict[str, Any]
) -> None:
    loaded = specs()
    verdict = judge(
        loaded.claims[0],
        loaded,
        {"toy": pairs(with_accuracy(0.8), with_accuracy(0.8, seed=1, **change))},
    )
    assert verdict.outcome is Outcome.NOT_TESTED
    assert "not pooled" in verdict.reason


def test_demographics_that_do_not_exist_are_not_a_gap_of_zero(specs: SpecsMaker) -> None:
    loaded = specs(
        measure={"metric": "accuracy", "run": "toy", "split": "validation", "by": "age_band"}
    )
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.8))})
    assert verdict.outcome is Outcome.NOT_TESTED
    assert "age band of the patients is not known" in verdict.reason


def finding(severity: str, audit: str = "leakage", claim: str = "toy.model.accuracy") -> Finding:
    return Finding(audit, severity, f"{audit}: {severity}", [claim])


@pytest.mark.parametrize(
    ("findings", "validity"),
    [
        ([], Validity.NOT_ASSESSED),
        ([finding("clean")], Validity.NOT_ASSESSED),  # the other threat was not examined
        ([finding("clean"), finding("clean", "shortcuts")], Validity.SOUND),
        ([finding("narrows"), finding("clean", "shortcuts")], Validity.NARROWED),
        ([finding("narrows"), finding("undermines", "shortcuts")], Validity.UNDERMINED),
        ([finding("undermines", claim="toy.other.claim")], Validity.NOT_ASSESSED),
        ([finding("undermines", "not_a_threat")], Validity.UNDERMINED),
    ],
)
def test_validity_is_the_worst_of_what_was_found(
    specs: SpecsMaker, findings: list[Finding], validity: Validity
) -> None:
    loaded = specs(threats=["leakage", "shortcuts"])
    verdict = judge(loaded.claims[0], loaded, {"toy": pairs(with_accuracy(0.8))}, findings)
    assert verdict.validity is validity
    assert verdict.outcome is Outcome.SUPPORTED  # the axes do not mix


def test_a_verdict_goes_round_under_its_schema(specs: SpecsMaker) -> None:
    loaded = specs()
    for evidence in (
        with_accuracy(0.8),
        with_accuracy(0.8, resolved={**PARAMETERS, "training": {"epochs": 1}}),
    ):
        verdict = judge(loaded.claims[0], loaded, {"toy": pairs(evidence)})
        document = parse_json(verdicts_document(loaded, "small", [verdict]), "verdicts")
        validate(document, "verdicts", "verdicts")
        assert verdict_from(document["verdicts"][0]) == verdict


def test_judging_again_gives_the_same_digits(specs: SpecsMaker) -> None:
    loaded = specs()
    evidence = {"toy": pairs(*(with_accuracy(0.8, 500, seed=s) for s in range(3)))}
    assert judge(loaded.claims[0], loaded, evidence) == judge(loaded.claims[0], loaded, evidence)
