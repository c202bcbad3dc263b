"""Test whether file metadata or the image border alone predicts the class.

**Purpose.** Where classes come from different collections, a network can learn the collection
instead of the disease, and an accuracy on the same collections cannot tell which (Geirhos et al.
2020; Zech et al. 2018).

**Method.** Baselines that are blind to the subject (`BLIND`) are trained on the training split and
scored on each evaluation split. What they reach above the commonest class, with an interval over
clusters, is held against `SMALL` and `LARGE`. It bears on the claims that name the threat and
measure the same half of data split alike (`scope`). *Confounded* is said where it is surely
`LARGE`: class and collection are then one.

Evidence of file metadata must say that the size in bytes was left out (`METADATA_NOTE`): that
depends on what an image shows, so evidence that rests on it narrows at most.

**Limits.** That a shortcut is there does not show that a network takes it; the sound test is data
of another collection. Evidence on demonstration data says nothing and is left out.

**Example.** File metadata alone tells 68 % of 1,143 images right, 40 points more than the commonest
class: confounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medpipe.audits.scope import Settings, measured_in
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.finding import Finding
from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.metrics.prediction_changes import paired_difference
from medpipe.specs.claim import Claim

THREAT = "shortcuts"
EXPERIMENTS: Mapping[str, tuple[str, str]] = {"image_baselines": ("imaging", "images")}
BLIND = {
    "file": "File metadata alone (dimensions, mode, JPEG tables; no pixel is read)",
    "border": "The border alone (the outermost sixteenth of the image on each side)",
}
METADATA_NOTE = "file metadata without the size in bytes, which depends on what an image shows"
"""The note of evidence from files: older evidence, which has none, saw the size in bytes, too."""
SMALL, LARGE = 0.05, 0.20
"""Above the commonest class: up to five points are chance finds of a flexible model; one answer in
five is no accident of a few files.
"""


def shortcuts(
    evidence: Sequence[Evidence], claims: Sequence[Claim], settings: Settings
) -> tuple[Finding, ...]:
    """A finding for each blind baseline and evaluation split, with the claims that it bears on;
    ``settings``: of the protocols.
    """
    blind = [
        e for e in evidence if e.run.experiment in EXPERIMENTS and _kind(e) in BLIND and _speaks(e)
    ]
    return tuple(f for e in blind for f in _of_one(e, claims, settings))


def above_commonest(o: Observations) -> Interval:
    """Accuracy minus the share of the commonest class: -1 to 1, with an interval over clusters.

    Which class is the commonest is not known for sure, and the largest share is found too large by
    chance: it is held against each class, and the upper end allows for their number (Bonferroni).
    """
    classes, cluster = np.unique(o["y_true"]), o[o.cluster] if o.cluster else None

    def above(c: Any, confidence: float) -> Interval:
        right, other = o["y_pred"] == o["y_true"], o["y_true"] == c
        return paired_difference(right & ~other, other & ~right, cluster, confidence)

    least = min((above(c, 0.95) for c in classes), key=lambda i: i.estimate)
    low = min(above(c, 0.95).low for c in classes)
    high = min(above(c, 1 - 0.05 / len(classes)).high for c in classes)
    return replace(least, low=low, high=max(high, least.estimate))


def _kind(e: Evidence) -> Any:
    return e.run.parameters.get("model", {}).get("kind")


def _speaks(e: Evidence) -> bool:
    return e.failure is None and e.resolved.get("data", {}).get("source") != "demonstration"


def _of_one(e: Evidence, claims: Sequence[Claim], settings: Settings) -> Iterator[Finding]:
    part, noun = EXPERIMENTS[e.run.experiment]
    for split, seen in e.observations.items():
        if split == "training":
            continue
        found, accuracy = above_commonest(seen), float(np.mean(seen["y_pred"] == seen["y_true"]))
        severity, verdict = _weighed(found)
        who = BLIND[_kind(e)]
        if _kind(e) == "file" and METADATA_NOTE not in e.notes:
            who = "File metadata and the size in bytes"
            if severity == "undermines":
                severity, verdict = (
                    "narrows",
                    (
                        "the size in bytes depends on what an image shows, so a part of this may be"
                        " the subject"
                    ),
                )
        bearing = tuple(
            c.id
            for c in claims
            if c.part == part
            and THREAT in c.threats
            and any(m.split == split for m in measured_in(c, settings, e.run.parameters))
        )
        yield Finding(
            THREAT,
            severity,
            f"{who} {'tell' if ' and ' in who else 'tells'} {100 * accuracy:.1f} % of {found.n:,}"
            f" {split} {noun} right, {100 * found.estimate:.1f} points ({100 * found.low:.1f} to"
            f" {100 * found.high:.1f}) above the commonest class: {verdict}.",
            bearing,
            {
                "accuracy": accuracy,
                "above": found.estimate,
                "low": found.low,
                "high": found.high,
                "n": found.n,
            },
            id=f"{THREAT}:{split}.{_kind(e)}",
            arithmetic=(
                f"95 % interval: {found.method}; {plural(found.clusters or found.n, 'cluster')}"
            ),
        )


def _weighed(found: Interval) -> tuple[str, str]:
    if found.low >= LARGE:
        return "undermines", "class and collection are confounded"
    if found.high < SMALL:
        return "clean", "no shortcut that matters"
    return "narrows", "a part of the accuracy may be a shortcut"
