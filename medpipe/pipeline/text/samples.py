"""Sentences as models get them: turned into numbers once, cut into batches of like length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from medpipe.pipeline.checkpoint import Tensors
from medpipe.pipeline.machine import Index
from medpipe.pipeline.models.lstm import PAD, Vocabulary
from medpipe.pipeline.prediction import Samples


class Sentences(Samples, Protocol):
    """Samples whose lengths are known beforehand."""

    @property
    def lengths(self) -> Index:
        """What each sentence costs, int64 ``(N,)``: words or tokens read."""


class Words:
    """Sentences for the LSTM: padded to ``length`` as published, or, where padding is masked
    anyway, to the longest of a batch.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        sentences: Sequence[str],
        label: Index,
        length: int,
        masked: bool,
    ) -> None:
        self.label, self._masked = label, masked
        encoded = vocabulary.encode(sentences, length)
        self._words = torch.from_numpy(encoded)
        self._read = (encoded != PAD).sum(axis=1)
        self.lengths: Index = self._read if masked else np.full(len(label), length)

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        lengths = self._read[index]
        words = self._words[torch.from_numpy(index)]
        return {
            "words": words[:, : int(lengths.max())] if self._masked else words,
            "lengths": torch.from_numpy(lengths),
        }


class Tokens:
    """Sentences for a transformer, `TokenizedSentences` with their labels."""

    def __init__(self, tokens: Any, label: Index) -> None:
        self.label, self._tokens = label, tokens
        self.lengths: Index = tokens.lengths

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        batch: Tensors = self._tokens.batch(np.asarray(index))
        return batch


class View:
    """Some of the samples, in another order: sample ``i`` of the view is sample ``index[i]``."""

    def __init__(self, samples: Sentences, index: Index) -> None:
        self._samples, self._index = samples, index
        self.label, self.lengths = samples.label[index], samples.lengths[index]

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        return self._samples.batch(self._index[index], epoch)


def order_of_length(samples: Sentences) -> Index:
    """The order, longest first, in which evaluation pads least and shows at once whether memory
    suffices.
    """
    return np.argsort(-samples.lengths, kind="stable")


def bucketed_order(
    lengths: Index, batch_size: int, pool_batches: int, key: tuple[int, int]
) -> Index:
    """An order of all samples, int64 ``(N,)``, whose consecutive runs of ``batch_size`` are batches
    of like length.

    Samples are shuffled, ``pool_batches`` batches' worth at a time is sorted by length and cut into
    batches, and the batches are shuffled. The incomplete batch, if there is one, stays last, and
    holds whichever samples the first shuffle left over. Equal keys (seed, epoch) give equal orders,
    so a resumed training goes on where it was. ``pool_batches=1`` only shuffles.
    """
    draw = np.random.default_rng(key)
    shuffled = draw.permutation(len(lengths))
    if pool_batches == 1:
        return shuffled
    whole = len(shuffled) // batch_size * batch_size
    pool = batch_size * pool_batches
    pools = [shuffled[start : min(start + pool, whole)] for start in range(0, whole, pool)]
    by_length = [p[np.argsort(lengths[p], kind="stable")] for p in pools]
    batches = np.concatenate([*by_length, shuffled[:0]]).reshape(-1, batch_size)
    return np.concatenate([batches[draw.permutation(len(batches))].ravel(), shuffled[whole:]])
