"""The end of `verify` and `judge` on one screen: the headline claims, how all claims were judged,
what was written, and what to do next. ``--all`` prints a row for every claim instead of the
headline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medpipe.cli import show
from medpipe.cli.show import say, show_table
from medpipe.formatting import plural

if TYPE_CHECKING:
    from medpipe.evidence import Bundle
    from medpipe.judging import Verdict
    from medpipe.report.report_data import ClaimResult
    from medpipe.specs import Specs

SHAPES = {"supported": "●", "refuted": "○", "inconclusive": "◐", "not-tested": "–"}
MOST_CLAIMS = 4
"""Headline claims; the report's first page has room for at least as many."""


def print_verdicts(specs: Specs, verdicts: Sequence[Verdict], *, every: bool) -> None:
    """The headline claims, or a row for every claim; then how many claims were judged how."""
    if every:
        _print_table(verdicts)
    else:
        _print_headline(specs, verdicts)
    say("")
    say(f"{plural(len(verdicts), 'claim')}: {_counts([v.outcome.value for v in verdicts])}.")
    say(f"Validity: {_counts([v.validity.value for v in verdicts])}.")
    if any(v.grade == "demonstration" for v in verdicts):
        say(
            "Demonstration data: this shows that medpipe works, and is not evidence about any"
            " claim."
        )
    say("")


def _counts(values: Sequence[str]) -> str:
    """``5 supported, 2 not tested``, the most frequent first."""
    counted = Counter(values).most_common()
    return ", ".join(f"{count} {value.replace('-', ' ')}" for value, count in counted)


def _print_table(verdicts: Sequence[Verdict]) -> None:
    from medpipe.judging.wording import show_interval

    wide = show.console.width >= 120
    rows = []
    for v in verdicts:
        found = "–" if v.interval is None else show_interval(v.interval, v.unit)
        more = (v.validity.value, v.grade or "–") if wide else ()
        rows.append([v.claim, v.printed, found, _outcome(v), *more])
    more_columns = ("validity", "grade") if wide else ()
    show_table(["claim", "published", "found (95 % interval)", "outcome", *more_columns], rows)
    if not wide:
        say(
            "For validity and grade, use a wider window, read the report, or run: medpipe judge"
            " --json"
        )


def _print_headline(specs: Specs, verdicts: Sequence[Verdict]) -> None:
    """The claims that come first on the report's first page, in the order of the report."""
    from medpipe.report.report_data import numbered
    from medpipe.report.sentences import headline_order

    items = numbered(specs, {v.claim: v for v in verdicts})
    chosen = sorted(headline_order(items)[:MOST_CLAIMS], key=lambda item: item.number)
    if len(chosen) < len(items):
        say("Headline claims:")
    for item in chosen:
        say(f"{_outcome(item.verdict)}: {item.claim.title}")
        say(f"  {_figures(item)}")


def _outcome(verdict: Verdict) -> str:
    """``◐ inconclusive, below``."""
    word = verdict.outcome.value.replace("-", " ")
    side = f", {verdict.indication}" if verdict.indication else ""
    return f"{SHAPES[verdict.outcome.value]} {word}{side}"


def _figures(item: ClaimResult) -> str:
    """``published 94 %; found 93.1 % (91.2 to 94.5); validity narrowed``."""
    from medpipe.judging.wording import show_interval

    v = item.verdict
    found = "" if v.interval is None else f"found {show_interval(v.interval, v.unit)}"
    published = "asked by medpipe" if item.printed == "–" else f"published {item.printed}"
    validity = f"validity {v.validity.value.replace('-', ' ')}"
    return "; ".join(part for part in (published, found, validity) if part)


def print_reports(bundle: Bundle, paths: Sequence[Path]) -> None:
    """Where everything lies."""
    say(f"Bundle: {bundle.folder}  root digest {bundle.root_digest}")
    for path in paths:
        say(f"Signed: {path}")
    if paths:
        say(f"Check it: medpipe check-report {paths[0]}")


def print_next(bundle: Bundle, *, every: bool, signed: bool) -> None:
    """What to do next."""
    if not signed:
        say(f"Write the report: medpipe sign --bundle {bundle.folder}")
    if not every:
        say(f"All claims: medpipe judge --bundle {bundle.folder} --all")
