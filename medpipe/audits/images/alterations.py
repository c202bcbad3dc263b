"""Describe in words how a copy was altered: rotated, flipped, sharpened, new contrast."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medpipe.audits.images.duplicates import ALTERED, IDENTICAL, SAME_PATIENT, Match
from medpipe.audits.images.features import Floats, Grey
from medpipe.audits.images.geometry import overlaid

SHARPER, BRIGHTER, STEEPER, FEWER = 1.35, 12.0, 1.25, 24
"""Ratio of fine detail; grey levels; ratio of spreads; grey levels left after posterising."""


def described(images: Grey, match: Match) -> str:
    """How the second image of a match differs from the first, as in "mirrored, sharpened"."""
    if match.kind == IDENTICAL:
        return "identical"
    if match.squeezed:
        return "squeezed" if match.is_copy else "another slice, squeezed"
    if match.kind == SAME_PATIENT:
        return (
            "another slice"
            if match.transform.is_orientation
            else f"another slice, {match.transform.name}"
        )
    turned = [] if match.transform.name == "as it is" else [match.transform.name]
    toned = list(_toned(images[match.first], images[match.second], match))
    return ", ".join([*turned, *toned]) or ("altered" if match.kind == ALTERED else "stored again")


def _toned(one: Grey, other: Grey, match: Match) -> Iterator[str]:
    first, second = (
        np.asarray(one, np.float32),
        overlaid(np.asarray(other, np.float32), match.transform),
    )
    seen = overlaid(np.ones(one.shape, np.float32), match.transform) > 0.99
    spread = float(second[seen].std() / max(float(first[seen].std()), 1e-3))
    detail = _detail(other) / max(spread * _detail(one), 1e-3)
    if detail > SHARPER:
        yield "sharpened or noisy"
    elif detail < 1 / SHARPER:
        yield "blurred"
    if spread > STEEPER or spread < 1 / STEEPER:
        yield "more contrast" if spread > 1 else "less contrast"
    shift = float(second[seen].mean() - first[seen].mean())
    if abs(shift) > BRIGHTER:
        yield "brighter" if shift > 0 else "darker"
    if _levels(other) <= FEWER < _levels(one):
        yield "posterised"


def _detail(image: Grey) -> float:
    """The strength of what is finer than two pixels."""
    import cv2

    smooth: Floats = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.float32)
    return float(np.abs(image.astype(np.float32) - smooth).mean())


def _levels(image: Grey) -> int:
    """Grey levels that hold 95 % of the pixels."""
    count = np.sort(np.bincount(image.ravel(), minlength=256))[::-1].cumsum()
    return int(np.searchsorted(count, 0.95 * image.size)) + 1
