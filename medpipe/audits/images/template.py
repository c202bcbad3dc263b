"""Find keypoints of a template shared by many images: a frame, a logo, a scale bar or burnt-in
text.

A keypoint counts as the template's if at least `SHARED` of up to `REFERENCES` drawn images have one
that looks the same at the same place. Anatomy varies; templates do not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.features import SCALE, Features, in_threads

REFERENCES, SHARED = 64, 4
NEAR, SAME = 2.0, 0.92
"""Pixels, and the least product of two descriptors."""
MOST = 0.6
"""An image of which more keypoints are shared is a copy itself, and keeps them all."""


def without_template(features: Features) -> Features:
    """The same features without the keypoints that belong to a template."""
    from scipy.spatial import cKDTree

    count = len(features)
    if count <= SHARED:
        return features
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:REFERENCES])
    place = np.concatenate(
        [np.arange(features.start[i], features.start[i + 1]) for i in chosen.tolist()]
    )
    if not len(place):
        return features
    owner = np.repeat(chosen, np.diff(features.start)[chosen])
    reference = features.descriptor[place].astype(np.float32) / SCALE
    tree = cKDTree(features.point[place])

    def kept(image: int) -> NDArray[np.bool_]:
        point, descriptor = features.of(image)
        near = tree.query_ball_point(point, NEAR)
        row = np.repeat(np.arange(len(point)), [len(n) for n in near])
        other = (
            np.concatenate([np.array(n, np.int64) for n in near])
            if len(point)
            else np.zeros(0, np.int64)
        )
        same = (np.einsum("nd,nd->n", descriptor[row], reference[other]) >= SAME) & (
            owner[other] != image
        )
        found = np.unique(np.column_stack([row[same], owner[other[same]]]), axis=0)[:, 0]
        is_shared = np.bincount(found, minlength=len(point)) >= SHARED
        return np.ones(len(point), bool) if is_shared.mean() > MOST else ~is_shared

    masks = list(in_threads(kept, range(count)))
    keep = np.concatenate(masks)
    start = np.cumsum([0, *(int(mask.sum()) for mask in masks)]).astype(np.int64)
    return replace(
        features, start=start, point=features.point[keep], descriptor=features.descriptor[keep]
    )
