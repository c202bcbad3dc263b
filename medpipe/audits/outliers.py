"""Find outliers of a class, such as photographs, screenshots, noise or blank images.

**Purpose.** Folders gathered from the web hold pictures that nobody meant to be there. Each is a
wrong label, and a network learns them.

**Method.** Each image is described by plain measures (`medpipe.audits.image_statistics`), each over
its median deviation within the class. Its oddity is the logarithm of the distance to its
`NEIGHBOURS`-th nearest image of the class, copies of itself not counted. How far oddities reach by
nature is estimated from those between the `BULK` and `TOP` quantiles of the class: an exponential
tail of logarithms, the rest counted as censored (Hill 1975), so that up to a fiftieth of odd images
does not hide itself. The tail gives each image a chance under its class; Benjamini and Hochberg
(1995) keep the share of false alarms among those named below `RATE` as far as the tail is of that
kind.

**Limits.** Ranks within one set could never name anybody at such a rate, for somebody is always
first; the tail is therefore a model, and its false alarms are counted on drawn heads. Six or more
odd images that resemble each other are a kind of their own and are not named. Odd is not wrong: a
rare section or a large tumour may be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.image_statistics import ImageStatistics

NEIGHBOURS, BULK, TOP, RATE = 5, 0.80, 0.95, 0.05
LEAST = 50
"""Images that a class needs, for its tail to be looked at."""
REACH = 25.0
"""No single measure counts more than this many deviations."""
_ROWS = 512


@dataclass(frozen=True, eq=False)
class OutlierSearch:
    """``named`` bool ``(N,)``; ``chance`` float64 ``(N,)`` of such an oddity by nature, NaN in
    classes too small to tell; ``why`` names the measure of each image that is furthest from its
    class.
    """

    named: NDArray[np.bool_]
    chance: NDArray[np.float64]
    why: NDArray[np.str_]


def unlike(
    found: ImageStatistics, label: NDArray[np.int64], cluster: NDArray[np.str_]
) -> OutlierSearch:
    """Which images are unlike their class. ``label`` and ``cluster`` (of copies) ``(N,)``."""
    table, names = found.table(), np.array([*found.named, *["layout"] * found.layout.shape[1]])
    named, chance, why = (
        np.zeros(len(label), bool),
        np.full(len(label), np.nan),
        np.full(len(label), "", names.dtype),
    )
    for kind in np.unique(label).tolist():
        here = np.flatnonzero(label == kind)
        scaled = _scaled(table[here])
        why[here] = names[np.abs(scaled).argmax(axis=1)]
        if len(np.unique(cluster[here])) >= LEAST:
            chance[here] = _chance(_oddity(scaled, cluster[here]), cluster[here])
            named[here] = _kept(chance[here])
    return OutlierSearch(named, chance, why)


def _scaled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations from the median, in units of the usual one; what never varies counts where it
    does.
    """
    away = table - np.median(table, axis=0)
    usual = 1.4826 * np.median(np.abs(away), axis=0)
    spread = np.where(usual > 1e-6, usual, np.maximum(away.std(axis=0), 0.02))
    return np.clip(away / spread, -REACH, REACH)


def _oddity(scaled: NDArray[np.float64], cluster: NDArray[np.str_]) -> NDArray[np.float64]:
    """The distance to the fifth nearest image that is no copy; in blocks, so that memory grows with
    N alone.
    """
    from scipy.spatial.distance import cdist

    _, number = np.unique(cluster, return_inverse=True)
    found = np.empty(len(scaled))
    for start in range(0, len(scaled), _ROWS):
        apart = cdist(scaled[start : start + _ROWS], scaled)
        apart[number[start : start + _ROWS, None] == number[None]] = np.inf
        found[start : start + _ROWS] = np.partition(apart, NEIGHBOURS - 1, axis=1)[
            :, NEIGHBOURS - 1
        ]
    return found


def _chance(oddity: NDArray[np.float64], cluster: NDArray[np.str_]) -> NDArray[np.float64]:
    """The chance of each oddity or a greater one, from the tail of one image of each cluster."""
    alone = oddity[np.unique(cluster, return_index=True)[1]]
    start, end = np.quantile(alone, (BULK, TOP))
    beyond = np.clip(alone[alone > start], None, end) - start
    seen = int((alone[alone > start] <= end).sum())
    tail = (1 - BULK) * (1 + np.clip(oddity - start, 0, None) / max(beyond.sum(), 1e-9)) ** -float(
        seen
    )
    return np.where(oddity > start, tail, 1.0)


def _kept(chance: NDArray[np.float64]) -> NDArray[np.bool_]:
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(chance) <= RATE)
