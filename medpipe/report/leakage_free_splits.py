"""What a leakage-free split changes: pairs of protocols that differ in nothing else, with the
paired difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medpipe.audits.leakage_effect import SPLIT, effect, paired_runs
from medpipe.audits.split_leakage import leaking
from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.judging.wording import show, show_interval
from medpipe.metrics.classification import accuracy
from medpipe.report.report_data import ReportData, protocol_title

NOT_FREE = "not shown: a later search found leakage in this split"


def leakage_free_splits(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each pair of a part: accuracy with leaked samples in training, without, and the
    difference; only a sentence where the side without them is not free of leakage.
    """
    made = {p: case.made(p) for p in case.protocols_of(part)}
    evidence = [e for runs in made.values() for e in runs]
    not_free = leaking(evidence)
    return [
        _row(case, made, pairs, is_free=all(e.run.key not in not_free for _, e in pairs))
        for pairs in paired_runs(evidence)
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
    is_free: bool,
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
        "with": by_side[0] if is_free else "–",
        "without": by_side[1] if is_free else "–",
        "adds": show_interval(found, "points") if is_free else NOT_FREE,
    }
