"""Pictures that are no drawn head are named among drawn heads at a stated rate; the clean twin passes at the rate that is promised."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the training extra is not installed")

from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from medpipe.audits.looks import looks
from medpipe.audits.oddities import RATE, unlike
from medpipe.pipeline.data.image_sets import SIDE
from medpipe.pipeline.data.phantoms import make
from medpipe.statistics import wilson

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
    return resized(Image.fromarray(whole[y:y + 200, x:x + 200]))


def screen(rng: np.random.Generator) -> Grey:
    image = Image.new("L", (256, 256), 255)
    pen = ImageDraw.Draw(image)
    for line in range(int(rng.integers(4, 16))):
        pen.text((10, 10 + 15 * line), " ".join("text"[:int(n)] for n in rng.integers(1, 5, 10)), fill=0)
    return resized(image)


MADE = {"photograph": photograph, "screen of text": screen,
        "noise": lambda rng: rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8),
        "blank": lambda rng: np.full((SIDE, SIDE), rng.integers(0, 256), np.uint8)}


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
        hits += int(named(np.concatenate([drawn, [MADE[kind](rng) for _ in range(PLANTED)]]))[HEADS:].sum())
    found = wilson(hits / (DRAWS * PLANTED) * DRAWS, DRAWS)  # three of a draw depend on each other: n is the draws
    assert found.low >= 0.85, hits


def test_the_clean_twin_passes(heads: Grey) -> None:
    alarms = [int(named(heads[np.random.default_rng([seed, 2]).permutation(len(heads))[:HEADS]]).sum()) for seed in range(DRAWS)]
    found = wilson(sum(a > 0 for a in alarms), DRAWS)
    assert found.high <= 0.1 and sum(alarms) <= RATE * DRAWS, alarms
