"""Which tumour, if any, does a brain MRI slice show? The published residual networks with their
augmentation.

As published, ``Training`` is split at random by image, so slices of one patient stand on both
sides. ``split: disjoint`` with ``groups`` is the sound variant and ``split: related`` its control:
the same images reported on, as many trained on, relatives among them. The ``Testing`` folder, which
the published work never used, is observed too, as it is and as ``observe`` asks.

`run` is the experiment, step by step; the functions below it follow in the order of their use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from medpipe.pipeline.augmentation import Augmentation
from medpipe.pipeline.classifier_run import Split, Task, classify
from medpipe.pipeline.config import parse, stand_in
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.imaging.calibrating import calibration_splits
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.imaging_settings import MriClassification
from medpipe.pipeline.imaging.reader_images import with_pictures
from medpipe.pipeline.imaging.slices import CorruptedImages, Slices
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.pipeline.machine import Machine, open_machine, seed_all
from medpipe.pipeline.models.resnet import build_resnet
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "mri_classification"


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Train on the larger side of the split; observe the other side, and the other folder whole.

    Raises `SpecError` where ``config`` is not as `MriClassification` describes it,
    `UnavailableError` where data or weights cannot be had here, and `DataError` where the data
    cannot be split as asked.
    """
    settings = parse(MriClassification, config, NAME)
    machine = open_machine(context.device, settings.training.precision)

    # Data: every image of every folder at the network's resolution; who is related to whom.
    data = with_clusters(load_images(settings.data.source))
    planes = {name: p.planes(settings.training.resolution) for name, p in data.parts.items()}
    splits = dict(_splits(data, planes, settings, seed, machine.device))

    # Training, and the observations of every split with the weights of the reported epoch.
    seed_all(seed)
    network = _network(settings, len(data.classes))
    task = _task(data, splits, settings, machine)
    result = classify(task, network, settings.training, seed=seed, machine=machine, context=context)

    # What `observe` asks for beside them, of the folders that were not split.
    others = _other_folders(data, settings)
    if settings.observe.calibration:
        result = _with_calibration(result, settings.data.split_seed, [*others])
    return with_pictures(
        result,
        network,
        [*others],
        {split: planes[folder] for split, folder in others.items()},
        settings.observe,
        seed=seed,
        device=machine.device,
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data, and of the table of groups, that `run` would use now. Raises as it
    does.
    """
    settings = parse(MriClassification, config, NAME)
    return _digests(load_images(settings.data.source), settings)


def _digests(data: ImageData, settings: MriClassification) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(settings.data.groups)}


def _other_folders(data: ImageData, settings: MriClassification) -> dict[str, str]:
    """The folders that are observed whole, by the name of their split."""
    return {name.lower(): name for name in data.parts if name != settings.data.part}


def _splits(
    data: ImageData,
    planes: Mapping[str, Planes],
    settings: MriClassification,
    seed: int,
    device: torch.device,
) -> Iterator[tuple[str, Split]]:
    """``training``, ``validation`` and the other folders, each followed by what `observe` asks for
    of it: ``training_evaluated`` without augmentation, or ``<other>_<corruption>``.
    """
    recipe, observe = settings.training, settings.observe
    augmentation = Augmentation(recipe.flip, recipe.rotation, recipe.brightness, recipe.contrast)
    others = _other_folders(data, settings)
    for name, subset in splits_of(data, settings.data).items():
        here = planes[others.get(name, settings.data.part)]
        yield name, Split(subset, Slices(here, subset, augmentation, seed, device))
        if name == "training" and observe.training:
            evaluated = Slices(here, subset, augmentation, seed, device)
            yield "training_evaluated", Split(subset, evaluated)
        if name in others:
            for kind, level in observe.corruptions.model_dump(exclude_none=True).items():
                yield f"{name}_{kind}", Split(subset, CorruptedImages(here, subset, kind, level))


def _network(settings: MriClassification, classes: int) -> nn.Module:
    network = build_resnet(
        settings.model.kind,
        classes=classes,
        weights=settings.model.weights,
        head_dropout=settings.model.head_dropout,
    ).to(memory_format=torch.channels_last)
    if settings.training.compile:
        network.compile()
    return network


def _task(
    data: ImageData, splits: Mapping[str, Split], settings: MriClassification, machine: Machine
) -> Task:
    """The task, with the settings as they are really used: the source found, the precision had."""
    resolved = settings.model_dump(exclude_unset=True)
    resolved["data"]["source"] = data.source
    resolved["training"]["precision"] = machine.precision
    return Task(
        NAME,
        data.classes,
        cluster_of(data),
        splits,
        resolved,
        _digests(data, settings),
        pretrained=settings.model.weights != "none",
        plateau=settings.training.schedule == "reduce-on-plateau",
        notes=stand_in(settings.data.source, data.source),
    )


def _with_calibration(
    result: ExperimentResult, split_seed: int, others: Sequence[str]
) -> ExperimentResult:
    """With the splits ``<other>_reported`` and ``<other>_calibrated`` and the temperature, of each
    folder that was not split.
    """
    observations, scalars = dict(result.observations), dict(result.scalars)
    for name in others:
        temperature, reported, calibrated = calibration_splits(observations[name], split_seed)
        observations |= {f"{name}_reported": reported, f"{name}_calibrated": calibrated}
        scalars[f"{name}_temperature"] = temperature
    return replace(result, observations=observations, scalars=scalars)
