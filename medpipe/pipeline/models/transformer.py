"""A transformer sentence classifier from a folder or a hub id, such as the published BioBERT."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants, try_to_load_from_cache
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
)
from transformers.utils import SAFE_WEIGHTS_NAME, WEIGHTS_NAME, logging

from medpipe.errors import UnavailableError
from medpipe.running.experiment import declare_read

HUB_TIMEOUT_S = 10.0


class TokenizedSentences:
    """Sentences as token numbers, each cut at ``length`` tokens; a batch is padded to its longest,
    which the mask makes harmless.

    ``lengths``: tokens of each, int64 ``(N,)``.
    """

    def __init__(self, tokenizer: Any, sentences: Sequence[str], length: int) -> None:
        self._padding = int(tokenizer.pad_token_id)
        encoded = tokenizer(
            list(sentences),
            truncation=True,
            max_length=length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        self._tokens: list[list[int]] = encoded["input_ids"]
        self.lengths = np.array([len(row) for row in self._tokens], dtype=np.int64)

    def batch(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask``, int64 ``(B, longest)``."""
        rows = [self._tokens[i] for i in index.tolist()]
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._padding)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def load_transformer(checkpoint: str, classes: int) -> tuple[nn.Module, Any]:
    """The model, float32 with a new head for ``classes``, and its tokenizer.

    ``checkpoint``: a folder or a hub id; what is on this machine is taken before the hub is asked.
    Raises `UnavailableError`.
    """
    with _quiet():
        try:
            return _load(checkpoint, classes, local=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as missing:
            reason: Exception = missing
        if _hub_answers():
            try:
                return _load(checkpoint, classes, local=False)
            except (OSError, ValueError, RuntimeError, SafetensorError) as error:
                reason = error
        else:
            reason = OSError("the hub cannot be reached")
    said = " ".join(str(reason).split())
    raise UnavailableError(
        f"expected the transformer weights {checkpoint!r} in a folder, the hub's cache or on the"
        f" hub, found none ({said}); connect once, or set model.checkpoint to a folder with"
        " config.json, the weights and the tokenizer"
    ) from reason


def biobert(classes: int) -> nn.Module:
    """The published BioBERT's architecture (BERT base with a cased vocabulary of 28,996) with new
    weights.
    """
    model: nn.Module = BertForSequenceClassification(
        BertConfig(vocab_size=28996, num_labels=classes)
    )
    return model


def _declare_weights(checkpoint: str) -> None:
    """Tell the run's record of the weights, which safetensors reads by itself."""
    if Path(checkpoint).is_dir():
        declare_read(checkpoint)
        return
    for name in (SAFE_WEIGHTS_NAME, WEIGHTS_NAME):
        kept = try_to_load_from_cache(checkpoint, name)
        if isinstance(kept, str):
            declare_read(kept)


def _load(checkpoint: str, classes: int, *, local: bool) -> tuple[nn.Module, Any]:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=local)
    model: nn.Module = AutoModelForSequenceClassification.from_pretrained(
        checkpoint,
        num_labels=classes,
        ignore_mismatched_sizes=True,
        dtype=torch.float32,
        local_files_only=local,
    )
    _declare_weights(checkpoint)
    return model, tokenizer


def _hub_answers() -> bool:
    """Whether the hub can be reached at all; its own client would try for half a minute."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(
            urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=HUB_TIMEOUT_S
        ):
            return True
    except urllib.error.HTTPError:
        return True  # it answered, only not to this question
    except OSError:
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """No report of newly made heads and no bars: the head is meant to be new, and progress is shown
    by the caller.
    """
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
