"""Saliency maps of a network's predictions, with the areas and similarities by which their sanity
is judged.

A map explains the predicted class, on the grid of one layer, interpolated to the image. How it is
made is in `grad_cam` beside this module, what is measured on it in `faithfulness` and
`randomisation`; what counts as a pass, in `medpipe.audits.saliency`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from medpipe.audits.saliency import Check, check_explanation, interval_scalars, mean_interval
from medpipe.errors import DataError
from medpipe.pipeline.augmentation import normalise
from medpipe.pipeline.imaging.faithfulness import areas, batches, centre_map
from medpipe.pipeline.imaging.grad_cam import Explainer, grad_cam
from medpipe.pipeline.imaging.randomisation import cascade, rank_correlation, stages
from medpipe.pipeline.prediction import probabilities

Floats = NDArray[np.float32]
DRAWS = 3
"""Networks with new weights to compare with: the rank correlation of a map with that of a single
one depends on the draw.
"""
BASELINES = ("random", "centre")


@dataclass(frozen=True, eq=False)
class Explanation:
    """What was seen of N images; areas and similarities are by sample.

    - ``saliency`` float32 ``(N, H, W)``; ``explained`` int64 ``(N,)``: the predicted class;
      ``probability`` float32 ``(N,)``: its own;
    - ``deletion``, ``insertion``: map → area under that probability, float32 ``(N,)``, 0 to 1. The
      maps are ``saliency``, ``random`` (noise on the same grid, interpolated alike) and ``centre``
      (a Gaussian in the middle);
    - ``stages``: the blocks that have new weights, each with all above it: ``fc``, ``layer4``, …,
      ``conv1`` (then all are new);
    - ``similarity`` float32 ``(draws, stages, N)``: rank correlation with the trained network's
      map, on its grid, -1 to 1.
    """

    saliency: Floats
    explained: NDArray[np.int64]
    probability: Floats
    deletion: Mapping[str, Floats]
    insertion: Mapping[str, Floats]
    stages: tuple[str, ...]
    similarity: Floats

    def advantages(self) -> dict[str, Floats]:
        """By how much the map's area is better than each baseline's, ``(N,)``: positive is better
        for deletion and insertion alike.
        """
        deleted = {
            f"deletion_against_{b}": self.deletion[b] - self.deletion["saliency"] for b in BASELINES
        }
        return deleted | {
            f"insertion_against_{b}": self.insertion["saliency"] - self.insertion[b]
            for b in BASELINES
        }

    def checks(self, cluster: Sequence[str] | None = None) -> tuple[Check, ...]:
        """Each sanity check with its outcome; randomisation is judged where all weights are new."""
        return check_explanation(self.advantages(), self.similarity[:, -1].mean(axis=0), cluster)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Columns for observations: areas by map, the explained class, and the similarity ``(N,
        stages)``, averaged over draws.
        """
        return {
            **self._areas(),
            "explained": self.explained,
            "randomised_similarity": self.similarity.mean(axis=0).T,
        }

    def scalars(self, prefix: str, cluster: Sequence[str] | None = None) -> dict[str, float]:
        """Every check, mean area and stage's mean similarity, each with ``_low``, ``_high`` and
        ``_n``; names begin with ``prefix``.
        """
        stagewise = {
            f"similarity_after_{s}": v
            for s, v in zip(self.stages, self.similarity.mean(axis=0), strict=True)
        }
        means = {
            name: mean_interval(name, values, cluster)
            for name, values in {**self._areas(), **stagewise}.items()
        }
        found = [check.scalars(prefix) for check in self.checks(cluster)]
        found += [
            interval_scalars(f"{prefix}_{name}", interval) for name, interval in means.items()
        ]
        return {name: value for some in found for name, value in some.items()}

    def _areas(self) -> dict[str, Floats]:
        return {
            f"{curve}_area_{name}": area
            for curve, found in (("deletion", self.deletion), ("insertion", self.insertion))
            for name, area in found.items()
        }


def explain(
    network: nn.Module,
    pixels: NDArray[np.uint8],
    explainer: Explainer | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    device: torch.device | str = "cpu",
) -> Explanation:
    """Explain the predictions for images uint8 ``(N, H, W, 3)`` by ``explainer`` (`grad_cam` on
    ``layer4`` if None), and test the maps.

    A copy of the network works on ``device``, under test conditions, its weights in single
    precision; one that was trained in bf16 computes in bf16 here, too. For each image there are 156
    predictions (three maps, two curves of 26 points) and one explanation for each draw and stage.
    Equal seeds give equal results. Raises `DataError` for no images, for relevance that is not
    finite, and for a network whose weights cannot all be made again.
    """
    if (
        pixels.ndim != 4
        or pixels.shape[-1] != 3
        or pixels.dtype != np.uint8
        or not len(pixels)
        or draws < 1
    ):
        raise DataError(
            f"explanation: expected images uint8 (N, H, W, 3) and a draw, got {pixels.dtype}"
            f" {pixels.shape} and {draws} draws"
        )
    used = explainer or grad_cam()
    trained = deepcopy(network).to(device, torch.float32).eval()
    with torch.inference_mode():
        logits = [
            trained(normalise(pixels[part]).to(device)).cpu().numpy()
            for part in batches(len(pixels))
        ]
    probable = probabilities(np.concatenate(logits))
    classes = probable.argmax(axis=1)
    relevance = _relevance(trained, pixels, classes, used)

    size = pixels.shape[1:3]
    noise = np.random.default_rng(seed).random(relevance.shape, np.float32)
    maps = {
        "saliency": _interpolated(relevance, size),
        "random": _interpolated(noise, size),
        "centre": np.broadcast_to(centre_map(*size), pixels.shape[:3]),
    }
    found = {name: areas(trained, pixels, classes, m, maps["random"]) for name, m in maps.items()}

    names = stages(trained)
    similarity = np.empty((draws, len(names), len(pixels)), np.float32)
    for draw in range(draws):
        for k, (_, forgetful) in enumerate(cascade(trained, _seed(seed, draw))):
            similarity[draw, k] = rank_correlation(
                relevance, _relevance(forgetful, pixels, classes, used)
            )
    return Explanation(
        maps["saliency"],
        classes,
        probable.max(axis=1).astype(np.float32),
        {n: d for n, (d, _) in found.items()},
        {n: i for n, (_, i) in found.items()},
        names,
        similarity,
    )


def _relevance(
    network: nn.Module, pixels: NDArray[np.uint8], classes: NDArray[np.int64], explainer: Explainer
) -> Floats:
    device = next(network.parameters()).device
    found = [
        explainer(
            network, normalise(pixels[part]).to(device), torch.from_numpy(classes[part]).to(device)
        )
        .float()
        .cpu()
        .numpy()
        for part in batches(len(pixels))
    ]
    relevance = np.concatenate(found).astype(np.float32)
    if not np.isfinite(relevance).all():
        raise DataError(
            "explanation: expected finite relevance, got NaN or infinity; look at the network's"
            " weights"
        )
    return relevance


def _interpolated(coarse: Floats, size: tuple[int, ...]) -> Floats:
    """Maps ``(N, h, w)`` bilinearly on the image's grid ``(N, H, W)``."""
    fine: Floats = functional.interpolate(
        torch.from_numpy(coarse)[:, None], size=size, mode="bilinear", align_corners=False
    )[:, 0].numpy()
    return fine


def _seed(seed: int, draw: int) -> int:
    return int(np.random.SeedSequence((seed, draw)).generate_state(1)[0])
