"""Proportion of flagged samples, with n and an interval that accounts for dependent samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.metrics.intervals import Interval, clustered_mean

EXAMPLES = 5


@dataclass(frozen=True)
class Share:
    """What an audit counted: ``audit`` names it, ``interval`` is of the share, ``samples`` are the
    ids of the first few flagged.
    """

    audit: str
    count: int
    interval: Interval
    samples: tuple[str, ...]

    def scalars(self, prefix: str) -> dict[str, float]:
        """``<prefix>_<audit>_share`` with ``_low`` and ``_high`` of the 95 % interval, and
        ``_count`` of ``_n``.
        """
        name = f"{prefix}_{self.audit}"
        return {
            f"{name}_share": self.interval.estimate,
            f"{name}_share_low": self.interval.low,
            f"{name}_share_high": self.interval.high,
            f"{name}_count": self.count,
            f"{name}_n": self.interval.n,
        }


def share(
    audit: str,
    flags: NDArray[np.bool_],
    sample_id: Sequence[str],
    cluster: Sequence[str] | None = None,
) -> Share:
    """The share of ``flags`` bool ``(N,)`` that are set. Raises `DataError` where there are none to
    count.

    The interval is Clopper and Pearson's at the effective n of the clusters: a rate that was never
    seen is bounded by what was looked at.
    """
    if not len(flags):
        raise DataError(f"{audit}: expected samples to look at, got none")
    found = clustered_mean(
        flags.astype(np.float64), np.asarray(sample_id if cluster is None else cluster)
    )
    return Share(
        audit,
        int(flags.sum()),
        found,
        tuple(str(sample_id[i]) for i in np.flatnonzero(flags)[:EXAMPLES]),
    )
