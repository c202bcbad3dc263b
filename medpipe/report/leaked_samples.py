"""How a network does on samples that have a relative among those it was trained on, against the
others of the same split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.judging.wording import show_interval
from medpipe.metrics.intervals import Interval, cluster_weights, percentile, seed_noise, wilson
from medpipe.report.report_data import ReportData, protocol_title, splits_of

TRAINED = "training_running"
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Sides = tuple[Interval, Interval, Interval]
"""The accuracy of samples with a relative in training, that of the others, and the difference."""


def related(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each protocol of a part and split that claims measure, of which some samples have a
    relative in training and some none.

    Splits that are others once more (``testing_blur`` beside ``testing``) are left out.
    """
    return [
        _row(case, protocol, split, found)
        for protocol in case.protocols_of(part)
        for split in _first(splits_of(case, protocol))
        if (found := against_others(case.made(protocol), split)) is not None
    ]


def _first(splits: Sequence[str]) -> list[str]:
    return [split for split in splits if not any(split.startswith(f"{other}_") for other in splits)]


def against_others(runs: Sequence[Evidence], split: str) -> Sides | None:
    """Mean accuracy over ``runs`` on both sides of a split, and their difference, with 95 %
    intervals over clusters and runs.

    A relative is a sample of the same cluster (patient, cluster of copies, abstract); samples of
    unknown cluster are left out. None where the evidence has no clusters, a side is empty, or runs
    differ in which samples are on it.
    """
    seen = [found for e in runs if (found := _read(e, split)) is not None]
    if (
        not seen
        or len(seen) < len(runs)
        or any(
            not np.array_equal(a, b) for s in seen for a, b in zip(s[:3], seen[0][:3], strict=True)
        )
    ):
        return None
    _, cluster, has, _ = seen[0]
    if has.all() or not has.any():
        return None
    right = np.stack([s[3] for s in seen])
    _, place = np.unique(cluster, return_inverse=True)
    weights = cluster_weights(int(place.max()) + 1).astype(np.float64)
    (one, drawn), (other, drawn_other) = (
        _drawn(right, side, place, weights) for side in (has, ~has)
    )
    return (
        _accuracy(one, drawn, has, place),
        _accuracy(other, drawn_other, ~has, place),
        _interval(one - other, drawn - drawn_other, np.ones_like(has), place, -1.0),
    )


def _read(
    e: Evidence, split: str
) -> tuple[NDArray[np.str_], NDArray[np.str_], Flags, Floats] | None:
    """Sample ids in order, their clusters, whether one of the cluster was trained on, and whether
    each is right.
    """
    o, trained = e.observations.get(split), e.observations.get(TRAINED)
    if (
        o is None
        or trained is None
        or o.cluster is None
        or o.cluster not in trained
        or "y_pred" not in o
    ):
        return None
    cluster = o[o.cluster]
    order = [i for i in np.argsort(o["sample_id"]).tolist() if cluster[i]]
    right = (o["y_true"] == o["y_pred"]).astype(np.float64)
    return (
        o["sample_id"][order],
        cluster[order],
        np.isin(cluster[order], trained[o.cluster]),
        right[order],
    )


def _drawn(
    right: Floats, side: Flags, place: NDArray[np.int64], weights: Floats
) -> tuple[Floats, Floats]:
    """The accuracy of one side by run, and its mean over runs in each bootstrap replicate; NaN
    where none of the side was drawn.
    """
    size = np.bincount(place, side, minlength=weights.shape[1])
    total = np.bincount(place, side * right.mean(axis=0), minlength=weights.shape[1])
    with np.errstate(invalid="ignore"):
        return right[:, side].mean(axis=1), (weights @ total) / (weights @ size)


def _accuracy(by_run: Floats, drawn: Floats, side: Flags, place: NDArray[np.int64]) -> Interval:
    if by_run.min() == by_run.max() and by_run[0] in (0.0, 1.0):
        clusters = len(np.unique(place[side]))
        found = wilson(by_run[0] * clusters, clusters)
        return Interval(
            found.low,
            float(by_run[0]),
            found.high,
            int(side.sum()),
            found.method,
            clusters=clusters,
            runs=len(by_run),
        )
    return _interval(by_run, drawn, side, place, 0.0)


def _interval(
    by_run: Floats, drawn: Floats, side: Flags, place: NDArray[np.int64], lowest: float
) -> Interval:
    over = f", with the spread over {plural(len(by_run), 'run')} (t)" if len(by_run) > 1 else ""
    return percentile(
        np.clip(drawn + seed_noise(by_run), lowest, 1.0),
        float(by_run.mean()),
        n=int(side.sum()),
        runs=len(by_run),
        clusters=len(np.unique(place[side])),
        method=f"bootstrap of clusters{over}",
    )


def _row(case: ReportData, protocol: str, split: str, found: Sides) -> dict[str, Any]:
    one, other, difference = found
    return {
        "title": protocol_title(case, protocol),
        "split": split,
        "runs": plural(one.runs, "run"),
        "n": f"{one.n:,}",
        "related": show_interval(one, "proportion"),
        "n_others": f"{other.n:,}",
        "others": show_interval(other, "proportion"),
        "difference": show_interval(difference, "points"),
        "method": difference.method,
    }
