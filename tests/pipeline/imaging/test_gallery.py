from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

from medpipe.audits.gallery_choice import choose_gallery
from medpipe.errors import DataError
from medpipe.evidence import Observations
from medpipe.pipeline.imaging.gallery_images import THUMBNAIL, observe_gallery

DRAW = np.random.default_rng(0)
PROB = DRAW.dirichlet(np.ones(3), 60)
SEEN = Observations(
    {
        "sample_id": np.arange(60).astype(str),
        "y_true": DRAW.integers(0, 3, 60),
        "y_pred": PROB.argmax(axis=1),
        "y_prob": PROB,
        "patient_id": (np.arange(60) // 2).astype(str),
    },
    ("a", "b", "c"),
    "patient_id",
)
INDEX = choose_gallery(SEEN["y_true"], SEEN["y_pred"], PROB, 1)
PIXELS = DRAW.integers(0, 256, (len(INDEX), 200, 120, 3), dtype=np.uint8)


def test_a_gallery_holds_the_chosen_samples_with_small_grey_images() -> None:
    saliency = DRAW.normal(size=PIXELS.shape[:3]).astype(np.float32)
    saliency[0] = -1
    found = observe_gallery(SEEN, INDEX, PIXELS, saliency)
    assert (
        found["sample_id"].tolist() == SEEN["sample_id"][INDEX].tolist()
        and found.cluster == "patient_id"
    )
    assert found["pixels"].dtype == np.uint8 and found["pixels"].shape == (
        len(INDEX),
        THUMBNAIL,
        58,
    )
    assert np.allclose(found["pixels"].mean(axis=(1, 2)), PIXELS.mean(axis=(1, 2, 3)), atol=1)
    assert (
        found["saliency"].dtype == np.float16 and found["saliency"].shape == found["pixels"].shape
    )
    assert (
        found["saliency"].min() == 0
        and not found["saliency"][0].any()
        and (found["saliency"][1:].max(axis=(1, 2)) == 1).all()
    )


def test_small_images_stay_as_they_are() -> None:
    small = PIXELS[:, :30, :20]
    found = observe_gallery(SEEN, INDEX, small)
    assert "saliency" not in found and np.array_equal(found["pixels"], np.rint(small.mean(axis=3)))


def test_images_of_other_samples_are_refused() -> None:
    with pytest.raises(DataError, match="expected images uint8"):
        observe_gallery(SEEN, INDEX, PIXELS[1:])
    with pytest.raises(DataError, match="expected saliency of shape"):
        observe_gallery(SEEN, INDEX, PIXELS, np.zeros((len(INDEX), 7, 7), np.float32))
