"""Select the largest groups of related images for contact sheets, and count distinct slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.alterations import described
from medpipe.audits.images.duplicates import Match
from medpipe.audits.images.groups import Group, Groups
from medpipe.pipeline.data.images import ImageData

MOST_GROUPS, MOST_IMAGES = 6, 12


@dataclass(frozen=True)
class ShownGroup:
    """A group with the first of its ``images``: path and what was altered; ``count``: of all."""

    kind: str
    confidence: float
    count: int
    slices: int
    classes: tuple[str, ...]
    images: tuple[tuple[str, str], ...]


def shown_groups(
    data: ImageData, found: Groups, pixels: NDArray[np.uint8]
) -> tuple[ShownGroup, ...]:
    """The largest groups of images with these ``pixels`` uint8 ``(N, h, h)``; half of them are of
    one slice if there are any.
    """
    ids, label = (
        np.concatenate([getattr(part, name) for part in data.parts.values()])
        for name in ("sample_id", "label")
    )
    groups = found.groups
    chosen = [
        *[g for g in groups if g.slices == 1][: MOST_GROUPS // 2],
        *[g for g in groups if g.slices > 1][: MOST_GROUPS // 2],
    ]
    if not chosen:
        return ()
    return tuple(
        ShownGroup(
            g.kind,
            g.confidence,
            len(g.images),
            g.slices,
            tuple(data.classes[k] for k in np.unique(label[list(g.images)])),
            tuple((str(ids[i]), _said(pixels, found, g, i)) for i in g.images[:MOST_IMAGES]),
        )
        for g in chosen
    )


def distinct_slices(data: ImageData, found: Groups) -> Mapping[str, int]:
    """How many distinct slices the images of each class show."""
    label = np.concatenate([part.label for part in data.parts.values()])
    return {kind: len(np.unique(found.slice[label == k])) for k, kind in enumerate(data.classes)}


def _said(pixels: NDArray[np.uint8], found: Groups, group: Group, image: int) -> str:
    """How an image differs from the group's first one, or from the image that ties it to the
    group.
    """
    first = group.images[0]
    if image == first:
        return "the first"
    mine = [m for m in found.links if image in (m.first, m.second)]
    link = min(mine, key=lambda m: (first not in (m.first, m.second), not m.is_copy, -m.score))
    said = described(pixels, link if link.second == image else _reversed(link))
    return said if first in (link.first, link.second) else f"{said} (of another image here)"


def _reversed(link: Match) -> Match:
    """The same link as seen from the other image."""
    return replace(link, first=link.second, second=link.first, transform=link.transform.inverse)
