"""Format numbers, intervals and accepted regions for readers, with units and sensible decimals."""

from __future__ import annotations

import math

from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.specs.claim import FREE_UNITS


def decimals_for(width: float) -> int:
    """Decimals (of per cent) that an interval of this width (in per cent) deserves."""
    return 0 if width >= 10 else 1 if width >= 0.5 else 2


def decimals_to_show(size: float, digits: int = 2) -> int:
    """Decimals that show a size of its own scale with some significant digits: 4 for 0.0012; 0
    where it is large.
    """
    return min(max(digits - 1 - math.floor(math.log10(size)), 0), 12) if size > 0 else digits


def show(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A value with its unit: ``86.42 %``, ``-0.99 points``, ``3,394,053``, ``0.0123``; a dash for a
    claim in words.
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "no limit"
    if unit == "number":
        places = decimals_to_show(abs(value), 3) if decimals is None else decimals
        return _never_minus_nothing(f"{value:,.{places}f}")
    decimals = 2 if decimals is None else decimals
    if unit == "count":
        if float(value).is_integer():
            return f"{value:,.0f}"
        return f"{value:,.{decimals}f}" if abs(value) >= 1 else f"{value:.{decimals}g}"
    figure = _never_minus_nothing(f"{100 * value:.{decimals}f}")
    return f"{figure} %" if unit == "proportion" else plural(figure, "point")


def _never_minus_nothing(figure: str) -> str:
    """A figure with a true minus sign, and none before what rounds to nothing."""
    return figure.replace("-", "\N{MINUS SIGN}" if figure.strip("-0.") else "")


def show_interval(interval: Interval, unit: str) -> str:
    """Estimate and interval: ``95.1 % (93.9 to 96.1)``; an exact quantity without interval."""
    if interval.low == interval.high:
        return show(interval.estimate, unit)
    if unit == "count":
        return (
            f"{show(interval.estimate, unit)} ({show(interval.low, unit)} to"
            f" {show(interval.high, unit)})"
        )
    if unit == "number":
        places = decimals_to_show(interval.high - interval.low)
        return (
            f"{show(interval.estimate, unit, places)} ({show(interval.low, unit, places)} to"
            f" {show(interval.high, unit, places)})"
        )
    places = decimals_for(100 * (interval.high - interval.low))
    low, high = (show(v, unit, places).rsplit(" ", 1)[0] for v in (interval.low, interval.high))
    return f"{show(interval.estimate, unit, places)} ({low} to {high})"


def show_runs(interval: Interval) -> str:
    """How many training runs a number is the mean of; one says nothing about others."""
    caution = single_run_caution(interval)
    return plural(interval.runs, "run") + (f"; {caution}" if caution else "")


def single_run_caution(interval: Interval) -> str:
    """What to say beside a number of one training run; empty for several, and for exact counts."""
    is_single = interval.runs == 1 and interval.low < interval.high
    return "other training runs may differ" if is_single else ""


def show_region(region: tuple[float, float], unit: str) -> str:
    """An accepted region: ``77.94 to 79.94 %``, ``at most 2.00 points``."""
    low, high = region
    if math.isinf(low) and math.isinf(high):
        return "–"
    if math.isinf(low):
        return f"at most {show(high, unit)}"
    if math.isinf(high):
        return f"at least {show(low, unit)}"
    if low == high or unit in FREE_UNITS:
        return show(low, unit) if low == high else f"{show(low, unit)} to {show(high, unit)}"
    return f"{show(low, unit).rsplit(' ', 1)[0]} to {show(high, unit)}"
