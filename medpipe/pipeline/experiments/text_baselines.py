"""What a sentence's section can be told from without any deep model: the commonest class, the place
in the abstract, the words.

Observed on the same splits, with the same sample ids, as `text_classification` with the same
``data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from medpipe.pipeline.config import Positive, Section, parse, stand_in
from medpipe.pipeline.data.text import load_text
from medpipe.pipeline.splits import Index, Subset
from medpipe.pipeline.text.classifying import CLUSTER
from medpipe.pipeline.text.sentence_splits import as_drawn, draw, sentences_of
from medpipe.pipeline.text.text_settings import Data
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "text_baselines"
PLACES = 20
"""Sentences counted singly from either end of an abstract; those further in share a place."""


class Majority(Section):
    """The class that most training sentences have, whatever is read."""

    kind: Literal["majority"]


class Position(Section):
    """Multinomial logistic regression on the place in the abstract alone: no word is read.
    ``inverse_penalty``: scikit-learn's C.
    """

    kind: Literal["position"]
    inverse_penalty: Annotated[float, Field(gt=0)]


class Tfidf(Section):
    """Multinomial logistic regression on TF-IDF of runs of up to ``words`` words, each in at least
    ``min_sentences`` sentences.
    """

    kind: Literal["tfidf"]
    inverse_penalty: Annotated[float, Field(gt=0)]
    words: Positive
    min_sentences: Positive


class TextBaselines(Section):
    """The parameters of the experiment. ``selection``: cut the dev sample as the sound training
    does.
    """

    data: Data
    model: Annotated[Majority | Position | Tfidf, Field(discriminator="kind")]
    selection: bool = False


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Fit on the training split, observe every split; nothing is random, so seeds give the same."""
    written = parse(TextBaselines, config, NAME)
    data = load_text(written.data.source)
    drawn = draw(data, written.data, selection=written.selection)
    splits = drawn.splits()
    context.progress(0, 2, f"fitting the {written.model.kind} baseline")
    model = _model(written.model)
    read = {
        name: (
            _places(subset)
            if isinstance(written.model, Position)
            else np.array(sentences_of(subset), dtype=object)
        )
        for name, subset in splits.items()
    }
    model.fit(read["training"], splits["training"].label)
    context.progress(1, 2, f"observing the {written.model.kind} baseline")
    observations = {}
    for name, subset in splits.items():
        probable = np.zeros((len(subset), len(data.classes)))
        probable[:, model.classes_] = model.predict_proba(read[name])
        observations[name] = subset.observe(
            data.classes, CLUSTER, y_pred=probable.argmax(axis=1), y_prob=probable
        )
    context.progress(2, 2, "done")
    resolved = {
        **written.model_dump(exclude_unset=True),
        "data": as_drawn(data, written.data, drawn),
    }
    return ExperimentResult(
        resolved,
        observations,
        {"samples_train": len(splits["training"])},
        data_digests={data.source: data.digest},
        notes=list(stand_in(written.data.source, data.source)),
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the data that `run` would use now."""
    data = load_text(parse(TextBaselines, config, NAME).data.source)
    return {data.source: data.digest}


def _model(written: Majority | Position | Tfidf) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    if isinstance(written, Majority):
        return DummyClassifier(strategy="prior")
    linear = LogisticRegression(C=written.inverse_penalty, max_iter=1000)
    if isinstance(written, Position):
        return make_pipeline(OneHotEncoder(handle_unknown="ignore"), linear)
    return make_pipeline(
        TfidfVectorizer(
            token_pattern=r"\S+",
            ngram_range=(1, written.words),
            min_df=written.min_sentences,
            sublinear_tf=True,
        ),
        linear,
    )


def _places(subset: Subset) -> Index:
    """Sentences before and after each in its abstract, up to `PLACES`, and its tenth of the
    abstract: int64 ``(N, 3)``.

    Counted in the whole part, whichever of its sentences were drawn.
    """
    _, of_row, counts = np.unique(
        subset.part.groups[CLUSTER], return_inverse=True, return_counts=True
    )
    order = np.argsort(of_row, kind="stable")
    before = np.empty(len(of_row), np.int64)
    before[order] = np.arange(len(of_row)) - np.repeat(np.cumsum(counts) - counts, counts)
    after = counts[of_row] - 1 - before
    tenth = before * 10 // counts[of_row]
    return np.asarray(
        np.stack([np.minimum(before, PLACES), np.minimum(after, PLACES), tenth], axis=1)[
            subset.index
        ]
    )
