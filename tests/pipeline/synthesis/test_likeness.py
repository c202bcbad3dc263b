"""Likeness of images against other implementations, and what it must be by its meaning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from medpipe.errors import DataError
from medpipe.pipeline.synthesis.generator_data import Images
from medpipe.pipeline.synthesis.similarity import SCALES, distances, likeness, ms_ssim, orientations

DRAW = np.random.default_rng(0)


def heads(phantoms: Images, count: int = 12) -> np.ndarray:
    places = DRAW.permutation(len(phantoms.every))[:count].tolist()
    return phantoms.planes(64).rgb(places)[..., 0]


def test_likeness_is_the_correlation_of_the_best_orientation(phantoms: Images) -> None:
    one, other = heads(phantoms), heads(phantoms, 7)
    found = likeness(one, other)
    every = [
        [
            max(
                np.corrcoef(turned[i].ravel(), theirs.ravel())[0, 1] for turned in orientations(one)
            )
            for theirs in other
        ]
        for i in range(len(one))
    ]
    assert found.dtype == np.float32 and np.allclose(found, every, atol=1e-5)


def test_a_turned_or_flipped_copy_is_like_its_original(phantoms: Images) -> None:
    one = heads(phantoms)
    every = orientations(one)
    assert len({turned[0].tobytes() for turned in every}) == 8
    for turned in every:
        assert np.diag(likeness(turned, one)) == pytest.approx(1, abs=1e-5)
    assert np.diag(likeness(one // 2 + 20, one)) == pytest.approx(
        1, abs=1e-2
    )  # darker, with less contrast
    assert not likeness(np.full((1, 64, 64), 7, np.uint8), one).any()


def test_distances_are_scipys() -> None:
    one, other = (
        DRAW.normal(size=(9, 40)).astype(np.float32),
        DRAW.normal(size=(5, 40)).astype(np.float32),
    )
    assert np.allclose(distances(one, other), cdist(one, other), rtol=1e-6)
    assert np.diag(distances(one, one)).max() == 0


def reference(one: np.ndarray, other: np.ndarray) -> float:
    """MS-SSIM by scipy, as the paper writes it."""

    def blurred(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

    x, y, product = one.astype(float), other.astype(float), 1.0
    for i, weight in enumerate(np.array(SCALES) / sum(SCALES)):
        mx, my = blurred(x), blurred(y)
        vx, vy, c = blurred(x * x) - mx**2, blurred(y * y) - my**2, blurred(x * y) - mx * my
        contrast = (2 * c + 58.5225) / (vx + vy + 58.5225)
        last = i == len(SCALES) - 1
        value = (
            ((2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025) * contrast).mean()
            if last
            else contrast.mean()
        )
        product *= max(value, 0) ** weight
        x, y = (z.reshape(len(z) // 2, 2, -1, 2).mean(axis=(1, 3)) for z in (x, y))
    return float(product)


def test_ms_ssim_is_that_of_another_implementation(phantoms: Images) -> None:
    one, other = heads(phantoms), heads(phantoms)
    assert np.allclose(
        ms_ssim(one, other), [reference(a, b) for a, b in zip(one, other, strict=True)], rtol=1e-6
    )
    assert ms_ssim(one, one) == pytest.approx(1) and np.allclose(
        ms_ssim(one, other), ms_ssim(other, one)
    )
    noise = DRAW.integers(0, 256, one.shape).astype(np.uint8)
    assert (
        ms_ssim(one, noise)
        < ms_ssim(one, np.clip(one + DRAW.normal(0, 8, one.shape), 0, 255).astype(np.uint8))
    ).all()


def test_ms_ssim_of_small_images_is_refused() -> None:
    small = np.zeros((2, 40, 40), np.uint8)
    with pytest.raises(DataError, match="at least 44 pixels"):
        ms_ssim(small, small)
