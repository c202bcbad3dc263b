"""Scores by class: what an accuracy over all hides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medpipe.evidence import Evidence
from medpipe.judging.wording import show_interval
from medpipe.metrics.intervals import wilson


def per_class(runs: Sequence[Evidence], split: str) -> list[dict[str, str]]:
    """A row for each class: n, sensitivity and precision with Wilson's interval, F1; of the run
    with the lowest seed.

    Empty where the split holds no predictions. A class that is never named has no precision, which
    is said and is not zero.
    """
    o = runs[0].observations[split]
    if "y_pred" not in o:
        return []
    truth, called = o["y_true"], o["y_pred"]
    return [_row(name, truth == k, called == k) for k, name in enumerate(o.classes)]


def _row(name: str, truly: Any, called: Any) -> dict[str, str]:
    hits, there, named = int(np.sum(truly & called)), int(np.sum(truly)), int(np.sum(called))
    f1 = f"{100 * 2 * hits / (there + named):.1f} %" if there + named else "no such sample"
    return {
        "name": name,
        "n": f"{there:,}",
        "sensitivity": _share(hits, there, "no such sample"),
        "precision": _share(hits, named, "never named"),
        "f1": f1,
    }


def _share(hits: int, n: int, none: str) -> str:
    return show_interval(wilson(hits, n), "proportion") if n else none
