"""Train a classifier of sentences and observe it: `medpipe.pipeline.classifier_run` with what is
particular to sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.classifier_run import weights_digest
from medpipe.pipeline.data.text import TextData
from medpipe.pipeline.machine import Machine, code_digest
from medpipe.pipeline.prediction import Meter, evaluation_steps, predict, probabilities
from medpipe.pipeline.text.samples import Sentences, View, order_of_length
from medpipe.pipeline.text.sentence_splits import Drawn
from medpipe.pipeline.text.sentence_training import Measure, Watched, train_text
from medpipe.pipeline.text.text_settings import TextTraining
from medpipe.pipeline.training import Trained, total_steps
from medpipe.running.experiment import ExperimentResult, RunContext

SAVE_EVERY_S = 60.0
CLUSTER = "abstract_id"


@dataclass(frozen=True, eq=False)
class TextTask:
    """A classification of sentences: the data, what was drawn of it, and the samples of each part
    as the model reads them.

    ``resolved`` is the configuration as it is really used; ``pretrained`` whether the model came
    with weights.
    """

    name: str
    data: TextData
    drawn: Drawn
    samples: Mapping[str, Sentences]
    resolved: Mapping[str, Any]
    pretrained: bool = False
    notes: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        """Digest by data set."""
        return {self.data.source: self.data.digest}


def classify_text(
    task: TextTask,
    model: nn.Module,
    recipe: TextTraining,
    *,
    seed: int,
    machine: Machine,
    context: RunContext,
    measure: Measure | None = None,
) -> tuple[ExperimentResult, Trained]:
    """Train ``model`` on the task, then observe every split with the weights of the reported epoch.

    ``training_running`` holds what was predicted for each training sample in the last epoch while
    it was trained on. ``measure`` as in `train_text`.
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
    samples, parts = task.samples, task.drawn.parts
    evaluation = sum(
        evaluation_steps(len(subset), recipe.batch_size)
        for name, subset in parts.items()
        if name != "train"
    )
    meter = Meter(
        context.progress, total_steps(len(parts["train"]), len(parts["dev"]), recipe) + evaluation
    )

    trained = train_text(
        model,
        samples["train"],
        Watched(samples["dev"], task.drawn.watched),
        recipe,
        seed=seed,
        machine=machine,
        store=store,
        meter=meter,
        save_every_s=SAVE_EVERY_S,
        measure=measure,
    )

    splits = task.drawn.splits()
    observations = {
        "training_running": (
            splits["training"].observe(task.data.classes, CLUSTER, y_pred=trained.running)
        )
    }
    for part, here in (("dev", task.drawn.watched), ("test", {"testing": slice(None)})):
        if part not in parts:
            continue
        meter.message = f"evaluation on the {' and '.join(here)} split"
        probable = probabilities(_logits(trained.model, samples[part], machine, meter, recipe))
        for name, index in here.items():
            observations[name] = splits[name].observe(
                task.data.classes,
                CLUSTER,
                y_pred=probable[index].argmax(axis=1),
                y_prob=probable[index],
            )
    notes = [*task.notes, *machine.notes, *trained.notes]
    if task.pretrained:
        notes.append(f"training began from weights with the digest {initial}")
    return (
        ExperimentResult(
            task.resolved,
            observations,
            _scalars(trained, len(parts["train"])),
            trained.history,
            task.digests,
            {"weights": store.weights},
            notes,
            machine.device.type,
        ),
        trained,
    )


def _logits(
    model: nn.Module, samples: Sentences, machine: Machine, meter: Meter, recipe: TextTraining
) -> NDArray[np.float32]:
    """Logits ``(N, C)`` in the samples' order, computed in batches of like length."""
    order = order_of_length(samples)
    found = predict(
        model,
        View(samples, order),
        machine,
        lambda n: meter.advance(evaluation_steps(n, recipe.batch_size)),
    )
    logits = np.empty_like(found)
    logits[order] = found
    return logits


def _scalars(trained: Trained, samples: int) -> dict[str, float]:
    return {
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "training_s": trained.training_s,
        "epochs_run": len(trained.history),
        "reported_epoch": trained.reported_epoch,
        "steps": trained.steps,
        "samples_train": samples,
    }
