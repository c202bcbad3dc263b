"""What can be measured of generators without a reader: how like, how varied and how safe their
images are, and what remedies did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medpipe.audits import collapse
from medpipe.audits.memorisation import GUESSING
from medpipe.errors import DataError
from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.judging.estimate import interval_of
from medpipe.judging.wording import show, show_interval
from medpipe.metrics.generator_splits import GENERATED, HELD_OUT, compared, membership
from medpipe.metrics.neighbours import usual_coverage
from medpipe.report.report_data import ReportData, protocol_title
from medpipe.specs.claim import Measure

EXPERIMENT = "image_synthesis"
VANISHED = -2.0
"""A generator's gradient norm below a hundredth, on the decadic scale, has vanished: those that
learn have 1 to 50.
"""
Row = tuple[str, str, Measure, str]
"""What is measured, how it reads, the measure (without its run), and its unit. `_reads` fills in
what depends on the runs.
"""


def _of(split: str, metric: str) -> Measure:
    return Measure(metric=metric, split=split)


MEASURED: tuple[Row, ...] = (
    ("classes covered", "", _of("quality", "classes_covered"), "count"),
    (
        "precision",
        "1: all generated images are near a real image",
        _of("quality", "improved_precision"),
        "proportion",
    ),
    (
        "recall",
        "1: all real images are near a generated image",
        _of("quality", "improved_recall"),
        "proportion",
    ),
    ("density", "about 1 for a second real sample", _of("quality", "density"), "number"),
    (
        "coverage",
        "about {coverage} for a second real sample",
        _of("quality", "coverage"),
        "proportion",
    ),
    ("KID, unbiased", "0 for a second real sample", _of("quality", "kid"), "number"),
    (
        "FID",
        "above 0 for a second real sample, more so at small n",
        _of("quality", "fid"),
        "number",
    ),
    (
        "MS-SSIM, generated minus training pairs",
        "above 0: more similar",
        _of("pairs", "ms_ssim_excess"),
        "number",
    ),
    (
        "proportion memorised from {compared}",
        "0 or below: none{times}",
        _of("memory", "memorised_share"),
        "proportion",
    ),
    (
        "copies of {compared}",
        "0: none of these{times}",
        _of("memory", "copied_share"),
        "proportion",
    ),
    (
        "data-copying index",
        "below \N{MINUS SIGN}1.64: copies",
        _of("memory", "data_copying_z"),
        "number",
    ),
    (
        "membership by generated images, AUC",
        "0.5: guessing",
        _of("membership", "membership_auc_generator"),
        "proportion",
    ),
    (
        "membership by the discriminator, AUC",
        "0.5: guessing",
        _of("membership", "membership_auc_discriminator"),
        "proportion",
    ),
)
USEFUL: tuple[Row, ...] = (
    (
        "accuracy on real images, trained on real ones",
        "the largest class: {largest}",
        _of("trained_on_real", "accuracy"),
        "proportion",
    ),
    (
        "the same, trained on synthetic images alone",
        "labels from a network with {right} accuracy",
        _of("trained_on_synthetic", "accuracy"),
        "proportion",
    ),
    (
        "the same, rare classes extended with synthetic images",
        "",
        _of("trained_balanced", "accuracy"),
        "proportion",
    ),
)
COURSE: tuple[Row, ...] = (
    ("classes", "", _of("quality", "classes_covered"), "count"),
    ("coverage", "", _of("quality", "coverage"), "proportion"),
    ("discriminator’s AUC", "", _of("membership", "membership_auc_discriminator"), "proportion"),
    ("gradient, log10", "", Measure(scalar="generator_gradient_log10"), "number"),
)


def measured_generators(case: ReportData, part: str) -> dict[str, Any] | None:
    """A row for each measurement with a value for each generator of the part; None where none was
    made.

    Generators that failures were provoked in stand apart, in `remedies`; of two protocols with the
    same runs the first is shown. What their images are of use for has rows where a run trained on
    them.
    """
    provoked = {name for pair in _pairs(case, part) for name in pair}
    shown: dict[tuple[str, ...], str] = {}
    for name in _made(case, part):
        if name not in provoked:
            shown.setdefault(tuple(e.run.key for e in case.made(name)), name)
    if not shown:
        return None
    names = tuple(shown.values())
    first = case.made(names[0])[0]
    asked, words = (*MEASURED, *(USEFUL if _tried(first) else ())), _reads(first)
    rows = [
        {
            "what": what.format(**words),
            "reads": reads.format(**words),
            "cells": [_value(case.made(n), measure, n, unit) for n in names],
        }
        for what, reads, measure, unit in asked
    ]
    return {
        "titles": [f"{protocol_title(case, n)}, {plural(len(case.made(n)), 'run')}" for n in names],
        "rows": rows,
        "n": _counted(first),
    }


def _tried(e: Evidence) -> bool:
    return all(measure.split in e.observations for _, _, measure, _ in USEFUL)


def _reads(e: Evidence) -> dict[str, str]:
    """What the rows say of the numbers of images in a run, by the names that they have in
    `MEASURED` and `USEFUL`.
    """
    made, real = _numbers(e)
    pool = compared(e.observations["memory"], e.observations.get("seen"))
    words = {
        "coverage": f"{100 * usual_coverage(real, made):.3g} %",
        "compared": str(pool),
        "times": "" if pool.times == 1 else f"; up to {pool.times:.1f} times as many of all seen",
    }
    if _tried(e):
        labels = np.unique(e.observations["trained_on_real"]["y_true"], return_counts=True)[1]
        right = e.scalars.get("audit_network_accuracy")
        words |= {
            "largest": f"{100 * labels.max() / labels.sum():.0f} %",
            "right": "unknown" if right is None else f"{100 * right:.0f} %",
        }
    return words


def _counted(e: Evidence) -> str:
    made, real = _numbers(e)
    return f"{made:,} generated and {real:,} real images that the generator did not see"


def _numbers(e: Evidence) -> tuple[int, int]:
    """Generated images, and real ones that the generator did not see."""
    origin = e.observations["quality"]["origin"]
    return int((origin == GENERATED).sum()), int((origin == HELD_OUT).sum())


def remedies(case: ReportData, part: str) -> dict[str, Any] | None:
    """A row for each failure that was to be provoked and, below it, for each remedy that a claim
    holds against it; None where none was made. ``came_about`` says of the former in how many runs
    it did.
    """
    made = set(_made(case, part))
    groups: dict[str, list[str]] = {}
    for baseline, remedy in _pairs(case, part):
        if baseline in made and remedy in made:
            groups.setdefault(baseline, []).append(remedy)
    if not groups:
        return None
    rows = [
        {
            "title": protocol_title(case, name),
            "baseline": name == baseline,
            "runs": len(case.made(name)),
            "came_about": _came_about(case, part, name) if name == baseline else "",
            "cells": [
                _value(case.made(name), measure, name, unit) for _, _, measure, unit in COURSE
            ],
        }
        for baseline, tried in groups.items()
        for name in (baseline, *dict.fromkeys(tried))
    ]
    return {"columns": [what for what, *_ in COURSE], "rows": rows}


def _collapsed(e: Evidence) -> bool:
    """Whether a class shown is surely lost, or the images are surely few or much alike; modes lost
    are, in generators as coded too.
    """
    return any(
        f.severity == "undermines" and f.id.partition(":")[2] in ("classes", "support", "likeness")
        for f in collapse.seen_in(e.observations)
    )


def _overfitted(e: Evidence) -> bool:
    return membership(e.observations["membership"], "discriminator")[0].interval().low > GUESSING


def _vanished(e: Evidence) -> bool:
    return e.scalars.get("generator_gradient_log10", 0.0) < VANISHED


FAILURES: dict[str, tuple[str, Callable[[Evidence], bool]]] = {
    "coverage": ("mode collapse", _collapsed),
    "membership_auc_discriminator": ("an overfitting discriminator", _overfitted),
    "generator_gradient_log10": ("vanishing gradients", _vanished),
}
"""By what a claim of a remedy measures: the failure that it is to remedy, and whether a run has it.
"""


def _came_about(case: ReportData, part: str, baseline: str) -> str:
    """In how many runs of a baseline the failure came about that claims hold remedies against."""
    measures = [i.claim.measure for i in case.of_part(part)]
    names = dict.fromkeys(
        m.metric or m.scalar or ""
        for m in measures
        if m.minus is not None and m.minus.run == baseline
    )
    runs, told = case.made(baseline), []
    for failure, has in (FAILURES[name] for name in names if name in FAILURES):
        count = sum(has(e) for e in runs)
        told.append(
            f"{failure} occurred in {count} of {plural(len(runs), 'run')}"
            if count
            else f"{failure} did not occur"
        )
    return "; ".join(told)


def _made(case: ReportData, part: str) -> Sequence[str]:
    return [
        name
        for name in case.protocols_of(part)
        if case.made(name) and case.made(name)[0].run.experiment == EXPERIMENT
    ]


def _pairs(case: ReportData, part: str) -> list[tuple[str, str]]:
    """Baseline and remedy of each claim that holds one generator against another."""
    measures = [i.claim.measure for i in case.of_part(part)]
    return [(m.minus.run, m.run) for m in measures if m.minus is not None and m.minus.run != m.run]


def _value(runs: Sequence[Evidence], measure: Measure, name: str, unit: str) -> str:
    if any(
        (
            measure.scalar not in e.scalars
            if measure.scalar is not None
            else measure.split not in e.observations
        )
        for e in runs
    ):
        return "–"
    try:
        return show_interval(interval_of(replace(measure, run=name), runs, unit), unit)
    except DataError:  # a single run's scalar has no interval
        values = [e.scalars[str(measure.scalar)] for e in runs if measure.scalar is not None]
        return f"{show(values[0], unit)} (1 run)" if len(values) == 1 else "–"
