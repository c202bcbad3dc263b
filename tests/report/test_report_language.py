"""The words of rendered documents: no invented words, no keys of parameters, no exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")

from plain_english import RAW, coinages, without_markup

from medpipe.evidence import Bundle
from medpipe.report.labels import plain_reason
from medpipe.report.report_data import read_case
from medpipe.report.write import audit_html, card_html


@pytest.fixture
def texts(
    bundle_maker: Callable[..., Bundle], claim_maker: Callable[..., dict[str, Any]]
) -> dict[str, str]:
    """The words of report and model card. Runs lack a split, a scalar and a column that claims
    name.
    """
    scored = {"run": "imaging.toy", "metric": "accuracy", "split": "validation"}
    claims = [
        claim_maker(
            "text.toy.accuracy", "Accuracy", run="text.toy", metric="accuracy", split="validation"
        ),
        claim_maker("imaging.toy.accuracy", "Slices", **scored),
        claim_maker("imaging.toy.gap", "Gap between sites", unit="points", **scored, by="site"),
        claim_maker(
            "imaging.toy.split", "A missing split", **{**scored, "split": "speed_script_cuda"}
        ),
        claim_maker(
            "text.toy.scalar", "A missing scalar", unit="count", run="text.toy", scalar="size_mb"
        ),
    ]
    case = read_case(bundle_maker(claims))
    return {
        "report": without_markup(audit_html(case)),
        "card": without_markup(card_html(case)),
        "reasons": " ".join(i.verdict.reason for i in case.items),
    }


def test_rendered_documents_use_no_invented_words(texts: dict[str, str]) -> None:
    assert {n: coinages(texts[n]) for n in ("report", "card")} == {"report": [], "card": []}


@pytest.mark.parametrize("kind", RAW)
def test_rendered_documents_show_no_raw_keys_and_no_exceptions(
    texts: dict[str, str], kind: str
) -> None:
    assert {n: RAW[kind].findall(texts[n]) for n in ("report", "card")} == {
        "report": [],
        "card": [],
    }


def test_the_stored_reasons_do_hold_technical_messages(texts: dict[str, str]) -> None:
    for kind in ("a key with underscores", "a path of parameters", "a technical message"):
        assert RAW[kind].search(texts["reasons"]), kind
    assert "the run has no GPU measurements" in texts["report"]


@pytest.mark.parametrize(
    ("stored", "plain"),
    [
        (
            "run x-1-s0: expected observations of the split 'speed_script_cuda', got a and 5 more",
            "the run has no GPU measurements",
        ),
        (
            "run x-1-s0: expected the scalar 'size_mb', got a",
            "the run has no results for “size mb”",
        ),
        (
            "the data has no column 'sex': sex of the patients is not known",
            "the sex of the patients is not known",
        ),
        (
            "not the published protocol (training.epochs: 2 for 3; data.rows: 5 for 9); x",
            "not the published protocol (training epochs: 2 for 3; data rows: 5 for 9); x",
        ),
        (
            "the interval lies inside the accepted region",
            "the interval lies inside the accepted region",
        ),
    ],
)
def test_stored_reasons_in_plain_words(stored: str, plain: str) -> None:
    assert plain_reason(stored) == plain
