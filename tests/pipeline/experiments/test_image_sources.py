"""Sources told from features and sources left out, on drawn images whose scanner is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.errors import DataError
from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.experiments import image_sources
from medpipe.running.experiment import RunContext


@pytest.fixture
def config(image_config: dict[str, Any]) -> dict[str, Any]:
    image_config.pop("observe", None)
    image_config["data"] |= {"source": "demonstration", "validation_fraction": 0.5}
    image_config["model"] = {"kind": "resnet18", "weights": "none", "head_dropout": 0.0}
    image_config["training"] |= {"epochs": 1, "batch_size": 32, "resolution": 33}
    return {**image_config, "sources": "scanner", "least": 10}


def test_each_source_is_left_out_and_told_from_features(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    seen: list[tuple[int, int, str]] = []
    found = image_sources.run(config, 0, RunContext(tmp_path, "cpu", lambda *p: seen.append(p)))
    scanners = set(load_images("demonstration").parts["Training"].groups["scanner"].tolist())
    left = {
        str(o["source"][0])
        for name, o in found.observations.items()
        if name.startswith("left_out_")
    }
    assert left == scanners and found.scalars["trainings"] == 1 + 2 * len(scanners)
    for name, o in found.observations.items():
        if name.startswith("left_out_"):
            other = found.observations[name.replace("left_out", "trained_on")]
            assert (
                np.array_equal(o["sample_id"], other["sample_id"])
                and set(o["source"]) <= scanners
                and o.cluster == "patient_id"
            )
        if name.startswith("source_in_"):
            assert set(o.classes) <= scanners and o["y_true"].max() < len(o.classes)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen) and seen[-1][
        0
    ] == seen[-1][1]
    assert sum(note.startswith("source ") for note in found.notes) == len(scanners)


@pytest.mark.parametrize(
    ("how", "says"), [("files", "lie in files"), ("ward", "expected the group ward")]
)
def test_a_source_that_is_not_known_is_said_so(
    tmp_path: Path, config: dict[str, Any], how: str, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        image_sources.run({**config, "sources": how}, 0, RunContext(tmp_path, "cpu"))
