"""Pictures that are no drawn head are named among drawn heads at a stated rate; the clean twin
passes at the rate that is promised.

Outliers by a rule are outliers of their set, and a likeness of another class is more than chance.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the training extra is not installed")

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from medpipe.audits.image_statistics import looks, rules
from medpipe.audits.outliers import RATE, unlike
from medpipe.metrics.intervals import wilson
from medpipe.pipeline.data.image_sets import SIDE
from medpipe.pipeline.data.phantoms import make
from medpipe.pipeline.imaging.image_outliers import Doubt, doubtful

DRAWS, HEADS, PLANTED = 40, 100, 3
Grey = NDArray[np.uint8]


def resized(image: Image.Image) -> Grey:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.uint8)


@pytest.fixture(scope="module")
def heads() -> Grey:
    return np.stack([resized(Image.fromarray(p)) for p in make("Training").pixels])


def photograph(rng: np.random.Generator) -> Grey:
    whole = load_sample_images().images[int(rng.integers(2))].mean(axis=2).astype(np.uint8)
    y, x = (int(rng.integers(0, n - 200)) for n in whole.shape)
    return resized(Image.fromarray(whole[y : y + 200, x : x + 200]))


def screen(rng: np.random.Generator) -> Grey:
    image = Image.new("L", (256, 256), 255)
    pen = ImageDraw.Draw(image)
    for line in range(int(rng.integers(4, 16))):
        pen.text(
            (10, 10 + 15 * line), " ".join("text"[: int(n)] for n in rng.integers(1, 5, 10)), fill=0
        )
    return resized(image)


MADE = {
    "photograph": photograph,
    "screen of text": screen,
    "noise": lambda rng: rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8),
    "blank": lambda rng: np.full((SIDE, SIDE), rng.integers(0, 256), np.uint8),
}


def named(images: Grey) -> NDArray[np.bool_]:
    n = len(images)
    found = looks(images, np.zeros(n), np.full(n, 512.0), np.full(n, 512.0))
    return unlike(found, np.zeros(n, np.int64), np.array([f"c{i}" for i in range(n)])).named


@pytest.mark.parametrize("kind", MADE)
def test_planted_pictures_are_named_at_the_stated_rate(kind: str, heads: Grey) -> None:
    hits = 0
    for seed in range(DRAWS):
        rng = np.random.default_rng([seed, 1])
        drawn = heads[rng.permutation(len(heads))[:HEADS]]
        hits += int(
            named(np.concatenate([drawn, [MADE[kind](rng) for _ in range(PLANTED)]]))[HEADS:].sum()
        )
    found = wilson(
        hits / (DRAWS * PLANTED) * DRAWS, DRAWS
    )  # three of a draw depend on each other: n is the draws
    assert found.low >= 0.85, hits


def test_the_clean_twin_passes(heads: Grey) -> None:
    alarms = [
        int(named(heads[np.random.default_rng([seed, 2]).permutation(len(heads))[:HEADS]]).sum())
        for seed in range(DRAWS)
    ]
    found = wilson(sum(a > 0 for a in alarms), DRAWS)
    assert found.high <= 0.1 and sum(alarms) <= RATE * DRAWS, alarms


def by_rules(
    images: Grey, colour: float = 0.0, width: float = 512.0
) -> dict[str, tuple[list[int], str]]:
    n = len(images)
    found = rules(looks(images, np.full(n, colour), np.full(n, width), np.full(n, 512.0)))
    return {rule: (np.flatnonzero(flags).tolist(), note) for rule, (flags, note) in found.items()}


def soft(heads: Grey, sigma: float) -> Grey:
    return np.stack([cv2.GaussianBlur(head, (0, 0), sigma) for head in heads])


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0, 4.0])
def test_blur_is_relative_to_the_set(heads: Grey, sigma: float) -> None:
    """However soft all images are, none is called blurred but those planted, which are blurred far
    more.
    """
    every = heads[:200] if sigma == 0 else soft(heads[:200], sigma)
    assert by_rules(every)["blurred"] == ([], "")
    planted = every.copy()
    planted[:3] = soft(heads[:3], 16)
    assert by_rules(planted)["blurred"][0] == [0, 1, 2]


CHANGES = {
    "dark": lambda x: x // 8,
    "light": lambda x: 250 + x // 52,
    "little information": lambda x: (x > 100) * np.uint8(90),
}


@pytest.mark.parametrize("rule", CHANGES)
def test_what_all_of_a_set_are_is_no_outlier(rule: str, heads: Grey) -> None:
    change, few = CHANGES[rule], heads[:100].copy()
    assert by_rules(few)[rule] == ([], "")
    few[:5] = change(few[:5])
    assert by_rules(few)[rule] == ([0, 1, 2, 3, 4], "")
    named, note = by_rules(change(heads[:100]))[rule]
    assert named == [] and "100 % of the images are" in note and "a property of the set" in note


def test_shape_and_colour_of_a_whole_set_are_no_outliers(heads: Grey) -> None:
    found = by_rules(heads[:50], colour=50.0, width=2000.0)
    assert (
        found["odd shape"][0]
        == found["colour where the rest is grey"][0]
        == found["odd size"][0]
        == []
    )


@settings(max_examples=30, deadline=None)
@given(value=st.integers(0, 255), count=st.integers(2, 60))
def test_equal_images_have_no_outliers(value: int, count: int) -> None:
    assert all(
        named == [] for named, _ in by_rules(np.full((count, SIDE, SIDE), value, np.uint8)).values()
    )


def classes_of(n: int, signal: float, seed: int) -> tuple[Grey, NDArray[np.int64]]:
    """Images of 16 by 16 blocks of noise, and in those of one class a pattern of some strength."""
    draw, label = np.random.default_rng(seed), np.arange(n) % 2
    pattern = np.sign(np.random.default_rng(9).normal(size=(8, 8)))
    blocks = 128 + 40 * (
        draw.normal(size=(n, 8, 8)) + signal * (2 * label - 1)[:, None, None] * pattern
    )
    return np.clip(np.kron(blocks, np.ones((16, 16))), 0, 255).astype(np.uint8), label


def doubted(grey: Grey, label: NDArray[np.int64]) -> Doubt:
    return doubtful(grey, label, np.array([f"c{i}" for i in range(len(label))]))


@pytest.mark.parametrize("signal", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_no_likeness_of_another_class_is_found_where_pixels_hardly_tell_the_classes(
    signal: float, seed: int
) -> None:
    found = doubted(*classes_of(200, signal, seed))
    assert (found.class_of == -1).all() and found.unassessed.startswith(
        "not assessed: thumbnails do not tell the classes"
    )


def test_planted_labels_are_found_where_pixels_tell_the_classes() -> None:
    grey, label = classes_of(200, 0.5, 0)
    assert (doubted(grey, label).class_of == -1).all() and doubted(grey, label).unassessed == ""
    wrong = label.copy()
    wrong[:8] = 1 - wrong[:8]
    named = np.flatnonzero(doubted(grey, wrong).class_of >= 0)
    assert len(named) >= 6 and set(named.tolist()) <= set(range(8))


def test_a_class_of_few_images_is_not_assessed() -> None:
    grey, _ = classes_of(20, 0.5, 0)
    assert "fewer than 5 images" in doubted(grey, (np.arange(20) < 3).astype(np.int64)).unassessed
