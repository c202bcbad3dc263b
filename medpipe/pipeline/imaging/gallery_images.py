"""The images of a gallery, small enough to travel with the evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations

THUMBNAIL = 96
"""Longest side in pixels: 20 mm of paper at 120 dots an inch. The images leave the machine with the
report, so they should be no larger.
"""
Floats = NDArray[np.float32]


def observe_gallery(
    seen: Observations,
    index: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    saliency: Floats | None = None,
) -> Observations:
    """Observations for the split `medpipe.audits.gallery_choice.SPLIT`: the samples ``index`` of
    ``seen``, with their images.

    ``index``: of `medpipe.audits.gallery_choice.choose_gallery`; ``pixels`` uint8 ``(M, H, W, 3)``
    and ``saliency`` float32 ``(M, H, W)`` belong to these. Kept are ``pixels`` uint8 ``(M, h, w)``,
    grey, no side over `THUMBNAIL`, and ``saliency`` float16 ``(M, h, w)``, 0 to 1: negative values
    as 0, divided by the largest of each map, if any. Raises `DataError` where shapes do not belong
    together.
    """
    if (
        pixels.ndim != 4
        or pixels.shape[-1] != 3
        or pixels.dtype != np.uint8
        or len(pixels) != len(index)
    ):
        raise DataError(
            f"gallery: expected images uint8 ({len(index)}, H, W, 3), got {pixels.dtype}"
            f" {pixels.shape}"
        )
    if saliency is not None and saliency.shape != pixels.shape[:3]:
        raise DataError(
            f"gallery: expected saliency of shape {pixels.shape[:3]} as the images, got"
            f" {saliency.shape}"
        )
    chosen = seen.take(index)
    grey = np.rint(pixels.mean(axis=3)).astype(np.uint8)
    kept: dict[str, NDArray[Any]] = {"pixels": np.stack([_small(image) for image in grey])}
    if saliency is not None:
        small = np.stack([_small(m) for m in np.maximum(saliency, 0).astype(np.float32)])
        largest = small.max(axis=(1, 2), keepdims=True)
        kept["saliency"] = (small / np.where(largest > 0, largest, 1)).astype(np.float16)
    return Observations({**chosen.arrays, **kept}, chosen.classes, chosen.cluster)


def _small(image: NDArray[Any]) -> NDArray[Any]:
    """An image ``(H, W)`` with no side over `THUMBNAIL`; smaller ones stay as they are."""
    height, width = image.shape
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
