"""The figures and tables of deployment show every form, and no form that fails wins."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_ladder import ladder_evidence

from medpipe.audits.attribution import GPU_STEPS, STEPS, attributed
from medpipe.evidence import Bundle, Observations
from medpipe.report.deployment_tables import deployed
from medpipe.report.figures import deployment_figures
from medpipe.report.figures.backend_plot import BESIDE, _apart
from medpipe.report.figures.svg import text_width
from medpipe.report.report_data import ReportData, read_case

TIMES = {
    "eager_grad": 0.9,
    "eager_no_grad": 1.0,
    "eager": 1.1,
    "eager_channels_last": 1.2,
    "frozen": 1.5,
    "frozen_bf16": 3.0,
    "openvino_int8": 6.0,
}


def test_figures_name_the_winner_and_every_form() -> None:
    ladder, roofline = deployment_figures("Ladder", [ladder_evidence(TIMES, {"openvino_int8": 60})])
    assert (
        ladder.answer.startswith("frozen_bf16 is the fastest")
        and "openvino_int8" in ladder.svg
        and "differ" in ladder.svg
    )
    (share,) = re.findall(r"^frozen comes nearest to its limit: (\d+) %", roofline.answer)
    assert int(share) == pytest.approx(
        60, abs=5
    )  # 4e8 operations in a fifteenth of a second, of 1e10
    assert "the precision of frozen_bf16 and openvino_int8: they have no share" in roofline.details
    assert (
        all(slug in roofline.svg for slug in TIMES)
        and ">openvino_int8<" in roofline.svg
        and ">frozen, " in roofline.svg
    )
    assert deployment_figures("Ladder", []) == []


def test_nothing_is_cut_at_the_edges_and_no_two_names_lie_on_each_other() -> None:
    many = {"eager_no_grad": 1.0, "eager": 1.0} | {
        f"eager_channels_last_bf{k}": 1.0 + k / 100 for k in range(16)
    }
    for figure in deployment_figures("Ladder", [ladder_evidence(many)]):
        width, height = (
            float(v) for v in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure.svg)[0]
        )
        start = (
            r'<text x="([\d.]+)" y="([\d.]+)" font-size="([\d.]+)" fill="[^"]+"'
            r' text-anchor="start"[^>]*>([^<]+)<'
        )
        texts = re.findall(start, figure.svg)
        assert len(texts) > len(many)
        assert all(
            float(x) + text_width(words, float(size)) <= width and 0 < float(y) <= height
            for x, y, size, words in texts
        )
        for column in {x for x, *_ in texts}:
            lines = sorted(float(y) for x, y, *_ in texts if x == column)
            assert all(below - above >= 7 for above, below in itertools.pairwise(lines))


@given(st.lists(st.floats(0, 400), min_size=1, max_size=40))
def test_names_are_kept_apart_and_above_the_foot(wanted: list[float]) -> None:
    places = _apart(sorted(wanted), 190.0)
    gap = min(BESIDE, 190.0 / len(wanted))
    assert len(places) == len(wanted) and max(places) <= 190
    assert all(below - above >= gap - 1e-9 for above, below in itertools.pairwise(places))


def test_tables_hold_forms_and_factors(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read_case(small_bundle)
    assert all(deployed(case, part) is None for part in case.parts)
    made = ladder_evidence(TIMES, {"openvino_int8": 60}, flips_timed={"frozen": 1})
    monkeypatch.setattr(ReportData, "made", lambda self, name: (made,))
    table = deployed(case, case.parts[0])
    assert table is not None and table["winner"] == "frozen_bf16"
    rows = {r["form"]: r for r in table["rows"]}
    assert rows["openvino_int8"]["answers"] == "differ" and rows["openvino_int8"]["flipped"] == "60"
    assert rows["eager"]["answers"] == "reference" and rows["frozen"]["flipped_timed"] == "1"
    assert (
        rows["frozen"]["ready"] == "1.5" and rows["tensorrt"]["ready"] == "–"
    )  # export and first answer together
    assert (table["checked"], table["checked_batches"]) == (64, "1 and 8")
    assert rows["tensorrt"]["state"] == "not installed" and rows["tensorrt"]["times"] == "–"
    assert [f["times"] for f in table["factors"][-4:]] == [
        "not tested"
    ] * 4  # no GPU: unknown, not 1


def test_times_have_quantiles_and_rates_by_batch(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, e = read_case(small_bundle), ladder_evidence(TIMES)
    seconds = e.observations["speed_eager"]["seconds"]
    count = len(seconds)
    kinds = (("end_to_end", 1), ("end_to_end", 8), ("from_file", 1))
    latency = Observations(
        {
            "sample_id": np.array(
                [f"{scope}/{batch}/{k}" for scope, batch in kinds for k in range(count)]
            ),
            "slug": np.full(3 * count, "eager"),
            "scope": np.repeat(["end_to_end", "end_to_end", "from_file"], count),
            "batch": np.repeat([1, 8, 1], count),
            "seconds": np.concatenate([seconds, 4 * seconds, seconds + 0.01]),
        }
    )
    timed = replace(
        e,
        observations={**e.observations, "latency": latency},
        scalars={**e.scalars, "memory_mb_eager": 12.4},
    )
    monkeypatch.setattr(ReportData, "made", lambda self, name: (timed,))
    table = deployed(case, case.parts[0])
    assert table is not None
    row = {r["form"]: r for r in table["times"]}["eager"]
    median, p95, p99 = row["quantiles"]
    assert median.startswith(
        (f"{1000 * np.median(seconds):.1f} (", f"{1000 * np.median(seconds):.0f} (")
    )
    assert "…" not in median and p95 != median and p99.endswith("to …)")
    assert (
        float(row["file"]) == pytest.approx(1000 * np.median(seconds) + 10, abs=0.06)
        and row["memory_mb"] == "12"
    )
    assert row["alone"] == "–"  # not timed
    assert (row["energy_j"], {r["form"]: r for r in table["times"]}["frozen"]["file"]) == ("–", "–")
    assert table["rates"]["sizes"] == [1, 8] and [r["form"] for r in table["rates"]["rows"]] == [
        "eager"
    ]
    one, eight = (float(c.split()[0]) for c in table["rates"]["rows"][0]["cells"])
    assert eight == pytest.approx(2 * one, rel=0.02)


def test_factors_multiply_to_the_whole() -> None:
    *factors, whole = attributed(ladder_evidence(TIMES).observations, STEPS)
    product = 1.0
    for f in factors:
        assert f.interval is not None
        product *= f.interval.estimate
    assert whole.interval is not None and whole.interval.estimate == pytest.approx(
        product
    ) == pytest.approx(3.0, rel=0.05)
    assert all(
        f.interval is None for f in attributed(ladder_evidence(TIMES).observations, GPU_STEPS)
    )
