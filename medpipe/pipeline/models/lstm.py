"""The LSTM sentence classifier as published, and the same with its padding masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

PAD, UNKNOWN = 0, 1


class Vocabulary:
    """The most frequent lower-cased whitespace-separated words, numbered from 2; 0 is padding, 1 every other word.

    ``size`` counts those two. Only the first ``words`` words of each of ``sentences`` are counted; of equally frequent
    words the one that was met first comes first.
    """

    def __init__(self, sentences: Sequence[str], *, size: int, words: int) -> None:
        counts = Counter(word for sentence in sentences for word in sentence.lower().split()[:words])
        self._number = {word: i for i, (word, _) in enumerate(counts.most_common(size - 2), start=2)}

    def __len__(self) -> int:
        return len(self._number) + 2

    def encode(self, sentences: Sequence[str], length: int) -> NDArray[np.int64]:
        """Word numbers, int64 ``(N, length)``: cut at ``length``, padded on the right; a sentence without words is one unknown."""
        rows = np.full((len(sentences), length), PAD, dtype=np.int64)
        for row, sentence in zip(rows, sentences, strict=True):
            numbers = [self._number.get(word, UNKNOWN) for word in sentence.lower().split()[:length]] or [UNKNOWN]
            row[:len(numbers)] = numbers
        return rows


class LSTMClassifier(nn.Module):
    """Embedding, LSTM, the last hidden state of every direction of the top layer side by side, dropout, linear.

    ``dropout`` stands in both published places: between the layers of the LSTM and before the linear layer.
    ``masked=False``: as published, the LSTM reads the padding too, so the state that is classified has run over it.
    ``masked=True``: the LSTM stops at the last word. The padding's embedding is zero and stays so.
    """

    def __init__(self, *, vocabulary: int, classes: int, embedding: int, hidden: int, layers: int,
                 bidirectional: bool, dropout: float, masked: bool) -> None:
        super().__init__()
        self.masked = masked
        self.directions = 2 if bidirectional else 1
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True, bidirectional=bidirectional,
                            dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden * self.directions, classes)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Logits ``(B, C)`` from word numbers int64 ``(B, L)`` and their counts int64 ``(B,)``, which stay on the CPU."""
        embedded = self.embedding(words)
        if self.masked:
            embedded = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(embedded)
        last = torch.cat(list(hidden[-self.directions:]), dim=1)
        logits: Tensor = self.linear(self.dropout(last))
        return logits
