"""What generated images are good for: classifiers trained on them, on real images, and on both,
tested on real images.

Generated images carry the class that the audit network gives them. So that it cannot hand on what
it knows, everything is tested on real images that neither the generator nor the audit network was
trained on, nor copies of these. All networks are trained for as many steps, to the nearest epoch,
from the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.pipeline.data.images import ImagePart
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.machine import Machine
from medpipe.pipeline.splits import Index
from medpipe.pipeline.synthesis.audit_network import AuditNetwork, trained_and_not
from medpipe.pipeline.synthesis.fitting import fit
from medpipe.pipeline.synthesis.generating import Pixels, generate, latent_points
from medpipe.pipeline.synthesis.generator_data import Chosen, Images
from medpipe.pipeline.synthesis.generator_observations import generated_id
from medpipe.pipeline.synthesis.synthesis_settings import ImageSynthesis
from medpipe.running.experiment import Progress

POINTS = 4
"""The key of the latent points of the images that are trained on."""
SPLITS = {
    "synthetic": ("trained_on_synthetic",),
    "real": ("trained_on_real", "trained_unbalanced"),
    "balanced": ("trained_balanced",),
}
MORE = 2
"""How many times as many images are generated as real ones are used, so that rare classes can be
filled up.
"""


@dataclass(frozen=True, eq=False)
class Useful:
    """``trained_on_real`` and ``trained_unbalanced`` are one network under two names: real images
    alone is what both others are held against. ``scalars``: how many images balancing added, and
    how many each training used.
    """

    observations: dict[str, Observations] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)


def usefulness(
    written: ImageSynthesis,
    images: Images,
    chosen: Chosen,
    generator: nn.Module,
    audit: AuditNetwork,
    *,
    seed: int,
    machine: Machine,
    folder: Path,
    identity: Mapping[str, Any],
    progress: Progress,
) -> Useful:
    """Train three networks and observe them on the same real images. Raises `DataError` where there
    are too few to test on.
    """
    asked = written.observe
    real = np.random.default_rng((seed, POINTS)).permutation(chosen.seen)[: asked.useful_images]
    made = generate(generator, latent_points(MORE * len(real), seed, POINTS), machine)
    every = beside(images, made, audit.read(made, machine.device)[1].argmax(axis=1))
    testing = tested(images, chosen, written)
    synthetic = len(images.every) + np.arange(len(made))
    added = balancing(every.label, real, synthetic)
    trained = {
        "synthetic": synthetic[: len(real)],
        "real": real,
        "balanced": np.concatenate([real, added]),
    }
    useful = Useful(
        scalars={f"images_trained_{name}": len(index) for name, index in trained.items()}
    )
    for number, (name, index) in enumerate(trained.items()):
        epochs = max(1, round(asked.useful_epochs * len(real) / len(index)))
        _, probable = fit(
            every,
            len(images.classes),
            index,
            testing,
            epochs,
            seed=seed,
            machine=machine,
            folder=folder / f"trained_{name}",
            identity={**identity, "images": name},
            progress=_part(progress, number, len(trained)),
        )
        seen = Observations(
            {
                "sample_id": every.sample_id[testing],
                "y_true": every.label[testing],
                "y_pred": probable.argmax(axis=1),
                "y_prob": probable,
                "cluster": images.cluster[testing],
            },
            images.classes,
            "cluster",
        )
        useful.observations.update(dict.fromkeys(SPLITS[name], seen))
    return useful


def _part(progress: Progress, number: int, parts: int) -> Progress:
    return lambda done, of, message: progress(number * of + done, parts * of, message)


def beside(images: Images, made: Pixels, label: NDArray[np.int64]) -> ImagePart:
    """Real images and, after them, generated ones with their labels."""
    ids = np.array([generated_id(i) for i in range(len(made))])

    def planes(size: int) -> Planes:
        one, other = images.planes(size), Planes.of(made)
        return Planes(
            np.concatenate([one.channels, other.channels]),
            np.concatenate([one.planes, other.planes]),
        )

    return ImagePart(
        np.concatenate([images.every.label, label]),
        np.concatenate([images.every.sample_id, ids]),
        {},
        planes,
    )


def tested(images: Images, chosen: Chosen, written: ImageSynthesis) -> Index:
    """Unseen images, of classes that the generator saw, that the audit network was not trained
    on.
    """
    _, untrained = trained_and_not(images, written.audit.images)
    classes = np.unique(images.every.label[chosen.seen])
    testing = chosen.unseen[
        np.isin(chosen.unseen, untrained) & np.isin(images.every.label[chosen.unseen], classes)
    ]
    if len(testing) < 2:
        raise DataError(
            "observe.usefulness: expected at least two unseen images to test on, got"
            f" {len(testing)}; hold out more"
        )
    return testing


def balancing(label: NDArray[np.int64], real: Index, synthetic: Index) -> Index:
    """Generated images that bring every class among ``real`` up to the commonest one, as far as
    there are generated images of it.
    """
    kinds, count = np.unique(label[real], return_counts=True)
    of_kind = [synthetic[label[synthetic] == kind] for kind in kinds]
    return np.concatenate(
        [found[: count.max() - n] for found, n in zip(of_kind, count.tolist(), strict=True)]
    )
