"""The training loop for sentences: the common one, with batches of like length, gradient
accumulation and a split to choose on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.machine import Index, Machine
from medpipe.pipeline.prediction import Meter, evaluation_steps, forward, predict
from medpipe.pipeline.text.samples import Sentences, View, bucketed_order, order_of_length
from medpipe.pipeline.text.text_settings import TextTraining
from medpipe.pipeline.training import Trained, _Loop

Measure = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Watched:
    """What is looked at after each epoch: samples, and by the name of each split its positions in
    them, int64.

    The row of an epoch holds ``<split>_loss`` and ``<split>_accuracy``; ``validation`` must be
    among the splits.
    """

    samples: Sentences
    splits: Mapping[str, Index]


def train_text(
    model: nn.Module,
    training: Sentences,
    watched: Watched,
    recipe: TextTraining,
    *,
    seed: int,
    machine: Machine,
    store: CheckpointStore,
    meter: Meter,
    save_every_s: float,
    measure: Measure | None = None,
) -> Trained:
    """Train as `medpipe.pipeline.training.train` does, and resume as it does.

    ``measure(model)``: further numbers for the row of each epoch; it must leave weights and
    gradients as they are.
    """
    loop = _TextLoop(
        model, training, watched, recipe, seed, machine, store, meter, save_every_s, measure
    )
    loop.start()
    while not loop.is_over():
        loop.train_epoch()
        loop.close_epoch()
    return loop.finish()


class _TextLoop(_Loop):
    """The common loop, but for the order of samples, how a batch is computed and what is looked at
    after an epoch.

    A subclass, so that what imaging imports, and with it the stored evidence of imaging, stays as
    it is.
    """

    def __init__(
        self,
        model: nn.Module,
        training: Sentences,
        watched: Watched,
        recipe: TextTraining,
        seed: int,
        machine: Machine,
        store: CheckpointStore,
        meter: Meter,
        save_every_s: float,
        measure: Measure | None,
    ) -> None:
        order = order_of_length(watched.samples)
        super().__init__(
            model,
            training,
            View(watched.samples, order),
            recipe,
            seed,
            machine,
            store,
            meter,
            False,
            save_every_s,
        )
        self.text_recipe, self.lengths, self.measure = recipe, training.lengths, measure
        self.watched = {
            name: np.flatnonzero(np.isin(order, index)) for name, index in watched.splits.items()
        }
        if (
            machine.device.type == "cpu"
        ):  # one pass over the memory instead of ten: a twentieth of an LSTM's step
            kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
            self.optimizer = kind(
                self.model.parameters(),
                lr=recipe.learning_rate,
                weight_decay=recipe.weight_decay,
                fused=True,
            )

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest accuracy on the split that is chosen on, the first of
        equals.
        """
        return 1 + int(
            np.argmax([row[f"{self.text_recipe.chosen_on}_accuracy"] for row in self.history])
        )

    def train_epoch(self) -> None:
        self.wrapped.train()
        size = self.recipe.batch_size
        order = bucketed_order(
            self.lengths, size, self.text_recipe.pool_batches, (self.seed, self.epoch)
        )
        while self.step < self.steps_per_epoch:
            self._train_batch(order[self.step * size : (self.step + 1) * size])
            self.step += 1
            self.meter.advance(1)
            if self._save_is_due():
                self._save()
        self._save()

    def _train_batch(self, index: Index) -> None:
        mine = self.machine.share(index)
        fed = (
            mine if len(mine) else index[:1]
        )  # a process without a sample must still take part in the step
        self.optimizer.zero_grad()
        for part in np.array_split(fed, min(self.text_recipe.accumulate, len(fed))):
            counted = part if len(mine) else part[:0]
            logits = forward(self.wrapped, self.training.batch(part, self.epoch), self.machine)[
                : len(counted)
            ].float()
            place = torch.as_tensor(counted, device=self.label.device)
            losses = functional.cross_entropy(logits, self.label[place], reduction="none")
            # gradients are averaged over processes, so the sum over this one's share is scaled to
            # the mean over the batch
            self.machine.accelerator.backward(losses.sum() * (self.machine.processes / len(index)))
            self.running[place] = logits.detach().argmax(dim=1) + 1
            self.losses[place] = losses.detach()
        self.optimizer.step()

    def _validate(self) -> dict[str, float]:
        logits = predict(
            self.model,
            self.validation,
            self.machine,
            lambda n: self.meter.advance(evaluation_steps(n, self.recipe.batch_size)),
        )
        row: dict[str, float] = {}
        for name, index in self.watched.items():
            label, found = self.validation.label[index], logits[index]
            row[f"{name}_loss"] = functional.cross_entropy(
                torch.as_tensor(found).double(), torch.as_tensor(label)
            ).item()
            row[f"{name}_accuracy"] = float(np.mean(found.argmax(axis=1) == label))
        return row | dict(self.measure(self.model) if self.measure is not None else {})
