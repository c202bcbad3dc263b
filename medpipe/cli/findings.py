"""What the terminal shows of findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from medpipe.cli.show import plain, say, show_table
from medpipe.formatting import plural

if TYPE_CHECKING:
    from medpipe.evidence.finding import Finding

HEADINGS = {
    "refutes": "Refuted by the published figures themselves",
    "undermines": "Does not mean what the text says",
    "narrows": "Means less than the text says",
    "clean": "Checked and in order",
}
SHORT = 5


def print_findings(findings: Sequence[Finding], *, everything: bool = False) -> None:
    """Every finding, worst first, with its working and the claims it bears on."""
    for severity, heading in HEADINGS.items():
        here = [f for f in findings if f.severity == severity]
        if not here or (severity == "clean" and not everything):
            continue
        say(f"\n{heading}: {len(here)}")
        for f in here:
            _print(f)
    say("")
    say(counted(findings))
    if not everything and any(f.severity == "clean" for f in findings):
        say("Use --all to show the checks that found no fault.")


def _print(f: Finding) -> None:
    doubt = "" if f.certain else " (suspicious, not certain)"
    say(Text.assemble("  ", (plain(f.id or f.audit), "bold"), doubt))
    say(f"  {f.statement}")
    if f.arithmetic:
        say(Text(f"  {plain(f.arithmetic)}", "dim"))
    if f.claims:
        say(Text(f"  claims: {', '.join(f.claims)}", "dim"))


def counted(findings: Sequence[Finding]) -> str:
    """How many findings of each severity, in a sentence."""
    count = Counter(f.severity for f in findings)
    doubtful = sum(not f.certain for f in findings)
    doubts = f" {plural(doubtful, 'finding')} could have a harmless explanation."
    return (
        f"{plural(len(findings), 'check')}: {count['refutes']} refuted, "
        f"{count['undermines']} undermined, {count['narrows']} narrowed, {count['clean']} in "
        f"order.{doubts if doubtful else ''}"
    )


def print_findings_in_short(findings: Sequence[Finding]) -> None:
    """A few of the worst findings, and how to see all."""
    say(f"Published figures, before any run: {counted(findings)}")
    proof = [f for f in findings if f.proves]
    for f in proof[:SHORT]:
        say(f"  ○ {f.statement}")
    if len(findings) > len(proof[:SHORT]):
        say(f"  {len(proof[SHORT:])} more, and all other findings: medpipe audit-figures")


def print_claims_touched(claims: Sequence[str], findings: Sequence[Finding]) -> None:
    """All claims, each with the ids of the findings that bear on it."""
    rows = []
    for name in claims:
        touching = [f for f in findings if name in f.claims]
        worse = ", ".join(f.id for f in touching if f.severity != "clean")
        clean = sum(f.severity == "clean" for f in touching)
        bearing = [*([worse] if worse else []), *([f"{clean} in order"] if clean else [])]
        rows.append([name, "; ".join(bearing) or "none"])
    show_table(["claim", "findings"], rows)


def print_built(built: Sequence[Mapping[str, Any]]) -> None:
    """What the recorded networks have when torch builds them."""
    for network in built:
        layers = ", ".join(
            f"{count} {kind.replace('_', ' ')}" for kind, count in network["layers"].items()
        )
        say(
            f"Built: {network['what']}: {plural(network['parameters'], 'parameter')}; {layers}; "
            f"saved {network['saved_bytes'] / 1e6:.1f} MB "
            f"({network['saved_bytes'] / 2**20:.1f} MiB)"
        )
