"""The effect of leakage on an accuracy: two trainings that differ in nothing else, reported on the
same samples.

**Purpose.** An accuracy on images of patients, or of copies, that were trained on may be memory.
The proportion of related samples does not show how much: they may have been easy anyway.

**Method.** Runs with ``data.split: related`` are paired by seed with runs whose parameters are
equal but for ``disjoint``. Both report on the same samples after as many training samples of every
class. The mean difference in accuracy carries an interval over clusters of samples and over
seeds. Surely below a point, over two runs or more, it is *clean*; surely above one an accuracy with
relatives is *inflated*; else it is not known. It bears on the claims that name the threat and are
measured on the same images by this network, on any split that is not disjoint (`scope`).

**Limits.** The effect is that of the trainings at hand: other networks and resolutions may remember
more. Evidence on demonstration data says nothing and is left out.

**Example.** On 571 images the accuracy is 2.3 percentage points higher (1.2 to 3.5) where other
images of the same patients were trained on: inflated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.scope import Settings, data_of, measured_in
from medpipe.errors import DataError
from medpipe.evidence import Evidence, Observations, Run
from medpipe.evidence.finding import Finding
from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval, with_run_spread
from medpipe.metrics.prediction_changes import paired_difference
from medpipe.specs.claim import Claim

SPLIT = "validation"
SMALL = 0.01
"""A point of accuracy: what claims leave open, and less would change no decision."""
OF_COPIES = ("duplicates", "copies of the images reported on")
OF_PATIENTS = ("patient_overlap", "other images of the same patients")
AUDITS = frozenset({OF_COPIES[0], OF_PATIENTS[0]})


def leakage_effects(
    evidence: Sequence[Evidence], claims: Sequence[Claim], settings: Settings
) -> tuple[Finding, ...]:
    """A finding for each pair of protocols that differ in nothing but relatives, with the claims
    that it bears on; ``settings``: of the protocols.
    """
    found = []
    for pairs in paired_runs(
        [e for e in evidence if data_of(e.resolved).get("source") != "demonstration"]
    ):
        difference = effect([(a.observations[SPLIT], b.observations[SPLIT]) for a, b in pairs])
        found.append(_finding(pairs[0][0].run, difference, claims, settings))
    return tuple(found)


def effect(pairs: Sequence[tuple[Observations, Observations]]) -> Interval:
    """Accuracy with relatives minus accuracy without, over pairs of runs on the same samples.
    Raises `DataError` where these differ.
    """
    first = pairs[0][0]
    order = np.argsort(first["sample_id"])
    by_run = np.stack(
        [
            _right(a, first["sample_id"][order]) - _right(b, first["sample_id"][order])
            for a, b in pairs
        ]
    )
    cluster = first[first.cluster][order] if first.cluster else None
    found = paired_difference(
        np.maximum(by_run, 0).mean(axis=0), np.maximum(-by_run, 0).mean(axis=0), cluster
    )
    over = f", with the spread over {len(pairs)} runs (t)" if len(pairs) > 1 else ""
    return replace(with_run_spread(found, by_run.mean(axis=1)), method=f"{found.method}{over}")


def _right(o: Observations, wanted: NDArray[Any]) -> NDArray[np.float64]:
    """Whether each of the samples ``wanted`` (sorted ids) is right, 0 or 1."""
    order = np.argsort(o["sample_id"])
    if not np.array_equal(o["sample_id"][order], wanted):
        raise DataError(
            "relatives: expected both runs to report on the same samples, got others; give both"
            " protocols the same split_seed"
        )
    return np.asarray((o["y_true"] == o["y_pred"])[order], np.float64)


def paired_runs(evidence: Sequence[Evidence]) -> Iterator[list[tuple[Evidence, Evidence]]]:
    """Pairs (with relatives, without) of each two protocols that differ in nothing else, by seed,
    whatever the data.
    """
    sides: dict[str, dict[str, dict[int, Evidence]]] = {}
    for e in evidence:
        data = data_of(e.run.parameters)
        if is_of_a_pair(e.run.parameters) and e.failure is None and SPLIT in e.observations:
            same = json.dumps(
                [e.run.experiment, {**e.run.parameters, "data": {**data, "split": ""}}],
                sort_keys=True,
            )
            sides.setdefault(same, {}).setdefault(str(data["split"]), {})[e.run.seed] = e
    for found in sides.values():
        seeds = sorted(found.get("related", {}).keys() & found.get("disjoint", {}).keys())
        if seeds:
            yield [(found["related"][s], found["disjoint"][s]) for s in seeds]


def is_of_a_pair(parameters: Mapping[str, Any]) -> bool:
    """Whether a run with these parameters is one side of a pair."""
    return data_of(parameters).get("split") in ("related", "disjoint")


def _finding(run: Run, found: Interval, claims: Sequence[Claim], settings: Settings) -> Finding:
    """``run``: one of those with relatives."""
    groups, model = (
        str(data_of(run.parameters).get("groups")),
        run.parameters.get("model", {}).get("kind", "model"),
    )
    threat, what = OF_COPIES if groups == "clusters" else OF_PATIENTS
    severity, verdict = _weighed(found)
    points = (
        f"{100 * found.estimate:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    )
    points = points.replace("-", "\N{MINUS SIGN}")
    bearing = tuple(
        c.id
        for c in claims
        if threat in c.threats
        and any(
            m.split == SPLIT and data_of(settings[m.run]).get("split") != "disjoint"
            for m in measured_in(
                c, settings, run.parameters, by_network=True, data=("source", "part")
            )
        )
    )
    return Finding(
        threat,
        severity,
        f"Training {model} on {what} changes the accuracy on {found.n:,} images by {points},"
        f" everything else equal, over {plural(found.runs, 'run')}: {verdict}.",
        bearing,
        {"difference": found.estimate, "low": found.low, "high": found.high, "n": found.n},
        id=f"{threat}:{run.experiment}.{model}.{groups}",
        arithmetic=f"95 % interval: {found.method}; {plural(found.clusters or found.n, 'cluster')}",
    )


def _weighed(found: Interval) -> tuple[str, str]:
    if found.low > SMALL:
        return "undermines", "an accuracy with them in training is inflated"
    if found.high < SMALL and found.runs > 1:
        return "clean", "no inflation of a point or more"
    return "narrows", "whether it inflates the accuracy by a point is not decided"
