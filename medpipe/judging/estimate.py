"""From observations to an estimate with its interval: over samples (in clusters), over training runs, and of the published figure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe import registry
from medpipe.claims.claim import FREE_UNITS, STATEMENT, Claim, Criterion, Measure, Published, Source
from medpipe.errors import DataError
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.contributions import widened, within
from medpipe.judging.metrics.classification import ConfusionMetric, confusion
from medpipe.judging.metrics.contributing import ByContribution, ByInterval
from medpipe.judging.resampling import Size, clusters_of, run_noise, weights_of
from medpipe.judging.selection import selected
from medpipe.phrases import plural
from medpipe.statistics import (
    BOOTSTRAP_SEED,
    REPLICATES,
    Interval,
    exact,
    normal_noise,
    normal_quantile,
    percentile,
    wilson,
)

Array = NDArray[np.float64]
MOST_NAMES = 8
"""So many splits or scalars of a run are all named where one is missing."""
GENERIC_REPLICATES = 500
"""Replicates for a stranger's metric, which must be called once for each."""


@dataclass(frozen=True)
class Estimate:
    """What was found, and what the rule decides by; the variances tell what an inconclusive claim would need."""

    found: Interval
    decided_by: Interval
    sample_variance: float
    other_variance: float


def estimate(claim: Claim, evidence: Mapping[str, Sequence[Evidence]]) -> Estimate:
    """Estimate a claim's measure from the evidence of each protocol it names. Raises `DataError` where something it needs is absent."""
    measure = claim.measure
    if measure.scalar is not None:
        return _with_published_error(claim, *_scalar(measure, evidence), _bounds(claim))
    metric = registry.resolve("metric", str(measure.metric))
    parts = [[selected(_split(e, p), p) for e in evidence[p.run]] for p in measure.parts()]
    bounds = _bounds(claim, metric)
    if isinstance(metric, ByContribution):
        return _with_published_error(claim, *_by_contribution(claim, metric, parts), bounds)
    if isinstance(metric, ByInterval):
        return _with_published_error(claim, *_by_interval(claim, metric, parts), bounds)
    if isinstance(metric, ConfusionMetric):
        totals, replicates, size = _by_confusion(metric, parts, measure.by)
        counted = _counted(metric, parts, measure)
    else:
        totals, replicates, size = _by_calling(metric, parts)
        counted = None
    return _with_published_error(claim, *_interval(claim, totals, replicates, size, counted), bounds)


def interval_of(measure: Measure, runs: Sequence[Evidence], unit: str) -> Interval:
    """The 95 % interval of a measure of one protocol that no claim speaks of. Raises `DataError` as `estimate` does."""
    claim = Claim("", "", "", Source("", "", "", ""), Published(None), measure, Criterion(STATEMENT, 0.0, 0.0, "", unit), ())
    return estimate(claim, {measure.run: runs}).found


def _counted(metric: ConfusionMetric, parts: list[list[Observations]], measure: Measure) -> tuple[int, int] | None:
    """What was counted and of how many, for Wilson's interval, which needs one run of independent samples.

    A proportion of 0 or 1 is bounded by it, too, whatever the clusters and runs: a bootstrap cannot draw what was never seen. Its n is
    then that of the independent clusters of one run.
    """
    if metric.counted is None or len(parts) != 1 or measure.by is not None:
        return None
    runs = parts[0]
    seen, n = metric.counted(confusion(runs[0])[0])
    if len(runs) == 1 and runs[0].cluster is None:
        return seen, n
    counts = [metric.counted(confusion(o)[0]) for o in runs]
    if len({s / max(m, 1) for s, m in counts}) > 1 or 0 < seen < n:
        return None
    clusters = n if runs[0].cluster is None else min(n, len(np.unique(runs[0][runs[0].cluster])))
    return (clusters if seen else 0), clusters


def _split(evidence: Evidence, part: Measure) -> Observations:
    if part.split not in evidence.observations:
        have = _there(str(part.split), evidence.observations)
        raise DataError(f"run {evidence.run.key}: expected observations of the split {part.split!r}, got {have}")
    return evidence.observations[str(part.split)]


def _there(name: str, known: Iterable[str]) -> str:
    """The names that there are; of many only those most like the one that is not, for a reader has to get past them."""
    names = list(known)
    if len(names) <= MOST_NAMES:
        return ", ".join(names) or "none"
    shown = difflib.get_close_matches(name, names, n=3, cutoff=0)
    return f"{', '.join(shown)} and {len(names) - len(shown)} more"


def _scalar(measure: Measure, evidence: Mapping[str, Sequence[Evidence]]) -> tuple[Interval, Array, Array]:
    totals = [_values(part, evidence[part.run]) for part in measure.parts()]
    centre = float(totals[0].mean() - sum(t.mean() for t in totals[1:]))
    zero = np.zeros(REPLICATES)
    reported = _reported(measure, evidence)
    if reported is not None:
        return reported, normal_noise((reported.high - reported.low) / (2 * normal_quantile(reported.confidence))), zero
    if all(np.ptp(t) == 0 for t in totals):
        return exact(centre, runs=len(totals[0])), zero, zero
    noise = run_noise(totals, REPLICATES)
    found = percentile(centre + noise, centre, n=len(totals[0]), method="Student's t over runs", runs=len(totals[0]))
    return found, zero, noise


def _values(part: Measure, runs: Sequence[Evidence]) -> Array:
    """The scalar of each run. Raises `DataError` where a run has none of that name."""
    for e in runs:
        if part.scalar not in e.scalars:
            raise DataError(f"run {e.run.key}: expected the scalar {part.scalar!r}, got {_there(str(part.scalar), e.scalars)}")
    return np.array([e.scalars[str(part.scalar)] for e in runs], np.float64)


def _reported(measure: Measure, evidence: Mapping[str, Sequence[Evidence]]) -> Interval | None:
    """The interval that a single run reports with a share: scalars ``<name>_low`` and ``_high``, and ``_n`` for ``_share``."""
    runs, name = evidence[measure.run], str(measure.scalar)
    if measure.minus is not None or len(runs) != 1 or not name.endswith("_share"):
        return None
    scalars = runs[0].scalars
    ends = [scalars.get(f"{name}_{end}") for end in ("low", "high")]
    n = scalars.get(f"{name.removesuffix('_share')}_n")
    if n is None or ends[0] is None or ends[1] is None:
        return None
    return Interval(ends[0], scalars[name], ends[1], int(n), "as the run reports it, over clusters")


def _by_confusion(metric: ConfusionMetric, parts: list[list[Observations]], by: str | None) -> tuple[list[Array], Array, Size]:
    """Estimates by run ``(R,)`` of each part, and bootstrap replicates ``(B,)`` of the measure."""
    numbers, size = clusters_of(parts)
    levels = _levels(parts[0], by)
    weights = weights_of(size.clusters)
    totals: list[Array] = []
    draws: list[Array] = []
    for runs, clusters in zip(parts, numbers, strict=True):
        of_run, of_draw = [], []
        for o, index in zip(runs, clusters, strict=True):
            per_level = [confusion(o, np.where(mask, index, -1), size.clusters) for mask in _masks(o, by, levels)]
            of_run.append(_gap([metric.from_confusion(m.sum(axis=0)[None]) for m in per_level], by))
            of_draw.append([metric.from_confusion(_weighted(weights, m)) for m in per_level])
        totals.append(np.concatenate(of_run))
        mean_by_level = [np.mean([d[i] for d in of_draw], axis=0) for i in range(len(of_draw[0]))]
        draws.append(_gap(mean_by_level, by))
    if by is not None:  # the gap of the mean over runs, not the mean of gaps, which noise alone would open
        mean = [np.mean([float(metric(o.take(mask))) for o, mask in pairs]) for pairs in
                ([(o, _masks(o, by, levels)[i]) for o in parts[0]] for i in range(len(levels)))]
        shift = float(np.max(mean) - np.min(mean)) - float(totals[0].mean())
        totals = [totals[0] + shift]
    return totals, draws[0] if len(draws) == 1 else draws[0] - draws[1], size


def _weighted(weights: NDArray[np.float32], by_cluster: Array) -> Array:
    g, c, _ = by_cluster.shape
    flat = by_cluster.reshape(g, c * c).astype(np.float32)
    return (weights @ flat).astype(np.float64).reshape(-1, c, c)


def _levels(runs: Sequence[Observations], by: str | None) -> list[str]:
    if by is None:
        return []
    for o in runs:
        if by not in o.groups:
            raise DataError(f"the data has no column {by!r}: {by.replace('_', ' ')} of the patients is not known")
    found = sorted({str(v) for o in runs for v in np.unique(o[by])} - {""})
    if len(found) < 2:
        raise DataError(f"the column {by!r} has {plural(len(found), 'known group')}, and a gap "
                        "needs two")
    return found


def _masks(o: Observations, by: str | None, levels: list[str]) -> list[NDArray[np.bool_]]:
    return [np.ones(len(o), bool)] if by is None else [o[by] == level for level in levels]


def _gap(by_level: Sequence[Array], by: str | None) -> Array:
    """Largest minus smallest over the groups; a group that a replicate did not draw is left out of it."""
    if by is None:
        return by_level[0]
    stacked = np.stack(by_level)
    return np.asarray(np.nanmax(stacked, axis=0) - np.nanmin(stacked, axis=0))


def _by_calling(metric: Callable[[Observations], float], parts: list[list[Observations]]) -> tuple[list[Array], Array, Size]:
    """The same for any function of observations: resample the clusters and call it."""
    numbers, size = clusters_of(parts)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    members = [[[np.flatnonzero(index == k) for k in range(size.clusters)] for index in runs] for runs in numbers]
    totals = [np.array([float(metric(o)) for o in runs]) for runs in parts]
    draws = np.empty((len(parts), GENERIC_REPLICATES))
    for b in range(GENERIC_REPLICATES):
        chosen = rng.integers(0, size.clusters, size.clusters)
        for p, runs in enumerate(parts):
            draws[p, b] = np.mean([metric(_resampled(o, np.concatenate([own[k] for k in chosen])))
                                   for o, own in zip(runs, members[p], strict=True)])
    return totals, draws[0] if len(draws) == 1 else draws[0] - draws[1], size


def _resampled(o: Observations, rows: NDArray[np.int64]) -> Observations:
    arrays: dict[str, Any] = {name: a[rows] for name, a in o.arrays.items()}
    arrays["sample_id"] = np.arange(len(rows)).astype(np.str_)  # drawn twice is two samples
    return Observations(arrays, o.classes, o.cluster)


def _by_contribution(claim: Claim, metric: ByContribution, parts: list[list[Observations]]) -> tuple[Interval, Array, Array]:
    """The interval from the influences that the metric gives; samples (or clusters) that two runs or parts share are drawn together."""
    if claim.measure.by is not None:
        raise DataError(f"measure: expected no 'by' with the metric {metric.name}, which compares groups itself, got {claim.measure.by!r}")
    numbers, size = clusters_of(parts, metric.made_by_run)
    weights = weights_of(size.clusters)
    totals: list[Array] = []
    deviations = np.zeros(len(weights))
    least = np.zeros(2)
    taking_part = 0
    for sign, runs, clusters in zip((1, -1), parts, numbers, strict=False):
        found = [metric.by_row(o) for o in runs]
        totals.append(np.array([f.value for f, _ in found]))
        for (_, added), index in zip(found, clusters, strict=True):
            by_cluster = np.bincount(index, np.nan_to_num(added), size.clusters)
            deviations += sign * (weights @ by_cluster.astype(np.float32)).astype(np.float64) / len(runs)
        spans = np.mean([f.least or (f.value, f.value) for f, _ in found], axis=0)
        least += spans if sign > 0 else -spans[::-1]
        taking_part = taking_part or int(np.isfinite(found[0][1]).sum())
    centre = float(totals[0].mean() - sum(t.mean() for t in totals[1:]))
    found_interval, deviations, noise = _interval(claim, totals, centre + deviations, replace(size, n=taking_part), None,
                                                  "influence of each of the", _bounds(claim, metric))
    return within(widened(found_interval, (float(least[0]), float(least[1]))), _bounds(claim, metric)), deviations, noise


def _by_interval(claim: Claim, metric: ByInterval, parts: list[list[Observations]]) -> tuple[Interval, Array, Array]:
    """The metric's own interval of one run; of several, or of a difference, the spread over runs is added to their errors."""
    if claim.measure.by is not None:
        raise DataError(f"measure: expected no 'by' with the metric {metric.name}, got {claim.measure.by!r}")
    confidence = claim.criterion.confidence
    found = [[metric.of(o, confidence) for o in runs] for runs in parts]
    errors = [(i.high - i.low) / (2 * normal_quantile(confidence)) / len(runs) for runs in found for i in runs]
    deviations, noise = normal_noise(math.hypot(*errors)), np.zeros(REPLICATES)
    if len(found) == len(found[0]) == 1:
        return found[0][0], deviations, noise
    totals = [np.array([i.estimate for i in runs]) for runs in found]
    centre, noise, first = float(totals[0].mean() - sum(t.mean() for t in totals[1:])), run_noise(totals, REPLICATES), found[0][0]
    of_all = percentile(centre + deviations + noise, centre, n=first.n, confidence=confidence, runs=len(totals[0]), clusters=first.clusters,
                        method=f"{first.method}, with the spread over runs (t)")
    return of_all, deviations, noise


def _interval(claim: Claim, totals: list[Array], replicates: Array, size: Size, counted: tuple[int, int] | None,
              how: str = "bootstrap of", bounds: tuple[float, float] | None = None) -> tuple[Interval, Array, Array]:
    """The interval of what was found, with its error split into samples and training runs."""
    centre, confidence, runs = float(totals[0].mean() - sum(t.mean() for t in totals[1:])), claim.criterion.confidence, len(totals[0])
    deviations = replicates - centre
    noise = run_noise(totals, len(replicates))
    if counted is not None:
        return replace(wilson(*counted, confidence), runs=runs, clusters=counted[1] if size.column else None), deviations, noise
    of = "samples" if not size.column else "clusters" if size.column == "cluster" else f"clusters of {size.column}"
    over = f", with the spread over {runs} runs (t)" if runs > 1 else ""
    found = percentile(centre + deviations + noise, centre, n=size.n, confidence=confidence, runs=runs,
                       clusters=size.clusters if size.column else None, method=f"{how} {of}{over}")
    return within(found, bounds or _bounds(claim)), deviations, noise


def _bounds(claim: Claim, metric: object = None) -> tuple[float, float]:
    """The values that the measure can take: t over few runs has long tails, and a proportion has none beyond 0 and 1."""
    if isinstance(metric, ByContribution):
        low, high = metric.bounds
        return (low, high) if claim.measure.minus is None else (low - high, high - low)
    if claim.criterion.unit in FREE_UNITS:
        return -math.inf, math.inf
    return (-1.0 if claim.measure.minus is not None else 0.0), 1.0


def _with_published_error(claim: Claim, found: Interval, sample: Array, runs: Array, bounds: tuple[float, float]) -> Estimate:
    """Widen by the sampling error of the published figure where the claim is compared with it."""
    error = claim.published.standard_error if claim.criterion.kind == "within" else 0.0
    other = float(np.nanvar(runs)) + error**2
    if error == 0.0:
        return Estimate(found, found, float(np.nanvar(sample)), other)
    draws = found.estimate + sample + runs + normal_noise(error, len(sample))
    wide = percentile(draws, found.estimate, n=found.n, confidence=found.confidence, clusters=found.clusters, runs=found.runs,
                      method=f"{found.method}, with the published figure's own sampling error")
    decided = within(widened(wide, (found.low, found.high)), bounds)
    return Estimate(found, decided, float(np.nanvar(sample)), other)
