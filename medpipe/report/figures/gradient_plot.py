"""Gradient flow: how much of a loss's gradient is left, the further back a token lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.report.figures.curves import evidence_keys
from medpipe.report.figures.svg import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SECOND,
    WIDE,
    Drawing,
    Figure,
    Scale,
)

SPLIT = "gradients"
SERIES = (
    ("initial", "before training", SECOND, "4 2"),
    ("trained", "after training", ACCENT, None),
)
LEFT, RIGHT, TOP, HEIGHT, FOOT = 40.0, 400.0, 16.0, 96.0, 26.0
THRESHOLD = 1e-3
"""Below it gradients are said to vanish: the definition of `medpipe.pipeline.text.gradients`."""
FLOOR = 1e-8
Array = NDArray[np.float64]


def gradient_flow(title: str, runs: Sequence[Evidence]) -> Figure | None:
    """Median ratio of the gradient's norm at each distance to that at distance 1; None where no run
    measured it.
    """
    measured = [e for e in runs if SPLIT in e.observations]
    if not measured:
        return None
    distances = [int(d) for d in measured[0].resolved["gradients"]["distances"]]
    curves = {
        name: np.array([_ratios(e, name, distances) for e in measured]) for name, *_ in SERIES
    }
    drawing = Drawing(WIDE, TOP + HEIGHT + FOOT)
    y = Scale(
        np.log10(max(FLOOR, min(float(np.nanmin(c[c > 0])) for c in curves.values()) / 2)),
        0.5,
        TOP + HEIGHT,
        TOP,
    )
    x = Scale(0, len(distances) - 1, LEFT, RIGHT)
    _frame(drawing, x, y, distances)
    ends = []
    for name, words, colour, dash in SERIES:
        for run in curves[name]:
            drawing.path(_points(x, y, run), colour, 0.6, dash, 0.55)
        mean = _geometric_mean(curves[name])
        drawing.path(_points(x, y, mean), colour, 1.8, dash)
        last = int(np.flatnonzero(np.isfinite(mean))[-1])
        ends.append((y.clipped(float(np.log10(mean[last]))), words, colour))
    for shift, (at, words, colour) in enumerate(sorted(ends)):
        drawing.text(
            (RIGHT + 5, at + 2.6 + (6 * shift if abs(ends[0][0] - ends[1][0]) < 9 else 0)),
            words,
            colour=colour,
        )
    return _said(title, measured, curves, distances, drawing)


def _ratios(evidence: Evidence, name: str, distances: Sequence[int]) -> Array:
    norms = evidence.observations[SPLIT].arrays[f"gradient_norm_{name}"].astype(np.float64)
    near = norms[:, distances.index(1)]
    found = np.full(len(distances), np.nan)
    for column in range(len(distances)):
        known = np.isfinite(norms[:, column]) & (near > 0)
        if known.any():
            found[column] = np.median(norms[known, column] / near[known])
    return found


def _frame(drawing: Drawing, x: Scale, y: Scale, distances: Sequence[int]) -> None:
    drawing.text((LEFT - 36, TOP - 7), "gradient, as a share of that at distance 1", colour=MUTED)
    for power in range(int(np.ceil(y.low)), 1):
        drawing.line((LEFT, y(power)), (RIGHT, y(power)), GRID, 0.4)
        label = "1" if power == 0 else f"10^{power}".replace("-", "\N{MINUS SIGN}")
        drawing.text((LEFT - 4, y(power) + 2.5), label, colour=MUTED, anchor="end", size=7)
    level = float(np.log10(THRESHOLD))
    if y.low < level:
        drawing.line((LEFT, y(level)), (RIGHT, y(level)), INK, 0.7)
        drawing.text((RIGHT - 3, y(level) - 3), "vanished below", anchor="end", size=7.5)
    for k, distance in enumerate(distances):
        drawing.text(
            (x(k), TOP + HEIGHT + 11), str(distance), colour=MUTED, anchor="middle", size=7.5
        )
    drawing.text(
        ((LEFT + RIGHT) / 2, TOP + HEIGHT + 22),
        "distance from the state that is read, in tokens",
        colour=MUTED,
        anchor="middle",
        size=7.5,
    )


def _points(x: Scale, y: Scale, ratios: Array) -> list[tuple[float, float]]:
    return [
        (x(k), y.clipped(float(np.log10(max(r, FLOOR)))))
        for k, r in enumerate(ratios)
        if np.isfinite(r)
    ]


def _geometric_mean(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over runs, ``(D,)`` from ``(R, D)``; NaN at a distance that no run has."""
    there = np.isfinite(ratios)
    logs = np.where(
        there, np.log(np.maximum(ratios, FLOOR, where=there, out=np.ones_like(ratios))), 0.0
    ).sum(axis=0)
    return np.asarray(
        np.where(there.any(axis=0), np.exp(logs / np.maximum(there.sum(axis=0), 1)), np.nan)
    )


def _said(
    title: str,
    runs: Sequence[Evidence],
    curves: dict[str, Array],
    distances: Sequence[int],
    drawing: Drawing,
) -> Figure:
    far = int(runs[0].resolved["gradients"]["far"])
    at = distances.index(far)
    left = {name: float(np.nanmedian(c[:, at])) for name, c in curves.items()}
    answer = (
        f"At {far} tokens {_share(left['trained'])} of the gradient is left after training"
        f" ({_share(left['initial'])} before):"
        f" {'it vanishes' if left['trained'] < THRESHOLD else 'it does not vanish'} by the"
        " definition used here."
    )
    n = sorted({len(e.observations[SPLIT]) for e in runs})
    details = (
        f"Medians over {' or '.join(f'{k:,}' for k in n)} sentences of more than {far} words; thick"
        f" lines are means of {plural(len(runs), 'seed')} on the logarithmic axis, thin lines"
        " single seeds; dashed before training."
    )
    return Figure(
        drawing.svg(), f"{title}. {answer} {details}", answer, details, evidence_keys(runs)
    )


def _share(ratio: float) -> str:
    return (
        f"{100 * ratio:.0f} %"
        if ratio >= 0.1
        else f"{100 * ratio:.2g} %"
        if ratio >= 1e-4
        else f"{ratio:.0e}"
    )
