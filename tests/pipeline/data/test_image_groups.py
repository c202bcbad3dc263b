"""Clusters of copies across the parts of a data set: looked for once, kept, and made again where
the kept file is damaged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medpipe.audits.images.features import SIDE
from medpipe.pipeline.data import image_groups
from medpipe.pipeline.data.decoding import resize_grey
from medpipe.pipeline.data.image_groups import clusters, matches
from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.data.phantoms import make
from medpipe.pipeline.data.planes import Planes

pytest.importorskip("cv2", reason="the training extra is not installed")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageData:
    """Four heads to train on and three to test on, of which one is the first, mirrored."""
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path))
    made = make("Training")
    heads = resize_grey(made.pixels[::5][:6], SIDE)
    shown = np.concatenate([heads[:4], heads[4:], heads[:1, :, ::-1]])

    def part(name: str, places: slice) -> ImagePart:
        rgb = np.repeat(shown[places][..., None], 3, axis=3)
        ids = np.array([f"{name}/{i}.png" for i in range(len(rgb))])
        return ImagePart(np.zeros(len(rgb), np.int64), ids, {}, lambda size: Planes.of(rgb))

    return ImageData(
        "heads",
        ("a",),
        {"Training": part("Training", slice(4)), "Testing": part("Testing", slice(4, 7))},
        "sha256:heads",
    )


def test_a_copy_on_the_other_side_is_in_the_cluster_of_its_original(data: ImageData) -> None:
    found = clusters(data)
    assert found["Training"].tolist() == [f"Training/{i}.png" for i in range(4)]
    assert found["Testing"].tolist() == ["Testing/0.png", "Testing/1.png", "Training/0.png"]


def test_is_looked_for_once(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = matches(data)
    kept = next((tmp_path / "related_images").iterdir())
    content = kept.read_bytes()
    kept.write_bytes(content[:-3])
    assert matches(data) == first and kept.read_bytes() == content  # damaged, so made again
    monkeypatch.setattr(
        image_groups, "find_matches", lambda images, digests: pytest.fail("looked for again")
    )
    assert matches(data) == first
