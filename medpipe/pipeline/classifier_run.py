"""Train a classifier and observe it: what the text and the imaging experiment have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from medpipe.evidence.observations import Observations
from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.config import Training
from medpipe.pipeline.machine import Machine, code_digest
from medpipe.pipeline.prediction import Meter, Samples, evaluation_steps, predict, probabilities
from medpipe.pipeline.splits import Subset
from medpipe.pipeline.training import SAVE_EVERY_S, Trained, total_steps, train, weights_of
from medpipe.running.experiment import ExperimentResult, RunContext


@dataclass(frozen=True, eq=False)
class Split:
    """Which samples a split holds, and how a model gets them."""

    subset: Subset
    samples: Samples


@dataclass(frozen=True, eq=False)
class Task:
    """A classification: ``splits`` are ``training``, ``validation`` and any others to be observed;
    ``cluster`` as in `Observations`.

    ``resolved`` is the configuration as it is really used; ``digests`` those of the data;
    ``pretrained`` whether the model came with weights.
    """

    name: str
    classes: Sequence[str]
    cluster: str
    splits: Mapping[str, Split]
    resolved: Mapping[str, Any]
    digests: Mapping[str, str]
    pretrained: bool = False
    plateau: bool = False
    notes: tuple[str, ...] = ()


def classify(
    task: Task,
    model: nn.Module,
    recipe: Training,
    *,
    seed: int,
    machine: Machine,
    context: RunContext,
) -> ExperimentResult:
    """Train ``model`` on the task, then observe every split with the weights of the reported epoch.

    ``training_running`` holds what was predicted for each training sample in the last epoch while
    it was trained on.
    """
    initial = weights_digest(model)
    identity = {
        "experiment": task.name,
        "configuration": task.resolved,
        "seed": seed,
        "data": task.digests,
        "code": code_digest(),
        "initial weights": initial,
        **machine.describe(),
    }
    store = CheckpointStore(context.work_dir, identity)
    training, validation = task.splits["training"], task.splits["validation"]
    observed = {name: split for name, split in task.splits.items() if name != "training"}
    evaluation = sum(
        evaluation_steps(len(split.subset), recipe.batch_size) for split in observed.values()
    )
    meter = Meter(
        context.progress,
        total_steps(len(training.subset), len(validation.subset), recipe) + evaluation,
    )

    trained = train(
        model,
        training.samples,
        validation.samples,
        recipe,
        seed=seed,
        machine=machine,
        store=store,
        meter=meter,
        plateau=task.plateau,
        save_every_s=SAVE_EVERY_S,
    )

    observations = {
        "training_running": training.subset.observe(
            task.classes, task.cluster, y_pred=trained.running
        )
    }
    for name, split in observed.items():
        meter.message = f"evaluation on the {name} split"
        observations[name] = _observe(task, split, trained.model, machine, meter, recipe)
    notes = [*task.notes, *machine.notes, *trained.notes]
    if task.pretrained:
        notes.append(f"training began from weights with the digest {initial}")
    return ExperimentResult(
        task.resolved,
        observations,
        _scalars(trained, len(training.subset)),
        trained.history,
        task.digests,
        {"weights": store.weights},
        notes,
        machine.device.type,
    )


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    sha = hashlib.sha256()
    for name, tensor in sorted(weights_of(model).items()):
        sha.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\n".encode())
        sha.update(tensor.numpy().tobytes())
    return f"sha256:{sha.hexdigest()}"


def _observe(
    task: Task, split: Split, model: nn.Module, machine: Machine, meter: Meter, recipe: Training
) -> Observations:
    logits = predict(
        model,
        split.samples,
        machine,
        lambda n: meter.advance(evaluation_steps(n, recipe.batch_size)),
    )
    probable = probabilities(logits)
    return split.subset.observe(
        task.classes, task.cluster, y_pred=probable.argmax(axis=1), y_prob=probable
    )


def _scalars(trained: Trained, samples: int) -> dict[str, float]:
    return {
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "training_s": trained.training_s,
        "epochs_run": len(trained.history),
        "reported_epoch": trained.reported_epoch,
        "steps": trained.steps,
        "samples_train": samples,
    }
