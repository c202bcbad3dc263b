"""Intervals of metrics that bring their own error: from influences of samples, or as the metric
gives them.

No bootstrap: influences add up to a standard error with degrees of freedom
(`medpipe.metrics.contributions`), differences combine the interval of either part (MOVER), and
training runs add Student's t. What two runs or two parts share is counted as shared.
docs/intervals_audits.md tells how often these intervals are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Observations
from medpipe.metrics.contributing import ByContribution, ByInterval
from medpipe.metrics.contributions import Contributed, how, limits, rooted, widened
from medpipe.metrics.intervals import Interval, difference_of, with_run_spread
from medpipe.metrics.units import clusters_of
from medpipe.specs.claim import Measure

Array = NDArray[np.float64]
Parts = list[list[Observations]]
"""The observations of each run, of the measure and of what it subtracts."""


def by_contribution(
    confidence: float, metric: ByContribution, parts: Parts
) -> tuple[Interval, list[Array]]:
    """The interval of a measure, without the spread over training runs, and the values of each run
    by part.
    """
    numbers, size = clusters_of(parts, metric.made_by_run)
    found, added, totals = [], [], []
    for runs, clusters in zip(parts, numbers, strict=True):
        by_run = [metric.by_row(o) for o in runs]
        of_part = sum(
            np.bincount(index, np.nan_to_num(a), size.clusters)
            for (_, a), index in zip(by_run, clusters, strict=True)
        )
        added.append(np.asarray(of_part, np.float64) / len(runs))
        taking_part = [np.isfinite(a) for _, a in by_run]
        found.append(_of_part([f for f, _ in by_run], taking_part, clusters, added[-1], confidence))
        totals.append(np.array([f.value for f, _ in by_run]))
    column = size.column
    of = "samples" if not column else "clusters" if column == "cluster" else f"clusters of {column}"
    of_all = replace(
        _difference(found, added),
        method=f"{found[0].method.removesuffix('sample')}{of.removesuffix('s')}",
        clusters=size.clusters if column else None,
    )
    return of_all, totals


def _of_part(
    found: Sequence[Contributed],
    taking_part: Sequence[NDArray[np.bool_]],
    clusters: Sequence[NDArray[np.int64]],
    added: Array,
    confidence: float,
) -> Interval:
    """The interval of the mean over runs of one part, from what each cluster adds to its error."""
    value = float(np.mean([f.value for f in found]))
    sizes = np.bincount(clusters[0][taking_part[0]])
    of = replace(found[0], value=value).samples(float((sizes**2).sum() / sizes.sum()))
    low, high = limits(value, added, (1 - confidence) / 2, of, max(int((added != 0).sum()), 2))
    interval = Interval(low, value, high, int(taking_part[0].sum()), how(found[0]), confidence)
    interval = rooted(interval) if found[0].squared else interval
    ends = np.mean([f.least or (f.value, f.value) for f in found], axis=0)
    return widened(interval, (float(ends[0]), float(ends[1])))


def _difference(found: Sequence[Interval], added: Sequence[Array]) -> Interval:
    if len(found) == 1:
        return found[0]
    lengths = math.sqrt(float((added[0] ** 2).sum() * (added[1] ** 2).sum()))
    between = float((added[0] * added[1]).sum()) / lengths if lengths else 0.0
    return replace(difference_of(found[0], found[1], between), n=found[0].n)


def by_interval(
    confidence: float, metric: ByInterval, parts: Parts
) -> tuple[Interval, list[Array]]:
    """The same by the metric's own intervals. Errors of several runs are taken to be shared, as of
    the same samples they are.
    """
    every = [[metric.of(o, confidence) for o in runs] for runs in parts]
    first, *others = [_mean_of(runs) for runs in every]
    found = replace(difference_of(first, others[0]), n=first.n) if others else first
    return found, [np.array([i.estimate for i in runs]) for runs in every]


def _mean_of(runs: Sequence[Interval]) -> Interval:
    low, estimate, high = (
        float(np.mean(ends))
        for ends in zip(*((i.low, i.estimate, i.high) for i in runs), strict=True)
    )
    return replace(runs[0], low=low, estimate=estimate, high=high)


def bounds_of(measure: Measure, metric: ByContribution | ByInterval) -> tuple[float, float]:
    """The values that a measure can take."""
    low, high = metric.bounds
    return (low, high) if measure.minus is None else (low - high, high - low)


def over_runs(found: Interval, totals: Sequence[Array]) -> Interval:
    """An interval widened by the spread over training runs: of paired differences where both parts
    have as many, else of both.
    """
    runs = len(totals[0])
    if len(totals) == 2 and len(totals[0]) != len(totals[1]):
        wide = with_run_spread(with_run_spread(found, totals[0]), totals[1])
    else:
        wide = with_run_spread(found, totals[0] if len(totals) == 1 else totals[0] - totals[1])
    method = f"{found.method}, with the spread over {runs} runs (t)" if runs > 1 else found.method
    return replace(wide, runs=runs, method=method)
