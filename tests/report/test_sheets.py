"""Contact sheets: the images of a group side by side, each with what was altered."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("fontTools", reason="the extra 'report' is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

from medpipe.audits.images.groups import SHEETS
from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.report.figures import sheet_figures

SVG = "{http://www.w3.org/2000/svg}"


def run(**changed: object) -> Evidence:
    """A group of 9 images of one slice, of which 3 are shown, and a pair of slices of a patient."""
    columns = {
        "sample_id": ["a/1.png", "a/2.png", "b/3.png", "c/4.png", "c/5.png"],
        "group": ["1", "1", "1", "2", "2"],
        "altered": ["the first", "mirrored", "sharpened", "the first", "rotated by 3°"],
        "kind": ["altered"] * 3 + ["same patient likely"] * 2,
        "classes": ["glioma, pituitary"] * 3 + ["glioma"] * 2,
        "count": [9, 9, 9, 2, 2],
        "slices": [1, 1, 1, 2, 2],
    }
    seen = Observations(
        {
            **{name: np.array(values) for name, values in columns.items()},
            "pixels": np.arange(5 * 96 * 96).reshape(5, 96, 96).astype(np.uint8),
        }
    )
    return Evidence(Run("toy", {}, 0), {}, Provenance("sha256:0", {}, {}), {SHEETS: seen})


def test_each_group_is_a_figure_that_says_what_was_altered() -> None:
    one, other = sheet_figures("Data", run())
    assert one.answer == "9 images of the same slice, filed under glioma, pituitary."
    assert "The first 3 are shown" in one.details and "altered" in one.details
    assert (
        other.answer == "2 images of 2 slices that are likely of one patient, filed under glioma."
    )
    assert "All are shown" in other.details
    drawing = ElementTree.fromstring(one.svg)
    assert len(list(drawing.iter(f"{SVG}image"))) == 3
    words = [element.text for element in drawing.iter(f"{SVG}text")]
    assert words == ["1.png", "the first", "2.png", "mirrored", "3.png", "sharpened"]
    assert all(words in one.alt for words in ("a/2.png: mirrored", "b/3.png: sharpened"))


def test_a_run_without_groups_has_no_figure() -> None:
    assert (
        sheet_figures("Data", Evidence(Run("toy", {}, 0), {}, Provenance("sha256:0", {}, {}))) == []
    )
