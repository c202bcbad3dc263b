from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medpipe.errors import UnavailableError
from medpipe.pipeline.models import transformer
from medpipe.pipeline.models.transformer import TokenizedSentences, load_transformer


def test_a_folder_is_loaded_with_a_new_head(tiny_bert: Path, capsys: Any) -> None:
    model, tokenizer = load_transformer(str(tiny_bert), classes=5)
    tokens = TokenizedSentences(tokenizer, ["w1 w2 w3", "w4", "w1 " * 50], length=6)
    assert tokens.lengths.tolist() == [5, 3, 6]
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
def test_weights_that_cannot_be_had_are_unavailable(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(transformer, "_hub_answers", lambda: False)
    with pytest.raises(
        UnavailableError,
        match=r"expected the transformer weights .*set model.checkpoint to a folder",
    ) as error:
        load_transformer(name, classes=5)
    assert "\n" not in str(error.value)


def test_a_damaged_folder_is_unavailable(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in tiny_bert.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    monkeypatch.setattr(transformer, "_hub_answers", lambda: False)
    with pytest.raises(UnavailableError):
        load_transformer(str(tmp_path), classes=5)
