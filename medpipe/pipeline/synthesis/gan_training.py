"""The game between generator and discriminator: seeded, resumable after a kill at any moment, with
what it did in every epoch.

The order of an epoch's images is a function of (seed, epoch); latent points, noise and dropout
follow torch's generator, whose state is in every checkpoint. A resumed run ends with the weights of
an uninterrupted one, bit by bit on the CPU.

In a step the discriminator goes first, on a batch of real and one of generated images; its loss is
the mean of both parts. Then the generator goes, for the first time on the same generated images.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from medpipe.errors import MedpipeError
from medpipe.pipeline.checkpoint import WEIGHTS, Checkpoint, CheckpointStore, Tensors
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.machine import Machine
from medpipe.pipeline.models.dcgan import LATENT
from medpipe.pipeline.randomness import random_tensors, random_values, restore_random
from medpipe.pipeline.splits import Index
from medpipe.pipeline.synthesis.generating import Pixels, as_images, generate, grey, latent_points
from medpipe.pipeline.synthesis.losses import discriminator_loss, generator_loss, gradient_norm
from medpipe.pipeline.synthesis.networks import Networks, judge
from medpipe.pipeline.synthesis.states import (
    optimizer_tensors,
    restore_optimizer,
    under,
    with_prefix,
)
from medpipe.pipeline.synthesis.synthesis_settings import Adversarial
from medpipe.pipeline.training import weights_of
from medpipe.running.experiment import Progress

SAVE_EVERY_S = 60.0
PATIENCE = 5
SCORED = 256
"""How many images of each kind the discriminator scores after an epoch."""
SHOWN = 16
"""How many latent points are followed over the epochs."""
SHOWN_EPOCHS = 6
POINTS = {"shown": 0, "scored": 1}
MEASURED = ("generator_loss", "discriminator_loss", "generator_gradient", "discriminator_gradient")


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """Networks after their last epoch, and how they came to it. ``history``: a row per epoch;
    ``over_time``: grey images uint8 ``(16, 64, 64)`` of the same latent points by epoch;
    ``training_s`` over all resumptions; ``notes`` for the reader.
    """

    networks: Networks
    history: list[dict[str, float]]
    over_time: Mapping[int, Pixels]
    training_s: float
    notes: list[str]


def shown_epochs(epochs: int) -> tuple[int, ...]:
    """The epochs after which images are kept: the first, the last, and some between, closer
    together at first.
    """
    return tuple(dict.fromkeys(round(e) for e in np.geomspace(1, epochs, SHOWN_EPOCHS).tolist()))


def play(
    networks: Networks,
    planes: Planes,
    seen: Index,
    unseen: Index,
    recipe: Adversarial,
    *,
    seed: int,
    machine: Machine,
    store: CheckpointStore,
    progress: Progress,
    save_every_s: float = SAVE_EVERY_S,
) -> TrainingResult:
    """Train both networks from their weights and torch's generator as they are, or go on where a
    checkpoint was left.

    ``seen``: places in ``planes`` of the real images; ``unseen``: of those whose scores are told
    beside theirs. A row of the history has means over the epoch's steps of losses and of the norms
    of gradients; scores are means of the discriminator's probability that an image is real, in
    evaluation mode after the epoch. Raises `MedpipeError` where a loss diverges.
    """
    game = _Trainer(
        networks, planes, seen, unseen, recipe, seed, machine, store, progress, save_every_s
    )
    game.start()
    while not game.is_over():
        game.play_epoch()
        game.close_epoch()
    return game.finish()


class _Trainer:
    """The state of one training between its first and its last step."""

    def __init__(
        self,
        networks: Networks,
        planes: Planes,
        seen: Index,
        unseen: Index,
        recipe: Adversarial,
        seed: int,
        machine: Machine,
        store: CheckpointStore,
        progress: Progress,
        save_every_s: float,
    ) -> None:
        if machine.processes > 1:
            raise MedpipeError(
                f"synthesis: expected one process, got {machine.processes}; start it without a"
                " launcher of several"
            )
        self.networks, self.planes, self.seen, self.unseen, self.recipe, self.seed = (
            networks,
            planes,
            seen,
            unseen,
            recipe,
            seed,
        )
        self.machine, self.store, self.progress, self.save_every_s = (
            machine,
            store,
            progress,
            save_every_s,
        )
        for network in networks.by_name().values():
            network.to(machine.device)
        self.trained = {
            "generator": (
                networks.generator,
                self._optimizer(networks.generator, recipe.generator_rate),
            ),
            "discriminator": (
                networks.discriminator,
                self._optimizer(networks.discriminator, recipe.discriminator_rate),
            ),
        }
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
        self.schedules = {
            name: plateau(optimizer, patience=PATIENCE)
            for name, (_, optimizer) in self.trained.items()
            if recipe.schedule == "reduce-on-plateau"
        }
        self.steps = math.ceil(len(seen) / recipe.batch_size)
        self.history: list[dict[str, float]] = []
        self.over_time: dict[int, Tensor] = {}
        self.notes: list[str] = []
        self.step, self.epoch_s, self.finished = 0, 0.0, False
        self._clear()

    def _optimizer(self, network: nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            network.parameters(), lr=rate, betas=(self.recipe.beta1, self.recipe.beta2)
        )

    def _clear(self) -> None:
        self.sums = {
            name: torch.zeros((), dtype=torch.float64, device=self.machine.device)
            for name in MEASURED
        }

    @property
    def epoch(self) -> int:
        """The epoch at work, from 1."""
        return len(self.history) + 1

    def is_over(self) -> bool:
        return self.finished or len(self.history) >= self.recipe.epochs

    def start(self) -> None:
        """Restore what a checkpoint holds, if there is one."""
        checkpoint, note = self.store.load()
        self.notes += [note] if note else []
        if checkpoint is not None:
            self._restore(checkpoint)
        self._tell()
        self.saved_at = self.began_at = time.monotonic()

    def play_epoch(self) -> None:
        """The batches of this epoch that were not yet seen."""
        self.networks.generator.train()
        self.networks.discriminator.train()
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.seen)
        size = self.recipe.batch_size
        while self.step < self.steps:
            self._play_batch(
                as_images(
                    self.planes.rgb(order[self.step * size : (self.step + 1) * size].tolist()),
                    self.machine.device,
                )
            )
            self.step += 1
            self._tell()
            if time.monotonic() - self.saved_at >= self.save_every_s:
                self._save()

    def _play_batch(self, real: Tensor) -> None:
        fake = self._fake(len(real))
        self._step(
            "discriminator",
            discriminator_loss(self._judged(real), self._judged(fake.detach()), self.recipe),
        )
        self.networks.discriminator.requires_grad_(False)
        for turn in range(self.recipe.generator_steps):
            judged = self._judged(fake if turn == 0 else self._fake(len(real)))
            self._step("generator", generator_loss(judged, self.recipe.loss))
            if isinstance(self.networks.average, AveragedModel):
                self.networks.average.update_parameters(self.networks.generator)
        self.networks.discriminator.requires_grad_(True)

    def _fake(self, count: int) -> Tensor:
        points = torch.randn(count, LATENT).to(self.machine.device)
        with self.machine.accelerator.autocast():
            made: Tensor = self.networks.generator(points)
        return made.float()

    def _judged(self, images: Tensor) -> Tensor:
        """Logits of images as the discriminator sees them in training, float32 ``(B,)``."""
        if self.recipe.input_noise:
            images = images + self._noise() * torch.randn_like(images)
        with self.machine.accelerator.autocast():
            logits: Tensor = self.networks.discriminator(images)
        return logits.float()

    def _noise(self) -> float:
        done = (len(self.history) * self.steps + self.step) / (self.recipe.epochs * self.steps)
        return self.recipe.input_noise * (1 - done if self.recipe.noise_decay else 1)

    def _step(self, name: str, loss: Tensor) -> None:
        network, optimizer = self.trained[name]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types there
        self.sums[f"{name}_loss"] += loss.detach()
        self.sums[f"{name}_gradient"] += gradient_norm(network)
        optimizer.step()

    def close_epoch(self) -> None:
        """Score images, write the epoch's row, keep images of the followed points, and a
        checkpoint.
        """
        turns = {"discriminator": self.steps, "generator": self.steps * self.recipe.generator_steps}
        row: dict[str, float] = {"epoch": self.epoch}
        row |= {
            name: self.sums[name].item() / turns[name.split("_")[0]] for name in MEASURED
        } | self._scores()
        row |= {
            f"{name}_rate": float(optimizer.param_groups[0]["lr"])
            for name, (_, optimizer) in self.trained.items()
        }
        if not np.isfinite([row[name] for name in MEASURED]).all():
            raise MedpipeError(
                f"synthesis: expected finite losses in epoch {self.epoch}, got"
                f" {row['generator_loss']} of the generator and {row['discriminator_loss']} of the"
                " discriminator; lower the learning rates of training"
            )
        if self.epoch in shown_epochs(self.recipe.epochs):
            points = latent_points(SHOWN, self.seed, POINTS["shown"])
            self.over_time[self.epoch] = torch.from_numpy(
                grey(generate(self.networks.maker, points, self.machine))
            )
        row["epoch_s"] = self._elapsed()
        self.history.append(row)
        for name, schedule in self.schedules.items():
            schedule.step(row[f"{name}_loss"])
        self.step, self.epoch_s, self.began_at = 0, 0.0, time.monotonic()
        self._clear()
        self._save()

    def _scores(self) -> dict[str, float]:
        points = latent_points(SCORED, self.seed, POINTS["scored"])
        made = generate(self.networks.maker, points, self.machine)
        some = {
            "real": self.planes.rgb(self._some(self.seen)),
            "fake": made,
            "held_out": self.planes.rgb(self._some(self.unseen)),
        }
        return {
            f"{name}_score": float(
                1
                / (
                    1 + np.exp(-judge(self.networks.discriminator, pixels, self.machine.device))
                ).mean()
            )
            for name, pixels in some.items()
        }

    def _some(self, places: Index) -> list[int]:
        """The same at most `SCORED` images after every epoch, drawn at random."""
        chosen: list[int] = (
            np.random.default_rng((self.seed, 0)).permutation(places)[:SCORED].tolist()
        )
        return chosen

    def finish(self) -> TrainingResult:
        """Of the checkpoint the generator's weights stay, and what is needed to observe it
        again.
        """
        if not self.finished:
            self.finished = True
            kept = (
                with_prefix("discriminator.", weights_of(self.networks.discriminator))
                | self._kept_images()
            )
            self.store.save(
                self._state(), {WEIGHTS: weights_of(self.networks.maker), "training": kept}
            )
        over_time = {epoch: images.numpy() for epoch, images in sorted(self.over_time.items())}
        return TrainingResult(
            self.networks,
            self.history,
            over_time,
            sum(row["epoch_s"] for row in self.history),
            self.notes,
        )

    def _elapsed(self) -> float:
        return self.epoch_s + time.monotonic() - self.began_at

    def _tell(self) -> None:
        done = len(self.history) * self.steps + self.step
        self.progress(
            done,
            self.recipe.epochs * self.steps,
            f"epoch {min(self.epoch, self.recipe.epochs)} of {self.recipe.epochs}",
        )

    def _kept_images(self) -> Tensors:
        return {f"over_time.{epoch}": images for epoch, images in self.over_time.items()}

    def _save(self) -> None:
        tensors = (
            self._kept_images()
            | with_prefix("random.", random_tensors())
            | with_prefix("sum.", self.sums)
        )
        for name, network in self.networks.by_name().items():
            tensors |= with_prefix(f"{name}.", weights_of(network))
        for name, (network, optimizer) in self.trained.items():
            tensors |= with_prefix(f"{name}_optimizer.", optimizer_tensors(network, optimizer))
        self.store.save(self._state(), {"training": tensors})
        self.saved_at = time.monotonic()

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
        self.over_time = {
            int(epoch): images for epoch, images in under("over_time.", tensors).items()
        }
        if self.finished:
            self.networks.maker.load_state_dict(checkpoint.parts[WEIGHTS])
            self.networks.discriminator.load_state_dict(under("discriminator.", tensors))
            return
        self.notes.append(
            f"training was interrupted and resumed in epoch {self.epoch} after {self.step} of"
            f" {self.steps} steps"
        )
        for name, network in self.networks.by_name().items():
            network.load_state_dict(under(f"{name}.", tensors))
        for name, (network, optimizer) in self.trained.items():
            restore_optimizer(network, optimizer, under(f"{name}_optimizer.", tensors))
        for row in self.history:
            for name, schedule in self.schedules.items():
                schedule.step(row[f"{name}_loss"])
        self.sums = {
            name: value.to(self.machine.device) for name, value in under("sum.", tensors).items()
        }
        restore_random(state["random"], under("random.", tensors))
