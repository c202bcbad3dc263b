"""Which part of a set is trained on, as its name or its user says, and nothing guessed where
neither does.
"""

from __future__ import annotations

import pytest

from medpipe.errors import DataError
from medpipe.pipeline.imaging.leaked_images import training_part


@pytest.mark.parametrize(
    ("parts", "named", "found"),
    [
        (("Testing set", "Training set"), "", "Training set"),
        (("TRAIN", "val"), "", "TRAIN"),
        (("a", "b"), "", ""),
        (("all",), "", ""),
        (("train", "train_more", "test"), "", ""),
        (("train", "train_more", "test"), "train", "train"),
        (("one", "train"), "one", "one"),
        (("restrained", "test"), "", ""),
    ],
)
def test_the_part_that_is_trained_on(parts: tuple[str, ...], named: str, found: str) -> None:
    assert training_part(parts, named) == found


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match=r"--train: expected the name of a part \(a, b\), got 'c'"):
        training_part(("a", "b"), "c")
