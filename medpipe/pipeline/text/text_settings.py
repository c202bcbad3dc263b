"""The parameters of experiments on sentences, as written in protocols.

Every key that the published protocol does not know has a default that leaves it as published.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpipe.pipeline.config import Fraction, Positive, Section, Seed, Source, Training


class Data(Section):
    """``source``: a data set, or several of which the first that exists is taken; the next four
    count rows.

    ``split``: how the training rows are drawn: ``rows`` one by one as published, or whole
    ``abstracts``. The evaluation rows are the same either way, so that the two can be compared
    sentence by sentence.
    """

    source: Source
    train_rows: Positive
    dev_rows: Positive
    train_sample: Positive
    dev_sample: Positive
    sample_seed: Seed
    split: Literal["rows", "abstracts"] = "rows"


class Lstm(Section):
    """``vocabulary``: rows of the embedding, padding and unknown included; ``length`` and
    ``vocabulary_words`` in words.
    """

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


Model = Annotated[Lstm | Transformer, Field(discriminator="kind")]


class TextTraining(Training):
    """``chosen_on``: the split whose accuracy ends the training and names the best epoch.
    ``selection`` is one half of the dev sample's abstracts, and ``validation`` is then the other
    half; otherwise there is no selection split, as published.

    ``pool_batches``: how many batches' worth of shuffled sentences are sorted by length before they
    are cut into batches; 1 does not sort. ``accumulate``: into how many parts a batch is cut to
    save memory; the batch size stays what it is.
    """

    chosen_on: Literal["validation", "selection"] = "validation"
    pool_batches: Positive = 1
    accumulate: Positive = 1

    @model_validator(mode="after")
    def _parts_hold_samples(self) -> TextTraining:
        if self.accumulate > self.batch_size:
            raise ValueError("accumulate should be at most batch_size")
        return self
