"""How often the saliency maps of a part's networks pass the sanity checks that a useless map
fails.
"""

from __future__ import annotations

from typing import Any

from medpipe.audits.saliency import UNCHANGED, WORTH, Check
from medpipe.audits.saliency_checks import stored_checks
from medpipe.report.report_data import ReportData

ASKED = {
    "deletion": (
        "does deleting pixels by this map reduce the probability faster than deleting them by"
        f" {{other}}, by more than {WORTH:g}?"
    ),
    "insertion": (
        "does inserting pixels by this map restore the probability faster than inserting them by"
        f" {{other}}, by more than {WORTH:g}?"
    ),
    "randomisation": (
        f"does the map change with random weights (rank correlation below {UNCHANGED:g})?"
    ),
}
"""What a check asks, by the head of its name."""
OTHERS = {"random": "a random map", "centre": "a map of the centre"}


def explained(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each check: what it asks, and in how many runs of the part the map passes it or
    fails it; the rest is not decided.
    """
    found: dict[str, list[Check]] = {}
    for run in {
        e.run.key: e for protocol in case.protocols_of(part) for e in case.made(protocol)
    }.values():
        for check in stored_checks(run):
            found.setdefault(check.name, []).append(check)
    return [_row(name, checks) for name, checks in found.items()]


def _row(name: str, checks: list[Check]) -> dict[str, Any]:
    curve, _, other = name.partition("_against_")
    asked = ASKED.get(curve, "").format(other=OTHERS.get(other, other))
    outcomes = [c.outcome for c in checks]
    return {
        "name": name.replace("_", " "),
        "asks": asked,
        "passed": f"{outcomes.count('pass')} of {len(checks)}",
        "failed": f"{outcomes.count('fail')} of {len(checks)}",
    }
