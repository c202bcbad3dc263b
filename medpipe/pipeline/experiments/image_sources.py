"""Does a network know which collection an image came from, and does its accuracy carry over to a
collection that it never saw?

A data set that merges collections lets a network tell classes by collection. Two things are
measured. A network is trained as published; among validation images of one class, a linear model
reads the collection from the network's features: what it reads beyond chance, the network holds.
And each collection that shares classes with the others is left out of training and reported on,
beside a training that differs in nothing but that other images of it are among those trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import load_file
from torch import nn

from medpipe.evidence.observations import Observations
from medpipe.pipeline.augmentation import Augmentation, normalise
from medpipe.pipeline.classifier_run import Split, Task, classify
from medpipe.pipeline.config import Positive, Section, parse, stand_in
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.image_collections import (
    LeftOut,
    counted,
    left_out,
    sources_of,
    told_within,
)
from medpipe.pipeline.imaging.imaging_settings import Data, ImageTraining, Network
from medpipe.pipeline.imaging.slices import Slices
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.pipeline.machine import Machine, open_machine, seed_all
from medpipe.pipeline.models.resnet import build_resnet
from medpipe.pipeline.splits import Subset
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "image_sources"
STEPS = 1000
"""Progress of each training in steps, so that trainings of unlike length count alike."""


class ImageSources(Section):
    """``sources``: ``files`` (mode and JPEG tables) or a group of the data; ``least``: images that
    a source, or a class of it, needs.
    """

    data: Data
    model: Network
    training: ImageTraining
    sources: Annotated[str, Field(min_length=1)]
    least: Positive


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Splits ``source_in_<class>`` (truth and prediction are sources), ``left_out_<i>`` and
    ``trained_on_<i>`` with a group ``source``.
    """
    written = parse(ImageSources, config, NAME)
    machine = open_machine(context.device, written.training.precision)
    data = with_clusters(load_images(written.data.source))
    part = data.parts[written.data.part]
    source = sources_of(data, written.data.part, written.sources)
    names, counts = np.unique(source, return_counts=True)
    source = np.where(np.isin(source, names[counts >= written.least]), source, "")
    training, validation = (
        splits_of(data, written.data)[name] for name in ("training", "validation")
    )
    pairs = tuple(left_out(part, source, part.groups[cluster_of(data)], written.least, seed))
    trainings = 1 + 2 * len(pairs)

    def train(number: int, on: Subset, report: Subset) -> tuple[ExperimentResult, nn.Module]:
        inner = RunContext(
            context.work_dir / str(number),
            context.device,
            lambda done, total, message: context.progress(
                number * STEPS + done * STEPS // max(total, 1),
                trainings * STEPS,
                f"training {number + 1} of {trainings}: {message}",
            ),
        )
        return _train(data, written, on, report, seed, machine, inner)

    first, network = train(0, training, validation)
    observations = _sources_in(data, written, validation, source, network, machine, seed)
    notes = [*stand_in(written.data.source, data.source), *counted(part, source, data.classes)]
    for i, pair in enumerate(pairs, 1):
        for side, on in (("left_out", pair.without), ("trained_on", pair.within)):
            seen, _ = train(2 * i - 1 + (side == "trained_on"), on, pair.reported)
            observations[f"{side}_{i}"] = _named(seen, pair)
        notes.append(
            f"{pair.source}: {len(pair.reported):,} images reported on, after training on"
            f" {len(pair.without):,} images of other sources and, for comparison, on"
            f" {len(pair.within):,} with some of this one"
        )
    scalars = {
        "sources": float(np.count_nonzero(np.unique(source) != "")),
        "trainings": float(trainings),
    }
    return ExperimentResult(
        {**first.resolved, "sources": written.sources, "least": written.least},
        observations,
        scalars,
        first.history,
        first.data_digests,
        notes=[*notes, *machine.notes],
        device=machine.device.type,
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data that `run` would use now."""
    written = parse(ImageSources, config, NAME)
    return _digests(load_images(written.data.source), written)


def _digests(data: ImageData, written: ImageSources) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(written.data.groups)}


def _train(
    data: ImageData,
    written: ImageSources,
    on: Subset,
    report: Subset,
    seed: int,
    machine: Machine,
    context: RunContext,
) -> tuple[ExperimentResult, nn.Module]:
    recipe = written.training
    augmentation = Augmentation(recipe.flip, recipe.rotation, recipe.brightness, recipe.contrast)
    planes = data.parts[written.data.part].planes(recipe.resolution)
    splits = {
        name: Split(subset, Slices(planes, subset, augmentation, seed, machine.device))
        for name, subset in (("training", on), ("validation", report))
    }
    seed_all(seed)
    model = build_resnet(
        written.model.kind,
        classes=len(data.classes),
        weights=written.model.weights,
        head_dropout=written.model.head_dropout,
    ).to(memory_format=torch.channels_last)
    resolved = {
        key: value
        for key, value in written.model_dump(exclude_unset=True).items()
        if key in ("data", "model", "training")
    }
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
    )
    context.work_dir.mkdir(parents=True, exist_ok=True)
    result = classify(task, model, recipe, seed=seed, machine=machine, context=context)
    model.load_state_dict(load_file(result.files["weights"]))
    return result, model


def _named(seen: ExperimentResult, pair: LeftOut) -> Observations:
    o = seen.observations["validation"]
    return Observations({**o.arrays, "source": np.full(len(o), pair.source)}, o.classes, o.cluster)


def _sources_in(
    data: ImageData,
    written: ImageSources,
    subset: Subset,
    source: NDArray[np.str_],
    network: nn.Module,
    machine: Machine,
    seed: int,
) -> dict[str, Observations]:
    column = cluster_of(data)
    features = _features(network, data, written, subset, machine.device)
    found = {}
    for k, kind in enumerate(data.classes):
        told = told_within(
            k,
            features,
            subset,
            source[subset.index],
            subset.part.groups[column][subset.index],
            written.least,
            seed,
        )
        if told is not None:
            at, truth, called, names = told
            place = subset.index[at]
            found[f"source_in_{kind}"] = Observations(
                {
                    "sample_id": subset.part.sample_id[place],
                    "y_true": truth,
                    "y_pred": called,
                    column: subset.part.groups[column][place],
                },
                names,
                column,
            )
    return found


def _features(
    network: Any, data: ImageData, written: ImageSources, subset: Subset, device: torch.device
) -> NDArray[np.float32]:
    """What the head is given of each image, float32 ``(N, D)``."""
    planes = data.parts[written.data.part].planes(written.training.resolution)
    head, network.fc = network.fc, nn.Identity()
    try:
        network.to(device).eval()
        with torch.inference_mode():
            return np.concatenate(
                [
                    network(normalise(planes.rgb(places)).to(device)).float().cpu().numpy()
                    for places in (
                        subset.index[i : i + 64].tolist() for i in range(0, len(subset), 64)
                    )
                ]
            )
    finally:
        network.fc = head
