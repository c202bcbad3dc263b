"""Tables of patients or folds: strict, with the line at fault."""

from __future__ import annotations

import numpy as np
import pytest

from medpipe.errors import DataError
from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.imaging import grouping
from medpipe.pipeline.imaging.grouping import groups_of, read_table, with_clusters


def test_reads_the_column_asked_for_among_others() -> None:
    assert read_table("site,image,fold\nA,a.png,0\nB,b.png,1\n", "fold", "t.csv") == {
        "a.png": "0",
        "b.png": "1",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,patient\na.png,1\n", "expected the columns image and fold, got image, patient"),
        ("", "expected the columns image and fold, got none"),
        ("image,fold\n", "at least one row"),
        ("image,fold\na.png,\n", "line 2: expected an image and its fold, got an empty cell"),
        (
            "image,fold\na.png,0\na.png,1\n",
            "line 3: expected one fold for 'a.png', got '0' and '1'",
        ),
    ],
)
def test_refuses_a_broken_table(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_table(text, "fold", "t.csv")


def test_data_that_knows_its_patients_is_left_as_it_is() -> None:
    data = load_images("demonstration")
    assert with_clusters(data) is data
    assert groups_of(data, "Training", "patient_id") is data.parts["Training"].groups["patient_id"]
    assert groups_of(data, "Training", None) is None
    with pytest.raises(DataError, match="expected the nobody of every image"):
        groups_of(data, "Training", "nobody")


def test_classes_without_patients_are_grouped_by_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_images("demonstration")
    monkeypatch.setattr(
        grouping,
        "clusters",
        lambda data: {name: part.sample_id for name, part in data.parts.items()},
    )
    found = groups_of(data, "Training", "patient_id", ["notumor"])
    part = data.parts["Training"]
    without = part.label == data.classes.index("notumor")
    assert found is not None
    assert (found[~without] == part.groups["patient_id"][~without]).all()
    assert (found[without] == np.char.add("copies of ", part.sample_id[without])).all()
    with pytest.raises(
        DataError, match=r"data\.clusters_for: expected classes among glioma, .*, got tumour"
    ):
        groups_of(data, "Training", "patient_id", ["tumour"])
