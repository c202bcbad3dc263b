"""Estimate a measure with its interval, over samples in clusters, training runs and the published
figure.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe import registry
from medpipe.errors import DataError, SpecError
from medpipe.evidence import Evidence, Observations
from medpipe.formatting import plural
from medpipe.judging.own_error import bounds_of, by_contribution, by_interval, over_runs
from medpipe.judging.selection import selected
from medpipe.metrics.calibration import CalibrationMetric
from medpipe.metrics.classification import ConfusionMetric
from medpipe.metrics.contributing import ByContribution, ByInterval
from medpipe.metrics.contributions import within
from medpipe.metrics.intervals import Interval, exact, normal_quantile, run_half_width
from medpipe.metrics.own import OwnMetric
from medpipe.metrics.statistic import Rows, Statistic, difference, gap
from medpipe.metrics.units import Size, rows_of
from medpipe.specs.claim import FREE_UNITS, STATEMENT, Claim, Criterion, Measure, Published, Source
from medpipe.specs.loading import Specs

Array = NDArray[np.float64]
MOST_NAMES = 8
"""So many splits or scalars of a run are all named where one is missing."""

ON_A_RATIO_SCALE = ("_ratio", "_norm")
"""In the names of scalars, such as norms of gradients, that differ between runs by factors: a mean
of them is that of the largest.
"""


@dataclass(frozen=True)
class Estimate:
    """What was found, and what the rule decides by; the variances tell what an inconclusive claim
    would need.

    ``otherwise`` holds what the rule would decide by if the samples of unknown group were of the
    groups that change most, ``unknown`` how many there are. ``convention`` says what was averaged
    and which class is the positive one.
    """

    found: Interval
    decided_by: Interval
    sample_variance: float
    other_variance: float
    otherwise: tuple[Interval, ...] = ()
    unknown: int = 0
    convention: str = ""


@dataclass(frozen=True)
class _Found:
    """Bounds with everything in them but the published figure's error, and the parts of the
    error.
    """

    interval: Interval
    sample_variance: float
    run_variance: float = 0.0


def estimate(claim: Claim, evidence: Mapping[str, Sequence[Evidence]]) -> Estimate:
    """Estimate a claim's measure from the evidence of each protocol it names. Raises `DataError`
    where something it needs is absent.
    """
    measure = claim.measure
    if measure.scalar is not None:
        return _with_published_error(claim, _scalar(claim, evidence), _bounds(claim))
    metric = _metric(str(measure.metric))
    parts = [[selected(_split(e, p), p) for e in evidence[p.run]] for p in measure.parts()]
    bounds = _bounds(claim, metric)
    if isinstance(metric, ByContribution | ByInterval) and measure.by is not None:
        raise DataError(
            f"measure: expected no 'by' with the metric {metric.name}, got {measure.by!r}"
        )
    if isinstance(metric, ByContribution | ByInterval):
        return _with_published_error(claim, _by_own_error(claim, metric, parts), bounds)
    if not isinstance(metric, ConfusionMetric | CalibrationMetric):
        metric = OwnMetric(str(measure.metric), metric)
        _require_possible(claim, metric, parts, bounds)
    return _by_statistic(claim, metric, parts)


def _metric(name: str) -> Any:
    metric = registry.resolve("metric", name)
    if not callable(metric):
        raise SpecError(
            f"metric {name!r}",
            "a function from Observations to a number",
            f"an object of type {type(metric).__name__!r}",
        )
    return metric


def own_metrics(specs: Specs) -> dict[str, bytes]:
    """The source files of all metrics that are the user's own code, by path beside the
    specifications; imports them.
    """
    own = registry.allowed_code()
    names = {
        p.metric
        for claim in specs.claims
        for p in claim.measure.parts()
        if p.metric is not None and ":" in p.metric
    }
    for name in sorted(names):
        _metric(name)
    return own.files() if own is not None and names else {}


def _require_possible(
    claim: Claim, metric: OwnMetric, parts: list[list[Observations]], bounds: tuple[float, float]
) -> None:
    """Refuse what a metric of this unit cannot be: somebody else's function may return anything."""
    low, high = (-1.0 if claim.criterion.unit == "points" else bounds[0]), bounds[1]
    for value in (metric(o) for runs in parts for o in runs):
        if not low <= value <= high:
            span = (
                f"a number from {low:g} to {high:g}" if math.isfinite(high) else "a finite number"
            )
            raise DataError(
                f"the metric {claim.measure.metric!r}: expected {span} (unit"
                f" {claim.criterion.unit}), got {value:g}"
            )


def interval_of(measure: Measure, runs: Sequence[Evidence], unit: str) -> Interval:
    """The 95 % interval of a measure of one protocol that no claim speaks of. Raises `DataError` as
    `estimate` does.
    """
    claim = Claim(
        "",
        "",
        "",
        Source("", "", "", ""),
        Published(None),
        measure,
        Criterion(STATEMENT, 0.0, 0.0, "", unit),
        (),
    )
    return estimate(claim, {measure.run: runs}).found


def _split(evidence: Evidence, part: Measure) -> Observations:
    if part.split not in evidence.observations:
        have = _there(str(part.split), evidence.observations)
        raise DataError(
            f"run {evidence.run.key}: expected observations of the split {part.split!r}, got {have}"
        )
    return evidence.observations[str(part.split)]


def _there(name: str, known: Iterable[str]) -> str:
    """The names that there are; of many only those most like the one that is not, for a reader has
    to get past them.
    """
    names = list(known)
    if len(names) <= MOST_NAMES:
        return ", ".join(names) or "none"
    shown = difflib.get_close_matches(name, names, n=3, cutoff=0)
    return f"{', '.join(shown)} and {len(names) - len(shown)} more"


def _scalar(claim: Claim, evidence: Mapping[str, Sequence[Evidence]]) -> _Found:
    measure, tail = claim.measure, (1 - claim.criterion.confidence) / 2
    totals = [_values(part, evidence[part.run]) for part in measure.parts()]
    centre = float(totals[0].mean() - sum(t.mean() for t in totals[1:]))
    reported = _reported(measure, evidence)
    if reported is not None:
        return _Found(
            reported,
            ((reported.high - reported.low) / (2 * normal_quantile(reported.confidence))) ** 2,
        )
    if all(len(t) == 1 for t in totals) and not _is_count(measure, claim.criterion.unit, centre):
        raise DataError(
            f"one run reports {measure.scalar} = {centre:.4g} without an interval, and other"
            " training runs may differ; give it more seeds, or let the run report"
            f" {measure.scalar}_low and {measure.scalar}_high"
        )
    if all(np.ptp(t) == 0 for t in totals):
        return _Found(exact(centre, runs=len(totals[0])), 0.0)
    if (
        measure.minus is None
        and (totals[0] > 0).all()
        and any(part in str(measure.scalar) for part in ON_A_RATIO_SCALE)
    ):
        return _geometric(totals[0], claim.criterion.confidence)
    paired = len({len(t) for t in totals}) == 1
    spreads = [totals[0] - sum(totals[1:])] if paired else totals
    half = math.hypot(*(run_half_width(s, tail) for s in spreads))
    found = Interval(
        centre - half,
        centre,
        centre + half,
        len(totals[0]),
        "Student's t over runs",
        claim.criterion.confidence,
        runs=len(totals[0]),
    )
    return _Found(found, 0.0, sum(float(np.var(s, ddof=1)) / len(s) for s in spreads if len(s) > 1))


def _is_count(measure: Measure, unit: str, value: float) -> bool:
    """Whether a run counts the quantity exactly: parameters, or the bytes of a file."""
    return unit in FREE_UNITS and (value.is_integer() or str(measure.scalar).startswith("size_mb_"))


def _geometric(values: Array, confidence: float) -> _Found:
    """The geometric mean over runs of a quantity that varies by factors: Student's t of its
    logarithms.
    """
    logs = np.log(values)
    half, centre = run_half_width(logs, (1 - confidence) / 2), float(logs.mean())
    low, value, high = (math.exp(min(end, 700.0)) for end in (centre - half, centre, centre + half))
    found = Interval(
        low,
        value,
        high,
        len(values),
        "geometric mean, Student's t of logarithms over runs",
        confidence,
        runs=len(values),
    )
    return _Found(found, 0.0, ((high - low) / (2 * normal_quantile(confidence))) ** 2)


def _values(part: Measure, runs: Sequence[Evidence]) -> Array:
    """The scalar of each run. Raises `DataError` where a run has none of that name."""
    for e in runs:
        if part.scalar not in e.scalars:
            raise DataError(
                f"run {e.run.key}: expected the scalar {part.scalar!r}, got"
                f" {_there(str(part.scalar), e.scalars)}"
            )
    return np.array([e.scalars[str(part.scalar)] for e in runs], np.float64)


def _reported(measure: Measure, evidence: Mapping[str, Sequence[Evidence]]) -> Interval | None:
    """The interval that a single run reports with a share: scalars ``<name>_low`` and ``_high``,
    and ``_n`` for ``_share``.
    """
    runs, name = evidence[measure.run], str(measure.scalar)
    if measure.minus is not None or len(runs) != 1 or not name.endswith("_share"):
        return None
    scalars = runs[0].scalars
    ends = [scalars.get(f"{name}_{end}") for end in ("low", "high")]
    n = scalars.get(f"{name.removesuffix('_share')}_n")
    if n is None or ends[0] is None or ends[1] is None:
        return None
    return Interval(ends[0], scalars[name], ends[1], int(n), "as the run reports it, over clusters")


Metric = ConfusionMetric | CalibrationMetric | OwnMetric


def _by_statistic(claim: Claim, metric: Metric, parts: list[list[Observations]]) -> Estimate:
    """Metrics that give their error as a `Statistic`: alone, of two parts, or by group."""
    measure, bounds = claim.measure, _bounds(claim, metric)
    rows, size = rows_of(parts)
    classes = parts[0][0].classes
    expected = (
        [classes.index(c) for c in measure.among]
        if measure.among and not measure.positive
        else range(len(classes))
    )
    convention = _convention(metric, measure, parts[0][0])
    if measure.by is not None:
        return replace(_by_group(claim, metric, rows[0], size, expected), convention=convention)
    if len(rows) == 1:
        statistic = metric.statistic(rows[0], expected)
    else:
        paired = (
            metric.paired(rows[0], rows[1], expected)
            if isinstance(metric, ConfusionMetric)
            else None
        )
        statistic = paired or difference(
            metric.statistic(rows[0], expected), metric.statistic(rows[1], expected)
        )
    found = _of_statistic(claim, statistic, size, _method(metric, measure, size, len(rows[0].runs)))
    return replace(_with_published_error(claim, found, bounds), convention=convention)


def _of_statistic(claim: Claim, statistic: Statistic, size: Size, method: str) -> _Found:
    confidence = claim.criterion.confidence
    tail, z = (1 - confidence) / 2, normal_quantile(confidence)
    below, above = statistic.distances(tail)
    low, high = statistic.with_runs(tail)
    clusters = size.clusters if size.column else None
    found = Interval(
        low, statistic.value, high, statistic.n, method, confidence, clusters, len(statistic.by_run)
    )
    return _Found(
        found, ((below + above) / (2 * z)) ** 2, (run_half_width(statistic.by_run, tail) / z) ** 2
    )


def _by_group(
    claim: Claim, metric: Metric, rows: Rows, size: Size, expected: Collection[int]
) -> Estimate:
    """The largest difference between groups; samples of unknown group are left out, and then put
    wherever they change most.
    """
    by, runs = str(claim.measure.by), len(rows.runs)
    labels = [_column(o, by) for o in rows.runs]
    levels = sorted({str(v) for names in labels for v in np.unique(names)} - {""})
    if len(levels) < 2:
        raise DataError(
            f"the column {by!r} has {plural(len(levels), 'known group')}, and a gap needs two"
        )
    pairs = len(levels) * (len(levels) - 1) // 2
    method = _method(metric, claim.measure, size, runs) + (
        f"; bounds over all {pairs} pairs of {len(levels)} groups" if pairs > 1 else ""
    )

    def judged(names: Sequence[NDArray[Any]]) -> Estimate:
        groups = [_of_group(metric, rows, names, level, by, expected) for level in levels]
        return _with_published_error(
            claim, _of_gap(claim, groups, size, method), _bounds(claim, metric)
        )

    unknown = int((labels[0] == "").sum())
    if not any((names == "").any() for names in labels):
        return judged(labels)
    others = tuple(judged(names).decided_by for names in _placements(rows.runs, labels, levels))
    return replace(judged(labels), otherwise=others, unknown=unknown)


def _of_gap(claim: Claim, groups: Sequence[Statistic], size: Size, method: str) -> _Found:
    confidence = claim.criterion.confidence
    tail, z = (1 - confidence) / 2, normal_quantile(confidence)
    found = gap(groups, tail)
    alone = gap([replace(g, by_run=np.array([g.value])) for g in groups], tail)
    interval = Interval(
        found.low,
        found.value,
        found.high,
        size.n,
        method,
        confidence,
        size.clusters if size.column else None,
        len(groups[0].by_run),
    )
    of_samples, of_all = (((g.high - g.low) / (2 * z)) ** 2 for g in (alone, found))
    return _Found(interval, of_samples, max(of_all - of_samples, 0.0))


def _of_group(
    metric: Metric,
    rows: Rows,
    labels: Sequence[NDArray[Any]],
    level: str,
    by: str,
    expected: Collection[int],
) -> Statistic:
    masks = [names == level for names in labels]
    if not all(m.any() for m in masks):
        raise DataError(
            f"the group {level!r} of the column {by!r} has no sample in some of the runs"
        )
    try:
        return metric.statistic(rows.where(masks), expected)
    except DataError as error:
        raise DataError(f"group {level!r} of the column {by!r}: {error}") from error


def _placements(
    runs: Sequence[Observations], labels: Sequence[NDArray[Any]], levels: Sequence[str]
) -> Iterable[list[NDArray[Any]]]:
    """Group columns in which the unknown samples are all of one group, or those called correctly of
    one and the others of another.
    """
    correct = [
        o["y_true"] == o["y_pred"] if "y_true" in o and "y_pred" in o else np.ones(len(o), bool)
        for o in runs
    ]
    for right in levels:
        for wrong in levels:
            yield [
                np.where(names != "", names, np.where(c, right, wrong))
                for names, c in zip(labels, correct, strict=True)
            ]


def _column(o: Observations, by: str) -> NDArray[Any]:
    if by not in o or by in ("sample_id", "y_true", "y_pred", "y_prob") or o[by].ndim != 1:
        raise DataError(
            f"the data has no column {by!r}: {by.replace('_', ' ')} of the patients is not known"
        )
    return o.column(by)


def _convention(metric: Metric, measure: Measure, o: Observations) -> str:
    """What was averaged, which class is the positive one and from which probability on."""
    sides = ("the other classes", " or ".join(measure.positive)) if measure.positive else o.classes
    said = [metric.convention(measure.among if measure.among and not measure.positive else sides)]
    if measure.positive and sides[1] not in said[0]:
        said.append(f"{sides[1]} against {sides[0]}")
    if measure.among:
        said.append(f"only samples of {', '.join(measure.among)}")
    if measure.threshold is not None:
        said.append(f"called positive from a probability of {measure.threshold:g}")
    elif isinstance(metric, ConfusionMetric):
        said.append("predictions as made, the most probable class where probabilities are stored")
    return "; ".join(s for s in said if s)


def _method(metric: Metric, measure: Measure, size: Size, runs: int) -> str:
    """A sentence part for the reader."""
    of = (
        "samples"
        if not size.column
        else "clusters"
        if size.column == "cluster"
        else f"clusters of {size.column}"
    )
    over = f", with the spread over {runs} runs (t)" if runs > 1 else ""
    joined = ", difference (MOVER)" if measure.minus is not None else ""
    return f"{metric.method} over {of}{joined}{over}"


def _by_own_error(
    claim: Claim, metric: ByContribution | ByInterval, parts: list[list[Observations]]
) -> _Found:
    """The interval of a metric that brings its own error, with the spread over training runs."""
    confidence = claim.criterion.confidence
    found, totals = (
        by_contribution(confidence, metric, parts)
        if isinstance(metric, ByContribution)
        else by_interval(confidence, metric, parts)
    )
    of_all = over_runs(found, totals)
    of_samples, both = (
        ((i.high - i.low) / (2 * normal_quantile(confidence))) ** 2 for i in (found, of_all)
    )
    return _Found(within(of_all, bounds_of(claim.measure, metric)), of_samples, both - of_samples)


def _bounds(claim: Claim, metric: object = None) -> tuple[float, float]:
    """The values that the measure can take: t over few runs has long tails, and a proportion has
    none beyond 0 and 1.
    """
    if isinstance(metric, ByContribution | ByInterval):
        return bounds_of(claim.measure, metric)
    if claim.criterion.unit in FREE_UNITS:
        return -math.inf, math.inf
    return (-1.0 if claim.measure.minus is not None else 0.0), 1.0


def _with_published_error(claim: Claim, found: _Found, bounds: tuple[float, float]) -> Estimate:
    """Widen by the sampling error of the published figure where the claim is compared with it."""
    shown = within(found.interval, bounds)
    error = claim.published.standard_error if claim.criterion.kind == "within" else 0.0
    other = found.run_variance + error**2
    if error == 0.0:
        return Estimate(shown, shown, found.sample_variance, other)
    half, i = normal_quantile(claim.criterion.confidence) * error, found.interval
    decided = replace(
        i,
        low=i.estimate - math.hypot(i.estimate - i.low, half),
        high=i.estimate + math.hypot(i.high - i.estimate, half),
        method=f"{i.method}, with the published figure's own sampling error",
    )
    return Estimate(shown, within(decided, bounds), found.sample_variance, other)
