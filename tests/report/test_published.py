"""The chapter on what the published figures show, the claims it touches, and the check that audits
them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from medpipe.audits.bundles import audit_again
from medpipe.checking.check import check_report
from medpipe.documents import pretty_json
from medpipe.evidence import Bundle
from medpipe.evidence.finding import stored_findings
from medpipe.judging import Outcome, judge_bundle
from medpipe.judging.judge import verdicts_document
from medpipe.report.context import audit_context
from medpipe.report.published_findings import published_figures
from medpipe.report.report_data import read_case
from medpipe.report.sentences import sentence
from medpipe.report.signed_reports import signed_reports
from medpipe.report.write import audit_html
from medpipe.signing.identity import Identity
from medpipe.signing.signers import trusted_from
from medpipe.specs.loading import specs_from

from .conftest import CLAIMS, FIGURES

Maker = Callable[..., Bundle]
GAP = {
    "id": "text.toy.gap",
    "title": "Gap between training and validation",
    "statement": "The gap is 2 points.",
    "source": {"document": "paper.pdf", "place": "table 2", "printed": "+2.0%"},
    "figures": ["paper.gap"],
    "unmeasured": "No run of this test measures it.",
}


@pytest.fixture
def figured(bundle_maker: Maker) -> Bundle:
    """The small bundle with figures, and a claim about the one that contradicts the others."""
    return bundle_maker([*CLAIMS, GAP], figures=FIGURES)


def test_an_impossible_gap_is_refuted_without_a_run_and_told_by_number(figured: Bundle) -> None:
    case = read_case(figured)
    item = next(i for i in case.items if i.claim.id == "text.toy.gap")
    assert item.verdict.outcome is Outcome.REFUTED
    assert item.verdict.findings == ("recomputed:paper.gap",)
    assert item.trust == "L2"
    assert "the published figures themselves rule it out" in sentence(item)
    first = next(g for g in published_figures(case)["groups"] if g["rows"])
    row = first["rows"][0]
    assert (row["number"], row["mark"], row["claims"]) == ("F1", "○", str(item.number))
    assert "5 points" in row["arithmetic"]
    assert any("table 2" in place for place in row["places"])


def test_every_claim_is_listed_with_its_findings(figured: Bundle) -> None:
    case = read_case(figured)
    rows = {r["number"]: r for part in published_figures(case)["claims"] for r in part["rows"]}
    assert rows.keys() == {i.number for i in case.items}
    touched = {n for n, r in rows.items() if r["findings"] != "none"}
    assert touched == {i.number for i in case.items if i.claim.id == "text.toy.gap"}


def test_the_chapter_stands_in_the_report_only_where_there_are_figures(
    figured: Bundle, small_bundle: Bundle
) -> None:
    heading = "What the published figures show without a run"
    assert heading in audit_html(read_case(figured))
    assert heading not in audit_html(read_case(small_bundle))


def test_findings_of_data_keep_their_place_beside_those_of_figures(figured: Bundle) -> None:
    parts: list[dict[str, Any]] = audit_context(read_case(figured))["parts"]
    assert [f["audit"] for p in parts for f in p["findings"]] == ["overlap"]
    assert {f.of for f in stored_findings(figured)} == {"figures", "data"}


def test_check_audits_the_figures_again(figured: Bundle, identity: Identity) -> None:
    checked = check_report(
        signed_reports(figured, identity)["audit-report.pdf"],
        trusted={identity.fingerprint: trusted_from(identity)},
    )
    assert checked.ok
    step = next(s for s in checked.steps if s.name == "audited again")
    assert "all found again" in step.detail


@pytest.mark.parametrize("keep", ["none of them", "all of them, one made harmless"])
def test_a_finding_that_was_left_out_or_made_harmless_is_missed(
    figured: Bundle, identity: Identity, keep: str
) -> None:
    kept = [asdict(f) for f in stored_findings(figured)]
    if keep == "none of them":
        kept = [f for f in kept if f["of"] == "data"]
    else:
        kept = [{**f, "severity": "clean"} if f["severity"] == "refutes" else f for f in kept]
    figured.write(
        "findings.json",
        pretty_json({"version": 1, "audits": ["recomputed", "overlap"], "findings": kept}),
    )
    specs, verdicts = judge_bundle(figured)
    figured.write("verdicts.json", verdicts_document(specs, "small", verdicts))
    figured.seal()
    report = signed_reports(figured, identity)["audit-report.pdf"]
    checked = check_report(report, trusted={identity.fingerprint: trusted_from(identity)})
    assert not checked.ok
    assert "recomputed:paper.gap" in checked.steps[-1].detail


def test_an_audit_that_was_not_made_is_named(figured: Bundle) -> None:
    figured.write(
        "findings.json", pretty_json({"version": 1, "audits": ["restated"], "findings": []})
    )
    figured.seal()
    again = audit_again(figured, specs_from(figured.specs(), "x"))
    assert again.odd == ("restated:size",)
    assert again.unasked == ("recomputed:paper.gap",)
