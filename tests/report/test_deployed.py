"""The figures and tables of deployment show every form, and no form that fails wins."""

from __future__ import annotations

import pytest
from made_up_ladder import ladder_evidence

from medpipe.audits.attribution import GPU_STEPS, STEPS, attributed
from medpipe.evidence import Bundle
from medpipe.report.case import Case, read_case
from medpipe.report.deployed import deployed
from medpipe.report.figures import deployment_figures

TIMES = {"eager_grad": 1.0, "eager": 1.1, "eager_channels_last": 1.2, "frozen": 1.5, "frozen_bf16": 3.0, "openvino_int8": 6.0}


def test_figures_name_the_winner_and_every_form() -> None:
    ladder, roofline = deployment_figures("Ladder", [ladder_evidence(TIMES, {"openvino_int8": 60})])
    assert ladder.answer.startswith("frozen_bf16 is the fastest") and "openvino_int8" in ladder.svg and "differ" in ladder.svg
    assert "openvino_int8 comes nearest" in roofline.answer and all(slug in roofline.svg for slug in TIMES)
    assert deployment_figures("Ladder", []) == []


def test_tables_hold_forms_and_factors(small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    case = read_case(small_bundle)
    assert all(deployed(case, part) is None for part in case.parts)
    monkeypatch.setattr(Case, "made", lambda self, name: (ladder_evidence(TIMES, {"openvino_int8": 60}),))
    table = deployed(case, case.parts[0])
    assert table is not None and table["winner"] == "frozen_bf16"
    rows = {r["form"]: r for r in table["rows"]}
    assert rows["openvino_int8"]["answers"] == "differ" and rows["openvino_int8"]["flipped"] == "60"
    assert rows["eager"]["answers"] == "reference"
    assert rows["tensorrt"]["state"] == "not installed" and rows["tensorrt"]["times"] == "–"
    assert [f["times"] for f in table["factors"][-4:]] == ["not tested"] * 4  # no GPU: unknown, not 1


def test_factors_multiply_to_the_whole() -> None:
    *factors, whole = attributed(ladder_evidence(TIMES).observations, STEPS)
    product = 1.0
    for f in factors:
        assert f.interval is not None
        product *= f.interval.estimate
    assert whole.interval is not None and whole.interval.estimate == pytest.approx(product) == pytest.approx(3.0, rel=0.05)
    assert all(f.interval is None for f in attributed(ladder_evidence(TIMES).observations, GPU_STEPS))
