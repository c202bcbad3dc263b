"""The keys of a measure that each metric uses. A key that a metric would ignore is refused when the
claim is loaded.
"""

from __future__ import annotations

from medpipe.errors import SpecError
from medpipe.registry import target
from medpipe.specs.claim import Claim, Measure

ALL = frozenset({"by", "among", "positive", "threshold", "minus"})
"""Those that a function of the user's own takes, too: they choose the observations that it is
given.
"""
USED = {
    "medpipe.metrics.classification": ALL,
    "medpipe.metrics.calibration": frozenset({"by", "among", "minus"}),
    "medpipe.metrics.deployment": frozenset({"minus"}),
    "medpipe.metrics.generation": frozenset({"minus"}),
}
COLUMNS = ("sample_id", "y_true", "y_pred", "y_prob")
"""Columns of observations that are no groups."""


def check_uses(claim: Claim, place: str) -> None:
    """Refuse what the claim's measure would not use. Raises `SpecError`, `UnknownNameError` for an
    unknown metric.
    """
    measure = claim.measure
    if measure.metric is None:
        return
    uses = USED.get(target("metric", measure.metric).partition(":")[0], ALL)
    for key in sorted(_given(measure) - uses):
        known = (
            f"only {', '.join(sorted(uses))} beside run, metric and split of the metric"
            f" {measure.metric}"
        )
        raise SpecError(f"{place}: measure", known, f"the key {key!r}, which it does not use")
    if measure.by in COLUMNS:
        raise SpecError(
            f"{place}: measure.by", "a column that groups the samples", repr(measure.by)
        )


def check_minus(data: dict[str, object], place: str) -> None:
    """Refuse a ``minus`` whose keys the measure would not use, or that takes the measure from
    itself. Raises `SpecError`.
    """
    minus = data.get("minus")
    if not isinstance(minus, dict):
        return
    unused = "split" if "scalar" in data else "scalar"
    if unused in minus:
        beside = "scalar" if unused == "split" else "metric"
        raise SpecError(
            f"{place}: measure.minus", f"no {unused!r} beside a {beside}", repr(minus[unused])
        )
    if all(data.get(key) == value for key, value in minus.items()):
        raise SpecError(
            f"{place}: measure.minus",
            "another run, split or scalar than the measure itself",
            str(dict(minus)),
        )


def _given(measure: Measure) -> set[str]:
    return {key for key in ALL if getattr(measure, key) not in (None, ())}
