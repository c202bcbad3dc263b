"""ResNet-18 at 64 pixels, trained on some of a row of images: the audit network, and those that ask
what generated images are good for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.pipeline.augmentation import Augmentation
from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.config import Training
from medpipe.pipeline.data.images import ImagePart
from medpipe.pipeline.imaging.slices import Slices
from medpipe.pipeline.machine import Machine, Precision, seed_all
from medpipe.pipeline.models.dcgan import SIDE
from medpipe.pipeline.models.resnet import build_resnet
from medpipe.pipeline.prediction import Meter, predict, probabilities
from medpipe.pipeline.splits import Index, Subset
from medpipe.pipeline.training import total_steps, train
from medpipe.running.experiment import Progress

AUGMENTATION = Augmentation(flip=0.5, rotation=15, brightness=0.2, contrast=0.2)
"""As published for the classifiers."""


def recipe(epochs: int, precision: Precision) -> Training:
    """Adam at 1e-3 on batches of 32; the last epoch is reported, so nothing is chosen on the images
    that it is tested on.
    """
    return Training(
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=1e-4,
        batch_size=32,
        epochs=epochs,
        patience=None,
        reported_epoch="last",
        precision=precision,
    )


def new_network(classes: int) -> nn.Module:
    """A ResNet-18 with new weights from torch's generator."""
    return build_resnet("resnet18", classes=classes, weights="none", head_dropout=0.0).to(
        memory_format=torch.channels_last
    )


def fit(
    images: ImagePart,
    classes: int,
    training: Index,
    testing: Index,
    epochs: int,
    *,
    seed: int,
    machine: Machine,
    folder: Path,
    identity: Mapping[str, Any],
    progress: Progress,
) -> tuple[nn.Module, NDArray[np.float64]]:
    """A network trained on the places ``training`` of ``images``, and its probabilities ``(N, C)``
    for those of ``testing``.

    ``folder`` and ``identity`` are those of its checkpoint.
    """
    planes, written = images.planes(SIDE), recipe(epochs, machine.precision)
    shown, asked = (
        Slices(planes, Subset(images, index), AUGMENTATION, seed, machine.device)
        for index in (training, testing)
    )
    meter = Meter(progress, total_steps(len(training), len(testing), written))
    seed_all(seed)
    trained = train(
        new_network(classes),
        shown,
        asked,
        written,
        seed=seed,
        machine=machine,
        store=CheckpointStore(folder, identity),
        meter=meter,
    )
    return trained.model, probabilities(predict(trained.model, asked, machine, lambda n: None))
