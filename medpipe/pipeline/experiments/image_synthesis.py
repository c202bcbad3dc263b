"""Can a network make brain MRI slices? The published DCGAN at 64 by 64 pixels, as coded, as
described, or with any stabiliser changed.

As published the generator sees the first 3,000 images of ``Training``, class after class.
Everything that is measured of it is observed here and judged elsewhere: generated images beside
real ones it saw and real ones it did not see, the most alike images, two attacks on membership, the
course of the training, and what classifiers learn from its images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from medpipe.evidence.observations import Observations
from medpipe.pipeline.checkpoint import CheckpointStore
from medpipe.pipeline.classifier_run import weights_digest
from medpipe.pipeline.config import parse, stand_in
from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.imaging.grouping import with_clusters
from medpipe.pipeline.machine import Machine, code_digest, open_machine, seed_all
from medpipe.pipeline.splits import Index
from medpipe.pipeline.synthesis import generator_observations
from medpipe.pipeline.synthesis.audit_network import AuditNetwork, audit_network
from medpipe.pipeline.synthesis.gan_training import SAVE_EVERY_S, TrainingResult, play
from medpipe.pipeline.synthesis.generating import generate, latent_points
from medpipe.pipeline.synthesis.generator_data import Chosen, Images, choose, in_one_row, pools
from medpipe.pipeline.synthesis.generator_observations import Side
from medpipe.pipeline.synthesis.networks import build_networks
from medpipe.pipeline.synthesis.sample_images import pictures
from medpipe.pipeline.synthesis.stages import Stages, costs
from medpipe.pipeline.synthesis.synthesis_settings import ImageSynthesis
from medpipe.pipeline.synthesis.training_dynamics import course
from medpipe.pipeline.synthesis.usefulness import usefulness
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "image_synthesis"
GENERATED = 2
"""The key of the latent points of the images that are examined."""


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Train generator and discriminator; observe what they came to."""
    written = parse(ImageSynthesis, config, NAME)
    machine = open_machine(context.device, written.training.precision)
    data = with_clusters(load_images(written.data.source))
    images = in_one_row(data)
    chosen = choose(images, written.data)
    resolved = written.model_dump(exclude_unset=True)
    resolved["data"]["source"], resolved["training"]["precision"] = data.source, machine.precision
    digests = {data.source: data.digest}

    stages = Stages(context.progress, costs(written, len(chosen.seen), len(images.every)))
    audit = audit_network(
        data,
        images,
        written.audit,
        machine=machine,
        folder=context.work_dir / "audit_network",
        progress=stages.next("the audit network"),
    )

    seed_all(seed)
    networks = build_networks(written.model, written.training.ema)
    identity = {
        "experiment": NAME,
        "configuration": resolved,
        "seed": seed,
        "data": digests,
        "code": code_digest(),
        "initial weights": weights_digest(networks.generator),
        **machine.describe(),
    }
    store = CheckpointStore(context.work_dir, identity)
    played = play(
        networks,
        images.planes(64),
        chosen.seen,
        chosen.unseen,
        written.training,
        seed=seed,
        machine=machine,
        store=store,
        progress=stages.next("training"),
        save_every_s=SAVE_EVERY_S,
    )

    observations = _observe(
        written, images, chosen, played, audit, stages, seed=seed, machine=machine
    )
    scalars = _scalars(images, played, audit)
    if written.observe.usefulness:
        useful = usefulness(
            written,
            images,
            chosen,
            networks.maker,
            audit,
            seed=seed,
            machine=machine,
            folder=context.work_dir,
            identity=identity,
            progress=stages.next("usefulness"),
        )
        observations |= useful.observations
        scalars |= useful.scalars
    stages.finish()
    notes = [
        *stand_in(written.data.source, data.source),
        *machine.notes,
        *played.notes,
        _told(audit),
        *_where(images, chosen),
    ]
    return ExperimentResult(
        resolved,
        observations,
        scalars,
        played.history,
        digests,
        {"weights": store.weights},
        notes,
        machine.device.type,
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """The digest of the data that `run` would use now."""
    data = load_images(parse(ImageSynthesis, config, NAME).data.source)
    return {data.source: data.digest}


def _observe(
    written: ImageSynthesis,
    images: Images,
    chosen: Chosen,
    played: TrainingResult,
    audit: AuditNetwork,
    stages: Stages,
    *,
    seed: int,
    machine: Machine,
) -> dict[str, Observations]:
    progress, device, networks = stages.next("observing"), machine.device, played.networks
    pixels = generate(
        networks.maker, latent_points(written.observe.generated, seed, GENERATED), machine
    )
    made = generator_observations.generated_side(pixels, audit, device)
    progress(1, 4, "observing real images")
    places = [
        pools(images, chosen, written.observe.real, seed, as_seen=as_seen)
        for as_seen in (True, False)
    ]
    (training, held), (known, unknown) = (
        _real_sides(images, each, audit, device) for each in places
    )
    progress(2, 4, "observing likeness")
    seen = {
        "quality": generator_observations.quality((made, training, held), images.classes),
        "memory": generator_observations.memory(made, known, unknown),
        "pairs": generator_observations.pairs((made, training), seed),
        "membership": generator_observations.membership(
            made, known, unknown, networks.discriminator, device
        ),
        "seen": generator_observations.seen(images, chosen),
    }
    progress(3, 4, "making pictures")
    return seen | (
        pictures(images, chosen, made, played, seed=seed, machine=machine)
        if written.observe.pictures
        else {}
    )


def _real_sides(
    images: Images, places: tuple[Index, Index], audit: AuditNetwork, device: torch.device
) -> tuple[Side, Side]:
    seen, unseen = places
    return (
        generator_observations.real_side(
            generator_observations.TRAINING, images, seen, audit, device
        ),
        generator_observations.real_side(
            generator_observations.HELD_OUT, images, unseen, audit, device
        ),
    )


def _scalars(images: Images, played: TrainingResult, audit: AuditNetwork) -> dict[str, float]:
    networks = played.networks
    return {
        "generator_parameters": sum(p.numel() for p in networks.generator.parameters()),
        "discriminator_parameters": sum(p.numel() for p in networks.discriminator.parameters()),
        "classes_in_data": len(images.classes),
        "audit_network_accuracy": audit.accuracy,
        "audit_network_n": audit.n,
        "training_s": played.training_s,
    } | course(played.history)


def _told(audit: AuditNetwork) -> str:
    return (
        "features and classes are those of a ResNet-18 at 64 pixels with the digest"
        f" {audit.digest}, trained on two thirds of the real images; it tells"
        f" {100 * audit.accuracy:.1f} % of {audit.n} others right; of its 512 features"
        f" {len(audit.axes)} principal components are kept, which hold {100 * audit.kept:.1f} % of"
        " their variance"
    )


def _where(images: Images, chosen: Chosen) -> list[str]:
    """A note where unseen images come from another folder than the seen ones."""
    folders = [
        dict.fromkeys(images.part[places].tolist()) for places in (chosen.seen, chosen.unseen)
    ]
    strange = [name for name in folders[1] if name not in folders[0]]
    return (
        [
            f"unseen images are taken from {', '.join(strange)} too, where the generator's own"
            " folder has none left"
        ]
        if strange
        else []
    )
