"""What audits that took data saw, read off the evidence that they left: flags of samples become
findings about claims.

**Purpose.** An accuracy on sentences that the model was trained on, or whose labels are wrong, does
not mean what it seems to.

**Method.** An experiment such as ``text_data_audit`` keeps a flag (0 or 1) for each sample and
audit. The share of flagged samples, with an interval over clusters (for a second method: its excess
over what the same method flags by chance), is held against `SMALL` and `LARGE`. It bears on the
claims of the same part that name the threat and measure the same half of data split alike
(`scope`).

**Limits.** Only what was flagged counts. The sentences trained on are those of the audit's own run,
which its parameters name. Evidence on demonstration data says nothing and is left out.

**Example.** 37 of 5,000 validation sentences stand nearly so in training, 0.7 % (0.5 to 1.0):
looked for, and too few to matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from medpipe.audits.images.split_check import FALSE_ALARMS
from medpipe.audits.proportions import share
from medpipe.audits.scope import Settings, measured_in
from medpipe.evidence import Evidence, Observations
from medpipe.evidence.finding import Finding
from medpipe.formatting import plural
from medpipe.metrics.contributions import excess
from medpipe.metrics.intervals import Interval, wilson
from medpipe.specs.claim import Claim

SMALL, LARGE = 0.01, 0.10
"""Below one in a hundred a share cannot move an accuracy by the one point that claims leave open;
from one in ten on it can carry it.
"""
FLAGS: Mapping[str, tuple[str, str]] = {
    "sentence_near": (
        "sentence_overlap",
        "stand word for word or nearly so among the training sentences",
    ),
    "abstract_shared": ("abstract_overlap", "come from an abstract that is trained on"),
    "abstract_hidden": (
        "abstract_overlap",
        "come from an abstract that is trained on under another id",
    ),
    "sentence_reworded": (
        "sentence_overlap",
        "share most of their rare words with a training sentence",
    ),
    "abstract_reworded": (
        "abstract_overlap",
        "come from an abstract that shares most of its rare words with one that is trained on",
    ),
    "heading_in_text": ("label_leakage", "name their own section in the text"),
    "label_suspect": (
        "label_noise",
        "carry a label that a model trained on the others holds to be wrong",
    ),
    "image_copy": (
        "duplicates",
        (
            "are copies of images that are trained on, as they are, mirrored, turned, cropped or"
            " stored again"
        ),
    ),
    "image_neighbour": (
        "patient_overlap",
        "are so like an image that is trained on that they are likely of the same patient",
    ),
    "second_method": (
        "duplicates",
        "resemble an image that is trained on, as a second, independent method sees it",
    ),
    "label_contradicted": ("label_noise", "have a copy that carries another label"),
}
"""Flag → (the threat it examines, what it says of a sample)."""
SECOND_METHOD = ("sentence_reworded", "abstract_reworded")
"""Flags of an independent second method. It also flags the training split, by chance alone, and
only the excess over that counts.
"""
ACROSS = ("sentence_overlap", "abstract_overlap", "patient_overlap", "duplicates")
"""Threats that lie between training and evaluation."""
EXPERIMENTS: Mapping[str, tuple[str, str]] = {
    "text_data_audit": ("text", "sentences"),
    "image_data_audit": ("imaging", "images"),
}
"""Experiment → (the part whose claims its flags bear on, what its samples are)."""


def observed(
    evidence: Sequence[Evidence], claims: Sequence[Claim], settings: Settings
) -> tuple[Finding, ...]:
    """The findings of all audits of data among some evidence, each with the claims that it bears
    on; ``settings``: of the protocols.
    """
    return tuple(f for e in evidence if _speaks(e) for f in _of_one(e, claims, settings))


def _speaks(evidence: Evidence) -> bool:
    data = evidence.resolved.get("data")
    demonstration = isinstance(data, Mapping) and data.get("source") == "demonstration"
    return evidence.run.experiment in EXPERIMENTS and evidence.failure is None and not demonstration


def _of_one(evidence: Evidence, claims: Sequence[Claim], settings: Settings) -> Iterator[Finding]:
    part, noun = EXPERIMENTS[evidence.run.experiment]
    trained = len(evidence.observations["training"]) if "training" in evidence.observations else 0
    for split, seen in evidence.observations.items():
        for flag, (threat, words) in FLAGS.items():
            chance = evidence.observations.get("training") if flag in SECOND_METHOD else None
            if flag in seen.arrays and chance is not seen:
                bearing = tuple(
                    c.id
                    for c in claims
                    if c.part == part
                    and threat in c.threats
                    and any(
                        m.split == split for m in measured_in(c, settings, evidence.run.parameters)
                    )
                )
                yield _finding(
                    flag, f"{split} {noun} {words}", noun, split, seen, trained, bearing, chance
                )


def _finding(
    flag: str,
    words: str,
    noun: str,
    split: str,
    seen: Observations,
    trained: int,
    claims: tuple[str, ...],
    chance: Observations | None,
) -> Finding:
    """``chance``: the training split, for a method whose flags there are chance alone."""
    threat = FLAGS[flag][0]
    flags = seen[flag].astype(bool)
    found = share(flag, flags, seen["sample_id"].tolist(), _clusters(seen))
    interval, by_chance, known_rate = found.interval, "", _by_chance(flag)
    if chance is not None:
        usual = share(
            flag, chance[flag].astype(bool), chance["sample_id"].tolist(), _clusters(chance)
        ).interval
        groups = tuple(np.asarray(_clusters(o) or o["sample_id"]) for o in (seen, chance))
        interval = excess(
            seen[flag], chance[flag], groups=(groups[0], groups[1]), chance=0.0
        ).interval()
        interval = replace(interval, n=len(flags), clusters=len(np.unique(groups[0])))
        by_chance = (
            f" The same method flags {100 * usual.estimate:.1f} % of the {len(chance):,} training"
            f" {noun} against the rest of the training data, where nothing can leak. The excess is"
            f" {percent(interval)}."
        )
    elif known_rate is not None:
        by_chance = f" Of images of patients that are not in training, {percent(known_rate)} do."
    is_chance = known_rate is not None and interval.low <= known_rate.high
    severity = "clean" if is_chance else severity_of(interval)
    against = f" ({trained:,} training {noun} looked at)" if trained and threat in ACROSS else ""
    return Finding(
        threat,
        severity,
        f"{found.count:,} of {len(flags):,} {words}{against}:"
        f" {percent(found.interval)}.{by_chance}",
        claims,
        {"share": interval.estimate, "low": interval.low, "high": interval.high, "n": interval.n},
        found.samples,
        id=f"{threat}:{split}.{flag}",
        arithmetic=(
            f"95 % interval: {interval.method}; "
            f"{plural(interval.clusters or interval.n, 'cluster')}"
        ),
    )


def _clusters(seen: Observations) -> list[str] | None:
    return seen[seen.cluster].tolist() if seen.cluster else None


def _by_chance(flag: str) -> Interval | None:
    """The share of samples that a flag names although nothing is wrong, where it is known."""
    return wilson(*FALSE_ALARMS) if flag == "second_method" else None


def severity_of(interval: Interval) -> str:
    """What a proportion of flagged samples means for an accuracy."""
    if interval.high < SMALL:
        return "clean"
    return "undermines" if interval.low >= LARGE else "narrows"


def percent(interval: Interval) -> str:
    """``24.0 % (18.3 to 30.4)``."""
    return (
        f"{100 * interval.estimate:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    )
