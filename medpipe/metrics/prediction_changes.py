"""Compare the predictions of two backends: changed predictions and the accuracy lost.

Audits and judging tell the same numbers with the same intervals, by the same functions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence.observations import Observations
from medpipe.metrics.intervals import Interval, clustered_mean, difference_of

Values = NDArray[np.bool_] | NDArray[np.float64]


def flipped(o: Observations, confidence: float = 0.95) -> Interval:
    """The share of samples that are called otherwise than by the reference."""
    return clustered_mean(
        o["y_pred"] != o["reference_pred"], o[o.cluster] if o.cluster else None, confidence
    )


def lost(o: Observations, confidence: float = 0.95) -> Interval:
    """Accuracy of the reference minus accuracy, of the same samples."""
    right, wanted = (o[name] == o["y_true"] for name in ("y_pred", "reference_pred"))
    return paired_difference(
        wanted & ~right, right & ~wanted, o[o.cluster] if o.cluster else None, confidence
    )


def paired_difference(
    only_first: Values, only_second: Values, cluster: NDArray[Any] | None, confidence: float = 0.95
) -> Interval:
    """How much more often the first is so than the second, of the same samples: ``only_first`` and
    ``only_second`` ``(N,)`` say where just one of them is, 0 to 1.

    The two shares exclude each other, which makes their difference less certain than if they were
    independent; where they occur in the same clusters, that is not relied upon.
    """
    shares = [np.asarray(v, np.float64) for v in (only_first, only_second)]
    place = (
        np.arange(len(only_first))
        if cluster is None
        else np.unique(cluster, return_inverse=True)[1]
    )
    one, other = (np.bincount(place, v - v.mean()) for v in shares)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    together = min(float(one @ other) / lengths, 0.0) if lengths else 0.0
    first, second = (clustered_mean(v, cluster, confidence) for v in shares)
    found = difference_of(first, second, together)
    return replace(found, n=len(only_first))
