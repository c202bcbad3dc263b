"""The words for an accuracy follow from the findings that bear on it, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import claim_data

from medpipe.audits.assessment import assess
from medpipe.evidence.finding import Finding
from medpipe.specs.claim import claim_from

THREATS = ["duplicates", "shortcuts"]


def finding(audit: str, severity: str, claim: str = "imaging.a.b") -> Finding:
    return Finding(audit, severity, f"{audit} {severity}", (claim,))


def claim() -> Any:
    return claim_from(claim_data(id="imaging.a.b", threats=THREATS), {})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([("duplicates", "undermines"), ("shortcuts", "undermines")], ("inflated", "confounded")),
        ([("duplicates", "undermines"), ("shortcuts", "clean")], ("inflated",)),
        ([("duplicates", "clean"), ("shortcuts", "undermines")], ("confounded",)),
        ([("duplicates", "clean"), ("shortcuts", "clean")], ("clean",)),
        ([("duplicates", "clean"), ("shortcuts", "narrows")], ("open",)),
        ([("duplicates", "clean")], ("open",)),
        ([], ("open",)),
        (
            [("duplicates", "clean"), ("shortcuts", "clean"), ("sampling_error", "undermines")],
            ("open",),
        ),
    ],
)
def test_words(found: list[tuple[str, str]], words: tuple[str, ...]) -> None:
    seen = assess(claim(), [finding(*f) for f in found])
    assert seen.words == words
    assert {f.severity for f in seen.because} <= {"undermines", "narrows"} and bool(
        seen.because
    ) is any(s != "clean" for _, s in found)


def test_findings_on_other_claims_do_not_count() -> None:
    assert assess(claim(), [finding("duplicates", "undermines", "imaging.other.one")]).words == (
        "open",
    )
