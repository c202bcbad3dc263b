"""Learning curves: how accuracy and loss went, epoch by epoch, for every seed of a protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence
from medpipe.judging.wording import show
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
    padded,
)
from medpipe.report.report_data import ClaimResult

Array = NDArray[np.float64]
TOP, HEIGHT, FOOT = 16.0, 80.0, 24.0
PANELS = ((30.0, 178.0), (284.0, 430.0))
Style = tuple[str, str, str, str | None]
"""Name of a series, the word drawn at its end, colour, dashes."""

SERIES: tuple[Style, ...] = (
    ("train", "training", SECOND, "4 2"),
    ("validation", "validation", ACCENT, None),
)


def learning_curves(
    title: str, runs: Sequence[Evidence], published: ClaimResult | None
) -> Figure | None:
    """Accuracy and loss by epoch; None where no run recorded both for two epochs.

    ``published``: the claim on validation accuracy, drawn as a line.
    """
    accuracy = {name: series(runs, f"{name}_accuracy") for name, *_ in SERIES}
    loss = {name: series(runs, f"{name}_loss") for name, *_ in SERIES}
    if (
        not all(np.isfinite(a).any() for a in (*accuracy.values(), *loss.values()))
        or accuracy["train"].shape[1] < 2
    ):
        return None
    drawing = Drawing(WIDE, TOP + HEIGHT + FOOT)
    panel(
        drawing,
        PANELS[0],
        SERIES,
        accuracy,
        "accuracy, %",
        100.0,
        None if published is None else published.verdict.published,
    )
    panel(drawing, PANELS[1], SERIES, loss, "loss (cross-entropy)")
    return _said(title, runs, accuracy["validation"], drawing, published)


def series(runs: Sequence[Evidence], name: str) -> Array:
    """Values ``(runs, epochs)``; NaN where a run stopped earlier or diverged."""
    epochs = max((len(e.history) for e in runs), default=0)
    table = np.full((len(runs), epochs), np.nan)
    for r, e in enumerate(runs):
        for k, row in enumerate(e.history):
            value = row.get(name)
            table[r, k] = np.nan if value is None else value
    return table


def panel(
    drawing: Drawing,
    sides: tuple[float, float],
    styles: Sequence[Style],
    tables: Mapping[str, Array],
    title: str,
    factor: float = 1.0,
    published: float | None = None,
) -> None:
    """Lines by epoch: ``tables`` (runs, epochs) by name, times ``factor``; thick means over runs,
    thin single runs.
    """
    left, right = sides
    values = factor * np.concatenate([a[np.isfinite(a)] for a in tables.values()])
    low, high = padded(
        [*values, *([] if published is None else [factor * published])],
        least=0.5 if factor > 1 else 0.02,
    )
    y = Scale(low, high, TOP + HEIGHT, TOP)
    epochs = next(iter(tables.values())).shape[1]
    x = Scale(1, epochs, left, right)
    drawing.text((left - 26, TOP - 7), title, colour=MUTED)
    ticks, decimals = y.ticks(4)
    for tick in ticks:
        drawing.line((left, y(tick)), (right, y(tick)), GRID, 0.4)
        drawing.text(
            (left - 4, y(tick) + 2.5), f"{tick:.{decimals}f}", colour=MUTED, anchor="end", size=7.5
        )
    for epoch in sorted(
        {round(t) for t in Scale(1, epochs, 0, 1).ticks(min(epochs, 6))[0]} | {1, epochs}
    ):
        drawing.text(
            (x(epoch), TOP + HEIGHT + 11), str(epoch), colour=MUTED, anchor="middle", size=7.5
        )
    drawing.text(
        ((left + right) / 2, TOP + HEIGHT + 21), "epoch", colour=MUTED, anchor="middle", size=7.5
    )
    ends = []
    for name, word, colour, dash in styles:
        table = factor * tables[name]
        for run in table:
            if len(table) > 1:
                drawing.path(_points(x, y, run), colour, 0.6, dash, 0.55)
        mean = _mean(table)
        drawing.path(_points(x, y, mean), colour, 1.8, dash)
        ends.append((y(float(mean[np.isfinite(mean)][-1])), word, colour))
    if published is not None:
        level = y(factor * published)
        drawing.line((left, level), (right, level), INK, 0.7)
        ends.append((level, f"◆ published {show(published, 'proportion')}", INK))
    for at, word, colour in _spread(ends):
        drawing.text((right + 5, at + 2.6), word, colour=colour)


def _mean(table: Array) -> Array:
    """Mean over the runs that reached an epoch; NaN where none did."""
    there = np.isfinite(table)
    count = there.sum(axis=0)
    total: Array = np.where(there, table, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _points(x: Scale, y: Scale, values: Array) -> list[tuple[float, float]]:
    return [(x(k + 1), y(float(v))) for k, v in enumerate(values) if np.isfinite(v)]


def _spread(ends: list[tuple[float, str, str]], room: float = 10.0) -> list[tuple[float, str, str]]:
    """Labels moved apart so that none covers another, in their order from top to bottom."""
    placed: list[tuple[float, str, str]] = []
    for at, word, colour in sorted(ends):
        placed.append((max(at, placed[-1][0] + room) if placed else at, word, colour))
    over = max(0.0, placed[-1][0] - (TOP + HEIGHT))
    return [(at - over, word, colour) for at, word, colour in placed]


def _said(
    title: str,
    runs: Sequence[Evidence],
    validation: Array,
    drawing: Drawing,
    published: ClaimResult | None,
) -> Figure:
    mean = 100 * _mean(validation)
    best, final = (
        int(np.nanargmax(mean)),
        100 * np.array([r[np.isfinite(r)][-1] for r in validation if np.isfinite(r).any()]),
    )
    seeds = [e.run.seed for e in runs]
    by_seed = (
        f" (mean of {len(final)} seeds, {final.min():.1f} to {final.max():.1f} by seed)"
        if len(final) > 1
        else " (one seed)"
    )
    peak = (
        "the last epoch is the best"
        if best == len(mean) - 1
        else f"it was highest after epoch {best + 1} ({mean[best]:.1f} %)"
    )
    answer = f"Validation accuracy ends at {final.mean():.1f} %{by_seed}; {peak}."
    sizes = {len(o) for e in runs for s, o in e.observations.items() if s == "validation"}
    n = f"n = {_spans(sizes)} validation samples; " if sizes else ""
    details = (
        f"Thick lines are means over seeds {', '.join(map(str, seeds))}, thin lines single seeds;"
        f" the spread between thin lines is the only interval shown; {n}training is dashed"
        + (", the published value a labelled line." if published else ".")
    )
    return Figure(
        drawing.svg(), f"{title}. {answer} {details}", answer, details, evidence_keys(runs)
    )


def _spans(sizes: set[int]) -> str:
    return f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"


def evidence_keys(runs: Sequence[Evidence]) -> str:
    """Run keys in short: ``lstm-0a1b2c3d4e5f-s0, -s1, -s2``; each spelled out where their
    parameters differ.
    """
    said, last = [], ""
    for e in runs:
        stem, _, seed = e.run.key.rpartition("-")
        said.append(f"-{seed}" if stem == last else e.run.key)
        last = stem
    return ", ".join(said)
