"""Related images: planted alterations are found and named, heads of other people are left alone,
and data that is broken or made of one picture gets an answer.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="the training extra is not installed")

from medpipe.audits.images.duplicates import (
    ALTERED,
    COPIED,
    IDENTICAL,
    SAME_PATIENT,
    Match,
    find_matches,
)
from medpipe.audits.images.features import ORIENTATIONS, SIDE, describe
from medpipe.audits.images.geometry import Transform, overlaid
from medpipe.audits.images.groups import combined, group
from medpipe.audits.images.split_check import check_split, look_across
from medpipe.errors import DataError
from medpipe.pipeline.data.phantoms import make
from tests.planted_alterations import ALTERATIONS, STRENGTHS, stacked

HEADS = 10


def link(first: int, second: int, kind: str, places: int = 30) -> Match:
    return Match(first, second, kind, 0.9, Transform(False, 1.0, 0.0, (0.0, 0.0)), places, places)


@pytest.fixture(scope="module")
def heads() -> list[Image.Image]:
    """One slice each of some drawn people."""
    made = make("Training")
    _, first = np.unique([person.patient_id for person in made.people], return_index=True)
    return [
        Image.fromarray(made.pixels[i]).resize((240, 240), Image.Resampling.BICUBIC)
        for i in sorted(first)[:HEADS]
    ]


def test_every_planted_alteration_joins_its_original_and_nobody_else(
    heads: list[Image.Image],
) -> None:
    """Each head altered in one way: the strong ones too, but for posterising to four grey
    levels.
    """
    kinds = [
        (kind, strength)
        for kind in ALTERATIONS
        for strength in STRENGTHS
        if (kind, strength) != ("posterised", 2)
    ]
    planted = [
        ALTERATIONS[kind](heads[i % HEADS], strength) for i, (kind, strength) in enumerate(kinds)
    ]
    found = group(HEADS + len(planted), find_matches(stacked([*heads, *planted], SIDE)))
    right = [found.patient[HEADS + i] == found.patient[i % HEADS] for i in range(len(planted))]
    assert [k for k, ok in zip(kinds, right, strict=True) if not ok] == []
    assert len(np.unique(found.patient[:HEADS])) == HEADS


def test_a_copy_padded_to_another_shape_is_found(heads: list[Image.Image]) -> None:
    """The picture is squeezed to three quarters of its height, as when a padded image is made
    square.
    """
    padded = Image.new("L", (240, 240))
    padded.paste(heads[0].resize((240, 180), Image.Resampling.BICUBIC), (0, 30))
    found = find_matches(stacked([*heads, padded], SIDE))
    assert [(m.first, m.second, m.is_copy) for m in found] == [(0, HEADS, True)]


def test_most_strongly_squeezed_copies_are_found_and_nobody_else(heads: list[Image.Image]) -> None:
    """Every head at half of its width, between borders, as a picture forced into another shape."""
    squeezed = [Image.new("L", (240, 240)) for _ in heads]
    for whole, head in zip(squeezed, heads, strict=True):
        whole.paste(head.resize((110, 220), Image.Resampling.BICUBIC), (65, 10))
    found = find_matches(stacked([*heads, *squeezed], SIDE))
    pairs = {(m.first, m.second, m.is_copy, m.how) for m in found}
    assert pairs <= {(i, HEADS + i, True, "squeezed") for i in range(HEADS)}
    assert len(pairs) >= 8


def test_nothing_is_found_among_different_people(heads: list[Image.Image]) -> None:
    assert find_matches(stacked(heads, SIDE)) == ()


@pytest.mark.parametrize("how", ORIENTATIONS)
def test_says_how_a_copy_was_turned_in_both_directions(how: str, heads: list[Image.Image]) -> None:
    plain = stacked(heads[:1], SIDE)[0]
    found = find_matches(np.stack([plain, np.ascontiguousarray(ORIENTATIONS[how](plain))]))
    assert [m.kind for m in found] == [IDENTICAL if how == "as it is" else COPIED]
    if how != "as it is":
        transform = found[0].transform
        turned = np.ascontiguousarray(ORIENTATIONS[how](plain)).astype(np.float32)
        assert found[0].how == how
        assert np.corrcoef(overlaid(turned, transform).ravel(), plain.ravel())[0, 1] > 0.99
        assert (
            np.corrcoef(
                overlaid(plain.astype(np.float32), transform.inverse).ravel(), turned.ravel()
            )[0, 1]
            > 0.99
        )


def test_a_common_frame_with_text_does_not_make_two_images_alike(heads: list[Image.Image]) -> None:
    """The same scale bar, frame and lines of text on everybody."""
    framed = [ALTERATIONS["burnt-in text"](ALTERATIONS["border"](head, 1), 2) for head in heads]
    assert find_matches(stacked(framed, SIDE)) == ()


@pytest.mark.parametrize(("count", "pixel"), [(0, 0), (1, 7), (5, 0), (5, 255)])
def test_empty_single_and_blank_sets_get_an_answer(count: int, pixel: int) -> None:
    found = group(count, find_matches(np.full((count, SIDE, SIDE), pixel, np.uint8)))
    assert len(np.unique(found.patient)) == min(count, 1)


def test_noise_is_related_to_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE), np.uint8)
    assert find_matches(noise) == ()


def test_refuses_images_of_another_size() -> None:
    with pytest.raises(
        DataError, match=r"expected grey images uint8 \(N, 160, 160\), got uint8 \(2, 64, 64\)"
    ):
        describe(np.zeros((2, 64, 64), np.uint8))


def test_a_chain_of_weak_links_does_not_join_two_groups() -> None:
    """Two patients of three slices each: one weak link between them is not enough, two are."""
    inside = [link(a, b, SAME_PATIENT, 60) for a, b in ((0, 1), (1, 2), (3, 4), (4, 5))]
    assert len(np.unique(group(6, [*inside, link(2, 3, SAME_PATIENT)]).patient)) == 2
    assert (
        len(
            np.unique(
                group(6, [*inside, link(2, 3, SAME_PATIENT), link(1, 4, SAME_PATIENT)]).patient
            )
        )
        == 1
    )
    assert len(np.unique(group(6, [*inside, link(2, 3, SAME_PATIENT, 45)]).patient)) == 1


def test_two_links_between_the_same_slices_are_one_support() -> None:
    """Image 6 is a copy of image 2, so that its link says nothing new."""
    inside = [link(a, b, SAME_PATIENT, 60) for a, b in ((0, 1), (1, 2), (3, 4), (4, 5))]
    found = group(
        7, [*inside, link(2, 6, ALTERED), link(2, 3, SAME_PATIENT), link(3, 6, SAME_PATIENT)]
    )
    assert len(np.unique(found.patient)) == 2
    assert [(g.images, g.kind, g.slices) for g in found.groups] == [
        ((0, 1, 2, 6), SAME_PATIENT, 3),
        ((3, 4, 5), SAME_PATIENT, 3),
    ]


def test_known_groups_are_extended_and_contested_ones_left_out() -> None:
    known = np.array(["a", "", "b", "a", ""])
    inferred = np.array(["x", "x", "y", "y", "z"])
    assert combined(known, inferred).tolist() == ["a", "a", "", "", ""]


def test_the_second_method_finds_what_is_across_and_passes_a_clean_split(
    heads: list[Image.Image],
) -> None:
    altered = [ALTERATIONS["contrast"](ALTERATIONS["sharpened"](head, 1), 0) for head in heads[:5]]
    images = stacked([*heads, *altered], SIDE)
    ids = [str(i) for i in range(5)]
    leaky = look_across(images, np.arange(HEADS), np.arange(HEADS, HEADS + 5))
    assert leaky.other.tolist() == list(range(5)) and leaky.flagged.all()
    assert not check_split(leaky, ids).passes
    clean = look_across(images, np.arange(5, HEADS), np.arange(5))
    assert not clean.flagged.any() and check_split(clean, ids).passes
    with pytest.raises(DataError, match="expected images on both sides"):
        look_across(images, np.arange(HEADS), np.arange(0))
