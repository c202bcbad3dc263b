"""What the report says: every number from the evidence, every claim in its place, nothing left
out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import BundleError
from medpipe.evidence import Bundle, Observations
from medpipe.evidence.ledger import Attempts
from medpipe.report import evidence_record, labels
from medpipe.report.card import _of_data, card_context
from medpipe.report.context import audit_context
from medpipe.report.evidence_record import _group
from medpipe.report.page_one import line_count
from medpipe.report.report_data import ReportData, read_case
from medpipe.report.sentences import box, headline_order, may_be_relied_on, may_not_be_relied_on

Maker = Callable[..., Bundle]


@pytest.fixture(scope="module")
def case(small_bundle: Bundle) -> ReportData:
    return read_case(small_bundle)


@pytest.fixture(scope="module")
def audit(case: ReportData) -> dict[str, Any]:
    return audit_context(case)


def texts(value: Any) -> Iterator[str]:
    """Every text in a context."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from texts(v)
    elif isinstance(value, list | tuple):
        for v in value:
            yield from texts(v)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from texts(getattr(value, name))


def test_the_small_bundle_has_one_claim_of_each_fate(case: ReportData) -> None:
    assert [
        (i.number, i.claim.id, i.verdict.outcome.value, i.verdict.validity.value)
        for i in case.items
    ] == [
        (1, "text.toy.accuracy", "supported", "narrowed"),
        (2, "text.toy.parameters", "refuted", "sound"),
        (3, "imaging.toy.accuracy", "inconclusive", "not-assessed"),
        (4, "imaging.toy.gap", "not-tested", "not-assessed"),
    ]


def test_each_claim_stands_in_one_row_of_the_box(case: ReportData) -> None:
    held, failed, unknown = box(case, 600, 5)
    (relied,) = held.sentences
    found = case.items[0].verdict.interval
    assert found is not None
    for said in (
        "Accuracy on sentences (claim 1)",
        f"{100 * found.estimate:.1f} %",
        f"95 % interval {100 * found.low:.1f} to {100 * found.high:.1f}",
        "on 900 samples",
        "“validation”",
        "2 runs",
        "this reproduces the published 80%",
        "It means less than the claim says: 3 of 900 sentences",
    ):
        assert said in relied
    assert failed.sentences == (
        (
            "Number of parameters (claim 2): 1,234, counted exactly; this does not reproduce the"
            " published 1000 (accepted: 995 to 1,005)."
        ),
    )
    everything = " ".join(unknown.sentences)
    assert "1 claim was not run as published" in everything
    assert "Results relative to the accepted region: 1 below (Accuracy on slices)." in everything
    assert "1 claim was not tested: the site of the patients is not known." in everything
    assert "Not part of this audit: Speed." in everything
    assert all("Accuracy on slices" not in s for s in (*held.sentences, *failed.sentences))


def test_nothing_is_both_relied_on_and_not(case: ReportData) -> None:
    assert not any(may_be_relied_on(i) and may_not_be_relied_on(i) for i in case.items)


def test_a_crowded_row_counts_what_it_leaves_out(
    bundle_maker: Maker, claim_maker: Callable[..., dict[str, Any]]
) -> None:
    claims = [
        claim_maker(
            f"text.toy.score{k}",
            f"Score {k}",
            value=0.5,
            margin=0.01,
            printed="50%",
            run="text.toy",
            metric="accuracy",
            split="validation",
        )
        for k in range(9)
    ]
    failed = box(read_case(bundle_maker(claims)), 300, 2)[1]
    assert 1 <= len(failed.sentences) < 9
    assert failed.rest == f"The next tables list {9 - len(failed.sentences)} more claims."


def test_a_claim_that_was_not_tested_stays_in_the_denominator(audit: dict[str, Any]) -> None:
    for count in (c["published"] for c in audit["counts"]):
        assert sum(n for _, n in count["outcomes"]) == count["total"] == 2
    assert audit["asked"]["total"] == 0
    assert sum(len(p["rows"]) for p in audit["parts"]) == audit["total"] == 4


def test_what_medpipe_asks_is_no_published_figure(
    bundle_maker: Maker, claim_maker: Callable[..., dict[str, Any]]
) -> None:
    said = claim_maker(
        "text.toy.accuracy", "Accuracy", run="text.toy", metric="accuracy", split="validation"
    )
    again = {
        **claim_maker(
            "text.toy.again", "Elsewhere", run="text.toy", metric="accuracy", split="validation"
        ),
        "counterpart_of": "text.toy.accuracy",
    }
    asked = {
        **claim_maker(
            "text.toy.asked",
            "Copies",
            value=0,
            margin=0.01,
            kind="at_most",
            printed="no copies",
            run="text.toy",
            metric="accuracy",
            split="validation",
        ),
        "counterpart_of": "text.toy.accuracy",
    }
    case = read_case(bundle_maker([asked, again, said]))
    audit = audit_context(case)
    rows = {r["title"]: (r["printed"], r["asked"]) for r in audit["parts"][0]["rows"]}
    beside = "medpipe added this to claim 3; nobody published it."
    assert rows == {"Accuracy": ("80%", ""), "Elsewhere": ("80%", beside), "Copies": ("–", beside)}
    counts = audit["counts"][0]
    assert (counts["published"]["total"], counts["asked"]["total"], audit["asked"]["total"]) == (
        1,
        2,
        2,
    )
    assert [i.claim.title for i in headline_order(case.items)] == [
        "Accuracy",
        "Copies",
        "Elsewhere",
    ]
    failed = " ".join(box(case, 600, 5)[1].sentences)
    assert (
        "Copies (claim 1), added by medpipe: " in failed
        and "this does not hold (accepted: at most 1.0" in failed
    )
    assert "published no copies" not in " ".join(texts(audit))


def test_what_the_source_says_first_comes_first(
    bundle_maker: Maker, claim_maker: Callable[..., dict[str, Any]]
) -> None:
    claims = [
        claim_maker(
            f"text.toy.s{k}", f"Score {k}", run="text.toy", metric="accuracy", split="validation"
        )
        for k in range(2)
    ]
    claims[1]["source"]["place"] = "Headline table"
    assert [i.claim.title for i in headline_order(read_case(bundle_maker(claims)).items)] == [
        "Score 1",
        "Score 0",
    ]


def test_a_known_outcome_is_printed_with_its_reason(
    bundle_maker: Maker, claim_maker: Callable[..., dict[str, Any]]
) -> None:
    known = claim_maker(
        "text.toy.accuracy",
        "Accuracy",
        value=0.99,
        margin=0.001,
        run="text.toy",
        metric="accuracy",
        split="validation",
    )
    known["known"] = {"outcome": "refuted", "reason": "the split leaked"}
    (row,) = audit_context(read_case(bundle_maker([known])))["parts"][0]["rows"]
    assert row["known"] == " Known to be refuted: the split leaked."


def test_page_one_tells_grade_and_trust(audit: dict[str, Any]) -> None:
    assert (
        audit["first"].evidence
        == "Published for 2 claims, reduced for 1 claim and none for 1. Not as published:"
        " training epochs 2 instead of 3."
    )
    assert audit["first"].trust.startswith(
        "L2 recomputed for 2 claims: medpipe check-report computes the verdict again from the"
        " attached per-sample predictions"
    )
    assert "L1 bound for 1 claim: as the run reported it, unchanged since." in audit["first"].trust
    assert audit["grade"] == "published and reduced"
    assert audit["demonstration"] == ""


def test_demonstration_data_is_called_so(bundle_maker: Maker) -> None:
    case = read_case(bundle_maker(source="demonstration"))
    audit = audit_context(case)
    assert audit["demonstration"] == "demonstration data: not evidence"
    unknown = " ".join(audit["first"].rows[2].sentences)
    assert "2 claims were run on demonstration data only. This shows that the software" in unknown
    assert "says nothing about the claims." in unknown
    assert "demonstration" in card_context(case)["not_for"][1]


def test_deviations_name_the_claims_that_they_stop(audit: dict[str, Any]) -> None:
    tables = {t["name"]: t for t in audit["deviations"]}
    assert tables["text.toy"]["rows"] == []
    assert tables["imaging.toy"]["rows"] == [
        {"path": "training epochs", "published": "3", "used": "2", "stops": "3"}
    ]
    assert tables["imaging.toy"]["because"] == "Time is short."
    assert (
        tables["imaging.toy"]["unstated"][0]["text"] == "The number of epochs is read off a figure."
    )


def test_what_is_not_known_says_what_it_would_take(audit: dict[str, Any]) -> None:
    assert [(u["claims"], u["takes"]) for u in audit["unknown"]] == [
        ("3", "A run with training epochs 3 (here 2)."),
        ("4", "A run of the published protocol, or the missing data."),
    ]


def test_runs_and_ledger(audit: dict[str, Any], small_bundle: Bundle) -> None:
    rows = [r for g in audit["runs"] for r in g["rows"]]
    assert [r["key"] for r in rows] and {r["key"] for r in rows} == set(small_bundle.keys())
    assert {r["duration"] for r in rows} == {"1 min 15 s"}
    ledger = audit["ledger"]
    assert (ledger["started"], ledger["finished"], ledger["failed"], len(ledger["unfinished"])) == (
        5,
        4,
        0,
        1,
    )
    assert ledger["head"] == small_bundle.ledger()[-1].digest
    assert (ledger["ledgers"], ledger["untold"], ledger["runs"]) == (1, 0, len(small_bundle.keys()))


def test_runs_whose_starts_no_ledger_tells_are_counted(case: ReportData) -> None:
    own = tuple(e for e in case.attempts.own if e.run != next(iter(case.evidence)))
    told = evidence_record.ledger(replace(case, attempts=Attempts(own)))
    assert (told["untold"], told["runs"]) == (1, len(case.evidence))


def test_a_remark_on_all_runs_is_said_once() -> None:
    rows = [
        {"key": key, "remarks": remarks}
        for key, remarks in (("a", ["both", "one"]), ("b", ["both"]))
    ]
    left = [{"key": "a", "remarks": ["one"]}, {"key": "b", "remarks": []}]
    assert _group("toy", rows) == {"title": "toy", "shared": ["both"], "rows": left}
    assert _group("toy", rows[:1])["shared"] == [] and _group("toy", rows[:1])["rows"] == rows[:1]


def test_provenance_prints_digests_in_full(
    audit: dict[str, Any], small_bundle: Bundle, case: ReportData
) -> None:
    printed = {value for _, entries in audit["provenance"] for _, value in entries}
    root, specs = (d.removeprefix("sha256:") for d in (small_bundle.root_digest, case.specs.digest))
    assert {root, specs, "1" * 64, "2" * 64, "3" * 64} <= printed
    assert "feed, with changes that were not committed" in printed


def test_number_and_time_come_from_the_evidence(case: ReportData, small_bundle: Bundle) -> None:
    assert case.created.isoformat() == max(e.time for e in small_bundle.ledger())
    assert case.number == f"{case.created:%Y-%m-%d}-{small_bundle.root_digest[7:15]}"


def test_a_bundle_without_attempts_has_nothing_to_report(
    small_bundle: Bundle, tmp_path: Path
) -> None:
    bundle = Bundle.create(tmp_path / "empty", "made-up", "small")
    bundle.write_specs(small_bundle.specs())
    bundle.write("verdicts.json", (small_bundle.folder / "verdicts.json").read_bytes())
    bundle.seal()
    with pytest.raises(BundleError, match="at least one run or attempt to report on, got none"):
        read_case(bundle)


def test_verdicts_have_to_be_those_of_the_claims(bundle_maker: Maker) -> None:
    bundle = bundle_maker()
    document = json.loads((bundle.folder / "verdicts.json").read_bytes())
    document["verdicts"].pop()
    bundle.write("verdicts.json", json.dumps(document).encode())
    bundle.seal()
    with pytest.raises(
        BundleError,
        match=r"one verdict for every claim, got none or no claim for imaging\.toy\.gap",
    ):
        read_case(bundle)


def test_words_that_a_report_does_not_use(audit: dict[str, Any], case: ReportData) -> None:
    for text in [*texts(audit), *texts(card_context(case))]:
        assert not re.search(r"significan|\bprove[sdn]?\b|\bproof\b", text, re.IGNORECASE), text


def test_every_card_field_is_filled_with_a_source_or_left_to_the_author(case: ReportData) -> None:
    card = card_context(case)
    cells = [c for _, section in card["sections"] for c in section] + card["resources"]
    assert [c.field for c in cells][:5] == [
        "ModelName",
        "ModelDeveloper",
        "DeveloperContact",
        "ReleaseStage",
        "ReleaseDate",
    ]
    assert len({c.field for c in cells}) == len(cells) == 38
    for cell in cells:
        assert bool(cell.said) == bool(cell.cites)
    filled = {c.field: c for c in cells if not c.is_open}
    assert {
        "IntendedUseAndWorkflow",
        "ModelDeveloper",
        "ClinicalRiskLevel",
        "FundingSource",
    }.isdisjoint(filled)
    assert filled["ModelName"].said == ("Toy image model", "Toy text model")
    assert (
        filled["FoundationModels"].said[0] == "Toy image model: published imagenet, used imagenet."
    )
    assert (
        filled["OutcomesAndOutputs"].said[0]
        == "Toy image model: a probability for each of benign, malignant, other."
    )
    assert card["open"] == sum(c.is_open for _, s in card["sections"] for c in s)


def test_key_metrics_carry_interval_n_verdict_and_grade(case: ReportData) -> None:
    useful, fair, steady = card_context(case)["metrics"]
    assert [r["id"] for r in useful["rows"]] == ["text.toy.accuracy", "imaging.toy.accuracy"]
    assert {k: useful["rows"][1][k] for k in ("n", "outcome", "grade")} == {
        "n": "900",
        "outcome": "inconclusive",
        "grade": "reduced",
    }
    assert (
        fair["rows"] == []
        and fair["left"] == "1 not tested, of 1 claim of this kind: see the audit report."
    )
    assert steady["left"] == "No claim of this kind was audited."


@given(st.sets(st.integers(1, 60), min_size=1))
def test_spans_name_each_number_once(numbers: set[int]) -> None:
    named: list[int] = []
    for piece in labels.spans(numbers).split(", "):
        first, _, last = piece.partition("–")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)


@given(
    st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=40),
    st.floats(80, 400),
)
def test_more_words_take_no_fewer_lines(said: list[str], width: float) -> None:
    counts = [line_count(" ".join(said[:k]), 9.5, width) for k in range(1, len(said) + 1)]
    assert counts == sorted(counts) and counts[0] == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "0.2 s"), (48, "48 s"), (320, "5 min 20 s"), (7380, "2 h 03 min"), (0, "0 s")],
)
def test_durations(seconds: float, said: str) -> None:
    assert labels.duration(seconds) == said


def test_values_as_people_read_them() -> None:
    assert [labels.value(v) for v in (None, True, ["a", "b"], 1e-4, 3)] == [
        "none",
        "yes",
        "a or b",
        "0.0001",
        "3",
    ]


def test_the_card_counts_samples_with_a_truth_and_nothing_else() -> None:
    ids, numbers = np.array(["a", "b"]), np.array([0, 1])
    columns = {
        "testing": {"y_true": numbers},
        "seen": {"label": ids},
        "quality": {"label": ids, "origin": ids},
        "parity_script": {"y_true": numbers, "reference_pred": numbers},
        "latency": {"slug": ids},
    }
    splits = {
        name: Observations({"sample_id": ids, **arrays}, classes=("no", "yes"))
        for name, arrays in columns.items()
    }
    assert [name for name, o in splits.items() if _of_data(o)] == ["testing", "seen"]
