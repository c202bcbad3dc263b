"""The assessment of an accuracy in three words: clean, inflated, confounded.

**Purpose.** A reader asks of an accuracy whether it is what the sentence says. `Validity` answers
in general. For accuracies on samples that may be leaked or have shortcuts, these words say in which
way the accuracy fails.

**Method.** *Inflated*: a finding of `MEMORY` undermines it; samples reported on were, in part,
trained on. *Confounded*: a finding of `SHORTCUTS` undermines it; the class can be told without what
the claim is about. *Clean*: each of its threats was looked for and none was found. Otherwise
*open*: something narrows it, or was not looked for.

**Limits.** Clean means that these audits found nothing, at the sizes that they state.

**Example.** 59 % of the validation images are copies of images trained on, and file marks tell the
class: inflated and confounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medpipe.audits.shortcuts import THREAT
from medpipe.evidence.finding import Finding
from medpipe.specs.claim import Claim

MEMORY = frozenset({"duplicates", "patient_overlap", "sentence_overlap", "abstract_overlap"})
SHORTCUTS = frozenset({THREAT, "label_leakage"})
CLEAN, INFLATED, CONFOUNDED, OPEN = "clean", "inflated", "confounded", "open"


@dataclass(frozen=True)
class Assessment:
    """``words`` as they apply, and the findings that made them, the worst first; none where it is
    clean or was not looked at.
    """

    words: tuple[str, ...]
    because: tuple[Finding, ...]


def assess(claim: Claim, findings: Sequence[Finding]) -> Assessment:
    """What the findings that bear on a claim make of its number."""
    bearing = [f for f in findings if claim.id in f.claims]
    worst = {
        word: [f for f in bearing if f.audit in audits and f.severity == "undermines"]
        for word, audits in ((INFLATED, MEMORY), (CONFOUNDED, SHORTCUTS))
    }
    words = tuple(word for word, found in worst.items() if found)
    if words:
        return Assessment(words, tuple(f for found in worst.values() for f in found))
    doubts = tuple(f for f in bearing if f.severity != "clean")
    unexamined = set(claim.threats) - {f.audit for f in bearing}
    return Assessment((OPEN,) if doubts or unexamined or not bearing else (CLEAN,), doubts)
