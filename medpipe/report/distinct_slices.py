"""How many distinct slices the images of each class show, as the data audit found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medpipe.audits.images.groups import FOUND_OF_PLANTED
from medpipe.audits.split_leakage import GROUP, SLICE
from medpipe.evidence import Evidence
from medpipe.judging.wording import show_interval
from medpipe.metrics.intervals import wilson


def distinct_slices(made: Mapping[str, Sequence[Evidence]]) -> dict[str, Any]:
    """A row for each class with images, distinct slices and groups of related images, and how many
    planted copies the search finds; empty where no run grouped the images.
    """
    runs = (e for runs in made.values() for e in runs)
    parts = next((p for e in runs if (p := _grouped(e))), [])
    if not parts:
        return {}
    label, number, group = (
        np.concatenate([o[column] for o in parts]) for column in ("y_true", SLICE, GROUP)
    )
    rows = [
        {"class": name, "images": f"{(label == k).sum():,}"}
        | {
            column: f"{len(np.unique(of[label == k])):,}"
            for column, of in (("slices", number), ("groups", group))
        }
        for k, name in enumerate(parts[0].classes)
    ]
    count, n = FOUND_OF_PLANTED
    found = show_interval(wilson(count, n), "proportion")
    return {"rows": rows, "found": f"{count:,} of {n:,}, {found}"}


def _grouped(e: Evidence) -> list[Any]:
    """The splits of a run whose images were grouped."""
    return [o for o in e.observations.values() if SLICE in o and GROUP in o and "y_true" in o]
