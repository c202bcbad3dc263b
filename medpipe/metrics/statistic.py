"""A metric over training runs with its sampling error, and how such errors combine.

The error of a proportion comes from its effective sample size; that of an average or a difference
from the intervals of what it is made of (MOVER: the method of variance estimates recovery, Zou and
Donner 2008). Nothing is resampled: a bootstrap cannot draw what was never seen, and is biased for
maxima and distances. `docs/intervals.md` states the methods and how often each is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Observations
from medpipe.metrics.intervals import (
    Spread,
    effective_bounds,
    effective_n,
    joined,
    normal_quantile,
    run_half_width,
    spread_of,
)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Bounds = Callable[[float], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Rows:
    """The observations of each training run, and for each of their rows the number of the sample
    and of the independent unit (its cluster, or the sample itself) that it belongs to.
    """

    runs: Sequence[Observations]
    samples: Sequence[Numbers]
    units: Sequence[Numbers]
    sample_count: int
    unit_count: int

    def where(self, masks: Sequence[Flags]) -> Rows:
        """The rows that a mask for each run keeps."""

        def kept(numbers: Sequence[Numbers]) -> list[Numbers]:
            return [a[m] for a, m in zip(numbers, masks, strict=True)]

        runs = [o if m.all() else o.take(m) for o, m in zip(self.runs, masks, strict=True)]
        return replace(self, runs=runs, samples=kept(self.samples), units=kept(self.units))

    def repeated(self, runs: int) -> Rows:
        """A single run, taken as many times."""
        return replace(
            self,
            runs=list(self.runs) * runs,
            samples=list(self.samples) * runs,
            units=list(self.units) * runs,
        )

    @property
    def clustered(self) -> bool:
        """Whether samples depend on each other."""
        return self.runs[0].cluster is not None

    @property
    def n(self) -> int:
        """Samples of the first run."""
        return len(self.runs[0])


@dataclass(frozen=True, eq=False)
class Statistic:
    """A value for each run ``(R,)`` and the error that the samples give to their mean.

    ``bounds`` maps a probability to the lower and upper bound that each miss with it at most.
    ``influence`` float64 ``(U,)`` is what each unit adds to the error, to first order, and
    ``takes_part`` bool ``(U,)`` whether it is in it at all. ``biased`` values keep their bounds,
    but their errors may not be added as squares. ``n`` samples of the first run count.
    """

    by_run: Array
    influence: Array
    takes_part: Flags
    bounds: Bounds
    n: int
    biased: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", cache(self.bounds))

    @cached_property
    def value(self) -> float:
        """The mean over runs."""
        return float(self.by_run.mean())

    def distances(self, tail: float) -> tuple[float, float]:
        """How far the lower and the upper bound are from the value."""
        low, high = self.bounds(tail)
        return max(self.value - low, 0.0), max(high - self.value, 0.0)

    def with_runs(self, tail: float) -> tuple[float, float]:
        """The bounds with the spread over training runs added."""
        return widened_by_runs(self.value, self.bounds(tail), self.by_run, tail)

    def recentred(self, by_run: Array, n: int) -> Statistic:
        """The same error about other values, of ``n`` samples."""
        shift = float(by_run.mean()) - self.value

        def bounds(tail: float) -> tuple[float, float]:
            low, high = self.bounds(tail)
            return low + shift, high + shift

        return replace(self, by_run=by_run, bounds=bounds, n=n)

    def mapped(self, f: Callable[[Array], Array], slope: float) -> Statistic:
        """A growing function of it, with its slope at the value."""

        def bounds(tail: float) -> tuple[float, float]:
            low, high = f(np.array(self.bounds(tail)))
            shift = float(f(self.by_run).mean() - f(np.array([self.value]))[0])
            return float(low) + shift, float(high) + shift

        return replace(self, by_run=f(self.by_run), influence=slope * self.influence, bounds=bounds)


def widened_by_runs(
    value: float, bounds: tuple[float, float], by_run: Array, tail: float
) -> tuple[float, float]:
    """The bounds of the samples' error with Student's t over training runs added."""
    half = run_half_width(by_run, tail)
    return (
        value - math.hypot(max(value - bounds[0], 0.0), half),
        value + math.hypot(max(bounds[1] - value, 0.0), half),
    )


@dataclass(frozen=True, eq=False)
class _Weighed:
    """The mean over runs of means of rows: value by run, contributions by unit, and how many
    count.
    """

    by_run: Array
    influence: Array
    takes_part: Flags
    spread: Spread
    n: int
    least: float
    most: float


def _weighed(rows: Rows, values: Sequence[Array], among: Sequence[Flags] | None) -> _Weighed:
    """The mean of ``values`` ``(N,)`` of each run over the rows ``among`` which they count."""
    by_run, influence = [], np.zeros(rows.unit_count)
    of_unit, of_sample = np.zeros(rows.unit_count), np.zeros(rows.sample_count)
    for r, value in enumerate(values):
        kept = slice(None) if among is None else among[r]
        counted, units = value[kept], rows.units[r][kept]
        n = len(counted)
        by_run.append(float(counted.mean()) if n else 0.0)
        if n:
            scale = n * len(values)
            influence += np.bincount(units, counted - by_run[-1], rows.unit_count) / scale
            of_unit += np.bincount(units, minlength=rows.unit_count) / scale
            if rows.clustered:
                of_sample += np.bincount(rows.samples[r][kept], minlength=rows.sample_count) / scale
    takes_part = of_unit > 0
    least = _kish(of_unit)
    most = len(values) * (
        _kish(of_sample) if rows.clustered else least
    )  # runs may err on other samples
    return _Weighed(
        np.array(by_run),
        influence,
        takes_part,
        spread_of(influence, int(takes_part.sum())),
        rows.n if among is None else int(among[0].sum()),
        least,
        most,
    )


def _kish(weights: Array) -> float:
    """The number of equally weighted units that know as much (Kish); 0 of none."""
    total = float(weights.sum())
    return total**2 / float((weights**2).sum()) if total else 0.0


def proportion(
    rows: Rows, hits: Sequence[Array], among: Sequence[Flags] | None = None
) -> Statistic:
    """A share of the rows ``among`` which ``hits`` (0 to 1) are counted; 0 of none, and nothing is
    known of it then.
    """
    found = _weighed(rows, [np.asarray(h, np.float64) for h in hits], among)
    p = min(max(float(found.by_run.mean()), 0.0), 1.0)

    def bounds(tail: float) -> tuple[float, float]:
        if not found.least:
            return 0.0, 1.0
        n = effective_n(p, found.spread, tail, found.least, found.most)
        return effective_bounds(p, n, tail)

    return Statistic(found.by_run, found.influence, found.takes_part, bounds, found.n)


def mean_of(
    rows: Rows, values: Sequence[Array], unseen: float = 0.0, errors: Sequence[Array] | None = None
) -> Statistic:
    """The mean of ``values`` (0 and more): Student's t over units.

    Where it is ruled by rare ``errors`` (1 for each, 0 else) these may be missing by chance: as
    many as are not excluded count ``unseen`` each towards the upper bound.
    """
    found = _weighed(rows, values, None)
    value = float(found.by_run.mean())
    wrong = None if errors is None else _weighed(rows, errors, None)

    def bounds(tail: float) -> tuple[float, float]:
        low, high = (found.spread.half_width(tail, side) for side in (0, 1))
        if wrong is not None:
            rate = float(wrong.by_run.mean())
            n = effective_n(rate, wrong.spread, tail, wrong.least, wrong.most)[1]
            high = math.hypot(high, unseen * (1 - tail ** (1 / n)))
        return max(value - low, 0.0), value + high

    return Statistic(found.by_run, found.influence, found.takes_part, bounds, found.n)


def centred(rows: Rows, by_run: Array, influences: Sequence[Array]) -> Statistic:
    """A value for each run with the influence of each of its rows ``(N,)``, whose mean is its
    error: Student's t.
    """
    found = _weighed(rows, influences, None)

    def bounds(tail: float) -> tuple[float, float]:
        value = float(by_run.mean())
        return value - found.spread.half_width(tail, 0), value + found.spread.half_width(tail, 1)

    return Statistic(by_run, found.influence, found.takes_part, bounds, found.n)


def combined(parts: Sequence[tuple[float, Statistic]]) -> Statistic:
    """The sum of weighted statistics from the bounds of each (MOVER).

    Errors that grow together count so; where they offset each other, that is not relied upon.
    """
    weights = np.array([w for w, _ in parts])
    statistics = [s for _, s in parts]
    influences = weights[:, None] * np.stack([s.influence for s in statistics])
    together = _growing_together(influences, np.stack([s.takes_part for s in statistics]))
    by_run = np.sum([w * s.by_run for w, s in parts], axis=0)
    value = float(by_run.mean())

    def bounds(tail: float) -> tuple[float, float]:
        pairs = [s.distances(tail) if w >= 0 else s.distances(tail)[::-1] for w, s in parts]
        low, high = np.abs(weights) * np.array(pairs).T
        return value - math.sqrt(low @ together @ low), value + math.sqrt(high @ together @ high)

    return Statistic(
        by_run,
        influences.sum(axis=0),
        np.any([s.takes_part for s in statistics], axis=0),
        bounds,
        max(s.n for s in statistics),
        any(s.biased for s in statistics),
    )


def _growing_together(influences: Array, takes_part: Flags) -> Array:
    """Correlations of errors, none below 0; 1 where two share units and nothing is known of one of
    them.
    """
    norms = np.sqrt((influences**2).sum(axis=1))
    products = np.outer(norms, norms)
    share = (takes_part.astype(np.float64) @ takes_part.T.astype(np.float64)) > 0
    known = products > 0
    found = np.where(share, 1.0, 0.0)
    found[known] = np.clip((influences @ influences.T)[known] / products[known], 0.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found, np.float64)


def correlation(first: Statistic, second: Statistic) -> float:
    """The correlation of the errors of two statistics; 0 where one of them is not known to have
    any.
    """
    norms = float(np.linalg.norm(first.influence) * np.linalg.norm(second.influence))
    return float(first.influence @ second.influence) / norms if norms else 0.0


def difference(first: Statistic, second: Statistic) -> Statistic:
    """``first - second`` from the bounds of each. Their correlation, where both rest on the same
    units, counts as far as it is surely known; run by run where both have as many.
    """
    value = first.value - second.value
    rho = _at_least(correlation(first, second), first.influence * second.influence)
    same = len(first.by_run) == len(second.by_run)

    def bounds(tail: float) -> tuple[float, float]:
        (a_low, a_high), (b_low, b_high) = first.distances(tail), second.distances(tail)
        if first.biased or second.biased:
            reach = a_low + b_high, a_high + b_low
        else:
            reach = joined((a_low, b_high), rho), joined((a_high, b_low), rho)
        runs = (
            (0.0,)
            if same
            else (run_half_width(first.by_run, tail), run_half_width(second.by_run, tail))
        )
        return value - math.hypot(reach[0], *runs), value + math.hypot(reach[1], *runs)

    by_run = first.by_run - second.by_run if same else np.array([value])
    return Statistic(
        by_run,
        first.influence - second.influence,
        first.takes_part | second.takes_part,
        bounds,
        first.n,
        first.biased or second.biased,
    )


def _at_least(rho: float, products: Array) -> float:
    """A correlation reduced by its own error (Fisher's z, 97.5 %), no further than to 0."""
    df = spread_of(products - products.mean()).df
    if rho <= 0 or df < 4:
        return min(rho, 0.0)
    z = math.atanh(min(rho, 1 - 1e-12)) - normal_quantile(0.95) / math.sqrt(df - 1)
    return max(math.tanh(z), 0.0)


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups, and the bounds that follow from all pairs."""

    low: float
    value: float
    high: float


def gap(groups: Sequence[Statistic], tail: float) -> Gap:
    """The largest difference between any two of the groups.

    The upper bound is the largest that a single pair has: the pair that differs most is one of
    them, so it misses that pair's difference with ``tail`` at most. The lower bound is the largest
    of the pairs' lower bounds, each corrected for their number and for both directions
    (Bonferroni).
    """
    k = len(groups)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    each = tail / (2 * len(pairs))
    low, high = 0.0, 0.0
    at = [(g.distances(tail), g.distances(each)) for g in groups]
    for i, j in pairs:
        first, second = groups[i], groups[j]
        rho = min(correlation(first, second), 0.0)
        biased = first.biased or second.biased
        by_run = first.by_run - second.by_run
        value = float(by_run.mean())
        for which, probability in enumerate((tail, each)):
            (a_low, a_high), (b_low, b_high) = at[i][which], at[j][which]
            reach = [
                a + b if biased else joined((a, b), rho)
                for a, b in ((a_low, b_high), (a_high, b_low))
            ]
            ends = widened_by_runs(value, (value - reach[0], value + reach[1]), by_run, probability)
            if which == 0:
                high = max(high, ends[1], -ends[0])
            else:
                low = max(low, ends[0], -ends[1])
    values = [g.value for g in groups]
    widest = max(values) - min(values)
    return Gap(min(low, widest), widest, max(high, widest))
