"""Which section of a medical abstract does a sentence stand in? The published LSTM, its sound variant, and transformers.

As published: the first ``train_rows`` and ``dev_rows`` rows of the train and dev files, and of these ``train_sample`` and
``dev_sample`` drawn at random, sentences taken as independent. The LSTM's vocabulary comes from the first
``vocabulary_texts`` rows of the train file, before drawing. ``padding: masked`` is the sound variant: the LSTM reads no padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from medpipe.pipeline.checkpoint import Tensors
from medpipe.pipeline.classification import Split, Task, classify
from medpipe.pipeline.config import Fraction, Positive, Section, Seed, Source, Training, parse, stand_in
from medpipe.pipeline.data.text import TextData, load_text
from medpipe.pipeline.machine import Index, open_machine, seed_all
from medpipe.pipeline.models.lstm import LSTMClassifier, Vocabulary
from medpipe.pipeline.prediction import Samples
from medpipe.pipeline.splits import Subset, sample_rows, whole
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "text_classification"


class Data(Section):
    """``source``: a data set, or several of which the first that exists is taken; the rest in rows."""

    source: Source
    train_rows: Positive
    dev_rows: Positive
    train_sample: Positive
    dev_sample: Positive
    sample_seed: Seed


class Lstm(Section):
    """``vocabulary``: rows of the embedding, padding and unknown included; ``length`` and ``vocabulary_words`` in words."""

    kind: Literal["lstm"]
    vocabulary: Annotated[int, Field(ge=3)]
    vocabulary_texts: Positive
    vocabulary_words: Positive
    length: Positive
    embedding: Positive
    hidden: Positive
    layers: Positive
    bidirectional: bool
    dropout: Fraction
    padding: Literal["unmasked", "masked"]


class Transformer(Section):
    """``checkpoint``: a folder or a hub id; ``length`` in tokens, the special ones included."""

    kind: Literal["transformer"]
    checkpoint: Annotated[str, Field(min_length=1)]
    length: Annotated[int, Field(ge=3)]


class TextClassification(Section):
    """The parameters of the experiment."""

    data: Data
    model: Annotated[Lstm | Transformer, Field(discriminator="kind")]
    training: Training


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Train on a sample of the train part; observe a sample of the dev part and, where there is one, the whole test part."""
    written = parse(TextClassification, config, NAME)
    machine = open_machine(context.device, written.training.precision)
    data = load_text(written.data.source)
    subsets = _subsets(data, written.data)

    seed_all(seed)
    model: nn.Module
    if isinstance(written.model, Lstm):
        model, samples = _lstm(written.model, written.data, data, subsets)
    else:
        model, samples = _transformer(written.model, data, subsets)

    resolved = written.model_dump()
    resolved["data"] |= {
        "source": data.source,
        "train_rows": min(written.data.train_rows, len(data.parts["train"].label)), "train_sample": len(subsets["training"]),
        "dev_rows": min(written.data.dev_rows, len(data.parts["dev"].label)), "dev_sample": len(subsets["validation"])}
    resolved["training"]["precision"] = machine.precision
    splits = {name: Split(subset, samples[name]) for name, subset in subsets.items()}
    task = Task(NAME, data.classes, "abstract_id", splits, resolved, {data.source: data.digest},
                pretrained=isinstance(written.model, Transformer), notes=stand_in(written.data.source, data.source))
    return classify(task, model, written.training, seed=seed, machine=machine, context=context)


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the data that `run` would use now."""
    data = load_text(parse(TextClassification, config, NAME).data.source)
    return {data.source: data.digest}


def _subsets(data: TextData, rows: Data) -> dict[str, Subset]:
    train, dev = data.parts["train"], data.parts["dev"]
    subsets = {"training": Subset(train, sample_rows(len(train.label), rows.train_rows, rows.train_sample, rows.sample_seed)),
               "validation": Subset(dev, sample_rows(len(dev.label), rows.dev_rows, rows.dev_sample, rows.sample_seed))}
    return subsets | ({"testing": whole(data.parts["test"])} if "test" in data.parts else {})


PART = {"training": "train", "validation": "dev", "testing": "test"}


def _sentences(data: TextData, split: str, subset: Subset) -> list[str]:
    every = data.parts[PART[split]].sentences
    return [every[i] for i in subset.index.tolist()]


def _lstm(written: Lstm, rows: Data, data: TextData, subsets: Mapping[str, Subset]) -> tuple[nn.Module, dict[str, Samples]]:
    first = data.parts["train"].sentences[:min(written.vocabulary_texts, rows.train_rows)]
    vocabulary = Vocabulary(first, size=written.vocabulary, words=written.vocabulary_words)
    masked = written.padding == "masked"
    model = LSTMClassifier(vocabulary=written.vocabulary, classes=len(data.classes), embedding=written.embedding, hidden=written.hidden,
                           layers=written.layers, bidirectional=written.bidirectional, dropout=written.dropout, masked=masked)
    return model, {name: _Words(vocabulary, _sentences(data, name, subset), subset.label, written.length, masked)
                   for name, subset in subsets.items()}


def _transformer(written: Transformer, data: TextData, subsets: Mapping[str, Subset]) -> tuple[nn.Module, dict[str, Samples]]:
    from medpipe.pipeline.models.transformer import TokenizedSentences, load_transformer  # seconds to import, and the LSTM needs it not

    model, tokenizer = load_transformer(written.checkpoint, len(data.classes))
    return model, {name: _Tokens(TokenizedSentences(tokenizer, _sentences(data, name, subset), written.length), subset.label)
                   for name, subset in subsets.items()}


class _Words:
    """Sentences for the LSTM: padded to ``length`` as published, or, where padding is masked anyway, to the longest of a batch."""

    def __init__(self, vocabulary: Vocabulary, sentences: Sequence[str], label: Index, length: int, masked: bool) -> None:
        self.label, self._masked = label, masked
        self._words = torch.from_numpy(vocabulary.encode(sentences, length))
        self._lengths = (self._words != 0).sum(dim=1)

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        at = torch.from_numpy(index)
        words, lengths = self._words[at], self._lengths[at]
        return {"words": words[:, :int(lengths.max())] if self._masked else words, "lengths": lengths}


class _Tokens:
    """Sentences for a transformer."""

    def __init__(self, tokens: Any, label: Index) -> None:
        self.label, self._tokens = label, tokens

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        batch: Tensors = self._tokens.batch(np.asarray(index))
        return batch
