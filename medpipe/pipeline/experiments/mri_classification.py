"""Which tumour, if any, does a brain MRI slice show? The published residual networks with their
augmentation.

As published, ``Training`` is split at random by image, so slices of one patient stand on both
sides. ``split: disjoint`` with ``groups`` is the sound variant and ``split: related`` its control:
the same images reported on, as many trained on, relatives among them. The ``Testing`` folder, which
the published work never used, is observed too, as it is and as ``observe`` asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from medpipe.pipeline.augmentation import Augmentation
from medpipe.pipeline.classifier_run import Split, Task, classify
from medpipe.pipeline.config import parse, stand_in
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.imaging.calibrating import calibration_splits
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.imaging_settings import MriClassification
from medpipe.pipeline.imaging.reader_images import with_pictures
from medpipe.pipeline.imaging.slices import CorruptedImages, Slices
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.pipeline.machine import open_machine, seed_all
from medpipe.pipeline.models.resnet import build_resnet
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "mri_classification"


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Train on the larger side of the split; observe the other side, and the other folder whole."""
    written = parse(MriClassification, config, NAME)
    recipe = written.training
    machine = open_machine(context.device, recipe.precision)
    data = with_clusters(load_images(written.data.source))
    splits = dict(_splits(data, written, seed, machine.device))

    seed_all(seed)
    model = build_resnet(
        written.model.kind,
        classes=len(data.classes),
        weights=written.model.weights,
        head_dropout=written.model.head_dropout,
    ).to(memory_format=torch.channels_last)
    if recipe.compile:
        model.compile()

    resolved = written.model_dump(exclude_unset=True)
    resolved["data"]["source"], resolved["training"]["precision"] = data.source, machine.precision
    task = Task(
        NAME,
        data.classes,
        cluster_of(data),
        splits,
        resolved,
        _digests(data, written),
        pretrained=written.model.weights != "none",
        plateau=recipe.schedule == "reduce-on-plateau",
        notes=stand_in(written.data.source, data.source),
    )
    result = classify(task, model, recipe, seed=seed, machine=machine, context=context)
    others = [name.lower() for name in data.parts if name != written.data.part]
    if written.observe.calibration:
        result = _with_calibration(result, written, others)
    pixels = {name.lower(): data.parts[name].planes(recipe.resolution) for name in data.parts}
    return with_pictures(
        result, model, others, pixels, written.observe, seed=seed, device=machine.device
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data, and of the table of groups, that `run` would use now."""
    written = parse(MriClassification, config, NAME)
    return _digests(load_images(written.data.source), written)


def _digests(data: ImageData, written: MriClassification) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(written.data.groups)}


def _splits(
    data: ImageData, written: MriClassification, seed: int, device: torch.device
) -> Iterator[tuple[str, Split]]:
    recipe = written.training
    augmentation = Augmentation(recipe.flip, recipe.rotation, recipe.brightness, recipe.contrast)
    planes = {name: part.planes(recipe.resolution) for name, part in data.parts.items()}
    for name, subset in splits_of(data, written.data).items():
        outside = name not in ("training", "validation")
        here = planes[
            next(n for n in planes if n.lower() == name) if outside else written.data.part
        ]
        yield name, Split(subset, Slices(here, subset, augmentation, seed, device))
        if name == "training" and written.observe.training:
            yield (
                "training_evaluated",
                Split(subset, Slices(here, subset, augmentation, seed, device)),
            )
        if outside:
            for kind, level in written.observe.corruptions.model_dump(exclude_none=True).items():
                yield f"{name}_{kind}", Split(subset, CorruptedImages(here, subset, kind, level))


def _with_calibration(
    result: ExperimentResult, written: MriClassification, others: list[str]
) -> ExperimentResult:
    """With the splits ``<other>_reported`` and ``<other>_calibrated`` and the temperature, of each
    folder that was not split.
    """
    seen, scalars = dict(result.observations), dict(result.scalars)
    for name in others:
        temperature, seen[f"{name}_reported"], seen[f"{name}_calibrated"] = calibration_splits(
            seen[name], written.data.split_seed
        )
        scalars[f"{name}_temperature"] = temperature
    return replace(result, observations=seen, scalars=scalars)
