"""A grid of configurations as a heat map: the mean accuracy of each cell over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.metrics.classification import accuracy
from medpipe.report.figures.svg import ACCENT, GRID, HALF, INK, MUTED, Drawing, Figure
from medpipe.report.labels import value
from medpipe.specs.protocol import flatten

SPLIT = "validation"
LEFT, TOP, CELL_HEIGHT, FOOT = 46.0, 18.0, 30.0, 26.0
FULL_SHADE = 0.05
"""The difference in accuracy from which the darkest shade is used: a few tenths of a point are no
contrast.
"""
FEWEST = 4
"""Cells below which there is no grid to speak of."""


@dataclass(frozen=True)
class Cells:
    """Protocols that differ in two numbers only: ``axes`` are their paths, ``cells`` (value, value)
    → runs.
    """

    axes: tuple[str, str]
    cells: Mapping[tuple[float, float], Sequence[Evidence]]
    protocols: tuple[str, ...]


def grid_figures(protocols: Mapping[str, tuple[str, Sequence[Evidence]]]) -> list[Figure]:
    """One heat map for each grid among some protocols (protocol → title and runs)."""
    made = {p: runs for p, (_, runs) in protocols.items() if runs}
    return [_figure(found, protocols[first][0]) for found, first in _grids(made)]


def grid_members(protocols: Mapping[str, Sequence[Evidence]]) -> set[str]:
    """The protocols that stand in a grid, but for the first of each: their cell says most of what
    there is to say.
    """
    return {
        p
        for found, first in _grids({p: runs for p, runs in protocols.items() if runs})
        for p in found.protocols
        if p != first
    }


def _grids(made: Mapping[str, Sequence[Evidence]]) -> Iterator[tuple[Cells, str]]:
    """Every largest set of protocols that differ in exactly two numbers, with its first
    protocol.
    """
    leaves = {
        p: {**dict(flatten(runs[0].resolved)), "experiment": runs[0].run.experiment}
        for p, runs in made.items()
        if SPLIT in runs[0].observations and "y_pred" in runs[0].observations[SPLIT]
    }  # an audit of data predicts nothing
    numbers = sorted(
        {path for known in leaves.values() for path, v in known.items() if type(v) in (int, float)}
    )
    varying = [path for path in numbers if len({known.get(path) for known in leaves.values()}) > 1]
    for pair in combinations(varying, 2):
        groups: dict[str, list[str]] = {}
        for protocol, known in leaves.items():
            if all(path in known for path in pair):
                rest = repr(
                    sorted((path, repr(v)) for path, v in known.items() if path not in pair)
                )
                groups.setdefault(rest, []).append(protocol)
        for group in groups.values():
            cells = {(leaves[p][pair[0]], leaves[p][pair[1]]): made[p] for p in group}
            if len(cells) >= FEWEST and min(len({c[i] for c in cells}) for i in (0, 1)) > 1:
                yield Cells(pair, cells, tuple(group)), group[0]


def _figure(found: Cells, title: str) -> Figure:
    columns, rows = (sorted({cell[i] for cell in found.cells}) for i in (0, 1))
    wide = (HALF - LEFT - 2) / len(columns)
    drawing = Drawing(HALF, TOP + CELL_HEIGHT * len(rows) + FOOT)
    shares = {
        cell: [accuracy(e.observations[SPLIT]) for e in runs] for cell, runs in found.cells.items()
    }
    means = {cell: float(np.mean(s)) for cell, s in shares.items()}
    low, high = min(means.values()), max(means.values())
    names = [path.rpartition(".")[2].replace("_", " ") for path in found.axes]
    drawing.text(
        (LEFT, TOP - 8),
        f"accuracy, %, by {names[0]} (across) and {names[1]} (down)",
        colour=MUTED,
        size=7.5,
    )
    for r, row in enumerate(rows):
        drawing.text(
            (LEFT - 5, TOP + CELL_HEIGHT * (r + 0.5) + 2.5),
            value(row),
            anchor="end",
            size=7.5,
            colour=MUTED,
        )
        for c, column in enumerate(columns):
            corner = (LEFT + c * wide, TOP + r * CELL_HEIGHT)
            cell = (column, row)
            shade = 0.0 if cell not in means else (means[cell] - low) / max(high - low, FULL_SHADE)
            drawing.box(
                corner,
                wide - 1,
                CELL_HEIGHT - 1,
                _shade(shade) if cell in means else "#ffffff",
                GRID,
            )
            dark = shade > 0.55
            middle = corner[0] + wide / 2
            text = f"{100 * means[cell]:.1f}" if cell in means else "not run"
            drawing.text(
                (middle, corner[1] + 14),
                text,
                anchor="middle",
                size=9,
                bold=True,
                colour="#ffffff" if dark else INK,
            )
            if cell in means:
                colour = "#ffffff" if dark else MUTED
                drawing.text(
                    (middle, corner[1] + 24),
                    _spread(shares[cell]),
                    anchor="middle",
                    size=6.5,
                    colour=colour,
                )
    for c, column in enumerate(columns):
        below = (LEFT + (c + 0.5) * wide, TOP + CELL_HEIGHT * len(rows) + 11)
        drawing.text(below, value(column), anchor="middle", size=7.5, colour=MUTED)
    return _said(drawing, found, means, names, title)


def _said(
    drawing: Drawing,
    found: Cells,
    means: Mapping[tuple[float, float], float],
    names: Sequence[str],
    title: str,
) -> Figure:
    best, worst = max(means, key=lambda c: means[c]), min(means, key=lambda c: means[c])
    answer = (
        f"Of {plural(len(means), 'configuration')} the highest accuracy is {100 * means[best]:.1f}"
        f" % ({_cell(best, names)}), the lowest {100 * means[worst]:.1f} % ({_cell(worst, names)})."
    )
    sizes = sorted({len(e.observations[SPLIT]) for runs in found.cells.values() for e in runs})
    runs = sorted({len(r) for r in found.cells.values()})
    count, seeds = (
        " or ".join(f"{n:,}" for n in sizes),
        " or ".join(plural(n, "seed") for n in runs),
    )
    details = (
        f"Like “{title}” in all else. Large: the mean over seeds; small: lowest and highest seed;"
        f" {seeds} a cell; n = {count} samples of the split “{SPLIT}”. Intervals of differences"
        " stand with the claims."
    )
    return Figure(drawing.svg(), f"{answer} {details}", answer, details, wide=False)


def _cell(cell: tuple[float, float], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {value(v)}" for name, v in zip(names, cell, strict=True))


def _spread(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}" if len(shares) > 1 else "one seed"


def _shade(share: float) -> str:
    """Between white and the accent; ``share`` from 0 to 1."""

    def mixed(a: str, at: int) -> int:
        return round(255 + (int(a[at : at + 2], 16) - 255) * (0.08 + 0.82 * share))

    return "#" + "".join(f"{mixed(ACCENT, at):02x}" for at in (1, 3, 5))
