"""Metrics that tell their own error: by the influence of each sample, which is one matrix product,
or by an interval of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence.observations import Observations
from medpipe.metrics.contributions import Contributed, contributions
from medpipe.metrics.intervals import Interval

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class ByContribution:
    """A metric with its own error. ``bounds`` are the values it can take; ``formula`` is for the
    reader.

    ``of`` gives the estimate with the influences of its strata, and for each stratum its own rows
    bool ``(N,)``, in order. Rows whose ``origin`` is ``made_by_run`` are another sample in every
    run, though they carry the same ids; None where observations have no such rows.
    """

    name: str
    formula: str
    of: Callable[[Observations], tuple[Contributed, Sequence[Rows]]]
    bounds: tuple[float, float] = (-math.inf, math.inf)
    made_by_run: str | None = "generated"

    def __call__(self, observations: Observations) -> float:
        return self.of(observations)[0].value

    def by_row(self, observations: Observations) -> tuple[Contributed, Array]:
        """The estimate, and what each row adds to its error ``(N,)``; NaN for rows it does not rest
        on.
        """
        found, rows = self.of(observations)
        added = np.full(len(observations), np.nan)
        for stratum, chosen in zip(found.strata, rows, strict=True):
            added[chosen] = contributions(stratum)
        return found, added


@dataclass(frozen=True)
class ByInterval:
    """A metric with an interval of its own: ``of`` takes observations and a confidence. ``formula``
    is for the reader, ``bounds`` are the values it can take.
    """

    name: str
    formula: str
    of: Callable[[Observations, float], Interval]
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def __call__(self, observations: Observations) -> float:
        return self.of(observations, 0.95).estimate
