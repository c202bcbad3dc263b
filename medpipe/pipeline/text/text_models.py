"""A model for sentences as written, and the sentences of every part as that model reads them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from medpipe.pipeline.data.text import TextData
from medpipe.pipeline.models.lstm import LSTMClassifier, Vocabulary
from medpipe.pipeline.splits import Subset
from medpipe.pipeline.text.samples import Sentences, Tokens, Words
from medpipe.pipeline.text.sentence_splits import sentences_of
from medpipe.pipeline.text.text_settings import Lstm, Transformer


def build(
    written: Lstm | Transformer,
    data: TextData,
    parts: Mapping[str, Subset],
    *,
    vocabulary_rows: int,
) -> tuple[nn.Module, dict[str, Sentences]]:
    """The model with new or loaded weights, and samples by part, each tokenised once.

    ``vocabulary_rows``: the LSTM's vocabulary comes from no more than this many first rows of the
    train file, before any drawing. Raises `UnavailableError` where a transformer's weights cannot
    be had.
    """
    if isinstance(written, Transformer):
        return _transformer(written, data, parts)
    first = data.parts["train"].sentences[: min(written.vocabulary_texts, vocabulary_rows)]
    vocabulary = Vocabulary(first, size=written.vocabulary, words=written.vocabulary_words)
    masked = written.padding == "masked"
    model = LSTMClassifier(
        vocabulary=written.vocabulary,
        classes=len(data.classes),
        embedding=written.embedding,
        hidden=written.hidden,
        layers=written.layers,
        bidirectional=written.bidirectional,
        dropout=written.dropout,
        masked=masked,
    )
    return model, {
        name: Words(vocabulary, sentences_of(subset), subset.label, written.length, masked)
        for name, subset in parts.items()
    }


def _transformer(
    written: Transformer, data: TextData, parts: Mapping[str, Subset]
) -> tuple[nn.Module, dict[str, Sentences]]:
    from medpipe.pipeline.models.transformer import (
        TokenizedSentences,
        load_transformer,
    )  # seconds to import, and the LSTM needs it not

    model, tokenizer = load_transformer(written.checkpoint, len(data.classes))
    return model, {
        name: Tokens(
            TokenizedSentences(tokenizer, sentences_of(subset), written.length), subset.label
        )
        for name, subset in parts.items()
    }
