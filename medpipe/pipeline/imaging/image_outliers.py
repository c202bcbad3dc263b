"""Outliers of an image set, with counts and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.image_statistics import looks, rules
from medpipe.audits.outliers import LEAST, RATE, unlike
from medpipe.audits.proportions import Share, share
from medpipe.audits.text_labels import suspect_labels
from medpipe.formatting import listed
from medpipe.pipeline.data.image_sets import ImageSet

MOST = 8
FOLDS, SIDE, TREES, SEED, MANY = 5, 16, 50, 0, 2000
PERMUTATIONS, CHANCE, SKILL = 999, 0.01, 0.6
"""A likeness of another class is a finding where the thumbnails of held-out images tell the class
better than under permuted labels (p at most `CHANCE`) and make at most `SKILL` of the errors of
guessing: 1 minus balanced accuracy, against 1 minus 1 over the number of classes.
"""
UNLIKE = f"outliers of their class (at most {100 * RATE:.0f} % of those named by chance)"
DOUBTFUL = "similar to another class in a 16 × 16 thumbnail"


@dataclass(frozen=True)
class ImageOutlier:
    """``kind`` of outlier, the share of the images that are one, and ``examples``: path and in
    what, the clearest first.

    ``found`` is None where it could not be assessed; ``note`` says why, or of which classes.
    """

    kind: str
    found: Share | None
    examples: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Doubt:
    """``class_of`` int64 ``(N,)``: the class that each image is similar to where that is not its
    own, else -1.

    ``right``: the share of held-out images whose class thumbnails tell; ``unassessed``: why nothing
    can be said, else "".
    """

    class_of: NDArray[np.int64]
    right: float
    unassessed: str


def oddities(
    images: ImageSet, grey: NDArray[np.uint8], cluster: NDArray[np.str_], related: NDArray[np.str_]
) -> tuple[ImageOutlier, ...]:
    """All that was looked for, found or not. ``grey``: uint8 ``(N, 128, 128)``; ``cluster`` of
    copies, and of copies and patients (``related``), in the order of the parts.
    """
    data = images.data
    ids, label = (
        np.concatenate([getattr(part, name) for part in data.parts.values()])
        for name in ("sample_id", "label")
    )
    marks = [m for of_part in images.marks.values() for m in of_part]
    width, height = (
        np.array([getattr(m, side) for m in marks], np.float64) for side in ("width", "height")
    )
    found = looks(grey, np.concatenate(list(images.colour.values())), width, height)
    other, doubt = unlike(found, label, cluster), doubtful(grey, label, related)
    why = [
        f"{name}, p = {p:.1g}"
        for name, p in zip(other.why.tolist(), other.chance.tolist(), strict=True)
    ]
    by_oddity = np.argsort(np.where(np.isnan(other.chance), 1, other.chance), kind="stable")
    known = ~np.isnan(other.chance)

    def told(
        kind: str,
        flags: NDArray[np.bool_],
        what: Sequence[str],
        among: NDArray[np.bool_],
        note: str,
    ) -> ImageOutlier:
        if not among.any():
            return ImageOutlier(kind, None, (), note)
        shown = [i for i in by_oddity.tolist() if flags[i]][:MOST]
        counted = share(kind, flags[among], ids[among].tolist(), cluster[among].tolist())
        return ImageOutlier(kind, counted, tuple((str(ids[i]), what[i]) for i in shown), note)

    every = np.ones(len(ids), bool)
    small = [data.classes[k] for k in np.unique(label[~known]).tolist()]
    similar = [f"similar to {data.classes[k]}" for k in doubt.class_of.tolist()]
    left_out = (
        f"not assessed in classes of fewer than {LEAST} images: {listed(small)}" if small else ""
    )
    return (
        told(UNLIKE, other.named, why, known, left_out),
        told(
            DOUBTFUL,
            doubt.class_of >= 0,
            similar,
            every & (not doubt.unassessed),
            doubt.unassessed
            or f"thumbnails alone tell the class of {100 * doubt.right:.1f} % of held-out images",
        ),
        *(
            told(rule, flags, [rule] * len(ids), every, note)
            for rule, (flags, note) in rules(found).items()
        ),
    )


def doubtful(grey: NDArray[np.uint8], label: NDArray[np.int64], cluster: NDArray[np.str_]) -> Doubt:
    """Which images are similar to another class than their own.

    Random trees on 16 by 16 pixels give probabilities to images of clusters that they were not
    fitted on; confident learning (Northcutt et al. 2021) decides, where these probabilities say
    enough more of the classes than chance (`SKILL`).
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    from medpipe.pipeline.data.decoding import resize_grey

    none = np.full(len(label), -1)
    if (
        len(np.unique(label)) < 2
        or min(len(np.unique(cluster[label == k])) for k in np.unique(label).tolist()) < FOLDS
    ):
        return Doubt(
            none,
            np.nan,
            f"not assessed: a class has fewer than {FOLDS} images that are no copies of each other",
        )
    seen = resize_grey(grey, SIDE).reshape(len(grey), -1)
    model = ExtraTreesClassifier(TREES, random_state=SEED, n_jobs=2 if len(grey) > MANY else 1)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    probable = cross_val_predict(
        model, seen, label, groups=cluster, cv=folds, method="predict_proba"
    )
    right, p = (
        float((probable.argmax(axis=1) == label).mean()),
        _chance_of(probable, label, cluster),
    )
    kinds, called = np.unique(label), probable.argmax(axis=1)
    balanced = float(np.mean([(called[label == k] == k).mean() for k in kinds]))
    if p > CHANCE or 1 - balanced > SKILL * (1 - 1 / len(kinds)):
        than = (
            "better than chance"
            if p > CHANCE
            else (
                f"well enough (balanced accuracy {100 * balanced:.1f} %, guessing"
                f" {100 / len(kinds):.1f} %)"
            )
        )
        return Doubt(none, right, f"not assessed: thumbnails do not tell the classes {than}")
    return Doubt(np.where(suspect_labels(label, probable), probable.argmax(axis=1), -1), right, "")


def _chance_of(
    probable: NDArray[np.float64], label: NDArray[np.int64], cluster: NDArray[np.str_]
) -> float:
    """The p-value of the mean probability of the own class, under labels permuted among
    clusters.
    """
    _, first, number = np.unique(cluster, return_index=True, return_inverse=True)
    draw, row = np.random.default_rng(SEED), np.arange(len(label))
    met = probable[row, label[first][number]].mean()
    null = [
        probable[row, draw.permutation(label[first])[number]].mean() for _ in range(PERMUTATIONS)
    ]
    return float((1 + np.sum(np.array(null) >= met)) / (1 + PERMUTATIONS))
