"""What a trivial method already reaches, beside what was claimed: claims of merit have to beat
it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medpipe.judging.wording import show, show_interval
from medpipe.metrics.intervals import Interval, wilson
from medpipe.report.report_data import ClaimResult, ReportData, protocol_title

EXPERIMENTS = ("text_baselines", "image_baselines")
SPLITS = ("validation", "testing")


def baselines(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each baseline protocol and split: its accuracy, and the share of each claimed
    accuracy that it reaches.
    """
    claimed = [i for i in case.of_part(part) if _is_claimed_accuracy(i)]
    return [
        _row(case, protocol, split, claimed)
        for protocol in case.specs.protocols
        for split in SPLITS
        if (made := case.made(protocol))
        and made[0].run.experiment in EXPERIMENTS
        and split in made[0].observations
        and protocol.startswith(f"{part}.")
    ]


def _is_claimed_accuracy(item: ClaimResult) -> bool:
    m = item.claim.measure
    return (
        m.metric == "accuracy"
        and m.is_plain
        and m.split == "validation"
        and item.claim.counterpart_of is None
        and item.verdict.published is not None
    )


def _row(case: ReportData, protocol: str, split: str, claimed: list[ClaimResult]) -> dict[str, Any]:
    o = case.made(protocol)[0].observations[split]
    found = wilson(int(np.sum(o["y_true"] == o["y_pred"])), len(o))
    return {
        "title": protocol_title(case, protocol),
        "split": split,
        "accuracy": show_interval(found, "proportion"),
        "n": f"{len(o):,}",
        "shares": "; ".join(_share(i, found) for i in claimed[:4]),
    }


def _share(item: ClaimResult, found: Interval) -> str:
    published = item.verdict.published or 0.0
    return (
        f"{100 * found.estimate / published:.0f} % of the {show(published, 'proportion')} of claim"
        f" {item.number}"
    )
