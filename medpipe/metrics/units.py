"""Number the independent units (clusters of samples) over all runs and parts of a measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Observations
from medpipe.metrics.statistic import Numbers, Rows


@dataclass(frozen=True)
class Size:
    """How much there is: ``n`` samples in ``clusters`` groups of a ``column``, None where samples
    are taken as independent.
    """

    n: int
    clusters: int
    column: str | None


def clusters_of(
    parts: list[list[Observations]], made_by_run: str | None = None
) -> tuple[list[list[Numbers]], Size]:
    """Number the clusters of all observations together, so that what depends on each other is one
    unit (and parts are paired).

    Rows of the origin ``made_by_run`` are another sample in every run, whatever their ids.
    """
    column = parts[0][0].cluster
    names = [[_units(o, column) for o in runs] for runs in parts]
    if made_by_run is not None:
        names = [
            [
                np.where(o["origin"] == made_by_run, np.char.add(f"run {part}.{run} ", own), own)
                for run, (o, own) in enumerate(zip(runs, of_part, strict=True))
            ]
            for part, (runs, of_part) in enumerate(zip(parts, names, strict=True))
        ]
    numbered, count = _numbered(names)
    return numbered, Size(len(parts[0][0]), count, column)


def rows_of(parts: list[list[Observations]]) -> tuple[list[Rows], Size]:
    """The rows of each part, with samples and clusters numbered over all of them."""
    units, size = clusters_of(parts)
    samples, count = (
        (units, size.clusters)
        if size.column is None
        else _numbered([[o["sample_id"] for o in runs] for runs in parts])
    )
    return [
        Rows(runs, samples[p], units[p], count, size.clusters) for p, runs in enumerate(parts)
    ], size


def _numbered(names: list[list[NDArray[Any]]]) -> tuple[list[list[Numbers]], int]:
    """A number for each name, the same wherever it occurs, and how many there are."""
    first = names[0][0]
    if all(len(n) == len(first) and np.array_equal(n, first) for runs in names for n in runs):
        every, inverse = np.unique(first, return_inverse=True)
        return [[inverse for _ in runs] for runs in names], len(every)
    every, inverse = np.unique(
        np.concatenate([n for runs in names for n in runs]), return_inverse=True
    )
    numbered, at = [], 0
    for runs in names:
        numbered.append([inverse[(at := at + len(n)) - len(n) : at] for n in runs])
    return numbered, len(every)


def _units(o: Observations, column: str | None) -> NDArray[Any]:
    """What is independent: the cluster of a sample, or the sample itself where it has none or it is
    not known.
    """
    if column is None or column not in o:
        return o["sample_id"]
    names = o.column(column)
    if not (names == "").any():
        return names
    return np.where(names == "", np.char.add("sample ", o["sample_id"]), names)
