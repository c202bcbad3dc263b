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
    """The most frequent lower-cased whitespace-separated words, numbered from 2; 0 is padding, 1
    every other word.

    ``size`` counts those two. Only the first ``words`` words of each of ``sentences`` are counted;
    of equally frequent words the one that was met first comes first.
    """

    def __init__(self, sentences: Sequence[str], *, size: int, words: int) -> None:
        counts = Counter(
            word for sentence in sentences for word in sentence.lower().split()[:words]
        )
        self._number = {
            word: i for i, (word, _) in enumerate(counts.most_common(size - 2), start=2)
        }

    def __len__(self) -> int:
        return len(self._number) + 2

    def encode(self, sentences: Sequence[str], length: int) -> NDArray[np.int64]:
        """Word numbers, int64 ``(N, length)``: cut at ``length``, padded on the right; a sentence
        without words is one unknown.
        """
        rows = np.full((len(sentences), length), PAD, dtype=np.int64)
        for row, sentence in zip(rows, sentences, strict=True):
            numbers = [
                self._number.get(word, UNKNOWN) for word in sentence.lower().split()[:length]
            ] or [UNKNOWN]
            row[: len(numbers)] = numbers
        return rows


class LSTMClassifier(nn.Module):
    """Embedding, LSTM, the last hidden state of every direction of the top layer side by side,
    dropout, linear.

    ``dropout`` stands in both published places: between the layers of the LSTM and before the
    linear layer. ``masked=False``: as published, the LSTM reads the padding too, so the state that
    is classified has run over it. ``masked=True``: the LSTM stops at the last word. The padding's
    embedding is zero and stays so.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        classes: int,
        embedding: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        masked: bool,
    ) -> None:
        super().__init__()
        self.masked = masked
        self.directions = 2 if bidirectional else 1
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(
            embedding,
            hidden,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden * self.directions, classes)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Logits ``(B, C)`` from word numbers int64 ``(B, L)`` and their counts int64 ``(B,)``."""
        logits: Tensor = self.linear(self.dropout(self.read(self.embedding(words), lengths)))
        return logits

    def read(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """The states that are classified, ``(B, H)`` for each direction side by side, from embedded
        words ``(B, L, E)``.
        """
        if not self.masked:
            _, (hidden, _) = self.lstm(embedded)
            return torch.cat(list(hidden[-self.directions :]), dim=1)
        return (
            self.read_dense(embedded, lengths)
            if embedded.device.type == "cpu"
            else self.read_packed(embedded, lengths)
        )

    def read_packed(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """As `read` where padding is masked, by torch's packed sequences: the way for a GPU."""
        packed = pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = self.lstm(packed)
        return torch.cat(list(hidden[-self.directions :]), dim=1)

    def read_dense(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """As `read` where padding is masked, without packing, which oneDNN has no fast kernel for:
        the way for a CPU.

        Every sentence begins at the left, and each direction is an LSTM from left to right. The
        backward one gets each sentence turned round within its own length, so it too begins at a
        word and meets the padding only after it has ended.
        """
        sequence, lengths = (
            embedded.transpose(0, 1),
            lengths.to(embedded.device),
        )  # time first, as oneDNN wants it
        time, row = (
            torch.arange(len(sequence), device=embedded.device)[:, None],
            torch.arange(len(lengths), device=embedded.device),
        )
        turned = torch.where(time < lengths, lengths - 1 - time, time)
        states: list[Tensor] = []
        for layer in range(self.lstm.num_layers):
            if layer:
                upright = [states[0], *(s[turned, row] for s in states[1:])]
                sequence = self._drop(torch.cat(upright, dim=2))
            states = [self._run(sequence, layer, "")]
            if self.directions == 2:
                states.append(self._run(sequence[turned, row], layer, "_reverse"))
        return torch.cat([s[lengths - 1, row] for s in states], dim=1)

    def _drop(self, states: Tensor) -> Tensor:
        """Dropout between layers. torch's own draws a CPU's mask at a quarter of the speed: a
        twentieth of a whole step.
        """
        if not self.training or self.lstm.dropout == 0.0:
            return states
        return states * (torch.rand(states.shape, device=states.device) >= self.lstm.dropout).to(
            states.dtype
        ).div_(1 - self.lstm.dropout)

    def _run(self, sequence: Tensor, layer: int, direction: str) -> Tensor:
        """The states ``(L, B, H)`` of one layer in one direction, read from left to right."""
        weights = [
            getattr(self.lstm, f"{kind}_l{layer}{direction}")
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        start = sequence.new_zeros(1, sequence.shape[1], self.lstm.hidden_size)
        return torch.lstm(
            sequence, (start, start), weights, True, 1, 0.0, self.training, False, False
        )[0]
