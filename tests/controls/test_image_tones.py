"""Copies under another tone are found at the stated rate, also mirrored and turned; nobody else is accused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the training extra is not installed")

import cv2
from PIL import Image

from medpipe.audits.image_copies import SIDE, Pair
from medpipe.audits.image_tones import retoned
from medpipe.errors import DataError
from medpipe.pipeline.data.phantoms import make
from medpipe.statistics import wilson

Grey = NDArray[np.uint8]
Change = Callable[[Grey, np.random.Generator], Grey]


def gamma(image: Grey, rng: np.random.Generator) -> Grey:
    return np.rint(255 * (image / 255.0) ** rng.uniform(0.6, 1.6)).astype(np.uint8)


def sharpened(image: Grey, rng: np.random.Generator) -> Grey:
    rough = cv2.GaussianBlur(image, (0, 0), rng.uniform(1, 2)).astype(np.float32)
    return np.clip(image + rng.uniform(0.5, 2.0) * (image - rough), 0, 255).astype(np.uint8)


def equalised(image: Grey, rng: np.random.Generator) -> Grey:
    return np.asarray(cv2.createCLAHE(float(rng.uniform(1.5, 4)), (4, 4)).apply(image), np.uint8)


def clipped(image: Grey, rng: np.random.Generator) -> Grey:
    return np.clip(image * rng.uniform(1.3, 1.8), 0, 255).astype(np.uint8)


def shifted(image: Grey, rng: np.random.Generator) -> Grey:
    return np.roll(gamma(image, rng), rng.integers(-1, 2, 2), axis=(0, 1))


PLANTED: dict[str, tuple[Change, float]] = {"gamma": (gamma, 0.95), "sharpened": (sharpened, 0.95), "equalised": (equalised, 0.9),
                                            "clipped": (clipped, 0.9), "shifted": (shifted, 0.9)}
"""What was done to a picture, and the share of the planted copies that has surely to be found."""


@pytest.fixture(scope="module")
def heads() -> Grey:
    made = make("Training")
    _, first = np.unique([person.patient_id for person in made.people], return_index=True)
    return np.stack([np.asarray(Image.fromarray(made.pixels[i]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for i in sorted(first)])


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_copies_are_found_at_the_stated_rate(kind: str, heads: Grey) -> None:
    change, rate = PLANTED[kind]
    rng = np.random.default_rng(5)
    turned = [np.ascontiguousarray(np.rot90(h[:, ::-1] if rng.random() < 0.5 else h, rng.integers(4))) for h in heads]
    images = np.concatenate([heads, np.stack([change(h, rng) for h in turned])])
    found = {(p.first, p.second) for p in retoned(images)}
    planted = {(i, len(heads) + i) for i in range(len(heads))}
    least = wilson(len(planted & found), len(planted)).low
    assert least >= rate, (len(planted & found), least)
    assert not found - planted


def test_the_clean_twin_passes_and_even_images_are_nobodys_copies(heads: Grey) -> None:
    assert retoned(heads) == ()
    assert retoned(np.stack([np.full((SIDE, SIDE), grey, np.uint8) for grey in (0, 90, 90)])) == ()


def test_says_how_it_is_turned_and_leaves_out_what_is_known(heads: Grey) -> None:
    images = np.stack([heads[0], heads[1], sharpened(heads[0][:, ::-1], np.random.default_rng(0))])
    found = retoned(images)
    assert [(p.first, p.second, p.how) for p in found] == [(0, 2, "mirrored")] and isinstance(found[0], Pair)
    assert retoned(images, {(0, 2)}) == ()


def test_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected grey images \(N, 128, 128\)"):
        retoned(np.zeros((2, 64, 64), np.uint8))
