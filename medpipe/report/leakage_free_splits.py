"""What splits without relatives change: pairs of protocols that differ in nothing else, with the
paired difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medpipe.audits.leakage_effect import SPLIT, effect, paired_runs
from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.judging.wording import show, show_interval
from medpipe.metrics.classification import accuracy
from medpipe.report.report_data import ReportData, protocol_title


def leakage_free_splits(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each pair of a part: accuracy with relatives in training, without, and what they
    add.
    """
    made = {p: case.made(p) for p in case.protocols_of(part)}
    return [
        _row(case, made, pairs)
        for pairs in paired_runs([e for runs in made.values() for e in runs])
    ]


def pair_members(made: Mapping[str, Sequence[Evidence]]) -> set[str]:
    """The protocols that stand in such a pair."""
    keys = {
        e.run.key
        for pairs in paired_runs([e for runs in made.values() for e in runs])
        for pair in pairs
        for e in pair
    }
    return {p for p, runs in made.items() if any(e.run.key in keys for e in runs)}


def _row(
    case: ReportData,
    made: Mapping[str, Sequence[Evidence]],
    pairs: Sequence[tuple[Evidence, Evidence]],
) -> dict[str, Any]:
    found = effect([(a.observations[SPLIT], b.observations[SPLIT]) for a, b in pairs])
    first = next(p for p, runs in made.items() if pairs[0][1].run.key in {e.run.key for e in runs})
    by_side = [
        show(
            float(np.mean([accuracy(pair[side].observations[SPLIT]) for pair in pairs])),
            "proportion",
        )
        for side in (0, 1)
    ]
    return {
        "title": protocol_title(case, first),
        "n": f"{found.n:,}",
        "runs": plural(found.runs, "run"),
        "with": by_side[0],
        "without": by_side[1],
        "adds": show_interval(found, "points"),
    }
