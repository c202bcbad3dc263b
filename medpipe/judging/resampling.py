"""What is drawn again and together: clusters of samples over all observations at once, and training runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Observations
from medpipe.statistics import BOOTSTRAP_SEED, cluster_weights, seed_noise

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """What is resampled: ``n`` samples in ``clusters`` groups of a ``column``, None where samples are taken as independent."""

    n: int
    clusters: int
    column: str | None


def clusters_of(parts: list[list[Observations]], made_by_run: str | None = None) -> tuple[list[list[NDArray[np.int64]]], Size]:
    """Number the clusters of all observations together, so that what depends on each other is drawn together (and paired).

    Rows of the origin ``made_by_run`` are another sample in every run, whatever their ids.
    """
    column = parts[0][0].cluster
    names = [[_units(o, column) for o in runs] for runs in parts]
    if made_by_run is not None:
        names = [[np.where(o["origin"] == made_by_run, np.char.add(f"run {part}.{run} ", own), own)
                  for run, (o, own) in enumerate(zip(runs, of_part, strict=True))]
                 for part, (runs, of_part) in enumerate(zip(parts, names, strict=True))]
    every, inverse = np.unique(np.concatenate([n for runs in names for n in runs]), return_inverse=True)
    numbered, at = [], 0
    for runs in names:
        numbered.append([inverse[(at := at + len(n)) - len(n):at] for n in runs])
    return numbered, Size(len(parts[0][0]), len(every), column)


def _units(o: Observations, column: str | None) -> NDArray[Any]:
    """What is drawn together: the cluster of a sample, or the sample itself where it has none or it is not known."""
    if column is None or column not in o:
        return o["sample_id"]
    return np.where(o[column] == "", np.char.add("sample ", o["sample_id"]), o[column])


@lru_cache(maxsize=4)
def weights_of(clusters: int) -> NDArray[np.float32]:
    """How often each cluster is drawn in each replicate: `cluster_weights`, kept."""
    return cluster_weights(clusters)


def run_noise(totals: list[Array], replicates: int) -> Array:
    """The error from training runs: of paired differences where both parts have the same number of runs, else of two independent means."""
    if len(totals) == 1:
        return seed_noise(totals[0], replicates)
    a, b = totals
    if len(a) == len(b):
        return seed_noise(a - b, replicates)
    return seed_noise(a, replicates) - seed_noise(b, replicates, BOOTSTRAP_SEED + 3)
