"""The pictures that a reader is shown of a generator: samples, the same latent points over the
epochs, ways between points, and the generated images that are most like one it saw. All are grey,
uint8 64 by 64, in the array ``pixels``.
"""

from __future__ import annotations

import numpy as np
import torch

from medpipe.evidence.observations import Observations
from medpipe.pipeline.machine import Machine
from medpipe.pipeline.models.dcgan import SIDE
from medpipe.pipeline.synthesis.gan_training import TrainingResult
from medpipe.pipeline.synthesis.generating import between, generate, grey, latent_points
from medpipe.pipeline.synthesis.generator_data import Chosen, Images
from medpipe.pipeline.synthesis.generator_observations import Side
from medpipe.pipeline.synthesis.similarity import likeness

SAMPLES, WORST = 20, 10
WAYS, STEPS = 4, 8
POINTS = 3
"""The key of the latent points that the ways are between."""


def pictures(
    images: Images,
    chosen: Chosen,
    made: Side,
    played: TrainingResult,
    *,
    seed: int,
    machine: Machine,
) -> dict[str, Observations]:
    """The splits ``samples`` (the first 20 generated images), ``over_time`` (with ``epoch`` and
    ``point``), ``interpolation`` (with ``way`` and ``step``) and ``worst``, whose images stand
    beside the seen image of ``training_id`` in ``training_pixels`` with their correlation
    ``likeness``, the largest over eight orientations, of all images that the generator saw.
    """
    samples = Observations({"sample_id": made.ids[:SAMPLES], "pixels": grey(made.pixels[:SAMPLES])})
    return {
        "samples": samples,
        "over_time": _over_time(played),
        "interpolation": _interpolation(played, seed, machine),
        "worst": worst(images, chosen, made),
    }


def worst(images: Images, chosen: Chosen, made: Side) -> Observations:
    """The generated images most alike to one that the generator saw, the most alike first."""
    real = grey(images.planes(SIDE).rgb(chosen.seen.tolist()))
    alike = likeness(grey(made.pixels), real)
    nearest = alike.argmax(axis=1)
    score = alike[np.arange(len(alike)), nearest]
    order = np.argsort(-score, kind="stable")[:WORST]
    return Observations(
        {
            "sample_id": made.ids[order],
            "pixels": grey(made.pixels[order]),
            "training_pixels": real[nearest[order]],
            "training_id": images.every.sample_id[chosen.seen[nearest[order]]],
            "likeness": score[order],
        }
    )


def _over_time(played: TrainingResult) -> Observations:
    epochs = np.repeat(list(played.over_time), [len(shown) for shown in played.over_time.values()])
    points = np.concatenate([np.arange(len(shown)) for shown in played.over_time.values()])
    ids = [
        f"epoch {epoch}, point {point}"
        for epoch, point in zip(epochs.tolist(), points.tolist(), strict=True)
    ]
    return Observations(
        {
            "sample_id": np.array(ids),
            "pixels": np.concatenate(list(played.over_time.values())),
            "epoch": epochs,
            "point": points,
        }
    )


def _interpolation(played: TrainingResult, seed: int, machine: Machine) -> Observations:
    ends = latent_points(2 * WAYS, seed, POINTS)
    points = torch.cat([between(ends[2 * way], ends[2 * way + 1], STEPS) for way in range(WAYS)])
    ids = np.array([f"way {way}, step {step}" for way in range(WAYS) for step in range(STEPS)])
    return Observations(
        {
            "sample_id": ids,
            "pixels": grey(generate(played.networks.maker, points, machine)),
            "way": np.repeat(np.arange(WAYS), STEPS),
            "step": np.tile(np.arange(STEPS), WAYS),
        }
    )
