"""Copies: each planted kind is found at a stated rate, drawn heads that are nobody's copy are left alone, and nothing is invented."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the training extra is not installed")

from PIL import Image, ImageOps

from medpipe.audits.image_copies import COPY, SIDE, Pair, alike, groups
from medpipe.errors import DataError
from medpipe.pipeline.data.phantoms import make

Grey = NDArray[np.uint8]


def one_of_each() -> list[Image.Image]:
    """One slice of every drawn patient: no two are of one head."""
    made = make("Training")
    _, first = np.unique([person.patient_id for person in made.people], return_index=True)
    return [Image.fromarray(made.pixels[i]).resize((240, 240), Image.Resampling.BICUBIC) for i in sorted(first)]


def stacked(pictures: list[Image.Image]) -> Grey:
    return np.stack([np.asarray(p.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for p in pictures])


def again(picture: Image.Image, quality: int) -> Image.Image:
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=quality)
    return Image.open(stored)


def cropped(picture: Image.Image, place: int) -> Image.Image:
    """At most 5 % off: the corner and the amount depend on the place."""
    width = picture.width
    side = round(width * (0.95 + 0.01 * (place % 4)))
    left, top = ((width - side) * (place // k % 2) for k in (1, 2))
    return picture.crop((left, top, left + side, top + side))


PLANTED: dict[str, tuple[Callable[[Image.Image, int], Image.Image], float]] = {
    "recompressed": (lambda p, i: again(p, 30), 1.0),
    "resized": (lambda p, i: p.resize((101, 101), Image.Resampling.BICUBIC), 1.0),
    "mirrored": (lambda p, i: ImageOps.mirror(p), 1.0),
    "turned": (lambda p, i: p.rotate(90 * (1 + i % 3)), 1.0),
    "brightened": (lambda p, i: p.point(lambda v: min(255, round(1.2 * v + 10))), 0.95),
    "cropped": (cropped, 0.95),
    "cropped, mirrored and recompressed": (lambda p, i: again(ImageOps.mirror(cropped(p, i)), 50), 0.95)}
"""What was done to a picture, and the share of the planted copies that has to be found."""


@pytest.fixture(scope="module")
def heads() -> list[Image.Image]:
    return one_of_each()


@pytest.mark.parametrize("kind", sorted(PLANTED))
def test_planted_copies_are_found_at_the_stated_rate(kind: str, heads: list[Image.Image]) -> None:
    change, rate = PLANTED[kind]
    copied = list(range(0, len(heads), 2))
    images = stacked([*heads, *(change(heads[i], i) for i in copied)])
    found = {(p.first, p.second) for p in alike(images) if p.score >= COPY}
    planted = {(i, len(heads) + k) for k, i in enumerate(copied)}
    assert len(planted & found) >= rate * len(planted)
    assert not found - planted  # and nobody else is accused


def test_the_clean_twin_passes(heads: list[Image.Image]) -> None:
    assert [p for p in alike(stacked(heads)) if p.score >= COPY] == []


def test_says_how_the_copy_was_turned(heads: list[Image.Image]) -> None:
    images = stacked([heads[0], ImageOps.mirror(heads[0]), heads[1], heads[1].rotate(180)])
    assert {(p.first, p.second, p.how) for p in alike(images) if p.score >= COPY} == {(0, 1, "mirrored"), (2, 3, "turned by 180°")}


def test_a_cluster_joins_what_is_linked(heads: list[Image.Image]) -> None:
    images = stacked([heads[0], heads[1], again(heads[0], 60), ImageOps.mirror(heads[0]), heads[2]])
    assert groups(len(images), alike(images)).tolist() == [0, 1, 0, 0, 2]
    assert groups(3, ()).tolist() == [0, 1, 2]
    assert groups(3, [Pair(0, 2, 0.97, "as it is")]).tolist() == [0, 1, 2]


def test_order_does_not_matter(heads: list[Image.Image]) -> None:
    images = stacked([*heads[:20], *(again(p, 40) for p in heads[:10])])
    order = np.random.default_rng(0).permutation(len(images))

    def named(pairs: Any, names: Any) -> set[frozenset[int]]:
        return {frozenset((int(names[p.first]), int(names[p.second]))) for p in pairs if p.score >= COPY}

    assert named(alike(images), np.arange(len(images))) == named(alike(images[order]), order)


def test_even_images_are_nobodys_copies() -> None:
    assert alike(np.stack([np.full((SIDE, SIDE), grey, np.uint8) for grey in (0, 0, 128)])) == ()


def test_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected grey images \(N, 128, 128\)"):
        alike(np.zeros((2, 64, 64), np.uint8))
