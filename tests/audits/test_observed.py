"""Flags of samples become findings: a planted overlap is found and weighed, a clean set passes,
made-up data says nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import claim_data

from medpipe.audits.assessment import assess
from medpipe.audits.bundles import audit_again, findings_in, keep_findings
from medpipe.audits.data_findings import observed
from medpipe.evidence import Bundle, Evidence, Failure, Observations, Provenance, Run
from medpipe.evidence.finding import Finding, store_findings, stored_findings
from medpipe.specs.claim import claim_from
from medpipe.specs.loading import Specs, Subject
from medpipe.specs.protocol import Profile, Protocol

N = 2000
SETTINGS = {"toy": {"data": {"source": "real"}}}


def claims() -> tuple[Any, ...]:
    def about(name: str, split: str, *threats: str) -> Any:
        return claim_from(
            claim_data(
                id=name,
                measure={"metric": "accuracy", "run": "toy", "split": split},
                threats=list(threats),
            ),
            {},
        )

    return (
        about("text.a.validation", "validation", "sentence_overlap"),
        about("text.a.testing", "testing", "sentence_overlap"),
        about("text.a.unworried", "validation"),
        about("imaging.a.validation", "validation", "sentence_overlap"),
    )


def split(share: float, flag: str = "sentence_near", prefix: str = "v") -> Observations:
    flags = (np.arange(N) % N < round(share * N)).astype(np.uint8)
    return Observations(
        {
            "sample_id": np.char.add(prefix, np.arange(N).astype(str)),
            "y_true": np.zeros(N, int),
            "y_pred": np.zeros(N, int),
            "abstract_id": (np.random.default_rng(0).permutation(N) // 5).astype(str),
            flag: flags,
        },
        ("a", "b"),
        "abstract_id",
    )


def evidence(
    source: str = "real", failure: Failure | None = None, **splits: Observations
) -> Evidence:
    return Evidence(
        Run("text_data_audit", {"data": {"source": source}}, 0),
        {"data": {"source": source}},
        Provenance("sha256:0", {}, {}),
        splits if failure is None else {},
        failure=failure,
    )


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.0, "clean"), (0.001, "narrows"), (0.03, "narrows"), (0.2, "undermines")],
)
def test_the_share_is_weighed_with_its_interval(share: float, severity: str) -> None:
    (found,) = observed(
        [evidence(validation=split(share), training=split(0.0, "unknown_flag", "t"))],
        claims(),
        SETTINGS,
    )
    assert (found.audit, found.severity, found.claims) == (
        "sentence_overlap",
        severity,
        ("text.a.validation",),
    )
    assert found.figures["share"] == pytest.approx(share)
    assert f"{round(share * N):,} of 2,000 validation sentences" in found.statement
    assert "2,000 training sentences looked at" in found.statement
    assert len(found.samples) == min(5, round(share * N))


@pytest.mark.parametrize(
    ("found", "chance", "severity"),
    [(0.003, 0.003, "clean"), (0.05, 0.05, "narrows"), (0.3, 0.01, "undermines")],
)
def test_a_second_method_counts_only_beyond_chance(
    found: float, chance: float, severity: str
) -> None:
    flag = "sentence_reworded"
    (only,) = observed(
        [evidence(validation=split(found, flag), training=split(chance, flag, "t"))],
        claims(),
        SETTINGS,
    )
    assert (only.id, only.severity) == ("sentence_overlap:validation.sentence_reworded", severity)
    assert only.figures["share"] == pytest.approx((found - chance) / (1 - chance))
    assert f"{100 * chance:.1f} % of the 2,000 training sentences" in only.statement


def test_each_split_bears_on_the_claims_that_measure_it() -> None:
    found = observed(
        [evidence(validation=split(0.2), testing=split(0.0, prefix="s"))], claims(), SETTINGS
    )
    assert {f.id: (f.severity, f.claims) for f in found} == {
        "sentence_overlap:validation.sentence_near": ("undermines", ("text.a.validation",)),
        "sentence_overlap:testing.sentence_near": ("clean", ("text.a.testing",)),
    }


def test_copies_across_a_random_split_say_nothing_of_a_split_by_patients() -> None:
    def on(run: str) -> Any:
        measure = {"metric": "accuracy", "run": run, "split": "validation"}
        return claim_from(
            claim_data(id=f"imaging.{run}.a", measure=measure, threats=["duplicates"]), {}
        )

    random = {"source": "real", "split": "random-by-image"}
    settings = {
        "random": {"data": random},
        "patients": {"data": {**random, "split": "disjoint", "groups": "patient_id"}},
        "clusters": {"data": {**random, "split": "disjoint", "groups": "clusters"}},
        "elsewhere": {"data": {**random, "source": "folder:other"}},
    }
    flags = {"validation": split(0.5, "image_copy")}
    audit = Evidence(
        Run("image_data_audit", {"data": random}, 0),
        {"data": random},
        Provenance("sha256:0", {}, {}),
        flags,
    )
    (found,) = observed([audit], tuple(on(run) for run in settings), settings)
    assert (found.severity, found.claims) == ("undermines", ("imaging.random.a",))
    assert assess(on("patients"), [found]).words == ("open",)


def test_what_was_made_up_or_failed_says_nothing() -> None:
    assert (
        observed(
            [
                evidence("demonstration", validation=split(0.5)),
                evidence(failure=Failure("failed", "x")),
            ],
            claims(),
            SETTINGS,
        )
        == ()
    )


def test_a_bundle_keeps_them_and_misses_those_that_were_left_out(tmp_path: Path) -> None:
    bundle = Bundle.create(tmp_path / "bundle", "made-up", "small")
    bundle.put(evidence(validation=split(0.2)))
    bundle.seal()
    specs = Specs(
        Subject("x", "x", "1", "x", {}, {}),
        claims(),
        {"toy": Protocol("toy", "toy", "x", SETTINGS["toy"], {})},
        {"small": Profile("small", "x", (0,), {})},
        {},
        "sha256:0",
    )
    keep_findings(bundle, specs)
    assert [f.id for f in stored_findings(bundle)] == [f.id for f in findings_in(bundle, specs)]
    assert [f.id for f in stored_findings(bundle)] == ["sentence_overlap:validation.sentence_near"]
    assert stored_findings(bundle)[0].claims == ["text.a.validation"]
    assert audit_again(bundle, specs).odd == ()
    stranger = Finding("somebody_elses", "narrows", "x", ["text.a.validation"])
    store_findings(bundle, [stranger], ["somebody_elses", "sentence_overlap"])
    assert audit_again(bundle, specs).odd == ("sentence_overlap:validation.sentence_near",)
    keep_findings(bundle, specs)
    assert {f.audit for f in stored_findings(bundle)} == {"sentence_overlap", "somebody_elses"}
