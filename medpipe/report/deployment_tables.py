"""The tables of deployment: every form with what became of it, its times and rates, and the
speed-up taken apart into factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import quantile_test

from medpipe.audits.attribution import GPU_STEPS, STEPS, Factor, attributed
from medpipe.audits.backend_timing import EXPERIMENT, REFERENCE, calls, parities, speed, winner
from medpipe.evidence import Evidence, Observations
from medpipe.formatting import listed
from medpipe.metrics.intervals import Interval
from medpipe.metrics.timing import geometric
from medpipe.report.report_data import ReportData

END_TO_END, FROM_FILE, KERNEL = "end_to_end", "from_file", "kernel"
QUANTILES = (0.5, 0.95, 0.99)
ABSENT = "–"
SCALARS = (("memory_mb", 0), ("energy_j", 2))
"""With their digits after the point."""
BLOCKS = 12
"""Rounds of a batch size are put into so many blocks at most for an interval."""
WORDS = {"clean": "the same", "narrows": "not assessed", "undermines": "differ"}


def deployed(case: ReportData, part: str) -> dict[str, Any] | None:
    """Rows of the ladder and of the factors, from the first run that timed forms; None where none
    did.
    """
    for name in case.protocols_of(part):
        made = [e for e in case.made(name) if e.run.experiment == EXPERIMENT and e.failure is None]
        if made:
            best, times = winner(made[0]), _waits(made[0])
            return {
                "rows": _forms(made[0]),
                "rates": _rates(made[0]),
                "times": times,
                "energy": any(row["energy_j"] != ABSENT for row in times),
                "memory": any(row["memory_mb"] != ABSENT for row in times),
                "factors": [*_factors(made[0], STEPS), *_factors(made[0], GPU_STEPS)],
                "winner": best[0] if best else "none",
                "n": int(made[0].scalars["eval_n"]),
                **_sizes(made[0]),
                "remark": case.specs.protocols[name].unstated.get("timing.rounds", ""),
            }
    return None


def _sizes(e: Evidence) -> dict[str, Any]:
    """Of what size images were answered and timed, in which batches; ``checked``: how many of the
    timed size, None where none were.
    """
    asked = [o for name, o in e.observations.items() if name.startswith("timed_parity_")]
    return {
        "side": e.resolved.get("training", {}).get("resolution"),
        "timed_side": e.resolved.get("timing", {}).get("resolution"),
        "checked": int((asked[0]["batch"] == asked[0]["batch"][0]).sum()) if asked else None,
        "checked_batches": listed([str(b) for b in np.unique(asked[0]["batch"])]) if asked else "",
    }


def _forms(e: Evidence) -> list[dict[str, str]]:
    o, passed = e.observations["ladder"], parities(e)
    rows = []
    for k, slug in enumerate(o["slug"].tolist()):
        timed, p = e.observations.get(f"speed_{slug}"), passed.get(slug)
        rows.append(
            {
                "form": slug,
                "state": o["state"][k].replace("_", " "),
                "reason": o["reason"][k],
                "ms": (
                    ABSENT if timed is None else f"{1000 * float(np.median(timed['seconds'])):.1f}"
                ),
                "times": ABSENT if timed is None else _times(speed(timed)),
                "answers": "reference" if slug == REFERENCE else WORDS[p.severity] if p else ABSENT,
                "flipped": _flipped(p.flipped) if p else ABSENT,
                "flipped_timed": _flipped(p.timed) if p and p.timed else ABSENT,
                "lost": _points(p.lost) if p else ABSENT,
                "size": (
                    ABSENT
                    if not np.isfinite(o["size_bytes"][k])
                    else f"{float(o['size_bytes'][k]) / 2**20:.1f}"
                ),
                "ready": _ready(e, slug, float(o["export_s"][k])),
            }
        )
    return rows


def _ready(e: Evidence, slug: str, export_s: float) -> str:
    """Seconds from the trained network to the first answer; some forms compile when they are made,
    some when they first answer.
    """
    first_s = e.scalars.get(f"first_answer_s_{slug}", float("nan"))
    return f"{export_s + first_s:.1f}" if np.isfinite(export_s + first_s) else ABSENT


def _waits(e: Evidence) -> list[dict[str, Any]]:
    """How long one image takes: quantiles with intervals, from a file, on the device alone; memory
    and energy.
    """
    o = e.observations.get("latency")
    slugs = [s for s in e.observations["ladder"]["slug"].tolist() if f"speed_{s}" in e.observations]
    rows = []
    for slug in slugs:
        seconds = 1000 * e.observations[f"speed_{slug}"]["seconds"]
        rows.append(
            {
                "form": slug,
                "quantiles": [_quantile(seconds, p) for p in QUANTILES],
                "file": _median(o, slug, FROM_FILE),
                "alone": _median(o, slug, KERNEL),
                **{name: _scalar(e, f"{name}_{slug}", digits) for name, digits in SCALARS},
            }
        )
    return rows


def _median(latency: Observations | None, slug: str, scope: str) -> str:
    """In milliseconds."""
    seconds = (
        []
        if latency is None
        else latency["seconds"][(latency["slug"] == slug) & (latency["scope"] == scope)]
    )
    return f"{1000 * float(np.median(seconds)):.1f}" if len(seconds) else ABSENT


def _scalar(e: Evidence, name: str, digits: int) -> str:
    return f"{e.scalars[name]:,.{digits}f}" if name in e.scalars else ABSENT


def _quantile(values: NDArray[np.float64], p: float) -> str:
    """A quantile with the 95 % interval of order statistics; a side that so few values cannot bound
    is left open.
    """
    found = quantile_test(values, q=0, p=p).confidence_interval(0.95)
    told = [
        f"{v:.{0 if v >= 100 else 1}f}" if np.isfinite(v) else "…"
        for v in (np.quantile(values, p), found.low, found.high)
    ]
    return f"{told[0]} ({told[1]} to {told[2]})"


def _rates(e: Evidence) -> dict[str, Any] | None:
    """Images a second of each form by batch size, with intervals; None where only one size was
    timed.
    """
    if "latency" not in e.observations:
        return None
    every = e.observations["latency"]
    o = every.take(every["scope"] == END_TO_END)
    sizes = sorted(set(o["batch"].tolist()))
    if len(sizes) < 2:
        return None
    rows = []
    for slug in e.observations["ladder"]["slug"].tolist():
        of_form = [o["seconds"][(o["slug"] == slug) & (o["batch"] == b)] for b in sizes]
        if all(len(seconds) for seconds in of_form):
            rows.append(
                {
                    "form": slug,
                    "cells": [_rate(b, seconds) for b, seconds in zip(sizes, of_form, strict=True)],
                }
            )
    return {"sizes": sizes, "rows": rows}


def _rate(batch: int, seconds: NDArray[np.float64]) -> str:
    count = len(seconds)
    block = np.array([f"{k * min(count, BLOCKS) // count:02d}" for k in range(count)])
    i = geometric(np.log(batch / seconds), block)
    return f"{i.estimate:.1f} ({i.low:.1f} to {i.high:.1f})"


def _flipped(i: Interval) -> str:
    return f"{calls(i):,}"


def _factors(e: Evidence, steps: tuple[tuple[str, str, str], ...]) -> list[dict[str, str]]:
    return [
        {"name": f.name, "forms": f"{f.first} → {f.second}", "times": _found(f)}
        for f in attributed(e.observations, steps)
    ]


def _found(factor: Factor) -> str:
    return "not tested" if factor.interval is None else _times(factor.interval)


def _times(i: Interval) -> str:
    return f"{i.estimate:.2f} ({i.low:.2f} to {i.high:.2f})"


def _points(i: Interval) -> str:
    return f"{100 * i.estimate:.2f} ({100 * i.low:.2f} to {100 * i.high:.2f})".replace(
        "-", "\N{MINUS SIGN}"
    )
