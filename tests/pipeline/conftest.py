"""Tiny data sets and configurations with which a training takes a second."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.data.text import TextData, TextPart

TEXT = {
    "data": {
        "source": "tiny",
        "train_rows": 60,
        "dev_rows": 30,
        "train_sample": 44,
        "dev_sample": 20,
        "sample_seed": 42,
    },
    "model": {
        "kind": "lstm",
        "vocabulary": 40,
        "vocabulary_texts": 50,
        "vocabulary_words": 10,
        "length": 8,
        "embedding": 6,
        "hidden": 5,
        "layers": 2,
        "bidirectional": True,
        "dropout": 0.3,
        "padding": "unmasked",
    },
    "training": {
        "optimizer": "adam",
        "learning_rate": 0.01,
        "weight_decay": 0.001,
        "batch_size": 8,
        "epochs": 3,
        "patience": 2,
        "reported_epoch": "best",
        "precision": "fp32",
    },
}
IMAGES = {
    "data": {
        "source": "tiny",
        "part": "Training",
        "split": "random-by-image",
        "validation_fraction": 0.25,
        "split_seed": 42,
    },
    "model": {"kind": "resnet18", "weights": "none", "head_dropout": 0.5},
    "training": {
        "resolution": 33,
        "flip": 0.5,
        "rotation": 15,
        "brightness": 0.2,
        "contrast": 0.2,
        "normalisation": "imagenet",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "weight_decay": 0.0001,
        "schedule": "reduce-on-plateau",
        "batch_size": 8,
        "epochs": 2,
        "patience": None,
        "reported_epoch": "last",
        "precision": "fp32",
    },
}


@pytest.fixture
def text_config() -> dict[str, Any]:
    return copy.deepcopy(TEXT)


@pytest.fixture
def image_config() -> dict[str, Any]:
    return copy.deepcopy(IMAGES)


def text_data(test: bool = True) -> TextData:
    """Sentences whose words hint at their class."""
    draw = np.random.default_rng(0)

    def part(name: str, count: int) -> TextPart:
        label = draw.integers(0, 3, count)
        words = [
            [f"w{9 * c + draw.integers(0, 12)}" for _ in range(draw.integers(1, 12))] for c in label
        ]
        ids = np.array([f"{name}{i // 3}:{i}" for i in range(count)])
        return TextPart(
            tuple(" ".join(w) for w in words),
            label,
            ids,
            {"abstract_id": np.array([f"{name}{i // 3}" for i in range(count)])},
        )

    parts = {"train": part("a", 70), "dev": part("b", 25)} | (
        {"test": part("c", 31)} if test else {}
    )
    return TextData("tiny", ("x", "y", "z"), parts, "sha256:tiny-text")


def image_data(patients: bool = True) -> ImageData:
    """Blobs whose brightness hints at their class."""
    draw = np.random.default_rng(0)

    def part(name: str, count: int) -> ImagePart:
        label = np.arange(count) % 4
        pixels = np.clip(
            draw.integers(0, 120, (count, 33, 33, 1)) + 30 * label[:, None, None, None], 0, 255
        )
        grey = np.repeat(pixels, 3, axis=3).astype(np.uint8)
        ids = np.array([f"{name}/{i:03d}.png" for i in range(count)])
        groups = {"patient_id": np.array([f"p{i // 3}" for i in range(count)])} if patients else {}
        return ImagePart(label, ids, groups, lambda size: Planes.of(grey))

    return ImageData(
        "tiny",
        ("a", "b", "c", "d"),
        {"Training": part("Training", 48), "Testing": part("Testing", 12)},
        "sha256:tiny-images",
    )


@pytest.fixture
def tiny_text(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the text experiments load `text_data`."""

    def use(test: bool = True) -> None:
        for name in ("text_classification", "text_baselines", "text_data_audit", "gradient_flow"):
            monkeypatch.setattr(
                f"medpipe.pipeline.experiments.{name}.load_text", lambda source: text_data(test)
            )

    use()
    return use


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand parameters with its tokenizer, as a folder."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(40))]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    BertForSequenceClassification(
        BertConfig(
            vocab_size=len(words),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=32,
            num_labels=7,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the imaging experiment load `image_data`, and a network of a few thousand parameters in
    place of a ResNet.
    """
    from torch import nn

    def network(kind: str, *, classes: int, weights: str, head_dropout: float) -> nn.Module:
        return TinyNetwork(classes, head_dropout)

    monkeypatch.setattr(
        "medpipe.pipeline.experiments.mri_classification.load_images", lambda source: image_data()
    )
    monkeypatch.setattr("medpipe.pipeline.experiments.mri_classification.build_resnet", network)


def TinyNetwork(classes: int, dropout: float) -> Any:
    """Convolution, batch normalisation, pooling, dropout, linear."""
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.AdaptiveAvgPool2d(2),
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(32, classes),
            )

        def forward(self, x: Any) -> Any:
            return self.body(x)

    return Network()
