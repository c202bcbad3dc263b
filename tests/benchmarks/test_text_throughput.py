"""Sentences per second that an LSTM is trained on: as published (every sentence padded to 128) and
in batches of like length.

Promised: 3.5 times as many, aimed at 4.5. Machines differ, so nothing asserts it. Both ways train
side by side on the same sentences, taking turns, so that what else the machine does hits both;
optimisation steps are included, reading and tokenising are not. Sentences come from
``MEDPIPE_DATA`` where there are any (a mean sentence then has about 26 words), else from the
demonstration. The number of threads is torch's, set it with ``OMP_NUM_THREADS``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from medpipe.pipeline.data.text import load_text
from medpipe.pipeline.models.lstm import LSTMClassifier, Vocabulary
from medpipe.pipeline.text.samples import Words, bucketed_order

BATCH, LENGTH, POOL = 32, 128, 100
TURNS, STEPS = 16, {"published": 4, "bucketed": 16}
"""A turn trains about as long in either way."""


class Way:
    """One way of training: a model, its samples and its own endless order of batches."""

    def __init__(
        self, name: str, vocabulary: Vocabulary, sentences: list[str], label: np.ndarray
    ) -> None:
        masked = name == "bucketed"
        torch.manual_seed(0)
        self.model: nn.Module = LSTMClassifier(
            vocabulary=8000,
            classes=5,
            embedding=128,
            hidden=256,
            layers=2,
            bidirectional=True,
            dropout=0.3,
            masked=masked,
        ).train()
        kind = torch.optim.AdamW if masked else torch.optim.Adam
        self.optimizer = kind(self.model.parameters(), lr=1e-3, weight_decay=1e-3, fused=masked)
        self.samples, self.pool, self.steps = (
            Words(vocabulary, sentences, label, LENGTH, masked),
            POOL if masked else 1,
            STEPS[name],
        )
        self.batches, self.seconds = self._batches(), list[float]()

    def _batches(self) -> Iterator[np.ndarray]:
        for epoch in range(1, 1000):
            order = bucketed_order(self.samples.lengths, BATCH, self.pool, (0, epoch))
            yield from (
                order[start : start + BATCH] for start in range(0, len(order) - BATCH + 1, BATCH)
            )

    def turn(self) -> None:
        """Train on some batches and note the time."""
        start = time.perf_counter()
        for _ in range(self.steps):
            index = next(self.batches)
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(
                self.model(**self.samples.batch(index, 1)),
                torch.from_numpy(self.samples.label[index]),
            )
            loss.backward()
            self.optimizer.step()
        self.seconds.append(time.perf_counter() - start)


def rate(way: Way, turns: np.ndarray) -> np.ndarray:
    """Sentences per second over all of ``turns`` (long sentences weigh as much as they cost), int64
    ``(..., T)`` to ``(...)``.
    """
    return way.steps * BATCH / np.array(way.seconds)[turns].mean(axis=-1)


def test_lstm_training(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_text(["pubmed-rct-20k", "structured-abstracts", "demonstration"])
    part = data.parts["train"]
    chosen = np.random.default_rng(0).permutation(len(part))[:20_000]
    sentences = [part.sentences[i] for i in chosen.tolist()]
    vocabulary = Vocabulary(sentences[:10_000], size=8000, words=100)
    ways = {name: Way(name, vocabulary, sentences, part.label[chosen]) for name in STEPS}

    def turn() -> None:
        for way in ways.values():
            way.turn()

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    drawn = np.random.default_rng(0).integers(1, TURNS + 1, (2000, TURNS))  # turn 0 warmed up
    rates = {name: float(rate(way, np.arange(1, TURNS + 1))) for name, way in ways.items()}
    ratio = rates["bucketed"] / rates["published"]
    low, high = np.quantile(
        rate(ways["bucketed"], drawn) / rate(ways["published"], drawn), [0.025, 0.975]
    ).tolist()
    benchmark.extra_info |= {
        "data": data.source,
        "threads": torch.get_num_threads(),
        "mean_words": float(ways["bucketed"].samples.lengths.mean()),
        **{f"{name}_sentences_per_s": value for name, value in rates.items()},
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
    }
    said = (
        f"{data.source}, {torch.get_num_threads()} thread(s): published {rates['published']:.1f},"
        f" bucketed {rates['bucketed']:.1f} sentences/s; ratio {ratio:.2f} (95 % bootstrap interval"
        f" over {TURNS} turns: {low:.2f} to {high:.2f})"
    )
    with capsys.disabled():
        print(f"\n{said}")
    assert all(len(way.seconds) == TURNS + 1 for way in ways.values())
