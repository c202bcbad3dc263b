"""The watermark on drawn slices: marked ones are found, unmarked ones and wrong keys pass. The real
images are in tests/benchmarks.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL", reason="the training extra is not installed")

from watermark_trials import KEPT, Pixels, key_of, marked_trials, unmarked_trials

from medpipe.marking.watermark import detect, mark
from medpipe.metrics.intervals import clopper_pearson
from medpipe.pipeline.data.images import load_images

DRAWN, KEYS = 400, 6


@pytest.fixture(scope="module")
def slices() -> list[Pixels]:
    """Grey, 64 by 64."""
    return list(load_images("demonstration").parts["Training"].planes(64).planes[:DRAWN])


def test_marked_slices_are_found_after_each_promised_change(slices: list[Pixels]) -> None:
    found, kept = marked_trials(slices, KEPT, np.random.default_rng(0))
    assert min(kept) >= 42
    for name, detections in found.items():
        assert clopper_pearson(sum(d.marked for d in detections), len(detections)).low > 0.99, name


def test_unmarked_slices_pass(slices: list[Pixels]) -> None:
    """Fewer than one in a thousand here for sure, one in ten thousand in the benchmark."""
    found = unmarked_trials(slices, KEYS, np.random.default_rng(1))
    alarms = sum(d.marked for d in found)
    assert alarms == 0 and clopper_pearson(alarms, len(found)).high < 2e-3
    z = np.array([d.z for d in found])
    assert abs(z.mean()) < 4 / np.sqrt(len(z)) and abs(z.std() - 1) < 0.06


def test_another_key_is_not_found_and_both_of_two_are(slices: list[Pixels]) -> None:
    rng = np.random.default_rng(2)
    mine, yours = key_of(rng), key_of(rng)
    for image in slices[:20]:
        marked = mark(image, mine)
        assert detect(marked, mine).marked and not detect(marked, yours).marked
        assert detect(mark(marked, yours), yours).marked
