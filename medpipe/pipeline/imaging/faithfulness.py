"""Deletion and insertion (Petsiuk, Das and Saenko 2018): does the prediction hang on the pixels
that a map names?

*Deletion* blackens pixels, the most salient first; the probability of the explained class should
fall early. *Insertion* starts from the blurred image and puts the true pixels back in the same
order; the probability should rise early. The area under the probability against the share of
pixels, 0 to 1, is low for a good map in deletion and high in insertion.

Black, because it is what a scan shows where there is nothing, and because what is merely blurred
may still be guessed from its surroundings. Blurred for insertion, because pixels put on black make
edges of their own, which a network may take for evidence. Neither is free of images that no scanner
makes: only the difference from a map that knows nothing, which meets the same fills, is judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from medpipe.pipeline.augmentation import normalise

STEPS = 25
"""Steps of a curve, 4 % of the pixels each; 200 change the areas by 0.002 at most (measured in
docs/imaging_explanation.md).
"""
BLUR = 1 / 14
"""Standard deviation of the blur, in sides: half a cell of the 7 x 7 grid on which a ResNet's maps
stand, so that what they can tell apart is gone; with the 5 of 224 pixels of the paper's code a
blurred image still shows what fills a cell.
"""
CENTRE = 1 / 4
"""Standard deviation of the map that only knows the centre, in sides."""
BATCH = 64


def areas(
    network: nn.Module,
    pixels: NDArray[np.uint8],
    classes: NDArray[np.int64],
    maps: NDArray[np.float32],
    tie: NDArray[np.float32],
    *,
    steps: int = STEPS,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Areas of deletion and of insertion, each ``(N,)``, for images uint8 ``(N, H, W, 3)`` and maps
    ``(N, H, W)``.

    Pixels that the map holds equal go in the order of ``tie`` ``(N, H, W)``. A constant map thus
    gets the areas of ``tie``.
    """
    found = [
        _areas(network, pixels[part], classes[part], maps[part], tie[part], steps)
        for part in batches(len(pixels))
    ]
    deletion, insertion = (np.concatenate(curves) for curves in zip(*found, strict=True))
    return deletion, insertion


def batches(n: int) -> Iterator[slice]:
    """0..n in slices of `BATCH`."""
    return (slice(at, at + BATCH) for at in range(0, n, BATCH))


def blurred(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images uint8 ``(B, H, W, 3)`` without what is finer than `BLUR` of their shorter side."""
    sigma = BLUR * min(pixels.shape[1:3])
    smooth: NDArray[np.float32] = gaussian_filter(
        pixels, (0, sigma, sigma, 0), output=np.float32, mode="nearest"
    )
    return np.rint(smooth).astype(np.uint8)


def centre_map(height: int, width: int) -> NDArray[np.float32]:
    """A Gaussian at the centre ``(H, W)``: where the subject of most images is, whatever the
    network does.
    """
    y, x = ((np.arange(n) - (n - 1) / 2) / (CENTRE * n) for n in (height, width))
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / 2).astype(np.float32)


def removal_positions(maps: Tensor, tie: Tensor) -> Tensor:
    """At which place each pixel goes, int64 ``(B, P)`` from 0, for maps ``(B, P)``: the most
    salient first, ``tie`` among equals.
    """
    by_tie = tie.argsort(dim=1, descending=True, stable=True)
    order = by_tie.gather(1, maps.gather(1, by_tie).argsort(dim=1, descending=True, stable=True))
    return torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )


def _areas(
    network: nn.Module,
    pixels: NDArray[np.uint8],
    classes: NDArray[np.int64],
    maps: NDArray[np.float32],
    tie: NDArray[np.float32],
    steps: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    device = next(network.parameters()).device
    whole, black, soft = (
        normalise(p).to(device) for p in (pixels, np.zeros_like(pixels), blurred(pixels))
    )
    flat, among = (
        torch.from_numpy(np.ascontiguousarray(m)).flatten(1).to(device) for m in (maps, tie)
    )
    place = removal_positions(flat, among).view(len(pixels), 1, *pixels.shape[1:3])
    chosen = torch.from_numpy(classes).to(device)[:, None]
    deleted: list[NDArray[np.float32]] = []
    inserted: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for step in range(steps + 1):
            gone = place < step * flat.shape[1] // steps
            for curve, there, not_there in ((deleted, black, whole), (inserted, whole, soft)):
                curve.append(
                    network(torch.where(gone, there, not_there))
                    .softmax(dim=1)
                    .gather(1, chosen)[:, 0]
                    .cpu()
                    .numpy()
                )
    deletion, insertion = (
        np.asarray(np.trapezoid(np.array(c), dx=1 / steps, axis=0), np.float32)
        for c in (deleted, inserted)
    )
    return deletion, insertion
