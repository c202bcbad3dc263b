"""How often the saliency maps of a part's networks pass the sanity checks that a useless map fails."""

from __future__ import annotations

from typing import Any

from medpipe.audits.explained import stored_checks
from medpipe.audits.explanation import UNCHANGED, WORTH, Check
from medpipe.report.case import Case, protocol_title

ASKED = {
    "deletion": f"is the probability lost sooner where the map is large than where {{other}} is, by more than {WORTH:g}?",
    "insertion": f"does the probability return sooner where the map is large than where {{other}} is, by more than {WORTH:g}?",
    "randomisation": f"is the map another one with new weights (rank correlation below {UNCHANGED:g})?"}
"""What a check asks, by the head of its name."""
OTHERS = {"random": "a map of noise", "centre": "a map of the middle alone"}


def explained(case: Case, part: str) -> list[dict[str, Any]]:
    """A row for each protocol and check: what it asks, and in how many runs the map passes it or fails it; the rest is not shown."""
    rows = []
    for protocol in case.protocols_of(part):
        found: dict[str, list[Check]] = {}
        for run in case.made(protocol):
            for check in stored_checks(run):
                found.setdefault(check.name, []).append(check)
        rows += [_row(protocol_title(case, protocol), name, checks) for name, checks in found.items()]
    return rows


def _row(title: str, name: str, checks: list[Check]) -> dict[str, Any]:
    curve, _, other = name.partition("_against_")
    asked = ASKED.get(curve, "").format(other=OTHERS.get(other, other))
    outcomes = [c.outcome for c in checks]
    return {"title": title, "name": name.replace("_", " "), "asks": asked,
            "passed": f"{outcomes.count('pass')} of {len(checks)}", "failed": f"{outcomes.count('fail')} of {len(checks)}"}
