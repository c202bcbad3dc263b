from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import DataError, SpecError
from medpipe.pipeline.config import parse
from medpipe.pipeline.data.text import TextData, TextPart
from medpipe.pipeline.splits import sample_rows
from medpipe.pipeline.text.sentence_splits import as_drawn, draw, halves, sample_abstracts
from medpipe.pipeline.text.text_settings import Data, TextTraining

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=30)


def abstracts(sizes: list[int]) -> np.ndarray:
    return np.repeat([f"a{i}" for i in range(len(sizes))], sizes)


@given(SIZES, st.integers(1, 150), st.integers(0, 99))
def test_abstracts_are_drawn_whole(sizes: list[int], sample: int, seed: int) -> None:
    column = abstracts(sizes)
    rows = sample_abstracts(column, sample, seed)
    assert len(set(rows.tolist())) == len(rows) > 0
    drawn = set(column[rows].tolist())
    assert len(rows) == np.isin(column, list(drawn)).sum()
    assert len(rows) <= max(sample, min(sizes)) or sample < min(sizes)
    assert (
        len(rows) == len(column)
        if sample >= len(column)
        else len(rows) >= min(sample, len(column)) - max(sizes) + 1
    )
    assert np.array_equal(rows, sample_abstracts(column, sample, seed))


@given(SIZES, st.integers(0, 99))
def test_halves_part_no_abstract(sizes: list[int], seed: int) -> None:
    column = abstracts(sizes)
    chosen = halves(column, seed)
    one, other = set(column[chosen].tolist()), set(column[~chosen].tolist())
    if len(sizes) > 1:
        assert not one & other and len(one) == len(sizes) // 2 and len(one | other) == len(sizes)


def data(test: bool = True) -> TextData:
    def part(name: str, count: int) -> TextPart:
        group = np.array([f"{name}{i // 4}" for i in range(count)])
        return TextPart(
            tuple(f"{name} {i}" for i in range(count)),
            np.arange(count) % 2,
            np.array([f"{name}{i}" for i in range(count)]),
            {"abstract_id": group},
        )

    parts = {"train": part("t", 80), "dev": part("d", 40)} | (
        {"test": part("e", 12)} if test else {}
    )
    return TextData("made", ("x", "y"), parts, "sha256:0")


WRITTEN = {
    "source": "made",
    "train_rows": 60,
    "dev_rows": 99,
    "train_sample": 30,
    "dev_sample": 20,
    "sample_seed": 42,
}


def test_only_the_training_rows_depend_on_how_they_are_drawn() -> None:
    rows, whole = (
        draw(data(), parse(Data, {**WRITTEN, "split": split}, "data"))
        for split in ("rows", "abstracts")
    )
    assert np.array_equal(rows.parts["train"].index, sample_rows(80, 60, 30, 42))
    assert (
        not np.array_equal(rows.parts["train"].index, whole.parts["train"].index)
        and whole.parts["train"].index.max() < 60
    )
    for name in ("dev", "test"):
        assert np.array_equal(rows.parts[name].index, whole.parts[name].index)
    used = as_drawn(data(), parse(Data, WRITTEN, "data"), rows)
    assert used == {
        **WRITTEN,
        "dev_rows": 40,
    }, "keys that were not written must not look like deviations"


def test_selection_and_validation_are_halves_of_the_published_sample() -> None:
    written = parse(Data, WRITTEN, "data")
    published, sound = draw(data(False), written), draw(data(False), written, selection=True)
    assert [*published.splits()] == ["training", "validation"] and [*sound.splits()] == [
        "training",
        "selection",
        "validation",
    ]
    both = np.concatenate([sound.splits()[name].index for name in ("selection", "validation")])
    assert sorted(both.tolist()) == sorted(published.splits()["validation"].index.tolist())


def test_a_single_sentence_has_no_halves() -> None:
    with pytest.raises(DataError, match="at least two evaluation sentences"):
        draw(data(), parse(Data, {**WRITTEN, "dev_sample": 1}, "data"), selection=True)


def test_a_batch_cannot_be_cut_into_more_parts_than_samples() -> None:
    recipe = {
        "optimizer": "adam",
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "batch_size": 4,
        "epochs": 1,
        "patience": None,
        "reported_epoch": "best",
        "precision": "fp32",
    }
    assert parse(TextTraining, recipe, "training").accumulate == 1
    with pytest.raises(SpecError, match="accumulate should be at most batch_size"):
        parse(TextTraining, {**recipe, "accumulate": 5}, "training")
