"""Which tumour, if any, does a brain MRI slice show? The published residual networks with their augmentation.

As published, ``Training`` is split at random by image, so slices of one patient stand on both sides; ``split: by-patient``
is the sound variant. The ``Testing`` folder, which the published work never used, is observed too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from medpipe.errors import DataError
from medpipe.pipeline.augmentation import Augmentation, normalise
from medpipe.pipeline.checkpoint import Tensors
from medpipe.pipeline.classification import Split, Task, classify
from medpipe.pipeline.config import Fraction, Section, Seed, Source, Training, parse, stand_in
from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.machine import Index, open_machine, seed_all
from medpipe.pipeline.models.resnet import build_resnet
from medpipe.pipeline.splits import Subset, split_by_image, split_by_patient, whole
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "mri_classification"


class Data(Section):
    """``source``: a data set, or several of which the first that exists is taken; ``part``: the folder to split."""

    source: Source
    part: Literal["Training", "Testing"]
    split: Literal["random-by-image", "by-patient"]
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    split_seed: Seed


class Network(Section):
    """``weights``: from ImageNet, or new; ``head_dropout``: before the linear head, 0 for none."""

    kind: Literal["resnet18", "resnet50"]
    weights: Literal["imagenet", "none"]
    head_dropout: Fraction


class ImageTraining(Training):
    """``resolution`` in pixels (a ResNet needs more than 32); ``flip`` a probability, ``rotation`` in degrees, the others factors."""

    resolution: Annotated[int, Field(ge=33, le=1024)]
    flip: Annotated[float, Field(ge=0, le=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    brightness: Annotated[float, Field(ge=0)]
    contrast: Annotated[float, Field(ge=0)]
    normalisation: Literal["imagenet"]
    schedule: Literal["constant", "reduce-on-plateau"]


class MriClassification(Section):
    """The parameters of the experiment."""

    data: Data
    model: Network
    training: ImageTraining


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Train on the larger side of the split; observe the other side, and the other folder whole."""
    written = parse(MriClassification, config, NAME)
    recipe = written.training
    machine = open_machine(context.device, recipe.precision)
    data = load_images(written.data.source)
    if written.data.part not in data.parts:
        raise DataError(f"{data.source}: expected a folder {written.data.part}, got {', '.join(data.parts)}; restore the data set's layout")
    split = {"random-by-image": split_by_image, "by-patient": split_by_patient}[written.data.split]
    training, validation = split(data.parts[written.data.part], written.data.validation_fraction, written.data.split_seed)

    seed_all(seed)
    model = build_resnet(written.model.kind, classes=len(data.classes), weights=written.model.weights,
                         head_dropout=written.model.head_dropout).to(memory_format=torch.channels_last)

    augmentation = Augmentation(recipe.flip, recipe.rotation, recipe.brightness, recipe.contrast)
    pixels = data.parts[written.data.part].pixels(recipe.resolution)
    splits = {"training": Split(training, _Slices(pixels, training, augmentation, seed)),
              "validation": Split(validation, _Slices(pixels, validation, augmentation, seed))}
    for name, part in data.parts.items():
        if name != written.data.part:
            splits[name.lower()] = Split(whole(part), _Slices(part.pixels(recipe.resolution), whole(part), augmentation, seed))

    resolved = written.model_dump()
    resolved["data"]["source"], resolved["training"]["precision"] = data.source, machine.precision
    task = Task(NAME, data.classes, "patient_id", splits, resolved, {data.source: data.digest}, pretrained=written.model.weights != "none",
                plateau=recipe.schedule == "reduce-on-plateau", notes=stand_in(written.data.source, data.source))
    return classify(task, model, recipe, seed=seed, machine=machine, context=context)


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the data that `run` would use now."""
    data = load_images(parse(MriClassification, config, NAME).data.source)
    return {data.source: data.digest}


class _Slices:
    """Images of a split: augmented for training, as they are otherwise."""

    def __init__(self, pixels: NDArray[np.uint8], subset: Subset, augmentation: Augmentation, seed: int) -> None:
        self.label = subset.label
        self._pixels, self._index, self._augmentation, self._seed = pixels, subset.index, augmentation, seed

    def batch(self, index: Index, epoch: int | None) -> Tensors:
        images = self._pixels[self._index[index]]
        if epoch is not None:
            images = np.stack([self._augmentation(image, (self._seed, epoch, i)) for image, i in zip(images, index.tolist(), strict=True)])
        return {"x": normalise(images)}
