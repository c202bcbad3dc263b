"""What can be measured of generators without a reader: how like, how varied and how safe their images are, and what remedies did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from medpipe.claims.claim import Measure
from medpipe.evidence import Evidence
from medpipe.judging.estimate import interval_of
from medpipe.judging.wording import show_interval
from medpipe.phrases import plural
from medpipe.report.case import Case, protocol_title

EXPERIMENT = "image_synthesis"
Row = tuple[str, str, Measure, str]
"""What is measured, how it reads, the measure (without its run), and its unit."""


def _of(split: str, metric: str) -> Measure:
    return Measure(metric=metric, split=split)


MEASURED: tuple[Row, ...] = (
    ("classes surely made", "", _of("quality", "classes_covered"), "count"),
    ("precision", "1: all within reach of a real image", _of("quality", "improved_precision"), "proportion"),
    ("recall", "1: all real ones within reach", _of("quality", "improved_recall"), "proportion"),
    ("density", "about 1 for a second real sample", _of("quality", "density"), "number"),
    ("coverage", "about 0.97 for a second real sample", _of("quality", "coverage"), "proportion"),
    ("KID, unbiased", "0 for a second real sample", _of("quality", "kid"), "number"),
    ("FID", "above 0 for a second real sample, more so at small n", _of("quality", "fid"), "number"),
    ("MS-SSIM, generated minus training pairs", "above 0: more alike", _of("pairs", "ms_ssim_excess"), "number"),
    ("memorised share", "0 or below: none", _of("memory", "memorised_share"), "proportion"),
    ("copies of training images", "", _of("memory", "copied_share"), "proportion"),
    ("data-copying index", "below \N{MINUS SIGN}1.64: copies", _of("memory", "data_copying_z"), "number"),
    ("membership by generated images, AUC", "0.5: guessing", _of("membership", "membership_auc_generator"), "proportion"),
    ("membership by the discriminator, AUC", "0.5: guessing", _of("membership", "membership_auc_discriminator"), "proportion"))
COURSE: tuple[Row, ...] = (
    ("classes", "", _of("quality", "classes_covered"), "count"),
    ("coverage", "", _of("quality", "coverage"), "proportion"),
    ("discriminator’s AUC", "", _of("membership", "membership_auc_discriminator"), "proportion"),
    ("gradient, log10", "", Measure(scalar="generator_gradient_log10"), "number"))


def measured_generators(case: Case, part: str) -> dict[str, Any] | None:
    """A row for each measurement with a value for each generator of the part; None where none was made.

    Generators that failures were provoked in stand apart, in `remedies`; of two protocols with the same runs the first is shown.
    """
    provoked = {name for pair in _pairs(case, part) for name in pair}
    shown: dict[tuple[str, ...], str] = {}
    for name in _made(case, part):
        if name not in provoked:
            shown.setdefault(tuple(e.run.key for e in case.made(name)), name)
    if not shown:
        return None
    names = tuple(shown.values())
    rows = [{"what": what, "reads": reads, "cells": [_value(case.made(n), measure, n, unit) for n in names]}
            for what, reads, measure, unit in MEASURED]
    return {"titles": [f"{protocol_title(case, n)}, {plural(len(case.made(n)), 'run')}" for n in names], "rows": rows,
            "n": _counted(case.made(names[0])[0])}


def _counted(e: Evidence) -> str:
    origin = e.observations["quality"]["origin"]
    n = {name: int((origin == name).sum()) for name in ("generated", "held_out")}
    return f"{n['generated']:,} generated and {n['held_out']:,} real images that the generator did not see"


def remedies(case: Case, part: str) -> dict[str, Any] | None:
    """A row for each provoked failure and, below it, for each remedy that a claim holds against it; None where none was made."""
    made = set(_made(case, part))
    groups: dict[str, list[str]] = {}
    for baseline, remedy in _pairs(case, part):
        if baseline in made and remedy in made:
            groups.setdefault(baseline, []).append(remedy)
    if not groups:
        return None
    rows = [{"title": protocol_title(case, name), "baseline": name == baseline, "runs": len(case.made(name)),
             "cells": [_value(case.made(name), measure, name, unit) for _, _, measure, unit in COURSE]}
            for baseline, tried in groups.items() for name in (baseline, *dict.fromkeys(tried))]
    return {"columns": [what for what, *_ in COURSE], "rows": rows}


def _made(case: Case, part: str) -> Sequence[str]:
    return [name for name in case.protocols_of(part) if case.made(name) and case.made(name)[0].run.experiment == EXPERIMENT]


def _pairs(case: Case, part: str) -> list[tuple[str, str]]:
    """Baseline and remedy of each claim that holds one generator against another."""
    measures = [i.claim.measure for i in case.of_part(part)]
    return [(m.minus.run, m.run) for m in measures if m.minus is not None and m.minus.run != m.run]


def _value(runs: Sequence[Evidence], measure: Measure, name: str, unit: str) -> str:
    if measure.scalar is not None and any(measure.scalar not in e.scalars for e in runs):
        return "–"
    return show_interval(interval_of(replace(measure, run=name), runs, unit), unit)
