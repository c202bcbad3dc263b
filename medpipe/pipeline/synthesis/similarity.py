"""How alike images are: correlation of pixels under flips and turns, distances, and structural
similarity at several scales.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from medpipe.errors import DataError
from medpipe.pipeline.synthesis.generating import Pixels

Floats = NDArray[np.float32]
ORIENTATIONS = 8
WINDOW, SIGMA = 11, 1.5
SCALES = (0.0448, 0.2856, 0.3001)
"""The weights of the first three scales of Wang et al. (2003), made to sum to 1: 64 pixels are too
few for the other two.
"""


def likeness(first: Pixels, second: Pixels) -> Floats:
    """The correlation of every grey image uint8 ``(N, H, H)`` with every other ``(M, H, H)``,
    float32 ``(N, M)``, -1 to 1: the largest over the eight ways to flip and turn the first. An
    image without any contrast is like none: 0.
    """
    theirs = _standardised(second)
    best = np.full((len(first), len(second)), -1, np.float32)
    for turned in orientations(first):
        np.maximum(best, _standardised(turned) @ theirs.T, out=best)
    return np.clip(best, -1, 1)


def orientations(images: Pixels) -> list[Pixels]:
    """Images ``(N, H, H)`` in the eight ways in which a square can lie, the first as they are."""
    return [
        np.rot90(flipped, turns, (1, 2))
        for flipped in (images, images[:, :, ::-1])
        for turns in range(ORIENTATIONS // 2)
    ]


def distances(first: NDArray[np.generic], second: NDArray[np.generic]) -> Floats:
    """Euclidean distances of rows ``(N, D)`` to rows ``(M, D)``, float32 ``(N, M)``."""
    one, other = (torch.from_numpy(np.asarray(rows, np.float32)) for rows in (first, second))
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist").numpy()


def ms_ssim(first: Pixels, second: Pixels) -> Floats:
    """The multi-scale structural similarity of pairs of grey images uint8 ``(N, H, W)``, float32
    ``(N,)``, 0 to 1: 1 for equal images.

    Wang, Simoncelli and Bovik (2003) over three scales, Gaussian window of 11 pixels. Raises
    `DataError` below 44 pixels a side.
    """
    if min(first.shape[1:]) < WINDOW * 2 ** (len(SCALES) - 1):
        raise DataError(
            f"MS-SSIM: expected images of at least {WINDOW * 2 ** (len(SCALES) - 1)} pixels a side,"
            f" got {first.shape[1:]}"
        )
    one, other = (
        torch.from_numpy(np.ascontiguousarray(images)).double()[:, None]
        for images in (first, second)
    )
    product = torch.ones(len(one), dtype=torch.float64)
    for scale, weight in enumerate(SCALES):
        similar, contrast = _similar(one, other)
        told = similar if scale == len(SCALES) - 1 else contrast
        product *= told.clamp(min=0) ** (weight / sum(SCALES))
        one, other = functional.avg_pool2d(one, 2), functional.avg_pool2d(other, 2)
    return product.float().numpy()


def _similar(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The mean structural similarity of each pair, and its part of contrast and structure alone."""
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    line = torch.exp(-(at**2) / (2 * SIGMA**2))
    line = line / line.sum()

    def blurred(x: Tensor) -> Tensor:
        return functional.conv2d(
            functional.conv2d(x, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1)
        )

    small, smaller = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean, means = blurred(one), blurred(other)
    spread, spreads, common = (
        blurred(one * one) - mean**2,
        blurred(other * other) - means**2,
        blurred(one * other) - mean * means,
    )
    contrast = (2 * common + smaller) / (spread + spreads + smaller)
    similar = (2 * mean * means + small) / (mean**2 + means**2 + small) * contrast
    return similar.mean(dim=(1, 2, 3)), contrast.mean(dim=(1, 2, 3))


def _standardised(images: Pixels) -> Floats:
    """Rows ``(N, H * W)`` of mean 0 and length 1; zeros where an image has no contrast."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(
        np.divide(rows, length, out=np.zeros_like(rows), where=length > 0), np.float32
    )
