"""Everything that audits see in a bundle: in the published figures of its specifications, and in
the evidence of audits of data.

Findings are kept in the bundle, so that judging needs no audit. They follow from what the bundle
holds, so whoever has it finds the same again, and none can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from medpipe import registry
from medpipe.audits import (
    backend_timing,
    collapse,
    generators,
    leakage_effect,
    memorisation,
    shortcuts,
    sources,
    split_leakage,
)
from medpipe.audits.data_findings import EXPERIMENTS, FLAGS, observed
from medpipe.audits.published_figures import audit_figures
from medpipe.audits.scope import settings_of
from medpipe.evidence import Bundle
from medpipe.evidence.finding import Finding, store_findings, stored_audits, stored_findings
from medpipe.progress import tell
from medpipe.specs.loading import Specs

Essence = tuple[str, str, str, bool, tuple[str, ...], tuple[str, ...]]


def known_audits() -> frozenset[str]:
    """The names of all audits that look into a bundle here."""
    return (
        frozenset(registry.names("audit"))
        | {threat for threat, _ in FLAGS.values()}
        | leakage_effect.AUDITS
        | {shortcuts.THREAT, collapse.THREAT, memorisation.THREAT}
        | backend_timing.AUDITS
    )


def findings_in(bundle: Bundle, specs: Specs) -> tuple[Finding, ...]:
    """What all audits see in a bundle."""
    tell(0, 4, "auditing")
    evidence = [
        e
        for key in bundle.keys()  # noqa: SIM118 - no mapping
        if _speaks_of_data(bundle, key) and (e := bundle.get(key)) is not None
    ]
    profile = bundle.header()["profile"]
    settings = settings_of(specs, profile)
    protocols = generators.protocols_by_run(specs, profile)
    leaking = split_leakage.leaking(evidence)
    sound = [e for e in evidence if e.run.key not in leaking]
    of_data = (
        *(
            audit(evidence, specs.claims, settings)
            for audit in (observed, shortcuts.shortcuts, sources.sources)
        ),
        leakage_effect.leakage_effects(sound, specs.claims, settings),
        split_leakage.split_leakage(evidence, specs.claims, settings, protocols),
        backend_timing.deployment(evidence, specs.claims),
    )
    tell(1, 4, "auditing")
    of_generators = (
        audit(evidence, specs.claims, protocols)
        for audit in (collapse.collapse, memorisation.memorisation)
    )
    seen = [f for found in (*of_data, *of_generators) for f in found]
    tell(3, 4, "auditing")
    return (*audit_figures(specs.figures, specs.claims), *seen)


def _speaks_of_data(bundle: Bundle, key: str) -> bool:
    """Whether audits of data read this run: told before its arrays are."""
    if key.startswith(
        (
            *EXPERIMENTS,
            *shortcuts.EXPERIMENTS,
            sources.EXPERIMENT,
            generators.EXPERIMENT,
            backend_timing.EXPERIMENT,
        )
    ):
        return True
    return leakage_effect.is_of_a_pair(
        bundle.record(f"runs/{key}.json", "run")["run"]["parameters"]
    )


def keep_findings(bundle: Bundle, specs: Specs) -> None:
    """Keep in a bundle what the audits see in it, beside what others saw; seals it again where that
    is new.
    """
    others = [f for f in stored_findings(bundle) if f.audit not in known_audits()]
    found = findings_in(bundle, specs)
    if not found and not others:
        return
    if store_findings(
        bundle, [*found, *others], sorted({*known_audits(), *(f.audit for f in others)})
    ):
        bundle.seal()


@dataclass(frozen=True)
class Again:
    """What auditing a bundle again gives.

    ``found``: findings that both have. ``odd``: ids of those that only one side has, among the
    audits that both know. ``unasked``: ids of what audits see here that were not asked then.
    """

    found: int
    odd: tuple[str, ...]
    unasked: tuple[str, ...]


def audit_again(bundle: Bundle, specs: Specs) -> Again:
    """Hold the findings in a bundle against those that it gives now; how they are worded is not
    compared.
    """
    asked = stored_audits(bundle)
    kept = {_essence(f) for f in stored_findings(bundle) if f.audit in known_audits()}
    now = findings_in(bundle, specs)
    again = {_essence(f) for f in now if f.audit in asked}
    return Again(
        len(again & kept),
        tuple(sorted({e[0] or e[1] for e in kept ^ again})),
        tuple(f.id for f in now if f.audit not in asked and f.severity != "clean"),
    )


def _essence(f: Finding) -> Essence:
    return f.id, f.audit, f.severity, f.certain, tuple(sorted(f.claims)), tuple(sorted(f.figures))
