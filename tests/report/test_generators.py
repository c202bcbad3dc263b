"""The tables of generators: each measurement of each generator, and remedies below the failure that
they were tried on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_generators import CLASSES, memory, quality, scored

from medpipe.evidence import Bundle, Evidence, Observations, Run
from medpipe.report.generator_tables import COURSE, MEASURED, measured_generators, remedies
from medpipe.report.report_data import ClaimResult, ReportData, read_case
from medpipe.specs.claim import Measure


def generator(evidence: Evidence, spread: float, gradient: float) -> Evidence:
    draw = np.random.default_rng(4)
    real, made = draw.normal(size=(40, 4)), spread * draw.normal(size=(40, 4))
    near, away = draw.uniform(0.5, 0.9, 40), draw.uniform(0.5, 0.9, 40)
    seen = {
        "quality": quality(made, real, real + 0.01),
        "memory": memory((near, away), (away, near)),
        "pairs": scored("generated", near, "training", away, "ms_ssim"),
        "membership": scored("training", near, "held_out", away, "discriminator", "generator"),
    }
    return replace(
        evidence,
        run=Run("image_synthesis", {"spread": spread}, evidence.run.seed),
        observations=seen,
        scalars={"generator_gradient_log10": gradient},
    )


@pytest.fixture
def made(small_bundle: Bundle) -> dict[str, Any]:
    """The runs of each protocol; what a test changes here is what the case holds."""
    read = read_case(small_bundle)
    one = read.made(read.protocols_of(read.parts[0])[0])[0]
    same = generator(one, 1.0, 0.5)
    return {
        "coded": [same],
        "again": [same],
        "failing": [generator(one, 0.1, -2.0)],
        "remedied": [generator(one, 0.9, 0.0)],
    }


@pytest.fixture
def case(small_bundle: Bundle, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> ReportData:
    read = read_case(small_bundle)
    claim = read.items[0].claim
    against = replace(
        claim,
        measure=Measure(
            run="remedied", metric="coverage", split="quality", minus=Measure(run="failing")
        ),
    )
    monkeypatch.setattr("medpipe.report.generator_tables.protocol_title", lambda case, name: name)
    monkeypatch.setattr(ReportData, "protocols_of", lambda self, part: tuple(made))
    monkeypatch.setattr(ReportData, "made", lambda self, name: made[name])
    monkeypatch.setattr(
        ReportData, "of_part", lambda self, part: (ClaimResult(1, against, read.items[0].verdict),)
    )
    return read


def test_each_generator_stands_once_with_every_measurement(case: ReportData) -> None:
    table = measured_generators(case, case.parts[0])
    assert table is not None and table["titles"] == [
        "coded, 1 run"
    ]  # "again" has the same run, the others were provoked
    assert [r["what"] for r in table["rows"]] == [
        what.format(compared="all 40 training images") for what, *_ in MEASURED
    ]
    cells = {r["what"]: r["cells"][0] for r in table["rows"]}
    assert (
        "to" in cells["coverage"]
        and cells["classes covered"] != "–"
        and "40 generated and 40 real" in table["n"]
    )
    reads = {r["what"]: r["reads"] for r in table["rows"]}
    assert (
        reads["coverage"] == "about 97.4 % for a second real sample"
    )  # 39 others and 40 generated


def with_more(made: Evidence) -> Evidence:
    """The same where 160 images were seen, and classifiers were trained."""
    seen = Observations(
        {
            "sample_id": np.array([f"training/{i}" for i in range(160)]),
            "label": np.repeat("glioma", 160),
        }
    )
    tested = Observations(
        {
            "sample_id": np.array(["a", "b", "c", "d"]),
            "y_true": np.array([0, 0, 0, 1]),
            "y_pred": np.array([0, 0, 1, 1]),
            "y_prob": np.eye(4)[[0, 0, 1, 1]],
        },
        CLASSES,
    )
    names = ("trained_on_real", "trained_on_synthetic", "trained_balanced")
    return replace(
        made,
        observations={**made.observations, "seen": seen, **dict.fromkeys(names, tested)},
        scalars={**made.scalars, "audit_network_accuracy": 0.9},
    )


def test_what_was_compared_with_and_what_classifiers_reach_is_said(
    case: ReportData, made: dict[str, Any]
) -> None:
    made["coded"] = made["again"] = [with_more(made["coded"][0])]
    table = measured_generators(case, case.parts[0])
    assert table is not None
    rows = {r["what"]: r for r in table["rows"]}
    assert rows["proportion memorised from the 40 of 160 training images compared"][
        "reads"
    ].endswith("up to 4.0 times as many of all seen")
    real, synthetic = (
        rows["accuracy on real images, trained on real ones"],
        rows["the same, trained on synthetic images alone"],
    )
    assert real["reads"] == "the largest class: 75 %" and real["cells"][0].startswith("75")
    assert synthetic["reads"] == "labels from a network with 90 % accuracy"


def test_remedies_stand_below_their_failure(case: ReportData) -> None:
    table = remedies(case, case.parts[0])
    assert table is not None and [(r["title"], r["baseline"]) for r in table["rows"]] == [
        ("failing", True),
        ("remedied", False),
    ]
    assert table["columns"] == [what for what, *_ in COURSE] and table["rows"][0]["cells"][
        3
    ].startswith("\N{MINUS SIGN}2")


@pytest.mark.parametrize(
    ("metric", "failing", "words"),
    [
        ("coverage", {"called": 4}, "mode collapse did not occur"),
        ("coverage", {"called": 3}, "mode collapse occurred in 1 of 1 run"),
        ("membership_auc_discriminator", {}, "an overfitting discriminator did not occur"),
        (
            "membership_auc_discriminator",
            {"knows": 1.0},
            "an overfitting discriminator occurred in 1 of 1 run",
        ),
        ("generator_gradient_log10", {}, "vanishing gradients did not occur"),
        (
            "generator_gradient_log10",
            {"gradient": -3.0},
            "vanishing gradients occurred in 1 of 1 run",
        ),
    ],
)
def test_whether_the_failure_came_about_is_said(
    case: ReportData,
    made: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    failing: dict[str, Any],
    words: str,
) -> None:
    made["failing"] = [failed(made["coded"][0], **failing)]
    item = case.of_part(case.parts[0])[0]
    one = (
        Measure(run="remedied", scalar=metric)
        if metric.endswith("log10")
        else Measure(run="remedied", metric=metric, split="quality")
    )
    against = replace(item.claim, measure=replace(one, minus=Measure(run="failing")))
    monkeypatch.setattr(
        ReportData, "of_part", lambda self, part: (ClaimResult(1, against, item.verdict),)
    )
    table = remedies(case, case.parts[0])
    assert table is not None and [r["came_about"] for r in table["rows"]] == [words, ""]


def failed(one: Evidence, called: int = 4, knows: float = 0.0, gradient: float = 0.5) -> Evidence:
    """A generator that makes so many classes, whose discriminator knows its images so well, with
    such a gradient.
    """
    draw = np.random.default_rng(1)
    features = [draw.normal(size=(400, 4)) for _ in range(3)]
    attack = scored(
        "training",
        draw.normal(knows, 1, 400),
        "held_out",
        draw.normal(0, 1, 400),
        "discriminator",
        "generator",
    )
    seen = {"quality": quality(*features, called=np.arange(400) % called), "membership": attack}
    return replace(
        one,
        observations={**one.observations, **seen},
        scalars={"generator_gradient_log10": gradient},
    )


def test_without_generators_there_is_nothing(small_bundle: Bundle) -> None:
    read = read_case(small_bundle)
    assert all(
        measured_generators(read, part) is None and remedies(read, part) is None
        for part in read.parts
    )
