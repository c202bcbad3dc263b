"""Image statistics, and the images that are outliers of their set by one of them.

**Method.** The measures and thresholds are those of cleanvision 0.3, which others have tried on
many sets; on images reduced to 128 pixels a side. What a tenth of a set is or more is a property of
the set, and no outlier. Blur has no threshold: how sharp images are depends on what made them, so
only images more than `RANGES` interquartile ranges below the first quartile of their set are called
blurred; sizes are odd beyond either quartile, likewise.

**Limits.** A rule is about one measure: a photograph of common size and tone breaks none
(`medpipe.audits.outliers` looks for those).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
DARK, LIGHT, EMPTY, NARROW, RANGES = 0.32, 0.95, 3.0, 0.35, 3.0
"""Darkest the 99th and lightest the 5th percentile of grey (0 to 1), least entropy (bits) and ratio
of sides; see `rules`.
"""
RARE = 0.1
"""The least share of a set that is no outlier."""
COLOURED = 4.0
"""Mean difference of an image's channels, in grey levels, from which it is coloured: compression
makes one or two.
"""
_GRID, _EDGES = 4, 64


@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """``named``: float64 ``(N,)`` by name; ``layout``: float64 ``(N, 16)``, the image's grey in 4
    by 4 fields over its deviation.
    """

    named: Mapping[str, Numbers]
    layout: Numbers

    def table(self) -> Numbers:
        """All measures, float64 ``(N, F)``, the named ones first, in their order."""
        return np.column_stack([*self.named.values(), self.layout])


def looks(
    grey: NDArray[np.uint8], colour: Numbers, width: Numbers, height: Numbers
) -> ImageStatistics:
    """Measures of grey images uint8 ``(N, 128, 128)``; ``colour``: mean difference of channels;
    sides in pixels as stored, ``(N,)``.
    """
    import cv2

    flat = grey.reshape(len(grey), -1)
    share = np.stack([np.bincount(image, minlength=256) for image in flat]) / flat.shape[1]
    low, high = ((share.cumsum(axis=1) < part).sum(axis=1) / 255 for part in (0.05, 0.99))
    middle = grey[:, 32:96, 32:96].mean(axis=(1, 2)) / 255
    border = (flat.sum(axis=1) - grey[:, 8:120, 8:120].sum(axis=(1, 2))) / (128**2 - 112**2) / 255
    small = [cv2.resize(image, (_EDGES, _EDGES), interpolation=cv2.INTER_AREA) for image in grey]
    fields = np.stack(
        [cv2.resize(image, (_GRID, _GRID), interpolation=cv2.INTER_AREA).ravel() for image in small]
    ).astype(np.float64)
    levels = np.arange(256) / 255
    mean = share @ levels
    deviation = np.sqrt(np.maximum(share @ levels**2 - mean**2, 0))
    return ImageStatistics(
        {
            "light": low,
            "dark": high,
            "mean grey": mean,
            "contrast": deviation,
            "border": border,
            "border against middle": border - middle,
            "entropy": _entropy(share),
            "sharpness": np.array([_sharpness(image) for image in small]),
            "noise": np.array([_noise(image) for image in grey]),
            "colour": np.log1p(colour),
            "size": np.log(np.sqrt(width * height)),
            "shape": np.log(width / height),
        },
        (fields - fields.mean(axis=1, keepdims=True)) / (255 * deviation[:, None] + 1),
    )


def rules(found: ImageStatistics) -> dict[str, tuple[NDArray[np.bool_], str]]:
    """The images that are outliers by a rule, bool ``(N,)``, by rule, and a note where the rule
    holds for too many.
    """
    n = found.named
    size = np.exp(n["size"])
    met = {
        "dark": n["dark"] < DARK,
        "light": n["light"] > LIGHT,
        "little information": n["entropy"] < EMPTY,
        "odd shape": np.exp(-np.abs(n["shape"])) < NARROW,
        "colour where the rest is grey": n["colour"] > np.log1p(COLOURED),
    }
    return {
        **{rule: _rare(rule, flags) for rule, flags in met.items()},
        "blurred": (_below(n["sharpness"]), ""),
        "odd size": (_below(size) | _below(-size), ""),
    }


def _rare(rule: str, flags: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], str]:
    share = float(flags.mean())
    if share < RARE:
        return flags, ""
    what = (
        "in colour"
        if rule.startswith("colour")
        else f"of {rule}"
        if rule.startswith(("little", "odd"))
        else rule
    )
    return (
        np.zeros_like(flags),
        f"{100 * share:.0f} % of the images are {what}: a property of the set, no outliers",
    )


def _below(values: Numbers) -> NDArray[np.bool_]:
    """Which values lie more than `RANGES` interquartile ranges below the first quartile."""
    first, third = np.percentile(values, (25, 75))
    return np.asarray(values < first - RANGES * (third - first) - 1e-9)


def _entropy(share: Numbers) -> Numbers:
    """Of histograms ``(N, 256)``, in bits: 0 to 8."""
    return np.asarray(
        -(share * np.log2(share, out=np.zeros_like(share), where=share > 0)).sum(axis=1)
    )


def _sharpness(image: NDArray[np.uint8]) -> float:
    """The logarithm of the deviation of edges over that of the image, in 64 pixels a side;
    brightness and contrast leave it alone.
    """
    import cv2

    edges = np.clip(
        cv2.filter2D(
            image.astype(np.float32),
            -1,
            np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32),
        ),
        0,
        255,
    )
    return float(
        np.log((cv2.meanStdDev(edges)[1].item() + 0.5) / (cv2.meanStdDev(image)[1].item() + 1))
    )


def _noise(image: NDArray[np.uint8]) -> float:
    """The share of an image's variance in its finest differences: near 0 for pictures, near 1 for
    noise.
    """
    import cv2

    here = image.astype(np.float32)
    down, right = here[1:, :-1] - here[:-1, :-1], here[:-1, 1:] - here[:-1, :-1]
    whole, one, other = (cv2.meanStdDev(values)[1].item() ** 2 for values in (here, down, right))
    return float(np.sqrt((one + other) / 4 / (whole + 1)))
