"""Do gradients vanish? Their norms by layer and by distance from the state that is read, before,
during and after training.

What is measured, and when it counts as vanishing, is defined in `medpipe.pipeline.text.gradients`.
A network is trained as in `text_classification`; the sentences measured are the same for every
model: the first of the dev sample that have more words than the far distance. The norms by layer
are those of one training batch, as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator
from torch import nn

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.pipeline.config import Positive, Section, parse, stand_in
from medpipe.pipeline.data.text import load_text
from medpipe.pipeline.machine import Index, open_machine, seed_all
from medpipe.pipeline.splits import Subset
from medpipe.pipeline.text.classifying import CLUSTER, TextTask, classify_text
from medpipe.pipeline.text.gradients import (
    VANISHED,
    Norms,
    norms_by_distance,
    norms_by_layer,
    ratios,
)
from medpipe.pipeline.text.samples import Sentences, View
from medpipe.pipeline.text.sentence_splits import as_drawn, draw, sentences_of
from medpipe.pipeline.text.text_models import build
from medpipe.pipeline.text.text_settings import Data, Model, TextTraining, Transformer
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "gradient_flow"
FEWEST = 2
"""Sentences without which there is no median to speak of."""


class Gradients(Section):
    """``distances`` from the state that is read, in steps; ``far``: that which is compared with
    distance 1; ``sentences``: how many.
    """

    distances: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2)]
    far: Annotated[int, Field(ge=2)]
    sentences: Positive

    @model_validator(mode="after")
    def _far_is_measured(self) -> Gradients:
        if not {1, self.far} <= set(self.distances):
            raise ValueError("distances should hold 1 and far")
        return self


class GradientFlow(Section):
    """The parameters of the experiment."""

    data: Data
    model: Model
    training: TextTraining
    gradients: Gradients


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Measure, train, measure again. Observations of the split ``gradients`` hold the norms of each
    sentence, by distance.

    Scalars, each ``_initial`` and ``_trained``: ``gradient_ratio`` (median),
    ``gradient_vanished_share``, ``gradient_decay_per_step``, ``<layer>_gradient_norm``, and
    ``head_to_embedding_gradient_ratio``.
    """
    written = parse(GradientFlow, config, NAME)
    machine = open_machine(context.device, written.training.precision)
    data = load_text(written.data.source)
    drawn = draw(
        data, written.data, selection=written.training.chosen_on == "selection", testing=False
    )
    seed_all(seed)
    model, samples = build(
        written.model, data, drawn.parts, vocabulary_rows=written.data.train_rows
    )

    at = _long_enough(drawn.parts["dev"], written.gradients)
    probe, subset = (
        View(samples["dev"], at),
        Subset(drawn.parts["dev"].part, drawn.parts["dev"].index[at]),
    )
    batch = np.arange(min(written.training.batch_size, len(drawn.parts["train"])))
    before = norms_by_distance(model, probe, written.gradients.distances)
    scalars = _scalars(model, samples["train"], batch, before, written.gradients, "initial")

    resolved = written.model_dump(exclude_unset=True)
    resolved["data"] = as_drawn(data, written.data, drawn)
    resolved["training"]["precision"] = machine.precision
    task = TextTask(
        NAME,
        data,
        drawn,
        samples,
        resolved,
        pretrained=isinstance(written.model, Transformer),
        notes=stand_in(written.data.source, data.source),
    )

    def measure(now: nn.Module) -> dict[str, float]:
        norms = norms_by_distance(now, probe, written.gradients.distances)
        return _scalars(now, samples["train"], batch, norms, written.gradients, "epoch")

    result, trained = classify_text(
        task, model, written.training, seed=seed, machine=machine, context=context, measure=measure
    )
    after = norms_by_distance(trained.model, probe, written.gradients.distances)
    scalars |= _scalars(trained.model, samples["train"], batch, after, written.gradients, "trained")
    kept = {
        "validation": result.observations["validation"],
        "gradients": _observe(subset, data.classes, before, after),
    }
    return replace(result, observations=kept, scalars={**result.scalars, **scalars})


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the data that `run` would use now."""
    data = load_text(parse(GradientFlow, config, NAME).data.source)
    return {data.source: data.digest}


def _long_enough(dev: Subset, written: Gradients) -> Index:
    """Positions in the dev sample of the sentences measured. Raises `DataError` where there are too
    few.
    """
    words = np.array([len(sentence.split()) for sentence in sentences_of(dev)])
    found = np.flatnonzero(words > written.far)[: written.sentences]
    if len(found) < FEWEST:
        raise DataError(
            f"gradient flow: expected at least {FEWEST} evaluation sentences of more than"
            f" {written.far} words, got {len(found)}; set gradients.far to a smaller distance"
        )
    return found


def _scalars(
    model: nn.Module, training: Sentences, batch: Index, norms: Norms, written: Gradients, when: str
) -> dict[str, float]:
    ratio = ratios(norms, written.distances, written.far)
    if not len(ratio):
        raise DataError(
            "gradient flow: expected gradients other than 0 near the state that is read, got none"
            f" in {len(norms)} sentences"
        )
    median = float(np.median(ratio))
    layers = norms_by_layer(model, training, batch)
    head = layers.get("linear", layers.get("classifier"))
    found = {
        "gradient_ratio": median,
        "gradient_vanished_share": float(np.mean(ratio < VANISHED)),
        "gradient_decay_per_step": median ** (1 / (written.far - 1)),
        **{f"{layer}_gradient_norm": n for layer, n in layers.items()},
    }
    known = (
        {"head_to_embedding_gradient_ratio": head / layers["embedding"]}
        if head is not None and layers.get("embedding")
        else {}
    )
    return {f"{name}_{when}": value for name, value in (found | known).items()}


def _observe(subset: Subset, classes: tuple[str, ...], before: Norms, after: Norms) -> Observations:
    return subset.observe(
        classes, CLUSTER, gradient_norm_initial=before, gradient_norm_trained=after
    )
