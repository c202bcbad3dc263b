"""Learning curves over the number of training samples: would more data help, or has the model taken
what it can?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.metrics.classification import accuracy
from medpipe.report.figures.curves import evidence_keys
from medpipe.report.figures.svg import (
    ACCENT,
    GRID,
    MUTED,
    SECOND,
    WIDE,
    Drawing,
    Figure,
    Scale,
    padded,
)
from medpipe.specs.protocol import flatten

FRACTION, SPLIT, OWN = "data.train_fraction", "validation", "training_evaluated"
FEWEST = 3
LEFT, RIGHT, TOP, HEIGHT, FOOT = 30.0, 330.0, 16.0, 96.0, 26.0
SERIES = (
    (OWN, "training images, as evaluation sees them", SECOND, "4 2"),
    (SPLIT, "validation", ACCENT, None),
)


@dataclass(frozen=True)
class Sizes:
    """Protocols that differ in the share of training samples alone, from small to all; the last is
    the ``full`` one.
    """

    protocols: tuple[str, ...]
    runs: tuple[Sequence[Evidence], ...]

    @property
    def full(self) -> str:
        return self.protocols[-1]


def size_figures(protocols: Mapping[str, tuple[str, Sequence[Evidence]]]) -> list[Figure]:
    """One curve for each set of protocols (protocol → title and runs) that differ in the number of
    training samples alone.
    """
    return [
        _figure(protocols[found.full][0], found)
        for found in _found({p: runs for p, (_, runs) in protocols.items()})
    ]


def size_members(protocols: Mapping[str, Sequence[Evidence]]) -> set[str]:
    """The protocols that stand in such a curve, but for the one with all samples."""
    return {p for found in _found(protocols) for p in found.protocols if p != found.full}


def _found(made: Mapping[str, Sequence[Evidence]]) -> Iterator[Sizes]:
    groups: dict[str, dict[float, str]] = {}
    for protocol, runs in made.items():
        if runs and SPLIT in runs[0].observations:
            known = dict(flatten(runs[0].resolved))
            share = float(known.pop(FRACTION, 1.0))
            rest = repr(
                (
                    runs[0].run.experiment,
                    sorted(
                        (path, repr(v))
                        for path, v in known.items()
                        if not path.startswith("observe.")
                    ),
                )
            )
            groups.setdefault(rest, {})[share] = protocol
    for group in groups.values():
        if len(group) >= FEWEST and 1.0 in group:
            names = tuple(group[share] for share in sorted(group))
            yield Sizes(names, tuple(made[name] for name in names))


def _accuracies(runs: Sequence[Evidence], split: str) -> NDArray[np.float64]:
    return np.array([accuracy(e.observations[split]) for e in runs if split in e.observations])


def _figure(title: str, found: Sizes) -> Figure:
    sizes = [int(runs[0].scalars["samples_train"]) for runs in found.runs]
    series = {
        split: [100 * _accuracies(runs, split) for runs in found.runs] for split, *_ in SERIES
    }
    series = {split: values for split, values in series.items() if all(len(v) for v in values)}
    drawing = Drawing(WIDE, TOP + HEIGHT + FOOT)
    y = Scale(
        *padded([v for values in series.values() for each in values for v in each], least=0.5),
        TOP + HEIGHT,
        TOP,
    )
    x = Scale(*padded(np.log2(sizes).tolist()), LEFT, RIGHT)
    drawing.text((LEFT - 26, TOP - 7), "accuracy, %", colour=MUTED)
    ticks, decimals = y.ticks(4)
    for tick in ticks:
        drawing.line((LEFT, y(tick)), (RIGHT, y(tick)), GRID, 0.4)
        drawing.text(
            (LEFT - 4, y(tick) + 2.5), f"{tick:.{decimals}f}", colour=MUTED, anchor="end", size=7.5
        )
    for size in sizes:
        drawing.text(
            (x(np.log2(size)), TOP + HEIGHT + 11),
            f"{size:,}",
            colour=MUTED,
            anchor="middle",
            size=7.5,
        )
    drawing.text(
        ((LEFT + RIGHT) / 2, TOP + HEIGHT + 22),
        "training samples (each step doubles)",
        colour=MUTED,
        anchor="middle",
        size=7.5,
    )
    for split, word, colour, dash in SERIES:
        if split in series:
            _series(drawing, x, y, sizes, series[split], colour, dash)
            drawing.text((RIGHT + 6, y(float(series[split][-1].mean())) + 2.6), word, colour=colour)
    return _said(title, found, sizes, series, drawing)


def _series(
    drawing: Drawing,
    x: Scale,
    y: Scale,
    sizes: Sequence[int],
    values: Sequence[NDArray[np.float64]],
    colour: str,
    dash: str | None,
) -> None:
    """Means joined, with the range over seeds as a bar."""
    drawing.path(
        [(x(np.log2(n)), y(float(v.mean()))) for n, v in zip(sizes, values, strict=True)],
        colour,
        1.8,
        dash,
    )
    for n, each in zip(sizes, values, strict=True):
        at = x(np.log2(n))
        drawing.line((at, y(float(each.min()))), (at, y(float(each.max()))), colour, 1.2)
        drawing.disc((at, y(float(each.mean()))), 2.2, colour)


def _said(
    title: str,
    found: Sizes,
    sizes: Sequence[int],
    series: Mapping[str, Sequence[NDArray[np.float64]]],
    drawing: Drawing,
) -> Figure:
    means = [float(v.mean()) for v in series[SPLIT]]
    answer = (
        f"From {sizes[-2]:,} to {sizes[-1]:,} training samples validation accuracy goes from"
        f" {means[-2]:.1f} to {means[-1]:.1f} %; with {sizes[0]:,} it is {means[0]:.1f} %."
    )
    seeds = ", ".join(plural(len(v), "seed") for v in series[SPLIT])
    details = (
        f"Points are means, bars the range over seeds ({seeds}), the only interval shown; claims"
        " hold the differences with theirs."
    )
    points = "; ".join(
        f"{plural(n, 'sample')} {m:.1f} %" for n, m in zip(sizes, means, strict=True)
    )
    keys = "; ".join(evidence_keys(runs) for runs in found.runs)
    return Figure(drawing.svg(), f"{title}. {answer} {points}. {details}", answer, details, keys)
