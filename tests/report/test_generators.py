"""The tables of generators: each measurement of each generator, and remedies below the failure that they were tried on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_generators import memory, quality, scored

from medpipe.claims.claim import Measure
from medpipe.evidence import Bundle, Evidence, Run
from medpipe.report.case import Case, Item, read_case
from medpipe.report.generators import COURSE, MEASURED, measured_generators, remedies


def generator(evidence: Evidence, spread: float, gradient: float) -> Evidence:
    draw = np.random.default_rng(4)
    real, made = draw.normal(size=(40, 4)), spread * draw.normal(size=(40, 4))
    near, away = draw.uniform(0.5, 0.9, 40), draw.uniform(0.5, 0.9, 40)
    seen = {"quality": quality(made, real, real + 0.01), "memory": memory((near, away), (away, near)),
            "pairs": scored("generated", near, "training", away, "ms_ssim"),
            "membership": scored("training", near, "held_out", away, "discriminator", "generator")}
    return replace(evidence, run=Run("image_synthesis", {"spread": spread}, evidence.run.seed), observations=seen,
                   scalars={"generator_gradient_log10": gradient})


@pytest.fixture
def case(small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Case:
    read = read_case(small_bundle)
    part = read.parts[0]
    protocols = read.protocols_of(part)
    one = read.made(protocols[0])[0]
    same = generator(one, 1.0, 0.5)
    made: dict[str, Any] = {"coded": [same], "again": [same], "failing": [generator(one, 0.1, -2.0)],
                            "remedied": [generator(one, 0.9, 0.0)]}
    claim = read.items[0].claim
    against = replace(claim, measure=Measure(run="remedied", metric="coverage", split="quality", minus=Measure(run="failing")))
    monkeypatch.setattr("medpipe.report.generators.protocol_title", lambda case, name: name)
    monkeypatch.setattr(Case, "protocols_of", lambda self, part: tuple(made))
    monkeypatch.setattr(Case, "made", lambda self, name: made[name])
    monkeypatch.setattr(Case, "of_part", lambda self, part: (Item(1, against, read.items[0].verdict),))
    return read


def test_each_generator_stands_once_with_every_measurement(case: Case) -> None:
    table = measured_generators(case, case.parts[0])
    assert table is not None and table["titles"] == ["coded, 1 run"]  # "again" has the same run, the others were provoked
    assert [r["what"] for r in table["rows"]] == [what for what, *_ in MEASURED]
    cells = {r["what"]: r["cells"][0] for r in table["rows"]}
    assert "to" in cells["coverage"] and cells["classes surely made"] != "–" and "40 generated and 40 real" in table["n"]


def test_remedies_stand_below_their_failure(case: Case) -> None:
    table = remedies(case, case.parts[0])
    assert table is not None and [(r["title"], r["baseline"]) for r in table["rows"]] == [("failing", True), ("remedied", False)]
    assert table["columns"] == [what for what, *_ in COURSE] and table["rows"][0]["cells"][3].startswith("\N{MINUS SIGN}2")


def test_without_generators_there_is_nothing(small_bundle: Bundle) -> None:
    read = read_case(small_bundle)
    assert all(measured_generators(read, part) is None and remedies(read, part) is None for part in read.parts)
