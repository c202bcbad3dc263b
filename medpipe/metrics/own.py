"""Metrics of the user's own: any function of observations, whose error is found by leaving blocks
of them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.metrics.intervals import effective_bounds, effective_n, spread_of
from medpipe.metrics.statistic import Rows, Statistic

Array = NDArray[np.float64]
BLOCKS = 20
"""So many times it is called with a block of the independent units left out. Blocks of many units
suit medians, too.
"""
FEWEST = 5
"""So many correct and as many incorrect samples (or clusters) of each class must have been seen."""
FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SystemExit,
    TypeError,
    ValueError,
)
"""What somebody's function may raise on some part of the data."""
BLOCK_SEED = 20_261_129


@dataclass(frozen=True)
class OwnMetric:
    """A metric of the user's own with its error."""

    name: str
    function: Callable[[Observations], float]
    method: str = f"jackknife of up to {BLOCKS} blocks"

    def __call__(self, observations: Observations) -> float:
        try:
            value = float(self.function(observations))
        except FAILURES as error:
            raise DataError(
                f"the metric {self.name} failed on {len(observations)} samples:"
                f" {type(error).__name__}: {error}"
            ) from error
        if not math.isfinite(value):
            raise DataError(
                f"the metric {self.name}: expected a finite number of {len(observations)} samples,"
                f" got {value}"
            )
        return value

    def statistic(self, rows: Rows, expected: Collection[int]) -> Statistic:
        """The metric of each run with its error. Raises `DataError` where too few of the samples
        matter for it to be known.
        """
        by_run = np.array([self(o) for o in rows.runs])
        taking_part = np.unique(np.concatenate(rows.units))
        if len(taking_part) < 2:
            raise DataError(
                f"the metric {self.name}: expected two independent samples or clusters, got"
                f" {len(taking_part)}"
            )
        self._check_enough(rows, expected)
        block = np.full(rows.unit_count, -1)
        blocks = min(BLOCKS, len(taking_part))
        block[np.random.default_rng(BLOCK_SEED).permutation(taking_part)] = (
            np.arange(len(taking_part)) % blocks
        )
        without = np.array(
            [
                np.mean(
                    [
                        self(o.take(block[u] != b))
                        for o, u in zip(rows.runs, rows.units, strict=True)
                    ]
                )
                for b in range(blocks)
            ]
        )
        added = (without.mean() - without) * (blocks - 1) / blocks
        spread = spread_of(added)
        value = float(by_run.mean())
        if spread.variance == 0.0:
            raise DataError(
                f"the metric {self.name} is {value:g} whichever samples are left out: its error"
                " cannot be known"
            )
        influence = np.zeros(rows.unit_count)
        size = np.bincount(block[taking_part], minlength=blocks)
        influence[taking_part] = (added / size)[block[taking_part]]

        def bounds(tail: float) -> tuple[float, float]:
            low, high = value - spread.half_width(tail, 0), value + spread.half_width(tail, 1)
            if not 0.0 < value < 1.0:
                return low, high
            as_share = effective_bounds(
                value, effective_n(value, spread, tail, 0.0, rows.n), tail
            )  # which it may be
            return min(low, as_share[0]), max(high, as_share[1])

        return Statistic(
            by_run, influence, np.isin(np.arange(rows.unit_count), taking_part), bounds, rows.n
        )

    def _check_enough(self, rows: Rows, expected: Collection[int]) -> None:
        """Refuse where what the metric may rest on was hardly seen: a rare class that happens to
        have no error hides its own.

        Raises `DataError`.
        """
        o, unit = rows.runs[0], rows.units[0]
        if "y_true" not in o or "y_pred" not in o:
            return
        correct = o["y_true"] == o["y_pred"]
        for c in expected:
            for kind, rowwise in (("correct", correct), ("incorrect", ~correct)):
                seen = len(np.unique(unit[(o["y_true"] == c) & rowwise]))
                if seen < FEWEST:
                    of = "clusters with samples" if rows.clustered else "samples"
                    raise DataError(
                        f"the metric {self.name}: expected {FEWEST} {of} of class {o.classes[c]}"
                        f" that are {kind} to know its error, got {seen}; a metric of medpipe's own"
                        " needs fewer"
                    )

    def convention(self, classes: Sequence[str]) -> str:
        """What is known of a function of the user's: where it is from."""
        return f"computed by {self.name}"
