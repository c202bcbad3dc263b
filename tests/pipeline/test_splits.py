from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import DataError
from medpipe.pipeline.data.images import ImagePart
from medpipe.pipeline.splits import Subset, sample_rows, split_by_image, split_by_patient, whole


def images(
    counts: list[int], patients: list[str] | None = None, order: np.ndarray | None = None
) -> ImagePart:
    label = np.repeat(np.arange(len(counts)), counts)
    ids = np.array([f"Training/{c}/{i:05d}.jpg" for i, c in enumerate(label)])
    order = np.arange(len(label)) if order is None else order
    groups = {} if patients is None else {"patient_id": np.array(patients)[order]}
    return ImagePart(
        label[order],
        ids[order],
        groups,
        lambda size: np.zeros((len(label), size, size, 3), np.uint8),
    )


@given(st.integers(1, 200), st.integers(1, 250), st.integers(1, 250), st.integers(0, 2**32 - 1))
def test_sampling_draws_distinct_rows_of_the_first(
    available: int, rows: int, sample: int, seed: int
) -> None:
    drawn = sample_rows(available, rows, sample, seed)
    limit = min(available, rows)
    assert len(drawn) == min(sample, limit) == len(set(drawn.tolist()))
    assert drawn.min() >= 0 and drawn.max() < limit


@pytest.mark.parametrize(("rows", "sample"), [(50_000, 20_000), (50_000, 30_000), (10_000, 5_000)])
def test_sampling_is_that_of_pandas(rows: int, sample: int) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"row": np.arange(60_000)}).head(rows)
    assert (
        sample_rows(60_000, rows, sample, 42).tolist()
        == frame.sample(sample, random_state=42)["row"].tolist()
    )


def test_sampling_from_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        sample_rows(0, 10, 10, 42)


def test_the_published_split_has_the_published_sizes() -> None:
    train, validation = split_by_image(images([1321, 1339, 1595, 1457]), 0.2, 42)
    assert (len(train), len(validation)) == (4569, 1143)
    shares = np.bincount(validation.label) / np.array([1321, 1339, 1595, 1457])
    assert np.abs(shares - 0.2).max() < 0.001


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_the_split_does_not_depend_on_the_order_of_files(order_seed: int, seed: int) -> None:
    counts = [9, 12, 7]
    shuffled = images(counts, order=np.random.default_rng(order_seed).permutation(28))
    for one, other in zip(
        split_by_image(images(counts), 0.25, seed),
        split_by_image(shuffled, 0.25, seed),
        strict=True,
    ):
        assert one.part.sample_id[one.index].tolist() == other.part.sample_id[other.index].tolist()
        assert one.label.tolist() == other.label.tolist()


@given(st.integers(0, 50), st.sampled_from([0.2, 0.25, 0.5]))
def test_split_by_patient_parts_no_patient_and_loses_no_image(seed: int, fraction: float) -> None:
    draw = np.random.default_rng(seed)
    part = images([40, 40, 40], [f"p{p}" for p in draw.integers(0, 25, 120)])
    train, validation = split_by_patient(part, fraction, seed)
    patients = part.groups["patient_id"]
    assert not set(patients[train.index]) & set(patients[validation.index])
    assert sorted([*train.index.tolist(), *validation.index.tolist()]) == list(range(120))
    assert abs(len(validation) / 120 - fraction) < 0.12


def test_the_published_split_does_part_patients() -> None:
    part = images([40, 40], [f"p{i // 4}" for i in range(80)])
    train, validation = split_by_image(part, 0.25, 42)
    patients = part.groups["patient_id"]
    assert set(patients[train.index]) & set(patients[validation.index])


@pytest.mark.parametrize("part", [images([9, 9]), images([9, 9], ["p"] * 17 + [""])])
def test_split_by_patient_needs_patients(part: ImagePart) -> None:
    with pytest.raises(DataError, match="patient_id for every image"):
        split_by_patient(part, 0.2, 42)


def test_too_few_images_or_patients_are_refused() -> None:
    with pytest.raises(DataError, match="enough images of every class"):
        split_by_image(images([1, 5]), 0.2, 42)
    with pytest.raises(DataError, match="at least 5 patients, got 2"):
        split_by_patient(images([9, 9], ["p"] * 9 + ["q"] * 9), 0.2, 42)


def test_a_subset_is_observed_with_ids_groups_and_cluster_where_known() -> None:
    part = images([3, 3], [f"p{i}" for i in range(6)])
    seen = Subset(part, np.array([4, 0])).observe(["a", "b"], "patient_id", y_pred=np.array([1, 1]))
    assert seen["sample_id"].tolist() == ["Training/1/00004.jpg", "Training/0/00000.jpg"]
    assert (seen["y_true"].tolist(), seen["patient_id"].tolist(), seen.cluster) == (
        [1, 0],
        ["p4", "p0"],
        "patient_id",
    )
    assert whole(images([3, 3])).observe(["a", "b"], "patient_id").cluster is None
