"""The tables of deployment: every form of the ladder with what became of it, and the speed-up taken apart into factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from medpipe.audits.attribution import GPU_STEPS, STEPS, Factor, attributed
from medpipe.audits.deployment import EXPERIMENT, REFERENCE, parities, speed, winner
from medpipe.evidence import Evidence
from medpipe.report.case import Case
from medpipe.statistics import Interval

WORDS = {"clean": "the same", "narrows": "open", "undermines": "differ"}


def deployed(case: Case, part: str) -> dict[str, Any] | None:
    """Rows of the ladder and of the factors, from the first run that timed forms; None where none did."""
    for name in case.protocols_of(part):
        made = [e for e in case.made(name) if e.run.experiment == EXPERIMENT and e.failure is None]
        if made:
            best = winner(made[0])
            return {"rows": _forms(made[0]), "factors": [*_factors(made[0], STEPS), *_factors(made[0], GPU_STEPS)],
                    "winner": best[0] if best else "none", "n": int(made[0].scalars["eval_n"])}
    return None


def _forms(e: Evidence) -> list[dict[str, str]]:
    o, passed = e.observations["ladder"], parities(e)
    rows = []
    for k, slug in enumerate(o["slug"].tolist()):
        timed, p = e.observations.get(f"speed_{slug}"), passed.get(slug)
        rows.append({
            "form": slug, "state": o["state"][k].replace("_", " "), "reason": o["reason"][k],
            "ms": "–" if timed is None else f"{1000 * float(np.median(timed['seconds'])):.1f}",
            "p95": "–" if timed is None else f"{1000 * float(np.quantile(timed['seconds'], 0.95)):.1f}",
            "times": "–" if timed is None else _times(speed(timed)),
            "answers": "reference" if slug == REFERENCE else WORDS[p.severity] if p else "–",
            "flipped": f"{round(p.flipped.estimate * p.flipped.n):,}" if p else "–",
            "lost": _points(p.lost) if p else "–",
            "size": "–" if not np.isfinite(o["size_bytes"][k]) else f"{float(o['size_bytes'][k]) / 2**20:.1f}",
            "export": "–" if not np.isfinite(o["export_s"][k]) else f"{float(o['export_s'][k]):.1f}",
            "first": f"{e.scalars[f'first_answer_s_{slug}']:.2f}" if f"first_answer_s_{slug}" in e.scalars else "–"})
    return rows


def _factors(e: Evidence, steps: tuple[tuple[str, str, str], ...]) -> list[dict[str, str]]:
    return [{"name": f.name, "forms": f"{f.first} → {f.second}", "times": _found(f)} for f in attributed(e.observations, steps)]


def _found(factor: Factor) -> str:
    return "not tested" if factor.interval is None else _times(factor.interval)


def _times(i: Interval) -> str:
    return f"{i.estimate:.2f} ({i.low:.2f} to {i.high:.2f})"


def _points(i: Interval) -> str:
    return f"{100 * i.estimate:.2f} ({100 * i.low:.2f} to {100 * i.high:.2f})".replace("-", "\N{MINUS SIGN}")
