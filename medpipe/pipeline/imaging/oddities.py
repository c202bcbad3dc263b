"""Images of a set that are odd by a rule, unlike their class, or look like another class: with counts and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.looks import looks, rules
from medpipe.audits.oddities import RATE, unlike
from medpipe.audits.shares import Share, share
from medpipe.audits.text_labels import suspect_labels
from medpipe.pipeline.data.image_sets import ImageSet

MOST = 8
FOLDS, SIDE, TREES, SEED, MANY = 5, 16, 50, 0, 2000
UNLIKE = f"unlike the others of their class (at most {100 * RATE:.0f} % of those named by chance)"
DOUBTFUL = "of another class by the look of their 16 by 16 pixels"


@dataclass(frozen=True)
class Oddity:
    """``kind`` of oddity, the share of the images that have it, and ``examples``: path and what is odd, the oddest first."""

    kind: str
    found: Share
    examples: tuple[tuple[str, str], ...]


def oddities(images: ImageSet, grey: NDArray[np.uint8], cluster: NDArray[np.str_]) -> tuple[Oddity, ...]:
    """All that was looked for, found or not. ``grey``: uint8 ``(N, 128, 128)``; ``cluster`` of copies, in the order of the parts."""
    data = images.data
    ids, label = (np.concatenate([getattr(part, name) for part in data.parts.values()]) for name in ("sample_id", "label"))
    marks = [m for of_part in images.marks.values() for m in of_part]
    width, height = (np.array([getattr(m, side) for m in marks], np.float64) for side in ("width", "height"))
    found = looks(grey, np.concatenate(list(images.colour.values())), width, height)
    other, class_of = unlike(found, label, cluster), doubtful(grey, label, cluster)
    why = [f"{name}, p = {p:.1g}" for name, p in zip(other.why.tolist(), other.chance.tolist(), strict=True)]
    by_oddity = np.argsort(np.where(np.isnan(other.chance), 1, other.chance), kind="stable")

    def told(kind: str, flags: NDArray[np.bool_], what: Sequence[str], order: NDArray[np.int64]) -> Oddity:
        shown = [i for i in order.tolist() if flags[i]][:MOST]
        return Oddity(kind, share(kind, flags, ids.tolist(), cluster.tolist()), tuple((str(ids[i]), what[i]) for i in shown))

    return (told(UNLIKE, other.named, why, by_oddity),
            told(DOUBTFUL, class_of >= 0, [f"looks like {data.classes[k]}" for k in class_of.tolist()], by_oddity),
            *(told(rule, flags, [rule] * len(ids), by_oddity) for rule, flags in rules(found).items()))


def doubtful(grey: NDArray[np.uint8], label: NDArray[np.int64], cluster: NDArray[np.str_]) -> NDArray[np.int64]:
    """The class that each image surely looks like where it is not its own, else -1; int64 ``(N,)``.

    Random trees on 16 by 16 pixels give probabilities to images of clusters that they were not fitted on; confident learning (Northcutt
    et al. 2021) decides. All -1 where a class has fewer clusters than folds.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    from medpipe.pipeline.data.decoding import resize_grey

    if len(np.unique(label)) < 2 or min(len(np.unique(cluster[label == k])) for k in np.unique(label).tolist()) < FOLDS:
        return np.full(len(label), -1)
    seen = resize_grey(grey, SIDE).reshape(len(grey), -1)
    model = ExtraTreesClassifier(TREES, random_state=SEED, n_jobs=2 if len(grey) > MANY else 1)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    probable = cross_val_predict(model, seen, label, groups=cluster, cv=folds, method="predict_proba")
    return np.where(suspect_labels(label, probable), probable.argmax(axis=1), -1)
