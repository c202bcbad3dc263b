"""Which section of a medical abstract does a sentence stand in? The published LSTM, its sound
variant, and transformers.

As published: the first ``train_rows`` and ``dev_rows`` rows of the train and dev files, and of
these ``train_sample`` and ``dev_sample`` drawn at random, sentences taken as independent. The
LSTM's vocabulary comes from the first ``vocabulary_texts`` rows of the train file, before drawing.

Sound: ``padding: masked`` (the LSTM reads no padding), ``optimizer: adamw`` (weight decay apart
from the gradient) and ``chosen_on: selection`` (the epoch is chosen on other abstracts than those
reported on).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medpipe.pipeline.config import Section, parse, stand_in
from medpipe.pipeline.data.text import load_text
from medpipe.pipeline.machine import open_machine, seed_all
from medpipe.pipeline.text.classifying import TextTask, classify_text
from medpipe.pipeline.text.sentence_splits import as_drawn, draw
from medpipe.pipeline.text.text_models import build
from medpipe.pipeline.text.text_settings import Data, Model, TextTraining, Transformer
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "text_classification"


class TextClassification(Section):
    """The parameters of the experiment."""

    data: Data
    model: Model
    training: TextTraining


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Train on a sample of the train part; observe a sample of the dev part and, where there is
    one, the whole test part.
    """
    written = parse(TextClassification, config, NAME)
    machine = open_machine(context.device, written.training.precision)
    data = load_text(written.data.source)
    drawn = draw(data, written.data, selection=written.training.chosen_on == "selection")

    seed_all(seed)
    model, samples = build(
        written.model, data, drawn.parts, vocabulary_rows=written.data.train_rows
    )

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
    return classify_text(
        task, model, written.training, seed=seed, machine=machine, context=context
    )[0]


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the data that `run` would use now."""
    data = load_text(parse(TextClassification, config, NAME).data.source)
    return {data.source: data.digest}
