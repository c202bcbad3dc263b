"""Which collection an image came from, as far as its file or its group tells, and who is trained on
when one is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medpipe.errors import DataError
from medpipe.formatting import plural
from medpipe.pipeline.data.image_files import file_marks
from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.splits import Index, Subset

FILES = "files"
FOLDS = 5
Names = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """``reported``: images of ``source``; ``without``: training images of other sources alone;
    ``within``: as many of every class, with other images of the source among them. No cluster of
    copies stands on both sides.
    """

    source: str
    reported: Subset
    without: Subset
    within: Subset


def sources_of(data: ImageData, part: str, how: str) -> Names:
    """The source of each image of a part, str ``(N,)``: mode and JPEG tables of its file, or the
    group ``how``. Raises `DataError`.
    """
    here = data.parts[part]
    if how == FILES:
        return np.array([f"{m.mode} {m.tables or 'no JPEG'}" for m in file_marks(data)[part]])
    if how not in here.groups:
        raise DataError(
            f"{data.source}: expected the group {how} of every image, got"
            f" {', '.join(here.groups) or 'no groups'}; name another one, or {FILES}"
        )
    return here.groups[how]


def told_within(
    kind: int,
    features: NDArray[np.float32],
    subset: Subset,
    source: Names,
    cluster: Names,
    least: int,
    seed: int,
) -> tuple[Index, NDArray[np.int64], NDArray[np.int64], tuple[str, ...]] | None:
    """Among images of one class, their source as a linear model reads it from features, out of fold
    and out of cluster.

    Returns places in ``subset``, true and predicted source as numbers, and the sources' names,
    largest first; None where fewer than two sources have ``least`` images of the class in enough
    clusters.
    """
    of_kind = np.flatnonzero((subset.label == kind) & (source != ""))
    names, counts = np.unique(source[of_kind], return_counts=True)
    kept = [
        n
        for n, c in sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda x: -x[1])
        if c >= least and len(np.unique(cluster[of_kind][source[of_kind] == n])) >= FOLDS
    ]
    if len(kept) < 2:
        return None
    at = of_kind[np.isin(source[of_kind], kept)]
    truth = np.array([kept.index(s) for s in source[at].tolist()])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    called = cross_val_predict(
        model, features[at].astype(np.float64), truth, groups=cluster[at], cv=folds
    )
    return at, truth, called.astype(np.int64), tuple(kept)


def left_out(
    part: ImagePart, source: Names, cluster: Names, least: int, seed: int
) -> Iterator[LeftOut]:
    """Every source that shares at least two classes of ``least`` images with the others, the
    largest first.
    """
    names, counts = np.unique(source[source != ""], return_counts=True)
    for name in [str(n) for n, _ in sorted(zip(names, counts, strict=True), key=lambda x: -x[1])]:
        inside, outside = (
            np.flatnonzero(source == name),
            np.flatnonzero((source != name) & (source != "")),
        )
        shared = [
            k
            for k in np.unique(part.label).tolist()
            if min((part.label[inside] == k).sum(), (part.label[outside] == k).sum()) >= least
        ]
        if len(shared) >= 2:
            yield _one_left_out(
                part, name, inside[np.isin(part.label[inside], shared)], outside, cluster, seed
            )


def _one_left_out(
    part: ImagePart, name: str, inside: Index, outside: Index, cluster: Names, seed: int
) -> LeftOut:
    groups = np.unique(cluster[inside])
    mine, theirs = train_test_split(groups, test_size=0.5, random_state=seed)
    reported, relatives = (inside[np.isin(cluster[inside], half)] for half in (mine, theirs))
    others = outside[~np.isin(cluster[outside], np.unique(cluster[reported]))]
    exchanged, kept = [], []
    for kind in np.unique(part.label[others]).tolist():
        rng = np.random.default_rng((seed, kind))
        of_kind = rng.permutation(others[part.label[others] == kind])
        coming = rng.permutation(relatives[part.label[relatives] == kind])[: len(of_kind) // 2]
        exchanged.append(coming)
        kept.append(of_kind[len(coming) :])
    within = np.sort(np.concatenate([*exchanged, *kept]))
    return LeftOut(
        name, Subset(part, reported), Subset(part, np.sort(others)), Subset(part, within)
    )


def counted(part: ImagePart, source: Names, classes: Sequence[str]) -> Iterator[str]:
    """A sentence for each source: its images by class, the largest source first."""
    names, counts = np.unique(source, return_counts=True)
    for name, count in sorted(
        zip(names.tolist(), counts.tolist(), strict=True), key=lambda x: -x[1]
    ):
        of = {
            kind: int(((source == name) & (part.label == k)).sum())
            for k, kind in enumerate(classes)
        }
        inside = ", ".join(f"{kind} {n:,}" for kind, n in of.items() if n)
        yield f"source {name or 'of few images'}: {plural(count, 'image')} ({inside})"
