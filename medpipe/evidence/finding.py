"""Findings: what an audit found and the claims that it affects. Findings are evidence: audits make
them, judging weighs them, and neither needs the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from medpipe.documents import pretty_json
from medpipe.evidence.bundle import Bundle

FINDINGS = "findings.json"
SEVERITIES = ("clean", "narrows", "undermines", "refutes")


@dataclass(frozen=True)
class Finding:
    """One thing that an audit saw.

    ``audit`` is the name that claims list among their ``threats``; ``severity`` is ``clean``
    (looked for, not found), ``narrows`` (the number means less than is said), ``undermines`` (it
    does not mean what is said) or ``refutes`` (it cannot be so). ``figures`` are what it rests on:
    numbers by name, or published figures as printed by id; ``samples`` the sample ids, ``claims``
    the ids it bears on. ``certain`` is False where an innocent reading is left. ``arithmetic``
    shows the working; ``id`` names the finding; ``of`` is ``figures`` where it was seen in the
    published figures alone, ``data`` where it took data or a run.
    """

    audit: str
    severity: str
    statement: str
    claims: Sequence[str]
    figures: Mapping[str, float | str] = field(default_factory=dict)
    samples: Sequence[str] = ()
    id: str = ""
    arithmetic: str = ""
    certain: bool = True
    of: str = "data"

    @property
    def proves(self) -> bool:
        """Whether it rules out for certain what it bears on."""
        return self.severity == "refutes" and self.certain

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(
                f"expected a severity of {', '.join(SEVERITIES)}, got {self.severity!r}"
            )


def store_findings(bundle: Bundle, findings: Sequence[Finding], audits: Sequence[str]) -> bool:
    """Write the findings of all ``audits`` that looked into a bundle, unless they lie there
    already. Returns whether it wrote.
    """
    content = pretty_json(
        {"version": 1, "audits": sorted(audits), "findings": [asdict(f) for f in findings]}
    )
    if (bundle.folder / FINDINGS).is_file() and (bundle.folder / FINDINGS).read_bytes() == content:
        return False
    bundle.write(FINDINGS, content)
    return True


def stored_findings(bundle: Bundle) -> tuple[Finding, ...]:
    """The findings in a bundle; none where no audit ran. Raises `BundleError`,
    `FormatVersionError`.
    """
    return _stored(bundle)[0]


def stored_audits(bundle: Bundle) -> frozenset[str]:
    """The names of the audits whose findings a bundle holds. Raises `BundleError`,
    `FormatVersionError`.
    """
    return _stored(bundle)[1]


def _stored(bundle: Bundle) -> tuple[tuple[Finding, ...], frozenset[str]]:
    if not (bundle.folder / FINDINGS).is_file():
        return (), frozenset()
    data = bundle.record(FINDINGS, "findings")
    return tuple(Finding(**f) for f in data["findings"]), frozenset(data.get("audits", ()))
