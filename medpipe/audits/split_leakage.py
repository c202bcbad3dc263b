"""Do the images that a run reports on, or holds out, show what it was trained on?

**Purpose.** A split rests on the groups of related images that were known when it was made. A
better search may have found more since. Then the accuracy on a leakage-free split, and the images
that a generator is held against, are not what they were called.

**Method.** The data audit keeps the slice and the group of related images of every image. Each run
on the same data (equal digest) lists the images it was trained on and the images it reports on or
holds out. The share of the latter whose slice or group was trained on is compared with `SMALL` and
`LARGE` of `data_findings`. Splits that are random by design are left to that audit.

**Limits.** Only as good as the search. Runs of one protocol share their split, so the first one is
examined.

**Example.** 57 of 96 images held out from a generator show a slice that it was trained on:
memorisation is understated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.audits import generators
from medpipe.audits.data_findings import SMALL, percent, severity_of
from medpipe.audits.memorisation import THREAT as MEMORISATION
from medpipe.audits.proportions import Share, share
from medpipe.audits.scope import Settings, data_of, measured_in
from medpipe.evidence import Evidence
from medpipe.evidence.finding import Finding
from medpipe.metrics.generator_splits import HELD_OUT
from medpipe.specs.claim import Claim

SLICE, GROUP = "slice", "related_group"
"""Columns of the data audit: the number of an image's slice and of its group of related images."""
AUDIT = "image_data_audit"
VALIDATION, TRAINED, QUALITY, SEEN = "validation", "training_running", "quality", "seen"
KINDS: Mapping[str, tuple[str, str]] = {
    SLICE: ("duplicates", "show a slice that was trained on"),
    GROUP: ("patient_overlap", "are likely of a patient that was trained on"),
}
"""Column → (the threat that it examines, what it says of an image)."""


@dataclass(frozen=True)
class Leak:
    """The proportion ``found`` of images that a run reports on or holds out whose slice or group
    (``column``) was trained on.
    """

    run: Evidence
    column: str
    found: Share


def split_leakage(
    evidence: Sequence[Evidence],
    claims: Sequence[Claim],
    settings: Settings,
    generator_protocols: Mapping[str, Sequence[str]],
) -> tuple[Finding, ...]:
    """The findings on all splits that were made to be free of leakage, with the claims that they
    bear on; ``settings``: of the protocols, ``generator_protocols``: by key of a run.
    """
    found: dict[str, Finding] = {}
    for leak in _leaks(evidence):
        if leak.run.run.experiment != generators.EXPERIMENT:
            of_run = [_of_split(leak, claims, settings)]
        else:
            names = generator_protocols.get(leak.run.run.key, ()) if leak.column == SLICE else ()
            of_run = [_of_generator(leak, name, claims) for name in names]
        for finding in of_run:
            found.setdefault(finding.id, finding)
    return tuple(found.values())


def leaking(evidence: Sequence[Evidence]) -> frozenset[str]:
    """Keys of runs whose split surely shares slices or patients, in one image of a hundred or
    more.
    """
    return frozenset(k.run.run.key for k in _leaks(evidence) if k.found.interval.low >= SMALL)


def _leaks(evidence: Sequence[Evidence]) -> Iterator[Leak]:
    for run, group_of in _examined(evidence):
        for column in KINDS:
            found = _shared(run, group_of[column])
            if found is not None:
                yield Leak(run, column, found)


def _examined(
    evidence: Sequence[Evidence],
) -> Iterator[tuple[Evidence, Mapping[str, Mapping[str, str]]]]:
    """Runs that were made to be free of leakage, each with the group of every image, by column."""
    known = {}
    for e in evidence:
        if e.run.experiment == AUDIT and e.failure is None:
            known[_data(e)] = {column: _groups(e, column) for column in KINDS}
    for e in evidence:
        disjoint = data_of(e.run.parameters).get("split") == "disjoint"
        held_out = e.run.experiment == generators.EXPERIMENT and QUALITY in e.observations
        if e.failure is None and (disjoint or held_out) and any(known.get(_data(e), {}).values()):
            yield e, known[_data(e)]


def _data(e: Evidence) -> str:
    """The digest of the data set that a run used."""
    source = data_of(e.resolved).get("source")
    return str(e.provenance.data_digests.get(str(source), ""))


def _groups(e: Evidence, column: str) -> dict[str, str]:
    return {
        sample: group
        for o in e.observations.values()
        if column in o
        for sample, group in zip(o["sample_id"].tolist(), o[column].tolist(), strict=True)
    }


def _shared(run: Evidence, group_of: Mapping[str, str]) -> Share | None:
    """None where the run does not list both sides, or lists images that the data audit lacks."""
    held_out = run.run.experiment == generators.EXPERIMENT
    trained = run.observations.get(SEEN if held_out else TRAINED)
    reported = run.observations.get(QUALITY if held_out else VALIDATION)
    if trained is None or reported is None:
        return None
    ids = reported["sample_id"]
    ids = (ids[reported["origin"] == HELD_OUT] if held_out else ids).tolist()
    sides = [[group_of.get(i, "") for i in side] for side in (ids, trained["sample_id"].tolist())]
    if not ids or any("" in side for side in sides):
        return None
    return share("split_leakage", np.isin(sides[0], sides[1]), ids, sides[0])


def _of_split(leak: Leak, claims: Sequence[Claim], settings: Settings) -> Finding:
    parameters = leak.run.run.parameters
    model = parameters.get("model", {}).get("kind", "model")
    threat, words = KINDS[leak.column]
    bearing = tuple(
        c.id
        for c in claims
        if any(m.split == VALIDATION for m in measured_in(c, settings, parameters, by_network=True))
    )
    name = f"disjoint.{model}.{data_of(parameters)['groups']}.{leak.column}"
    return _finding(leak.found, threat, name, f"images reported on {words}", bearing)


def _of_generator(leak: Leak, protocol: str, claims: Sequence[Claim]) -> Finding:
    words = "held-out images show a slice that the generator was trained on"
    if leak.found.count:
        words += ", so that memorised shares and membership are understated"
    bearing = tuple(
        c.id
        for c in claims
        if MEMORISATION in c.threats and any(m.run == protocol for m in c.measure.parts())
    )
    return _finding(leak.found, MEMORISATION, f"{protocol}.held_out_slices", words, bearing)


def _finding(found: Share, threat: str, name: str, words: str, claims: tuple[str, ...]) -> Finding:
    i = found.interval
    return Finding(
        threat,
        severity_of(i),
        f"{found.count:,} of {i.n:,} {words}: {percent(i)}.",
        claims,
        {"share": i.estimate, "low": i.low, "high": i.high, "n": i.n},
        found.samples,
        id=f"{threat}:{name}",
        arithmetic=f"95 % interval: {i.method}; {i.clusters or i.n} groups of related images",
    )
