"""The package's own images in one row, and a recipe with which a game of two epochs takes a
second.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.imaging.grouping import with_clusters
from medpipe.pipeline.synthesis.generator_data import Images, in_one_row

TINY = {
    "data": {"source": "demonstration", "part": "Training", "train_sample": 32, "held_out": 0.5},
    "model": {
        "width": 2,
        "upsampling": "nearest",
        "normalisation": "batch",
        "output": "tanh",
        "activation": "leaky",
        "dropout": 0.25,
        "spectral": False,
        "initialisation": "normal",
    },
    "training": {
        "loss": "non_saturating",
        "real_target": 1.0,
        "fake_target": 0.0,
        "input_noise": 0.0,
        "noise_decay": False,
        "generator_rate": 0.0002,
        "discriminator_rate": 0.0002,
        "beta1": 0.5,
        "beta2": 0.999,
        "schedule": "reduce-on-plateau",
        "batch_size": 12,
        "epochs": 3,
        "generator_steps": 1,
        "ema": None,
        "precision": "fp32",
    },
    "audit": {"epochs": 1, "images": 20},
    "observe": {
        "generated": 20,
        "real": 24,
        "pictures": True,
        "usefulness": False,
        "useful_images": 20,
        "useful_epochs": 1,
    },
}


@pytest.fixture
def tiny() -> dict[str, Any]:
    return copy.deepcopy(TINY)


@pytest.fixture(scope="session")
def tiny_config() -> dict[str, Any]:
    """The same for tests that share a game and so must not change it."""
    return TINY


@pytest.fixture(scope="session")
def phantoms() -> Images:
    return in_one_row(with_clusters(load_images("demonstration")))
