"""Leakage on the real MRI slices: known pairs, and images of different known patients. Skipped
visibly where ``MEDPIPE_DATA`` names no such folder.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the training extra is not installed")

from medpipe.audits.images.groups import Groups
from medpipe.errors import UnavailableError
from medpipe.pipeline.data.image_groups import groups
from medpipe.pipeline.data.images import ImageData, load_images

pytestmark = pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")


@pytest.fixture(scope="module")
def data() -> ImageData:
    try:
        return load_images("brain-tumor-mri-dataset")
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def found(data: ImageData) -> Groups:
    return groups(data)


def test_known_pairs_are_in_one_group_and_different_patients_in_none(
    data: ImageData, found: Groups
) -> None:
    table = Path(os.environ["MEDPIPE_DATA"]).parent / "cases" / "same-slice.csv"
    if not table.exists():
        pytest.skip(f"{table} is not there")
    place = {
        image: i
        for i, image in enumerate(
            np.concatenate([p.sample_id for p in data.parts.values()]).tolist()
        )
    }
    joined: Counter[str] = Counter()
    with table.open(newline="") as rows:
        for row in csv.DictReader(rows):
            one, other = place[row["image_a"]], place[row["image_b"]]
            joined[row["relation"]] += int(found.patient[one] == found.patient[other])
    assert joined["same slice, altered"] >= 38
    assert joined["same patient, neighbouring slice"] >= 16
    assert joined["different patients"] == 0
