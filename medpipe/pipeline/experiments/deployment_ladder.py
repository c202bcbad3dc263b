"""How fast a trained network answers in each form of the ladder, and whether each form gives the
same answers?

The network is trained by the shared training code, or read from the file that MEDPIPE_WEIGHTS
names: a run of ``mri_classification`` left it, and its evidence binds the digest. Parity comes
first: every form answers the whole evaluation set at the resolution of the training. Then all forms
are timed side by side, host images in and host answers out, and the forms that are timed answer
some images of that size.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import nn

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.pipeline.augmentation import Augmentation, normalise
from medpipe.pipeline.classifier_run import Split, Task, classify
from medpipe.pipeline.config import Positive, Section, parse, stand_in
from medpipe.pipeline.data.decoding import decode, strict_images
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.data.paths import DEMONSTRATION
from medpipe.pipeline.deployment.backend_builder import build
from medpipe.pipeline.deployment.backend_observations import (
    INPUTS,
    Compared,
    Plan,
    compared,
    timed_observations,
)
from medpipe.pipeline.deployment.backends import Built, Device, Source, ladder
from medpipe.pipeline.deployment.footprint import footprint_mb
from medpipe.pipeline.deployment.machine_state import conditions
from medpipe.pipeline.deployment.roofline import moved_bytes, operations, peaks
from medpipe.pipeline.imaging.grouping import cluster_of, with_clusters
from medpipe.pipeline.imaging.imaging_settings import Data, ImageTraining, Network
from medpipe.pipeline.imaging.slices import Slices
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.pipeline.machine import Machine, open_machine, seed_all
from medpipe.pipeline.models.resnet import build_resnet
from medpipe.pipeline.splits import Subset
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "deployment_ladder"
WEIGHTS = "MEDPIPE_WEIGHTS"
FILE_SIDE = 512
CHECKED = 64
"""So many evaluated images are answered by the timed forms, too."""


class Timing(Section):
    """``resolution``: pixels a side of the timed images; ``batches``: batch sizes, the first of
    which ratios are told at, ``rounds`` times, larger ones fewer
    (`medpipe.pipeline.deployment.backend_observations.Plan`); ``rungs``: only these forms, all
    where none are named; ``evaluated``: at most so many images for parity; ``calibrated``: so many
    training images set the ranges of int8.
    """

    resolution: Annotated[int, Field(ge=33, le=1024)]
    batches: Annotated[list[Positive], Field(min_length=1)]
    rounds: Annotated[int, Field(ge=10)]
    rungs: list[str] | None = None
    evaluated: Positive | None = None
    calibrated: Positive = 100


class DeploymentLadder(Section):
    """The parameters of the experiment."""

    data: Data
    model: Network
    training: ImageTraining
    timing: Timing


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Parity of every form, then their times side by side; see
    `medpipe.pipeline.deployment.backend_observations` for the splits.
    """
    written = parse(DeploymentLadder, config, NAME)
    machine = open_machine(context.device, written.training.precision)
    torch.use_deterministic_algorithms(False)  # timing is of what a user would run
    cudnn: Any = torch.backends.cudnn  # these attributes are made at run time
    cudnn.allow_tf32 = (
        False  # as before, but said so that exporters, which ask for it by this name, can read it
    )
    data = with_clusters(load_images(written.data.source))
    splits = splits_of(data, written.data)
    network, notes, weights = _network(data, splits, written, seed, machine, context)
    subset = _some(splits["validation"], written.timing.evaluated, seed)
    images = _images(data, written, subset)
    calibration = _images(data, written, _some(splits["training"], written.timing.calibrated, seed))
    device: Device = "cuda" if machine.device.type == "cuda" else "cpu"
    folder = context.work_dir / "forms"
    folder.mkdir(parents=True, exist_ok=True)
    source = Source(network, calibration, folder)

    built = _build(device, written.timing.rungs, source, context)
    found = Compared(data.classes, cluster_of(data), subset, images, written.training.resolution)
    built, observations = compared(
        built,
        found,
        lambda done, of, what: context.progress(300 + 200 * done // of, 1000, f"parity: {what}"),
    )
    plan = _plan(data, written, subset, seed)
    with strict_images():
        more, scalars = timed_observations(
            built,
            plan,
            seed,
            lambda done, of, what: context.progress(
                500 + 450 * done // of, 1000, f"timing: {what}"
            ),
        )
    if (
        data.source != DEMONSTRATION
    ):  # some seconds for each form, which a demonstration can do without
        scalars |= footprints(built, network, folder, written.timing, context)
    observations |= more | {
        "ladder": _ladder(built, network, written.timing.resolution),
        "device": _device(machine),
    }
    scalars |= {
        f"size_mb_{b.rung.slug}": b.exported.size_bytes / 2**20
        for b in built
        if b.exported is not None and np.isfinite(b.exported.size_bytes)
    }
    scalars |= {
        "rungs_known": len(built),
        "rungs_built": sum(b.state == "built" for b in built),
        "eval_n": len(images),
    }
    context.progress(1000, 1000, "done")
    resolved = written.model_dump(exclude_unset=True)
    resolved["data"]["source"], resolved["training"]["precision"] = data.source, machine.precision
    return ExperimentResult(
        resolved,
        observations,
        scalars,
        data_digests={data.source: data.digest},
        files=weights,
        notes=[*stand_in(written.data.source, data.source), *machine.notes, *notes, *conditions()],
        device=machine.device.type,
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """The digest of the data that `run` would use now."""
    data = load_images(parse(DeploymentLadder, config, NAME).data.source)
    return {data.source: data.digest}


def _network(
    data: ImageData,
    splits: Mapping[str, Subset],
    written: DeploymentLadder,
    seed: int,
    machine: Machine,
    context: RunContext,
) -> tuple[nn.Module, list[str], dict[str, Path]]:
    seed_all(seed)
    network = build_resnet(
        written.model.kind,
        classes=len(data.classes),
        weights=written.model.weights,
        head_dropout=written.model.head_dropout,
    )
    given = os.environ.get(WEIGHTS)
    if given:
        path = Path(given)
        try:
            load_model(network, str(path))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataError(
                f"{WEIGHTS}: expected weights of a {written.model.kind} with {len(data.classes)}"
                f" classes in safetensors, got {path.name}, which cannot be read as such"
                f" ({type(error).__name__}); name the file that a run of mri_classification left,"
                " or leave the variable out to train one"
            ) from None
        return network.eval(), [f"weights were given as a file with the digest sha256:{digest}"], {}
    planes = data.parts[written.data.part].planes(written.training.resolution)
    recipe = written.training
    augmentation = Augmentation(recipe.flip, recipe.rotation, recipe.brightness, recipe.contrast)
    both = {
        name: Split(splits[name], Slices(planes, splits[name], augmentation, seed, machine.device))
        for name in ("training", "validation")
    }
    resolved = {
        key: value
        for key, value in written.model_dump(exclude_unset=True).items()
        if key in ("data", "model", "training")
    }
    task = Task(
        NAME,
        data.classes,
        cluster_of(data),
        both,
        resolved,
        {data.source: data.digest},
        pretrained=written.model.weights != "none",
        plateau=recipe.schedule == "reduce-on-plateau",
    )
    inner = RunContext(
        context.work_dir,
        context.device,
        lambda done, of, what: context.progress(150 * done // max(of, 1), 1000, what),
    )
    network = network.to(memory_format=torch.channels_last)
    result = classify(task, network, recipe, seed=seed, machine=machine, context=inner)
    fresh = build_resnet(
        written.model.kind,
        classes=len(data.classes),
        weights="none",
        head_dropout=written.model.head_dropout,
    )
    load_model(
        fresh, str(result.files["weights"])
    )  # into a network of its own: the trained one computes in the training's precision
    return fresh.eval(), [*result.notes, "the network was trained for this run"], dict(result.files)


def _some(subset: Subset, most: int | None, seed: int) -> Subset:
    if most is None or most >= len(subset):
        return subset
    chosen = np.sort(np.random.default_rng((seed, len(subset))).permutation(len(subset))[:most])
    return Subset(subset.part, subset.index[chosen])


def _images(
    data: ImageData, written: DeploymentLadder, subset: Subset
) -> np.ndarray[Any, np.dtype[np.float32]]:
    planes = data.parts[written.data.part].planes(written.training.resolution)
    slices = Slices(planes, subset, Augmentation(0, 0, 0, 0), 0, torch.device("cpu"))
    parts = [
        slices.batch(np.arange(start, min(start + 256, len(subset))), None)["x"].numpy()
        for start in range(0, len(subset), 256)
    ]
    return np.ascontiguousarray(np.concatenate(parts), np.float32)


def _plan(data: ImageData, written: DeploymentLadder, subset: Subset, seed: int) -> Plan:
    """Files are JPEG of `FILE_SIDE` pixels, the size that most images of the published set have,
    made from evaluated images.
    """
    side, files = written.timing.resolution, []
    for image in _pictures(data, written, subset, INPUTS):
        stored = io.BytesIO()
        image.resize((FILE_SIDE, FILE_SIDE), Image.Resampling.BICUBIC).save(
            stored, "JPEG", quality=90
        )
        files.append(stored.getvalue())

    def read(content: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.ascontiguousarray(
            normalise(np.array(decode(content, "file", side))[None]).numpy()
        )

    few = _some(subset, CHECKED, seed)
    resized = [
        np.array(image.resize((side, side), Image.Resampling.BICUBIC))
        for image in _pictures(data, written, few, CHECKED)
    ]
    checked = Compared(
        data.classes,
        cluster_of(data),
        few,
        np.ascontiguousarray(normalise(np.stack(resized)).numpy()),
        side,
    )
    return Plan(side, written.timing.batches, written.timing.rounds, files, read, checked)


def _pictures(
    data: ImageData, written: DeploymentLadder, subset: Subset, most: int
) -> list[Image.Image]:
    """The first images of a subset, as large as those that the network was trained with."""
    planes = data.parts[written.data.part].planes(written.training.resolution)
    return [Image.fromarray(pixels) for pixels in planes.rgb(subset.index[:most].tolist())]


def _build(
    device: Device, named: list[str] | None, source: Source, context: RunContext
) -> list[Built]:
    rungs = ladder(device) if device == "cpu" else (*ladder("cpu"), *ladder("cuda"))
    built = []
    for done, rung in enumerate(rungs):
        context.progress(150 + 150 * done // len(rungs), 1000, f"building {rung.slug}")
        asked = named is None or rung.slug in named
        built.append(
            build(rung, source)
            if asked
            else Built(rung, "not_supported", "this profile leaves it out")
        )
    return built


def footprints(
    built: list[Built], network: nn.Module, folder: Path, timing: Timing, context: RunContext
) -> dict[str, float]:
    """``memory_mb_<slug>`` of each form that can be opened in a process of its own, at the first
    batch size.
    """
    found = {}
    for done, b in enumerate(built):
        context.progress(950 + 45 * done // len(built), 1000, f"memory: {b.rung.slug}")
        found[f"memory_mb_{b.rung.slug}"] = footprint_mb(
            b, network, folder, timing.batches[0], timing.resolution
        )
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _ladder(built: list[Built], network: nn.Module, side: int) -> Observations:
    count, absent = len(built), float("nan")
    widths = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "int8": 1}
    return Observations(
        {
            "sample_id": np.array(
                [f"{b.rung.name}/{b.rung.precision}/{b.rung.device}" for b in built]
            ),
            "rung": np.array([b.rung.name for b in built]),
            "precision": np.array([b.rung.precision for b in built]),
            "device": np.array([b.rung.device for b in built]),
            "slug": np.array([b.rung.slug for b in built]),
            "state": np.array([b.state for b in built]),
            "reason": np.array([b.reason for b in built]),
            "version": np.array([b.version for b in built]),
            "exact": np.array(["yes" if b.rung.exact else "no" for b in built]),
            "export_s": np.array([b.export_s for b in built]),
            "size_bytes": np.array(
                [b.exported.size_bytes if b.exported is not None else absent for b in built]
            ),
            "flops": np.full(count, operations(network, side)),
            "bytes": np.array(
                [moved_bytes(network, side, widths[b.rung.precision]) for b in built]
            ),
        }
    )


def _device(machine: Machine) -> Observations:
    found = peaks(machine.device)
    return Observations(
        {
            "sample_id": np.array(list(found)),
            "per_second": np.array(list(found.values())),
            "device": np.full(len(found), machine.device.type),
        }
    )
