"""The search for related images at full size: alterations planted among the real slices, and how
its cost grows.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="the training extra is not installed")

from medpipe.audits.images.candidates import candidates, embeddings
from medpipe.audits.images.duplicates import find_matches, joined
from medpipe.audits.images.features import SIDE, SMALL, THUMBNAIL, Features, describe
from medpipe.errors import UnavailableError
from medpipe.pipeline.data.image_groups import digests, grey, matches
from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.data.phantoms import make
from tests.planted_alterations import ALTERATIONS, STRENGTHS, stacked

SEED, EACH = 20_261_129, 40
FULL = os.environ.get("MEDPIPE_FULL", "") not in ("", "0")
Keep = Callable[[str, dict[str, Any]], None]


@pytest.mark.skipif(
    not FULL or "MEDPIPE_DATA" not in os.environ,
    reason="takes minutes on the real slices: MEDPIPE_FULL=1 MEDPIPE_DATA=…",
)
def test_planted_alterations_are_found_among_all_real_slices(keep_result: Keep) -> None:
    """Each of 1,440 slices is altered in one way at one strength and hidden among all 7,023: it has
    to be joined to its group alone.
    """
    try:
        data = load_images("brain-tumor-mri-dataset")
    except UnavailableError as error:
        pytest.skip(str(error))
    real = grey(data)
    wanted = [
        (kind, strength) for kind in ALTERATIONS for strength in STRENGTHS for _ in range(EACH)
    ]
    original = np.random.default_rng(SEED).choice(len(real), len(wanted), replace=False)
    planted = [
        ALTERATIONS[kind](Image.fromarray(real[i]), strength)
        for i, (kind, strength) in zip(original, wanted, strict=True)
    ]
    found = find_matches(np.concatenate([real, stacked(planted, SIDE)]), digests(data))
    group = joined(len(real), [(m.first, m.second) for m in matches(data)])
    linked: dict[int, set[int]] = {k: set() for k in range(len(wanted))}
    for m in found:
        if m.second >= len(real) > m.first:
            linked[m.second - len(real)].add(int(group[m.first]))
    joins = {f"{kind} {strength}": 0 for kind, strength in wanted}
    for k, (kind, strength) in enumerate(wanted):
        joins[f"{kind} {strength}"] += int(group[original[k]]) in linked[k]
    elsewhere = sum(bool(of - {int(group[original[k]])}) for k, of in linked.items())
    keep_result(
        "image_planted",
        {
            "seed": SEED,
            "each": EACH,
            "found": joins,
            "joined_elsewhere": elsewhere,
            "planted": len(wanted),
        },
    )
    assert sum(joins.values()) >= 0.95 * len(wanted) and elsewhere <= 0.02 * len(wanted)


def drawn(count: int, g: np.random.Generator) -> Features:
    """Features of made-up images: smooth random thumbnails, 60 keypoints each at random places with
    descriptors of drawn heads.
    """
    heads = describe(
        stacked([Image.fromarray(p) for p in make("Training").pixels[:100]], SIDE)
    ).descriptor
    coarse = g.standard_normal((count, 6, 6), np.float32)
    thumbnail = np.kron(coarse, np.ones((1, THUMBNAIL // 6, THUMBNAIL // 6), np.float32))
    thumbnail /= np.linalg.norm(thumbnail, axis=(1, 2), keepdims=True)
    return Features(
        thumbnail,
        np.zeros((count, SMALL, SMALL), np.float16),
        np.arange(count + 1, dtype=np.int64) * 60,
        g.uniform(0, SIDE, (60 * count, 2)).astype(np.float32),
        heads[g.integers(len(heads), size=60 * count)],
    )


def test_the_search_for_candidates_grows_little_faster_than_the_data(
    scaled: Callable[[int, int], int], keep_result: Keep
) -> None:
    """A hundred times as many images cost at most twice as much each. Every image has one copy with
    noise, which must be among its candidates.
    """
    sizes = (1_000, 10_000, 30_000, 100_000)[: scaled(1, 4)]
    rows: list[dict[str, Any]] = []
    for count in sizes:
        g = np.random.default_rng([SEED, count])
        features = with_copies(drawn(count // 2, g), g)
        began = time.process_time(), time.perf_counter()
        pairs = candidates(embeddings(features), np.arange(count))
        cost = time.process_time() - began[0], time.perf_counter() - began[1]
        found = len({a for a, b, _ in pairs if b == a + count // 2})
        rows.append(
            {
                "images": count,
                "cpu_s": round(cost[0], 1),
                "wall_s": round(cost[1], 1),
                "pairs_each": round(len(pairs) / count, 1),
                "copies_found": round(2 * found / count, 4),
                "peak_gib": round(peak_gib(), 2),
            }
        )
        assert 2 * found >= 0.99 * count
    keep_result("image_growth", {"seed": SEED, "rows": rows})
    assert (
        len(rows) < 4
        or rows[-1]["cpu_s"] / rows[-1]["images"] <= 2 * rows[1]["cpu_s"] / rows[1]["images"]
    )


def with_copies(features: Features, g: np.random.Generator) -> Features:
    """Each image once more, its thumbnail with noise and a third of its keypoints elsewhere."""
    count = len(features)
    noisy = (
        features.thumbnail + g.standard_normal(features.thumbnail.shape, np.float32) / THUMBNAIL / 2
    )
    descriptor = features.descriptor.copy()
    changed = g.random(len(descriptor)) < 1 / 3
    descriptor[changed] = descriptor[g.permutation(len(descriptor))[: changed.sum()]]
    return Features(
        np.concatenate(
            [features.thumbnail, noisy / np.linalg.norm(noisy, axis=(1, 2), keepdims=True)]
        ),
        np.concatenate([features.small, features.small]),
        np.arange(2 * count + 1, dtype=np.int64) * 60,
        np.concatenate([features.point, features.point]),
        np.concatenate([features.descriptor, descriptor]),
    )


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
