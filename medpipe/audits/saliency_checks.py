"""The sanity checks of the saliency maps that a run kept, made again from what it observed of each
image.
"""

from __future__ import annotations

from medpipe.audits.saliency import Check, check_explanation
from medpipe.evidence import Evidence, Observations

MAP, SIMILARITY = "saliency", "randomised_similarity"
SIGNS = {"deletion": -1, "insertion": 1}
"""Curve → the sign by which a larger area is better: what is deleted should be missed soon, what is
put back be enough soon.
"""


def stored_checks(run: Evidence) -> tuple[Check, ...]:
    """The checks of every split that holds areas by map and `SIMILARITY` ``(N, stages)``, -1 to 1,
    all weights new in the last stage.

    None where a run kept none. Raises `DataError` where an interval cannot be made of them.
    """
    return tuple(
        check for o in run.observations.values() if SIMILARITY in o for check in _checks(o)
    )


def _checks(o: Observations) -> tuple[Check, ...]:
    advantage = {
        f"{curve}_against_{other}": sign * (o[f"{curve}_area_{MAP}"] - o[f"{curve}_area_{other}"])
        for curve, sign in SIGNS.items()
        for other in _others(o, curve)
    }
    return check_explanation(
        advantage, o[SIMILARITY][:, -1], o[o.cluster].tolist() if o.cluster else None
    )


def _others(o: Observations, curve: str) -> list[str]:
    """The maps that know nothing; none where the area of the map itself was not kept."""
    head = f"{curve}_area_"
    if head + MAP not in o:
        return []
    return [
        name.removeprefix(head) for name in o.arrays if name.startswith(head) and name != head + MAP
    ]
