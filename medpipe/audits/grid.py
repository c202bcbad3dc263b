"""The grid of configurations that is claimed, against the configurations that were run.

**Purpose.** "3 × 3 grid" says that nine configurations were run and compared.

**Method.** The cells of the claimed axes are listed; each recorded system is put into its cell by
its attributes.

**Limits.** Runs that left no trace are not counted; the statement says "on record".

**Example.** Six runs that share dropout 0.3 or L2 0.01 fill five of nine cells, one of them twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

from medpipe.audits.result import AuditResult, at
from medpipe.specs.figures import Figures, Grid, Scalar


def grid_coverage(figures: Figures) -> Iterator[AuditResult]:
    """One result for each grid that is claimed."""
    for grid in figures.grids:
        cells = list(product(*grid.axes.values()))
        ran = Counter(
            tuple(figures.system(name).attributes.get(axis) for axis in grid.axes)
            for name in grid.systems
        )
        missing = [c for c in cells if c not in ran]
        twice = [c for c, count in ran.items() if count > 1]
        shown = (
            f"{' × '.join(str(len(v)) for v in grid.axes.values())} = {len(cells)} cells;"
            f" {len(grid.systems)} runs on record fill {len(cells) - len(missing)}"
        )
        if missing:
            again = f", {_cell(grid, twice[0])} more than once" if twice else ""
            said = (
                f"{at(grid)} says “{grid.said}”: {len(cells)} configurations, of which"
                f" {len(cells) - len(missing)} are on record{again}. Missing:"
                f" {'; '.join(_cell(grid, c) for c in missing)}."
            )
            yield AuditResult("grid_coverage", grid.id, "refutes", said, shown, (), (grid.id,))
        else:
            yield AuditResult(
                "grid_coverage",
                grid.id,
                "clean",
                f"“{grid.said}”: every configuration is on record.",
                shown,
                (),
                (grid.id,),
            )


def _cell(grid: Grid, cell: tuple[Scalar, ...]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in zip(grid.axes, cell, strict=True))
