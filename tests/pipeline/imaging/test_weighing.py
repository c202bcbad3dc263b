"""The verdict of an audit of images: clean only where everything was looked for and surely not
there, never for want of images.
"""

from __future__ import annotations

import numpy as np
import pytest

from medpipe.audits.proportions import Share, share
from medpipe.metrics.intervals import Interval
from medpipe.pipeline.imaging.image_set_assessment import ShortcutBaseline, weigh
from medpipe.pipeline.imaging.leaked_images import Relation


def flagged(count: int, n: int) -> Share:
    return share("x", np.arange(n) < count, [str(i) for i in range(n)])


def copies(count: int, n: int, *, weighs: bool = True) -> Relation:
    return Relation("test", "copies of images trained on", flagged(count, n), (), weighs, "")


def border(low: float, high: float, *, is_blind: bool = True) -> ShortcutBaseline:
    return ShortcutBaseline(
        "test",
        "the border",
        0.5,
        Interval(low, (low + high) / 2, high, 1000, "drawn"),
        is_blind,
        "",
    )


NONE, CHANCE = flagged(0, 5000), border(-0.04, 0.04)


@pytest.mark.parametrize(
    ("relation", "baseline", "verdict"),
    [
        (copies(0, 5000), CHANCE, "clean"),
        (copies(0, 30), CHANCE, "open"),
        (copies(2, 62), CHANCE, "open"),
        (copies(60, 62), CHANCE, "inflated"),
        (copies(60, 62, weighs=False), CHANCE, "clean"),
        (copies(0, 5000), border(0.3, 0.4), "confounded"),
        (copies(0, 5000), border(0.1, 0.3), "open"),
        (copies(0, 5000), border(0.0, 0.1), "open"),
        (copies(0, 5000), border(0.3, 0.4, is_blind=False), "clean"),
        (copies(60, 62), border(0.3, 0.4), "inflated and confounded"),
    ],
)
def test_three_ways(relation: Relation, baseline: ShortcutBaseline, verdict: str) -> None:
    found = weigh([relation], NONE, [baseline], [])
    assert found.verdict == verdict
    assert bool(found.undecided) is (verdict == "open") and bool(found.reasons) is (
        verdict not in ("open", "clean")
    )


def test_what_was_not_looked_for_is_not_clean_and_hides_nothing() -> None:
    assert weigh([], NONE, [CHANCE], ["not looked"]).verdict == "open"
    found = weigh([copies(60, 62)], NONE, [CHANCE], ["not looked"])
    assert (found.verdict, found.undecided) == ("inflated", ("not looked",)) and len(
        found.reasons
    ) == 1


@pytest.mark.parametrize(
    ("count", "n", "verdict"), [(4, 7000, "clean"), (2, 62, "open"), (40, 62, "open")]
)
def test_labels_that_copies_contradict_are_weighed(count: int, n: int, verdict: str) -> None:
    found = weigh([copies(0, 5000)], flagged(count, n), [CHANCE], [])
    assert found.verdict == verdict and "copy that carries another label" in found.reasons[0]
