"""Figures: small, the same every time, well-formed whatever they are asked to print, and true to
the observations.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.evidence import Bundle, Evidence, Observations
from medpipe.report.figures import (
    Figure,
    confusion_matrix,
    evidence_keys,
    interval_figures,
    learning_curves,
    reliability,
)
from medpipe.report.figures.interval_plot import offset
from medpipe.report.figures.svg import Drawing, Scale, fitted, signed, text_width, wrapped
from medpipe.report.report_data import ReportData, claim_on, read_case, splits_of

SVG = "{http://www.w3.org/2000/svg}"
EvidenceMaker = Callable[..., Evidence]


@pytest.fixture(scope="module")
def case(small_bundle: Bundle) -> ReportData:
    return read_case(small_bundle)


def figures_of(case: ReportData) -> list[Figure]:
    found: list[Figure | None] = [
        f for part in case.parts for f in interval_figures(case.of_part(part))
    ]
    for part in case.parts:
        for protocol in case.protocols_of(part):
            made = case.made(protocol)
            found.append(
                learning_curves("Model", made, claim_on(case, protocol, "accuracy", "validation"))
            )
            for split in splits_of(case, protocol):
                found += [
                    confusion_matrix("Model", made[0], split),
                    reliability("Model", made[0], split),
                ]
    assert None not in found
    return [f for f in found if f is not None]


def words_in(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_every_figure_is_small_well_formed_and_described(case: ReportData) -> None:
    figures = figures_of(case)
    assert (
        len(figures) == 3 + 2 * 3
    )  # text: shares and counts, imaging: shares; curves, matrix and reliability of each protocol
    for figure in figures:
        assert len(figure.svg) < 60_000
        ElementTree.fromstring(figure.svg)
        assert b64decode(figure.uri.partition(",")[2]).decode() == figure.svg
        assert not re.search(r"\b(nan|inf)\b", figure.svg)
        assert figure.answer.endswith(".") and figure.details.endswith(".") and len(figure.alt) > 60
        assert "href" not in figure.svg and "http" not in figure.svg.replace(
            "http://www.w3.org/2000/svg", ""
        )


def test_figures_are_the_same_every_time(case: ReportData) -> None:
    assert [f.svg for f in figures_of(case)] == [f.svg for f in figures_of(case)]


def test_interval_plot_shows_every_claim_of_the_part_by_number_and_outcome(
    case: ReportData,
) -> None:
    (plot,) = interval_figures(case.of_part("imaging"))
    assert plot.answer == "Of 2 measured claims here, 1 inconclusive and 1 not tested."
    said = words_in(plot.svg)
    assert {"3", "Accuracy on slices", "4", "Gap between sites", "– not tested"} <= set(said)
    assert "Accuracy on slices: published 80.00 %, found" in plot.alt


def test_supported_refuted_and_inconclusive_look_different(case: ReportData) -> None:
    shares, counts = interval_figures(case.of_part("text"))
    (imaging,) = interval_figures(case.of_part("imaging"))

    def marks(figure: Figure) -> tuple[int, int, int]:
        discs = [e.attrib["fill"] for e in ElementTree.fromstring(figure.svg).iter(f"{SVG}circle")]
        return sum(f != "#ffffff" for f in discs), discs.count("#ffffff"), figure.svg.count("<path")

    assert marks(shares) == (1, 0, 0)  # supported: filled
    assert marks(imaging) == (0, 1, 1)  # inconclusive: a ring with a filled half
    assert (
        marks(counts) == (0, 0, 0) and "polygon" in counts.svg
    )  # refuted so far out that an arrow points at it


def test_offsets_are_zero_at_the_published_value(case: ReportData) -> None:
    for item in case.items:
        assert offset(item.verdict.published, item) == 0
    accuracy, parameters = case.items[0], case.items[1]
    assert offset(0.85, accuracy) == pytest.approx(5)
    assert offset(1234, parameters) == pytest.approx(23.4)


@pytest.mark.parametrize(
    "title", ["Short", "A title so long that it takes two lines beside the axis of the figure"]
)
def test_many_claims_are_drawn_on_pages_that_each_hold_their_figure(
    case: ReportData, title: str
) -> None:
    tested = next(
        i for i in case.items if i.verdict.unit == "proportion" and i.verdict.interval is not None
    )
    items = [
        replace(tested, number=n, claim=replace(tested.claim, title=title)) for n in range(1, 71)
    ]
    figures = interval_figures(items)
    heights = [float(ElementTree.fromstring(f.svg).attrib["viewBox"].split()[3]) for f in figures]
    assert (
        max(heights) <= 520
    )  # points; the body of a page has 714, and a heading and the caption stand there too
    assert {str(n) for n in range(1, 71)} <= {w for f in figures for w in words_in(f.svg)}
    assert sum(int(f.answer.split()[1]) for f in figures) == 70


def test_nothing_is_drawn_where_nothing_was_tested(case: ReportData) -> None:
    assert interval_figures([case.items[3]]) == []


def test_confusion_matrix_agrees_with_scikit_learn(evidence_maker: EvidenceMaker) -> None:
    run = evidence_maker(seed=3)
    o = run.observations["validation"]
    figure = confusion_matrix("Model", run, "validation")
    assert figure is not None
    expected = pytest.importorskip("sklearn.metrics").confusion_matrix(o["y_true"], o["y_pred"])
    counts = [w for w in words_in(figure.svg) if w.replace(",", "").isdigit()]
    assert counts == [str(v) for v in expected.ravel()]
    shares = [w for w in words_in(figure.svg) if w.endswith(" %")]
    assert shares == [f"{100 * v / expected[r].sum():.0f} %" for r in range(3) for v in expected[r]]
    errors = expected - np.diag(np.diag(expected))
    assert (
        f"{np.trace(expected)} of 900 are right" in figure.answer
        and f"{errors.max():,} of" in figure.answer
    )
    assert "n = 900, seed 3 alone" in figure.details


def test_reliability_states_the_calibration_error(evidence_maker: EvidenceMaker) -> None:
    run = evidence_maker(seed=1)
    o = run.observations["validation"]
    figure = reliability("Model", run, "validation")
    assert figure is not None
    p = o["y_prob"].astype(float).max(axis=1)
    right = o["y_true"] == o["y_pred"]
    error = 0.0
    for k in range(10):
        chosen = (p >= k / 10) & (p < (k + 1) / 10)
        if chosen.any():
            error += chosen.mean() * abs(p[chosen].mean() - right[chosen].mean())
    assert f"by bin they differ by {100 * error:.1f} points" in figure.answer
    direction = "higher" if p.mean() > right.mean() else "lower"
    assert f"{100 * abs(p.mean() - right.mean()):.1f} points {direction} than" in figure.answer
    assert sum(int(m) for m in re.findall(r"(\d+) samples,", figure.alt)) == 900


def test_learning_curves_say_where_validation_ends(evidence_maker: EvidenceMaker) -> None:
    runs = [evidence_maker(seed=0, accuracy=0.80), evidence_maker(seed=4, accuracy=0.84)]
    figure = learning_curves("Model", runs, None)
    assert figure is not None
    assert (
        figure.answer
        == "Validation accuracy ends at 80.3 % (mean of 2 seeds, 78.3 to 82.3 by seed); the last"
        " epoch is the best."
    )
    assert "seeds 0, 4" in figure.details and "n = 900 validation samples" in figure.details
    assert figure.keys == evidence_keys(runs)
    assert figure.svg.count("<polyline") == 2 * 2 * (
        2 + 1
    )  # two panels, two series, each run and the mean


def test_a_diverged_run_leaves_a_gap_and_a_single_epoch_no_curve(
    evidence_maker: EvidenceMaker,
) -> None:
    whole = evidence_maker(seed=0)
    broken = evidence_maker(
        seed=1,
        history=[
            {**row, "validation_loss": None} if row["epoch"] > 1 else row for row in whole.history
        ],
    )
    figure = learning_curves("Model", [whole, broken], None)
    assert figure is not None and "nan" not in figure.svg
    assert learning_curves("Model", [evidence_maker(epochs=1)], None) is None
    assert learning_curves("Model", [evidence_maker(history=[])], None) is None


def test_no_figure_without_what_it_needs(evidence_maker: EvidenceMaker) -> None:
    bare = Observations({"sample_id": np.array(["a", "b"]), "y_true": np.array([0, 1])}, ("x", "y"))
    run = evidence_maker(observations={"validation": bare})
    assert confusion_matrix("Model", run, "validation") is None
    assert reliability("Model", run, "validation") is None
    many = np.arange(40)
    crowd = Observations(
        {"sample_id": many.astype(str), "y_true": many, "y_pred": many},
        tuple(f"class {k}" for k in many),
    )
    assert (
        confusion_matrix("Model", evidence_maker(observations={"validation": crowd}), "validation")
        is None
    )


def test_text_in_a_drawing_stays_text() -> None:
    drawing = Drawing(100, 100)
    drawing.text((0, 10), '<image href="file:///etc/passwd"/> & "quotes" \u202e\x00漢')
    assert words_in(drawing.svg()) == ['<image href="file:///etc/passwd"/> & "quotes" ?']


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_inside(low: float, width: float) -> None:
    scale = Scale(low, low + width, 0, 100)
    values, decimals = scale.ticks()
    assert 1 <= len(values) <= 8
    steps = {round(b - a, decimals + 3) for a, b in pairwise(values)}
    assert len(steps) <= 1
    for v in values:
        assert low - 1e-6 * width <= v <= low + 1.000001 * width
        assert math.isclose(float(f"{v:.{decimals}f}"), v, abs_tol=1e-9 * max(1, abs(v)))


@given(st.text("abc DEF-%.", max_size=120), st.floats(30, 300))
def test_wrapped_lines_fit(said: str, width: float) -> None:
    lines = wrapped(said, 8, width)
    assert len(lines) <= 2 and all(text_width(line, 8) <= width for line in lines)
    if all(not line.endswith("…") for line in lines):
        assert " ".join(lines).split() == said.split()


def test_fitted_text_is_cut_with_an_ellipsis() -> None:
    assert fitted("short", 8, 100) == "short"
    assert fitted("a very long name of a class", 8, 40).endswith("…")


@pytest.mark.parametrize(
    ("value", "decimals", "said"), [(0.0, 1, "0"), (-1.5, 1, "−1.5"), (2.0, 0, "+2")]
)
def test_signed_numbers(value: float, decimals: int, said: str) -> None:
    assert signed(value, decimals) == said


def test_keys_share_their_stem_only_where_it_is_the_same(evidence_maker: EvidenceMaker) -> None:
    one, two = evidence_maker(seed=0), evidence_maker(seed=1)
    assert evidence_keys([one]) == one.run.key
    assert evidence_keys([one, two]) == f"{one.run.key}, {two.run.key}"


def test_interval_plot_survives_extremes(
    claim_maker: Callable[..., dict[str, Any]], bundle_maker: Callable[..., Bundle]
) -> None:
    claims = [
        claim_maker(
            "text.toy.zero",
            "A" * 90,
            value=0,
            margin=0,
            unit="count",
            printed="0",
            run="text.toy",
            scalar="parameters",
        ),
        claim_maker(
            "text.toy.far",
            "Far <out> & away",
            value=0.01,
            margin=0,
            run="text.toy",
            metric="accuracy",
            split="validation",
        ),
    ]
    extreme = read_case(bundle_maker(claims))
    for figure in interval_figures(extreme.items):
        ElementTree.fromstring(figure.svg)
        assert "polygon" in figure.svg
