"""Numbers as people read them: as many decimals as the interval deserves, units always said."""

from __future__ import annotations

import math

from medpipe.statistics import Interval


def decimals_for(width: float) -> int:
    """Decimals (of per cent) that an interval of this width (in per cent) deserves."""
    return 0 if width >= 10 else 1 if width >= 0.5 else 2


def show(value: float | None, unit: str, decimals: int = 2) -> str:
    """A value with its unit: ``86.42 %``, ``-0.99 points``, ``3,394,053``; a dash for a claim in words."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "no limit"
    if unit == "count":
        if float(value).is_integer():
            return f"{value:,.0f}"
        return f"{value:,.{decimals}f}" if abs(value) >= 1 else f"{value:.{decimals}g}"
    figure = f"{100 * value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
    if not figure.strip("\N{MINUS SIGN}0."):
        figure = figure.removeprefix("\N{MINUS SIGN}")  # nothing rounds to minus nothing
    return f"{figure} %" if unit == "proportion" else f"{figure} points"


def show_interval(interval: Interval, unit: str) -> str:
    """Estimate and interval: ``95.1 % (93.9 to 96.1)``; an exact quantity without interval."""
    if interval.low == interval.high:
        return show(interval.estimate, unit)
    if unit == "count":
        return f"{show(interval.estimate, unit)} ({show(interval.low, unit)} to {show(interval.high, unit)})"
    places = decimals_for(100 * (interval.high - interval.low))
    low, high = (show(v, unit, places).rsplit(" ", 1)[0] for v in (interval.low, interval.high))
    return f"{show(interval.estimate, unit, places)} ({low} to {high})"


def show_region(region: tuple[float, float], unit: str) -> str:
    """An accepted region: ``77.94 to 79.94 %``, ``at most 2.00 points``."""
    low, high = region
    if math.isinf(low) and math.isinf(high):
        return "–"
    if math.isinf(low):
        return f"at most {show(high, unit)}"
    if math.isinf(high):
        return f"at least {show(low, unit)}"
    if low == high or unit == "count":
        return show(low, unit) if low == high else f"{show(low, unit)} to {show(high, unit)}"
    return f"{show(low, unit).rsplit(' ', 1)[0]} to {show(high, unit)}"
