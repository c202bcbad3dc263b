"""Whether two forms of a network answer alike: what is called otherwise, and what is lost by it.

Audits and judging tell the same numbers with the same intervals, by the same functions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence.observations import Observations
from medpipe.statistics import Interval, clustered_mean, difference_of


def flipped(o: Observations, confidence: float = 0.95) -> Interval:
    """The share of samples that are called otherwise than by the reference."""
    return _share(o, o["y_pred"] != o["reference_pred"], confidence)


def lost(o: Observations, confidence: float = 0.95) -> Interval:
    """Accuracy of the reference minus accuracy, of the same samples: the share that only the reference
    calls correctly, minus the share that only this form does.

    The two shares are taken as independent. They exclude each other, which hardly correlates rare
    ones; where one is common, the interval is a little too wide.
    """
    right, wanted = (o[name] == o["y_true"] for name in ("y_pred", "reference_pred"))
    found = difference_of(_share(o, wanted & ~right, confidence), _share(o, right & ~wanted, confidence))
    return replace(found, n=len(o))


def _share(o: Observations, flags: NDArray[np.bool_], confidence: float) -> Interval:
    return clustered_mean(flags, o[o.cluster] if o.cluster else None, confidence)
