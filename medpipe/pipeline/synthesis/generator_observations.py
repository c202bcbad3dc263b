"""What is observed of a trained generator: generated images beside real ones that it saw and real
ones that it did not see.

On either side stands one image of every cluster, as many on both sides and as many of each class
(`sampling.pools`), so that a difference between the sides is one of having been seen. What is asked
of distributions has the classes in the proportions that were seen; memory and membership have as
many images as there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.evidence.observations import Observations
from medpipe.pipeline.splits import Index
from medpipe.pipeline.synthesis.audit_network import AuditNetwork
from medpipe.pipeline.synthesis.generating import Pixels, grey
from medpipe.pipeline.synthesis.generator_data import Chosen, Images
from medpipe.pipeline.synthesis.networks import judge
from medpipe.pipeline.synthesis.similarity import Floats, distances, likeness, ms_ssim

GENERATED, TRAINING, HELD_OUT = "generated", "training", "held_out"


@dataclass(frozen=True, eq=False)
class Side:
    """Images of one origin, N each: ``ids`` and ``label`` (``""`` for generated) str ``(N,)``,
    ``pixels`` uint8 ``(N, 64, 64, 3)``, ``features`` float16 ``(N, D)`` and ``probable`` ``(N, C)``
    of the audit network.
    """

    origin: str
    ids: NDArray[np.str_]
    label: NDArray[np.str_]
    pixels: Pixels
    features: NDArray[np.float16]
    probable: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)


def real_side(
    origin: str, images: Images, places: Index, audit: AuditNetwork, device: torch.device
) -> Side:
    """Real images as the audit network sees them."""
    pixels = images.planes(64).rgb(places.tolist())
    label = np.array(images.classes)[images.every.label[places]]
    return Side(origin, images.every.sample_id[places], label, pixels, *audit.read(pixels, device))


def generated_side(pixels: Pixels, audit: AuditNetwork, device: torch.device) -> Side:
    """Generated images, numbered."""
    ids = np.array([generated_id(i) for i in range(len(pixels))])
    return Side(GENERATED, ids, np.full(len(pixels), ""), pixels, *audit.read(pixels, device))


def generated_id(number: int) -> str:
    """The name of a generated image."""
    return f"{GENERATED}/{number:05d}"


def quality(sides: tuple[Side, ...], classes: tuple[str, ...]) -> Observations:
    """Every image with its features and what the audit network says of it."""
    probable = np.concatenate([side.probable for side in sides])
    return Observations(
        {
            "sample_id": np.concatenate([side.ids for side in sides]),
            "origin": _origin(sides),
            "label": np.concatenate([side.label for side in sides]),
            "features": np.concatenate([s.features for s in sides]),
            "y_prob": probable,
            "y_pred": probable.argmax(axis=1),
        },
        classes,
    )


def memory(made: Side, training: Side, held: Side) -> Observations:
    """The most alike seen and unseen image of each generated and each unseen one, of as many on
    either side.

    The unseen image i is compared with neither itself nor the seen image i, so that it too has as
    many to be like on either side.
    """
    parts = [_nearest(side, training, held) for side in (made, held)]
    return Observations(
        {
            "sample_id": np.concatenate([made.ids, held.ids]),
            "origin": _origin((made, held)),
            **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
        }
    )


def _nearest(side: Side, training: Side, held: Side) -> dict[str, NDArray[np.generic]]:
    found: dict[str, NDArray[np.generic]] = {}
    for others in (training, held):
        alike, far = (
            likeness(grey(side.pixels), grey(others.pixels)),
            distances(side.features, others.features),
        )
        if side is held:
            np.fill_diagonal(alike, -np.inf)
            np.fill_diagonal(far, np.inf)
        best = alike.argmax(axis=1)
        found |= {
            f"nearest_{others.origin}": alike[np.arange(len(side)), best],
            f"nearest_{others.origin}_id": others.ids[best],
            f"feature_{others.origin}": far.min(axis=1),
        }
    return found


def pairs(sides: tuple[Side, ...], seed: int) -> Observations:
    """MS-SSIM of pairs within each side, drawn at random, each image in at most one."""
    ids, origin, values = [], [], []
    for side in sides:
        order = np.random.default_rng((seed, len(side))).permutation(len(side))
        one, other = order[: len(order) // 2], order[len(order) // 2 : 2 * (len(order) // 2)]
        seen = grey(side.pixels)
        values.append(ms_ssim(seen[one], seen[other]))
        ids += [
            f"{side.ids[a]} and {side.ids[b]}"
            for a, b in zip(one.tolist(), other.tolist(), strict=True)
        ]
        origin += [side.origin] * len(one)
    return Observations(
        {"sample_id": np.array(ids), "origin": np.array(origin), "ms_ssim": np.concatenate(values)}
    )


def membership(
    made: Side, training: Side, held: Side, discriminator: nn.Module, device: torch.device
) -> Observations:
    """Two attacks on real images, higher values for likelier members: the discriminator's logit,
    and minus the smallest distance in pixels (grey, 0 to 1) to a generated image (Hilprecht et al.
    2019; Chen et al. 2020).
    """
    sides = (training, held)
    closest = [-distances(_flat(side.pixels), _flat(made.pixels)).min(axis=1) for side in sides]
    return Observations(
        {
            "sample_id": np.concatenate([side.ids for side in sides]),
            "origin": _origin(sides),
            "discriminator": np.concatenate(
                [judge(discriminator, side.pixels, device) for side in sides]
            ),
            "generator": np.concatenate(closest),
        }
    )


def seen(images: Images, chosen: Chosen) -> Observations:
    """Every image that the generator was trained on, with its class."""
    label = np.array(images.classes)[images.every.label[chosen.seen]]
    return Observations(
        {"sample_id": images.every.sample_id[chosen.seen], "label": label}, images.classes
    )


def _origin(sides: tuple[Side, ...]) -> NDArray[np.str_]:
    return np.repeat([side.origin for side in sides], [len(side) for side in sides])


def _flat(pixels: Pixels) -> Floats:
    return np.asarray(grey(pixels).reshape(len(pixels), -1) / np.float32(255), np.float32)
