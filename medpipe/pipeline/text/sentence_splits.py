"""Which sentences are trained on, chosen on and reported on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.pipeline.data.text import TextData, TextPart
from medpipe.pipeline.splits import Index, Subset, sample_rows, whole
from medpipe.pipeline.text.text_settings import Data


@dataclass(frozen=True, eq=False)
class Drawn:
    """``parts``: the sentences used of ``train``, ``dev`` and, where the data has it, ``test``.
    ``watched``: by the name of a split (``validation``, perhaps ``selection``) its positions in
    ``parts["dev"]``, int64.
    """

    parts: Mapping[str, Subset]
    watched: Mapping[str, Index]

    def splits(self) -> dict[str, Subset]:
        """The splits that are observed: ``training``, those watched and, where there is a test
        part, ``testing``.
        """
        dev = self.parts["dev"]
        splits = {
            "training": self.parts["train"],
            **{name: Subset(dev.part, dev.index[index]) for name, index in self.watched.items()},
        }
        return splits | ({"testing": self.parts["test"]} if "test" in self.parts else {})


def draw(data: TextData, written: Data, *, selection: bool = False, testing: bool = True) -> Drawn:
    """Draw the sentences as written. The test part, where there is one and ``testing`` asks for it,
    is taken whole.

    ``selection``: cut the dev sample by abstract into halves ``selection`` and ``validation``.
    Whether training rows are drawn as rows or as abstracts changes no other split. Raises
    `DataError` where a split would be empty.
    """
    train, dev = data.parts["train"], data.parts["dev"]
    rows = sample_rows(len(train), written.train_rows, written.train_sample, written.sample_seed)
    if written.split == "abstracts":
        rows = sample_abstracts(
            train.groups["abstract_id"][: written.train_rows], len(rows), written.sample_seed
        )
    sample = sample_rows(len(dev), written.dev_rows, written.dev_sample, written.sample_seed)
    chosen = (
        halves(dev.groups["abstract_id"][sample], written.sample_seed)
        if selection
        else np.zeros(len(sample), bool)
    )
    if selection and not chosen.any():
        raise DataError(
            "sampling: expected at least two evaluation sentences to choose on one half, got"
            f" {len(sample)}; set training.chosen_on to validation"
        )
    watched = {"selection": np.flatnonzero(chosen)} if selection else {}
    parts = {"train": Subset(train, rows), "dev": Subset(dev, sample)}
    return Drawn(
        parts | ({"test": whole(data.parts["test"])} if testing and "test" in data.parts else {}),
        {**watched, "validation": np.flatnonzero(~chosen)},
    )


def sample_abstracts(abstract: NDArray[np.str_], sample: int, seed: int) -> Index:
    """Rows of whole abstracts, drawn at random as long as they fit into ``sample`` rows, in the
    order drawn.

    ``abstract``: str ``(N,)``. An abstract too long for what is left is passed over, so fewer rows
    are missing than the longest has; where even the shortest has more than ``sample``, the first
    drawn is taken.
    """
    names, of_row, counts = np.unique(abstract, return_inverse=True, return_counts=True)
    together = np.split(np.argsort(of_row, kind="stable"), np.cumsum(counts)[:-1])
    drawn = np.random.default_rng(seed).permutation(len(names))
    taken: list[Index] = []
    left = sample
    for i in drawn.tolist():
        if counts[i] <= left or (not taken and counts.min() > sample):
            taken.append(together[i])
            left -= int(counts[i])
        if left <= 0:
            break
    return np.concatenate(taken)


def halves(abstract: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """A mask ``(N,)`` that holds half of the abstracts, drawn at random, whole; with a single
    abstract, half of its rows.
    """
    names, of_row = np.unique(abstract, return_inverse=True)
    if len(names) < 2:
        return np.arange(len(abstract)) < len(abstract) // 2
    chosen = np.zeros(len(names), bool)
    chosen[np.random.default_rng(seed).permutation(len(names))[: len(names) // 2]] = True
    return np.asarray(chosen[of_row])


def sentences_of(subset: Subset) -> list[str]:
    """The sentences of a subset of a text part, in its order."""
    every = cast(TextPart, subset.part).sentences
    return [every[i] for i in subset.index.tolist()]


def as_drawn(data: TextData, written: Data, drawn: Drawn) -> dict[str, object]:
    """The section as it was really used: the source taken, and as many rows as there were. Only
    keys that were written.
    """
    used = written.model_dump(exclude_unset=True)
    return used | {
        "source": data.source,
        "train_rows": min(written.train_rows, len(data.parts["train"])),
        "train_sample": len(drawn.parts["train"]),
        "dev_rows": min(written.dev_rows, len(data.parts["dev"])),
        "dev_sample": len(drawn.parts["dev"]),
    }
