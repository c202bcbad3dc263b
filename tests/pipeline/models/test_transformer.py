from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medpipe.errors import UnavailableError
from medpipe.pipeline.models import transformer
from medpipe.pipeline.models.transformer import TokenizedSentences, load_transformer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand parameters with its tokenizer, as a folder."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(40))]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
                        max_position_embeddings=32, num_labels=7)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_folder_is_loaded_with_a_new_head(checkpoint: Path, capsys: Any) -> None:
    model, tokenizer = load_transformer(str(checkpoint), classes=5)
    tokens = TokenizedSentences(tokenizer, ["w1 w2 w3", "w4", "w1 " * 50], length=6)
    batch = tokens.batch(np.array([1, 0]))
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert tokens.batch(np.array([2]))["input_ids"].shape == (1, 6)
    with torch.inference_mode():
        both = model.eval()(**batch).logits
        alone = model(**tokens.batch(np.array([1]))).logits
    assert both.shape == (2, 5) and both.dtype == torch.float32
    torch.testing.assert_close(both[:1], alone)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["nobody/no-such-model", "/no/such/folder", "."])
def test_weights_that_cannot_be_had_are_unavailable(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(transformer, "_hub_answers", lambda: False)
    with pytest.raises(UnavailableError, match=r"expected the transformer weights .*set model.checkpoint to a folder") as error:
        load_transformer(name, classes=5)
    assert "\n" not in str(error.value)


def test_a_damaged_folder_is_unavailable(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    monkeypatch.setattr(transformer, "_hub_answers", lambda: False)
    with pytest.raises(UnavailableError):
        load_transformer(str(tmp_path), classes=5)
