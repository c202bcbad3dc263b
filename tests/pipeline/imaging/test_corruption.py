"""Spoilt images: the same for everybody, as strong as the level says, and in range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.pipeline.data.phantoms import make
from medpipe.pipeline.imaging.corruption import KINDS, corrupted

LEVELS = {"noise": 0.05, "bias_field": 0.3, "blur": 0.02, "contrast": 0.5, "jpeg": 20}
GENTLER = {"noise": 0.01, "bias_field": 0.05, "blur": 0.005, "contrast": 0.95, "jpeg": 95}


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.repeat(make("Testing").pixels[0][..., None], 3, axis=2)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_equal_places_give_equal_images_and_a_higher_level_spoils_more(
    kind: str, picture: np.ndarray
) -> None:
    before = picture.copy()
    once, again = (corrupted(kind, LEVELS[kind], picture, 5) for _ in range(2))
    assert (picture == before).all() and (once == again).all()
    assert (once.shape, once.dtype) == (picture.shape, np.uint8)
    assert (once == once[..., :1]).all() or kind == "jpeg"  # grey stays grey

    def distance(level: float) -> float:
        return float(np.abs(corrupted(kind, level, picture, 5).astype(int) - picture).mean())

    assert distance(LEVELS[kind]) > 1.5 * distance(GENTLER[kind]) > 0


def test_noise_has_the_stated_strength() -> None:
    """Far from black Rician noise is Gaussian of the same deviation; on black it is Rayleigh, with
    a mean of 1.25 deviations.
    """
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert corrupted("noise", 0.05, grey, 0)[..., 0].std() == pytest.approx(0.05 * 255, rel=0.03)
    assert corrupted("noise", 0.05, np.zeros_like(grey), 0)[..., 0].mean() == pytest.approx(
        0.05 * 255 * np.sqrt(np.pi / 2), rel=0.03
    )


@given(st.integers(0, 1000))
@settings(max_examples=30)
def test_the_field_spans_its_level(place: int) -> None:
    flat = corrupted("bias_field", 0.3, np.full((64, 64, 3), 100, np.uint8), place)
    assert (flat.min(), flat.max()) == (70, 130)


def test_blur_agrees_with_pillow() -> None:
    from PIL import Image, ImageFilter

    draw = np.random.default_rng(0)
    picture = draw.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    theirs = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(0.05 * 64)))
    inside = slice(16, -16)
    assert (
        np.abs(corrupted("blur", 0.05, picture, 0).astype(int) - theirs)[inside, inside].max() <= 3
    )  # theirs approximates by boxes


def test_contrast_keeps_the_mean() -> None:
    picture = np.random.default_rng(0).integers(60, 200, (32, 32, 3)).astype(np.uint8)
    less = corrupted("contrast", 0.5, picture, 0)
    assert less.mean() == pytest.approx(picture.mean(), abs=0.5) and less.std() == pytest.approx(
        picture.std() / 2, rel=0.01
    )
