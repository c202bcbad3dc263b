"""Two models on the same samples: where just one of them is right, by seed, with McNemar's exact
test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medpipe.evidence import Evidence, Observations
from medpipe.judging.selection import selected
from medpipe.metrics.intervals import mcnemar
from medpipe.report.report_data import ClaimResult, ReportData, protocol_title


def paired(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each claim of a part that compares the accuracy of two protocols on one split,
    where they share samples.
    """
    return [row for item in case.of_part(part) if (row := _row(case, item)) is not None]


def _row(case: ReportData, item: ClaimResult) -> dict[str, Any] | None:
    m = item.claim.measure
    if (
        m.metric != "accuracy"
        or m.minus is None
        or m.minus.run == m.run
        or m.minus.split != m.split
    ):
        return None
    pairs = [
        tuple(selected(e.observations[str(m.split)], m) for e in pair)
        for pair in _matched(case.made(m.run), case.made(m.minus.run))
        if all(m.split in e.observations for e in pair)
    ]
    counts = [found for a, b in pairs if (found := _counts(a, b)) is not None]
    if not counts:
        return None
    seeds = [
        {"n": f"{n:,}", "first": f"{one:,}", "second": f"{other:,}", "p": _p(mcnemar(one, other))}
        for n, one, other in counts
    ]
    return {
        "number": item.number,
        "first": protocol_title(case, m.run),
        "second": protocol_title(case, m.minus.run),
        "split": m.split,
        "seeds": seeds,
    }


def _matched(
    first: Sequence[Evidence], second: Sequence[Evidence]
) -> list[tuple[Evidence, Evidence]]:
    """Runs of the same seed; a protocol without chance (one run) stands beside every run of the
    other.
    """
    if len(second) == 1:
        return [(a, second[0]) for a in first]
    by_seed = {e.run.seed: e for e in second}
    return [(a, by_seed[a.run.seed]) for a in first if a.run.seed in by_seed]


def _counts(a: Observations, b: Observations) -> tuple[int, int, int] | None:
    """Shared samples, those that only the first gets right, those that only the second does; None
    where they share none.
    """
    shared, at_a, at_b = np.intersect1d(a["sample_id"], b["sample_id"], return_indices=True)
    if not len(shared):
        return None
    right_a, right_b = (a["y_pred"] == a["y_true"])[at_a], (b["y_pred"] == b["y_true"])[at_b]
    return len(shared), int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.2g}"
