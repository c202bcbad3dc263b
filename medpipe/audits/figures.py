"""All audits of published figures over a set of records, and the claims that each result bears on.

An audit of figures is a function from `Figures` to results (`Seen`). The built-in ones are named in the registry; others register an
entry point of the group ``medpipe.audits``. None needs a run, data or torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medpipe import registry
from medpipe.audits.seen import Seen
from medpipe.claims.claim import Claim
from medpipe.claims.figures import Figures
from medpipe.claims.loading import Specs
from medpipe.evidence import Bundle
from medpipe.evidence.finding import SEVERITIES, Finding, store_findings, stored_audits, stored_findings


def audit_figures(figures: Figures, claims: Sequence[Claim] = ()) -> tuple[Finding, ...]:
    """The findings of every audit, worst first, each with the claims that refer to what it bears on."""
    seen = [s for name in registry.names("audit") for s in registry.resolve("audit", name)(figures)] if figures else []
    texts = {p.id: p.text for _, p in figures.printings()}
    found = [_finding(s, texts, claims) for s in seen]
    return tuple(sorted(found, key=lambda f: (-SEVERITIES.index(f.severity), not f.certain)))


def _finding(seen: Seen, texts: dict[str, str], claims: Sequence[Claim]) -> Finding:
    touched = tuple(c.id for c in claims if not set(c.figures).isdisjoint(seen.bears_on))
    return Finding(seen.audit, seen.severity, seen.statement, touched, {name: texts[name] for name in seen.rests_on if name in texts},
                   id=f"{seen.audit}:{seen.key}", arithmetic=seen.arithmetic, certain=seen.certain, of="figures")


def store_findings_of(bundle: Bundle, specs: Specs) -> None:
    """Keep in a bundle what the audits of figures see in its specifications, beside what others saw; seals it again where that is new."""
    others = [f for f in stored_findings(bundle) if f.of != "figures"]
    if not specs.figures and not others:
        return
    looked = registry.names("audit").keys() if specs.figures else set()
    if store_findings(bundle, [*audit_figures(specs.figures, specs.claims), *others], sorted({*looked, *(f.audit for f in others)})):
        bundle.seal()


@dataclass(frozen=True)
class Again:
    """What auditing the figures of a bundle again gives.

    ``found``: findings that both have. ``odd``: ids of those that only one side has, among the audits that both know. ``unasked``: ids
    of what audits see here that were not asked then.
    """

    found: int
    odd: tuple[str, ...]
    unasked: tuple[str, ...]


def audit_again(bundle: Bundle, specs: Specs) -> Again:
    """Hold the findings in a bundle against those that its own specifications give; how they are worded is not compared."""
    asked = stored_audits(bundle)
    kept = {_essence(f) for f in stored_findings(bundle) if f.of == "figures"}
    now = audit_figures(specs.figures, specs.claims)
    known = {_essence(f) for f in now if f.audit in asked}
    comparable = {e for e in kept if e[1] in registry.names("audit")}
    return Again(len(known & kept), tuple(sorted({e[0] for e in comparable ^ known})),
                 tuple(f.id for f in now if f.audit not in asked and f.severity != "clean"))


def _essence(f: Finding) -> tuple[str, str, str, bool, tuple[str, ...], tuple[str, ...]]:
    return f.id, f.audit, f.severity, f.certain, tuple(sorted(f.claims)), tuple(sorted(f.figures))
