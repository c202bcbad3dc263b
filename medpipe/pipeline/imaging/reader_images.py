"""What a trained network looks at, tested, and the pictures that a reader is shown, added to what a
run saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from medpipe.audits.gallery_choice import SPLIT, choose_gallery
from medpipe.evidence.observations import Observations
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.imaging.gallery_images import observe_gallery
from medpipe.pipeline.imaging.imaging_settings import Observe
from medpipe.pipeline.imaging.saliency_maps import explain
from medpipe.running.experiment import ExperimentResult

Index = NDArray[np.int64]


def with_pictures(
    result: ExperimentResult,
    network: nn.Module,
    others: Sequence[str],
    pixels: Mapping[str, Planes],
    asked: Observe,
    *,
    seed: int,
    device: torch.device,
) -> ExperimentResult:
    """The result with the split ``<other>_explained`` and its scalars, and the split ``gallery``,
    of the first folder that was not split.

    ``network`` is of the kind that was trained; its weights become those that the run kept.
    """
    if not others or not (asked.explained or asked.gallery):
        return result
    name = others[0]
    observed, seen, scalars = (
        result.observations[name],
        dict(result.observations),
        dict(result.scalars),
    )
    network.load_state_dict(load_file(result.files["weights"]))
    if asked.explained:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(observed))[: asked.explained])
        chosen = observed.take(drawn)
        found = explain(network, pixels[name].rgb(drawn.tolist()), seed=seed, device=device)
        seen[f"{name}_explained"] = Observations(
            {**chosen.arrays, **found.arrays()}, chosen.classes, chosen.cluster
        )
        scalars |= found.scalars(
            f"{name}_explanation", chosen[chosen.cluster].tolist() if chosen.cluster else None
        )
    if asked.gallery:
        index = choose_gallery(observed["y_true"], observed["y_pred"], observed["y_prob"], seed)
        images = pixels[name].rgb(index.tolist())
        saliency = (
            explain(network, images, seed=seed, draws=1, device=device).saliency
            if asked.explained
            else None
        )
        seen[SPLIT] = observe_gallery(observed, index, images, saliency)
    return replace(result, observations=seen, scalars=scalars)
