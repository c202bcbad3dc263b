"""What an audit saw. Findings are evidence: audits make them, judging weighs them, and neither needs the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medpipe.documents import pretty_json
from medpipe.errors import BundleError
from medpipe.evidence.bundle import Bundle

SEVERITIES = ("clean", "narrows", "undermines")


@dataclass(frozen=True)
class Finding:
    """One thing that an audit saw.

    ``audit`` is the name that claims list among their ``threats``; ``severity`` is ``clean`` (looked for, not found), ``narrows`` (the
    number means less than is said) or ``undermines`` (it does not mean what is said). ``figures`` are the numbers it rests on,
    ``samples`` the sample ids, ``claims`` the ids it bears on.
    """

    audit: str
    severity: str
    statement: str
    claims: Sequence[str]
    figures: Mapping[str, float] = field(default_factory=dict)
    samples: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"expected a severity of {', '.join(SEVERITIES)}, got {self.severity!r}")


def store_findings(bundle: Bundle, findings: Sequence[Finding]) -> None:
    """Write the findings of all audits into a bundle."""
    bundle.write("findings.json", pretty_json({"version": 1, "findings": [asdict(f) for f in findings]}))


def stored_findings(bundle: Bundle) -> tuple[Finding, ...]:
    """The findings in a bundle; none where no audit ran. Raises `BundleError`."""
    if not (bundle.folder / "findings.json").is_file():
        return ()
    data: Any = bundle.json("findings.json")
    try:
        return tuple(Finding(**f) for f in data["findings"])
    except (TypeError, KeyError, ValueError) as error:
        raise BundleError(f"{bundle.folder}/findings.json: expected findings, got something else ({error})") from error
