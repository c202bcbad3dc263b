"""The assessment of each claimed accuracy of a part: as published, as found, and which findings
inflate or confound it.
"""

from __future__ import annotations

from typing import Any

from medpipe.audits.assessment import assess
from medpipe.formatting import listed
from medpipe.judging.wording import show, show_interval
from medpipe.report.labels import assessment
from medpipe.report.report_data import ReportData

MOST_FINDINGS = 6


def assessments(case: ReportData, part: str) -> list[dict[str, Any]]:
    """A row for each accuracy, claimed or a counterpart, that was found and whose threats were
    looked for, if any was.
    """
    rows = []
    for item in case.of_part(part):
        measure, verdict = item.claim.measure, item.verdict
        if (
            measure.metric != "accuracy"
            or measure.minus is not None
            or not item.claim.threats
            or verdict.interval is None
        ):
            continue
        found = assess(item.claim, case.findings)
        numbers = list(dict.fromkeys(case.finding_number(f) for f in found.because))
        more = len(numbers) - MOST_FINDINGS
        rows.append(
            {
                "number": item.number,
                "title": item.claim.title,
                "published": show(verdict.published, verdict.unit),
                "found": show_interval(verdict.interval, verdict.unit),
                "words": assessment(" and ".join(found.words)),
                "because": (
                    (listed(numbers[:MOST_FINDINGS]) + (f" and {more} more" if more > 0 else ""))
                    if numbers
                    else "–"
                ),
            }
        )
    return rows if any(case.findings_on(i.claim.id) for i in case.of_part(part)) else []
