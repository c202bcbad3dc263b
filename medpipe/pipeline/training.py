"""One training loop for every classifier: seeded, resumable after a kill at any moment, on one
device or several.

What makes it repeatable: the order of an epoch's samples is a function of (seed, epoch),
augmentation one of (seed, epoch, sample), and dropout follows torch's generator, whose state is in
every checkpoint. A resumed run therefore skips the batches that were seen without computing them
and ends with the weights of an uninterrupted one, bit by bit on the CPU.

With several processes each takes its share of every batch, so the batch size stays the published
one, and batch normalisation is over the whole batch; a resumed run is then equal but for dropout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medpipe.errors import MedpipeError
from medpipe.pipeline.checkpoint import WEIGHTS, Checkpoint, CheckpointStore, Tensors
from medpipe.pipeline.config import Training
from medpipe.pipeline.machine import Index, Machine
from medpipe.pipeline.prediction import Meter, Samples, evaluation_steps, forward, predict
from medpipe.pipeline.randomness import random_tensors, random_values, restore_random

SAVE_EVERY_S = 60.0
ASK_EVERY_STEPS = 16
"""How often several processes agree on whether a checkpoint is due."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A model with the weights of the reported epoch, and how it came to them.

    ``history``: a row per epoch; ``running``: the classes predicted for each training sample in the
    last epoch, while it was trained on, int64 ``(N,)``; ``steps`` and ``training_s`` over all
    epochs and all resumptions; ``notes`` for the reader.
    """

    model: nn.Module
    history: list[dict[str, float]]
    running: Index
    reported_epoch: int
    steps: int
    training_s: float
    notes: list[str]


def total_steps(training: int, validation: int, recipe: Training) -> float:
    """What a training of all its epochs counts, validation after each included."""
    return recipe.epochs * (
        _steps_per_epoch(training, recipe) + evaluation_steps(validation, recipe.batch_size)
    )


def train(
    model: nn.Module,
    training: Samples,
    validation: Samples,
    recipe: Training,
    *,
    seed: int,
    machine: Machine,
    store: CheckpointStore,
    meter: Meter,
    plateau: bool = False,
    save_every_s: float = SAVE_EVERY_S,
) -> Trained:
    """Train ``model`` from its weights and torch's generator as they are, or go on where a
    checkpoint was left.

    ``plateau``: multiply the learning rate by 0.1 after 10 epochs without a lower validation loss
    (torch's defaults). A checkpoint is kept at the end of every epoch and every ``save_every_s``
    seconds. Raises `MedpipeError` where the loss diverges.
    """
    loop = _Loop(
        model, training, validation, recipe, seed, machine, store, meter, plateau, save_every_s
    )
    loop.start()
    while not loop.is_over():
        loop.train_epoch()
        loop.close_epoch()
    return loop.finish()


def weights_of(model: nn.Module) -> Tensors:
    """A copy of all parameters and buffers on the CPU."""
    return {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in model.state_dict().items()
    }


def _steps_per_epoch(samples: int, recipe: Training) -> int:
    return -(-samples // recipe.batch_size)


class _Loop:
    """The state of one training between its first and its last step."""

    def __init__(
        self,
        model: nn.Module,
        training: Samples,
        validation: Samples,
        recipe: Training,
        seed: int,
        machine: Machine,
        store: CheckpointStore,
        meter: Meter,
        plateau: bool,
        save_every_s: float,
    ) -> None:
        self.training, self.validation, self.recipe, self.seed = training, validation, recipe, seed
        self.machine, self.store, self.meter, self.save_every_s = (
            machine,
            store,
            meter,
            save_every_s,
        )
        if machine.processes > 1:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]  # torch has no types there
        self.wrapped = machine.accelerator.prepare_model(model)
        self.model: nn.Module = machine.accelerator.unwrap_model(self.wrapped)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
        self.optimizer = kind(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.scheduler = (
            torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer) if plateau else None
        )
        self.label = torch.as_tensor(training.label, device=machine.device)
        self.steps_per_epoch = _steps_per_epoch(len(training.label), recipe)
        self.history: list[dict[str, float]] = []
        self.notes: list[str] = []
        self.best: Tensors = {}
        self.step, self.epoch_s, self.best_is_new, self.finished = 0, 0.0, False, False
        self._clear_running()

    @property
    def epoch(self) -> int:
        """The epoch at work, from 1."""
        return len(self.history) + 1

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation accuracy, the first of equals."""
        return 1 + int(np.argmax([row["validation_accuracy"] for row in self.history]))

    def is_over(self) -> bool:
        patience = self.recipe.patience
        stopped = (
            patience is not None
            and bool(self.history)
            and len(self.history) - self.best_epoch >= patience
        )
        return self.finished or len(self.history) >= self.recipe.epochs or stopped

    def start(self) -> None:
        """Restore what a checkpoint holds, if there is one."""
        with self.machine.accelerator.main_process_first():
            checkpoint, note = self.store.load()
        self.machine.accelerator.wait_for_everyone()
        if note is not None:
            self.notes.append(note)
        if not self.machine.leads:
            torch.manual_seed(self.seed + 1_000_003 * self.machine.accelerator.process_index)
        if checkpoint is not None:
            self._restore(checkpoint)
        self._tell()
        self.saved_at = self.began_at = time.monotonic()

    def train_epoch(self) -> None:
        """The batches of this epoch that were not yet seen."""
        self.wrapped.train()
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.label))
        size = self.recipe.batch_size
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
        logits = forward(self.wrapped, self.training.batch(fed, self.epoch), self.machine)[
            : len(mine)
        ].float()
        place = torch.as_tensor(mine, device=self.label.device)
        losses = functional.cross_entropy(logits, self.label[place], reduction="none")
        # gradients are averaged over processes, so the sum over this one's share is scaled to the
        # mean over the batch
        self.machine.accelerator.backward(losses.sum() * (self.machine.processes / len(index)))
        self.optimizer.step()
        self.running[place] = logits.detach().argmax(dim=1) + 1
        self.losses[place] = losses.detach()

    def close_epoch(self) -> None:
        """Validate, write the epoch's row, remember the best weights, and keep a checkpoint."""
        predicted, losses = self.machine.total(self.running) - 1, self.machine.total(self.losses)
        row = {
            "epoch": self.epoch,
            "train_loss": losses.double().mean().item(),
            "train_accuracy": (predicted == self.label).double().mean().item(),
            **self._validate(),
            "learning_rate": float(self.optimizer.param_groups[0]["lr"]),
            "epoch_s": self._elapsed(),
        }
        if not np.isfinite([row["train_loss"], row["validation_loss"]]).all():
            raise MedpipeError(
                f"training: expected a finite loss in epoch {self.epoch}, got {row['train_loss']}"
                f" in training and {row['validation_loss']} in validation; lower"
                " training.learning_rate"
            )
        self.history.append(row)
        if self.recipe.reported_epoch == "best" and self.best_epoch == len(self.history):
            self.best, self.best_is_new = weights_of(self.model), True
        if self.scheduler is not None:
            self.scheduler.step(row["validation_loss"])
        self.step, self.epoch_s, self.began_at = 0, 0.0, time.monotonic()
        self._tell()
        if not self.is_over():
            self._clear_running()
        self._save()

    def _validate(self) -> dict[str, float]:
        logits = predict(
            self.model,
            self.validation,
            self.machine,
            lambda n: self.meter.advance(evaluation_steps(n, self.recipe.batch_size)),
        )
        label = torch.as_tensor(self.validation.label)
        loss = functional.cross_entropy(torch.as_tensor(logits).double(), label).item()
        return {
            "validation_loss": loss,
            "validation_accuracy": float(np.mean(logits.argmax(axis=1) == self.validation.label)),
        }

    def finish(self) -> Trained:
        """The reported weights into the model; of the checkpoint only they and the running
        predictions stay.
        """
        reported = self.best_epoch if self.recipe.reported_epoch == "best" else len(self.history)
        running = self.machine.total(self.running)
        if self.best:
            self.model.load_state_dict(self.best)
        if not self.finished and self.machine.leads:
            self.finished = True
            self.store.save(
                self._state(), {WEIGHTS: weights_of(self.model), "training": {"running": running}}
            )
        self.machine.accelerator.wait_for_everyone()
        self.meter.move_to(total_steps(len(self.label), len(self.validation.label), self.recipe))
        return Trained(
            self.model,
            self.history,
            (running - 1).cpu().numpy(),
            reported,
            len(self.history) * self.steps_per_epoch,
            sum(row["epoch_s"] for row in self.history),
            self.notes,
        )

    def _clear_running(self) -> None:
        # 0 is "not seen by this process", so that the sum over processes is one more than the class
        self.running = torch.zeros_like(self.label)
        self.losses = torch.zeros(len(self.label), device=self.label.device)

    def _elapsed(self) -> float:
        return self.epoch_s + time.monotonic() - self.began_at

    def _tell(self) -> None:
        known = (
            f", validation accuracy {100 * self.history[-1]['validation_accuracy']:.1f} %"
            if self.history
            else ""
        )
        self.meter.message = (
            f"epoch {min(self.epoch, self.recipe.epochs)} of {self.recipe.epochs}{known}"
        )
        each = self.steps_per_epoch + evaluation_steps(
            len(self.validation.label), self.recipe.batch_size
        )
        self.meter.move_to(len(self.history) * each + self.step)

    def _save_is_due(self) -> bool:
        due = time.monotonic() - self.saved_at >= self.save_every_s
        if self.machine.processes > 1:  # saving gathers from every process, so they must agree
            if self.step % ASK_EVERY_STEPS:
                return False
            due = bool(
                self.machine.total(torch.tensor(float(due), device=self.label.device)).item()
            )
        return due

    def _save(self) -> None:
        running, losses = self.machine.total(self.running), self.machine.total(self.losses)
        if self.machine.leads:
            tensors = {f"model.{name}": value for name, value in weights_of(self.model).items()}
            for i, parameter in enumerate(self.model.parameters()):
                tensors |= {
                    f"optimizer.{i}.{name}": value
                    for name, value in self.optimizer.state.get(parameter, {}).items()
                }
            tensors |= {f"random.{name}": value for name, value in random_tensors().items()}
            parts = {"training": {**tensors, "running": running, "losses": losses}}
            if self.best_is_new:
                parts["best"] = self.best
            self.store.save(self._state(), parts, keep=("best",))
        self.best_is_new, self.saved_at = False, time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {
            "history": self.history,
            "step": self.step,
            "epoch_s": self._elapsed(),
            "finished": self.finished,
            "notes": self.notes,
            "random": random_values(),
        }

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, tensors = checkpoint.state, checkpoint.parts["training"]
        self.history, self.step, self.epoch_s, self.finished = (
            state[name] for name in ("history", "step", "epoch_s", "finished")
        )
        self.notes = [*state["notes"], *self.notes]
        if self.machine.leads:
            self.running.copy_(tensors["running"])
        if self.finished:
            self.model.load_state_dict(checkpoint.parts[WEIGHTS])
            return
        self.notes.append(
            f"training was interrupted and resumed in epoch {self.epoch} after {self.step} of"
            f" {self.steps_per_epoch} steps"
        )
        self.best = checkpoint.parts.get("best", {})
        self.model.load_state_dict(_under("model.", tensors))
        for i, parameter in enumerate(self.model.parameters()):
            # into memory laid out as the parameter's, for speed and for bitwise equality
            self.optimizer.state[parameter] = {
                name: (
                    torch.empty_like(parameter).copy_(value)
                    if value.shape == parameter.shape
                    else value
                )
                for name, value in _under(f"optimizer.{i}.", tensors).items()
            }
        if self.scheduler is not None:
            for row in self.history:
                self.scheduler.step(row["validation_loss"])
        if self.machine.leads:
            self.losses.copy_(tensors["losses"])
            restore_random(state["random"], _under("random.", tensors))


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
