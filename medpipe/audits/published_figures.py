"""All audits of published figures over a set of records, and the claims that each result bears on.

An audit of figures is a function from `Figures` to results (`AuditResult`). The built-in ones are
named in the registry; others register an entry point of the group ``medpipe.audits``. None needs a
run, data or torch.
"""

from __future__ import annotations

from collections.abc import Sequence

from medpipe import registry
from medpipe.audits.result import AuditResult
from medpipe.evidence.finding import SEVERITIES, Finding
from medpipe.specs.claim import Claim
from medpipe.specs.figures import Figures


def audit_figures(figures: Figures, claims: Sequence[Claim] = ()) -> tuple[Finding, ...]:
    """The findings of every audit, worst first, each with the claims that refer to what it bears
    on.
    """
    seen = (
        [s for name in registry.names("audit") for s in registry.resolve("audit", name)(figures)]
        if figures
        else []
    )
    texts = {p.id: p.text for _, p in figures.printings()}
    found = [_finding(s, texts, claims) for s in seen]
    return tuple(sorted(found, key=lambda f: (-SEVERITIES.index(f.severity), not f.certain)))


def _finding(seen: AuditResult, texts: dict[str, str], claims: Sequence[Claim]) -> Finding:
    touched = tuple(c.id for c in claims if not set(c.figures).isdisjoint(seen.bears_on))
    return Finding(
        seen.audit,
        seen.severity,
        seen.statement,
        touched,
        {name: texts[name] for name in seen.rests_on if name in texts},
        id=f"{seen.audit}:{seen.key}",
        arithmetic=seen.arithmetic,
        certain=seen.certain,
        of="figures",
    )
