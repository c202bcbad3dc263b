"""Galleries: true to the observations, right and wrong told in words, and the choice checked."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")
pytest.importorskip("fontTools", reason="the extra 'report' is not installed")

from PIL import Image

from medpipe.audits.gallery_choice import choose_gallery
from medpipe.evidence import Bundle, Evidence, Observations
from medpipe.report.context import audit_context
from medpipe.report.figures import gallery_figures
from medpipe.report.figures.svg import WIDE, text_width
from medpipe.report.report_data import read_case

SVG = "{http://www.w3.org/2000/svg}"
EvidenceMaker = Callable[..., Evidence]


def blobs(n: int, side: int = 48) -> np.ndarray:
    """Grey images of a bright disc that wanders."""
    y, x = np.mgrid[:side, :side] / side
    return np.stack(
        [
            np.rint(200 * np.exp(-40 * ((x - 0.2 - 0.6 * k / n) ** 2 + (y - 0.5) ** 2)) + 20)
            for k in range(n)
        ]
    ).astype(np.uint8)


def with_gallery(seen: Observations, seed: int, saliency: bool = False) -> dict[str, Observations]:
    index = choose_gallery(seen["y_true"], seen["y_pred"], seen["y_prob"], seed)
    arrays = {**seen.take(index).arrays, "pixels": blobs(len(index))}
    if saliency:
        arrays["saliency"] = (arrays["pixels"] / 255).astype(np.float16)
    return {"validation": seen, "gallery": Observations(arrays, seen.classes)}


def run(
    evidence_maker: EvidenceMaker,
    accuracy: float = 0.8,
    saliency: bool = False,
    drawn_with: int = 3,
) -> Evidence:
    """Evidence with seed 3, and a gallery drawn with that seed or another."""
    seen = evidence_maker(seed=3, accuracy=accuracy).observations["validation"]
    return evidence_maker(seed=3, observations=with_gallery(seen, drawn_with, saliency))


def words_in(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def pictures_in(svg: str) -> list[np.ndarray]:
    found = [e.attrib["href"] for e in ElementTree.fromstring(svg).iter(f"{SVG}image")]
    return [
        np.asarray(Image.open(io.BytesIO(b64decode(uri.removeprefix("data:image/png;base64,")))))
        for uri in found
    ]


def test_ten_are_shown_with_truth_call_and_probability(evidence_maker: EvidenceMaker) -> None:
    made = run(evidence_maker)
    drawn, errors = gallery_figures("Model", made)
    o = made.observations["gallery"]
    words = words_in(drawn.svg)
    right = [bool(o["y_true"][i] == o["y_pred"][i]) for i in range(10)]
    assert words[::3] == ["✓ right" if r else "✗ wrong" for r in right]
    assert words[1::3] == [f"truly {o.classes[o['y_true'][i]]}" for i in range(10)]
    assert words[2::3] == [
        f"called {o.classes[o['y_pred'][i]]}, {100 * float(o['y_prob'][i].max()):.0f} %"
        for i in range(10)
    ]
    assert (
        drawn.answer == f"10 predictions drawn by lot: {sum(right)} right, {10 - sum(right)} wrong."
    )
    assert "with seed 3" in drawn.details and "900 samples of split “validation”" in drawn.details
    assert all(str(i) in drawn.alt for i in o["sample_id"][:10]) and drawn.keys
    for shown, image in zip(pictures_in(drawn.svg), o["pixels"], strict=False):
        assert np.array_equal(shown, image)
    assert len(pictures_in(drawn.svg)) == 10 and len(errors.svg) < 200_000


def test_failures_are_the_surest_errors_of_the_split(evidence_maker: EvidenceMaker) -> None:
    made = run(evidence_maker)
    figure, seen = gallery_figures("Model", made)[1], made.observations["validation"]
    wrong = seen["y_true"] != seen["y_pred"]
    stated = np.sort(seen["y_prob"].astype(float).max(axis=1)[wrong])[::-1][:12]
    assert words_in(figure.svg)[::3] == ["✗ wrong"] * 12
    assert [w.rpartition(", ")[2] for w in words_in(figure.svg)[2::3]] == [
        f"{100 * p:.0f} %" for p in stated
    ]
    assert (
        figure.answer
        == f"The most confident 12 of {wrong.sum()} errors: the wrong class was called with a"
        f" stated probability of {100 * stated[-1]:.0f} % or more."
    )


def test_saliency_is_laid_over_a_second_picture(evidence_maker: EvidenceMaker) -> None:
    drawn, _ = gallery_figures("Model", run(evidence_maker, saliency=True))
    pictures = pictures_in(drawn.svg)
    assert (
        len(pictures) == 20
        and pictures[0].ndim == 2
        and pictures[1].shape == (*pictures[0].shape, 3)
    )
    hot = np.unravel_index(pictures[0].argmax(), pictures[0].shape)
    assert pictures[1][hot][0] > pictures[1][hot][2] + 50  # tinted where the map is large
    assert "tinted where the map of saliency is large" in drawn.details


def with_areas(made: Evidence, better: float) -> Evidence:
    """The same evidence with areas under the curves of 20 images, those of the map ``better`` than
    of the middle alone.
    """
    area = np.linspace(0.3, 0.6, 20)
    arrays = {
        "sample_id": np.arange(20).astype(str),
        "randomised_similarity": np.zeros((20, 2)),
        "deletion_area_saliency": area - better,
        "deletion_area_centre": area,
        "insertion_area_saliency": area + 0.1,
        "insertion_area_centre": area,
    }
    return replace(
        made,
        observations={**made.observations, "validation_explained": Observations(arrays, ("x",))},
    )


def test_a_map_that_fails_a_check_is_not_shown(evidence_maker: EvidenceMaker) -> None:
    for figure in gallery_figures("Model", with_areas(run(evidence_maker, saliency=True), -0.1)):
        assert all(p.ndim == 2 for p in pictures_in(figure.svg)) and len(
            pictures_in(figure.svg)
        ) in (10, 12)
        assert (
            figure.details.endswith(" No map is shown: it fails 1 of 3 checks.")
            and "tinted" not in figure.details
        )


def test_what_a_map_passes_is_said(evidence_maker: EvidenceMaker) -> None:
    made = run(evidence_maker, saliency=True)
    (drawn, _), (unchecked, _) = (
        gallery_figures("Model", with_areas(made, 0.1)),
        gallery_figures("Model", made),
    )
    assert (
        "is large; it passes 3 of 3 checks." in drawn.details and len(pictures_in(drawn.svg)) == 20
    )
    assert "is large; no sanity check was made of it." in unchecked.details


def test_a_gallery_picked_by_hand_is_not_called_drawn(evidence_maker: EvidenceMaker) -> None:
    drawn, errors = gallery_figures("Model", run(evidence_maker, drawn_with=4))
    assert (
        "by lot" not in drawn.answer
        and "is not known" in drawn.details
        and " of " not in errors.answer.partition(":")[0]
    )


def test_without_errors_there_is_no_failure_gallery_and_without_images_none(
    evidence_maker: EvidenceMaker,
) -> None:
    (only,) = gallery_figures("Model", run(evidence_maker, accuracy=1.0))
    assert only.answer == "10 predictions drawn by lot: 10 right, 0 wrong."
    assert gallery_figures("Model", evidence_maker()) == []
    bare = evidence_maker(
        observations={"gallery": Observations({"sample_id": np.array(["a"])}, ("x",))}
    )
    assert gallery_figures("Model", bare) == []


def test_long_names_are_cut_and_probabilities_are_not(evidence_maker: EvidenceMaker) -> None:
    made = run(evidence_maker)
    long = tuple(
        f"{name}, a class with a name that no cell can hold"
        for name in ("benign", "malignant", "other")
    )
    named = {split: Observations(o.arrays, long) for split, o in made.observations.items()}
    for figure in gallery_figures("Model", evidence_maker(seed=3, observations=named)):
        words = words_in(figure.svg)
        assert all("…" in w and text_width(w, 8) < WIDE / 5 for w in words[1::3])
        assert all(
            "…, " in w and w.endswith(" %") and text_width(w, 8) < WIDE / 5 for w in words[2::3]
        )


@pytest.mark.parametrize("saliency", [False, True])
def test_a_gallery_fits_a_page(evidence_maker: EvidenceMaker, saliency: bool) -> None:
    for figure in gallery_figures("Model", run(evidence_maker, saliency=saliency)):
        _, _, width, height = map(
            float, ElementTree.fromstring(figure.svg).attrib["viewBox"].split()
        )
        assert (
            width == WIDE and height <= 520
        )  # points; the body of a page has 714, and heading and caption stand there too


def test_a_report_shows_the_gallery_tagged_and_without_smoothing(
    bundle_maker: Callable[..., Bundle], tmp_path: Path
) -> None:
    pytest.importorskip("weasyprint", reason="the extra 'report' is not installed")
    from medpipe.report.render import render_pdf

    bundle = bundle_maker()
    case = read_case(bundle)
    made = case.made("imaging.toy")[0]
    seen = made.observations["validation"]
    object.__setattr__(made, "observations", with_gallery(seen, made.run.seed, saliency=True))
    (imaging,) = (p for p in audit_context(case)["parts"] if p["name"] == "imaging")
    figures = [f for p in imaging["protocols"] for b in p["blocks"] for f in b]
    galleries = [f for f in figures if "drawn by lot" in f.answer or "most confident" in f.answer]
    assert len(galleries) == 2
    body = "".join(
        f'<figure><img src="{f.uri}" alt="{f.alt}" style="width: 170mm"></figure>'
        for f in galleries
    )
    pdf = render_pdf(
        '<!doctype html><html lang="en"><head><title>A'
        f" gallery</title></head><body>{body}</body></html>",
        identifier=b"0123456789abcdef",
        created=case.created,
    )
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(io.BytesIO(pdf))
    objects = [reader.get_object(ref) for ref in reader.xrefs.explicit_refs_in_revision(0)]
    images = [o for o in objects if isinstance(o, dict) and o.get("/Subtype") == "/Image"]
    assert len(images) > 30 and not any(i.get("/Interpolate") for i in images)
    told = [o["/Alt"] for o in objects if isinstance(o, dict) and o.get("/S") == "/Figure"]
    assert sorted(told) == sorted(f.alt for f in galleries)
