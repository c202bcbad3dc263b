"""Which form is kept: answers decide first, and a timing that is unsteady never speaks of
answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.audits.backend_timing import Parity
from medpipe.errors import DataError
from medpipe.metrics.intervals import Interval
from medpipe.pipeline.deployment.backends import Backend, Built, Exported
from medpipe.pipeline.deployment.bench import Measured, choose

EXACT = Interval(0.0, 0.0, 0.001, 1000, "made up")
FLIPPED = Interval(0.05, 0.1, 0.2, 1000, "made up")


def measured(
    slug: str,
    *,
    same: bool = True,
    steady: bool = True,
    times: float = 1.0,
    difference: float = 0.0,
    kept: bool = True,
    one_class: bool = False,
) -> Measured:
    shares = EXACT if same else FLIPPED
    found = Parity(shares, EXACT, difference, True, shares)
    exported = Exported(lambda batch, side: lambda images: images, (Path(slug),) if kept else ())
    return Measured(
        Built(Backend(slug, "fp32", "cpu"), "built", "", exported),
        np.ones(20),
        Interval(times, times, times, 20, "made up"),
        found,
        one_class,
        None,
        () if steady else ("its warm-up did not become stable",),
    )


FORMS = st.lists(
    st.builds(
        dict,
        same=st.booleans(),
        steady=st.booleans(),
        times=st.floats(0.1, 10),
        difference=st.floats(0, 1e-4),
        kept=st.booleans(),
    ),
    max_size=5,
)


@given(forms=FORMS, eager_steady=st.booleans())
def test_what_is_kept_gives_eagers_answers_and_is_ranked_only_by_steady_times(
    forms: list[dict[str, object]], eager_steady: bool
) -> None:
    eager = measured("eager", steady=eager_steady)
    found = [eager, *(measured(f"form{k}", **form) for k, form in enumerate(forms))]  # type: ignore[arg-type]
    choice = choose(found, None)
    assert (
        choice.best.answers == "the same"
        and choice.best.built.exported is not None
        and choice.best.built.exported.paths
    )
    able = [
        m
        for m in found
        if m.answers == "the same" and m.built.exported is not None and m.built.exported.paths
    ]
    steady = [m for m in able if not m.timing_faults]
    assert choice.ranked == (eager_steady and bool(steady))
    if choice.ranked:
        assert not choice.best.timing_faults and choice.best.times.estimate == max(
            m.times.estimate for m in steady
        )
    else:
        assert choice.best is eager and any(why.startswith("eager: ") for why in choice.unranked)


@given(forms=FORMS)
def test_unsteady_times_change_what_is_ranked_and_never_whether_answers_pass(
    forms: list[dict[str, object]],
) -> None:
    found = [measured(f"form{k}", **form) for k, form in enumerate(forms)]  # type: ignore[arg-type]
    busy = [replace(m, timing_faults=("its warm-up was too short",)) for m in found]
    assert [m.answers for m in busy] == [m.answers for m in found]


def test_the_form_that_was_asked_for_is_kept_where_times_are_unsteady() -> None:
    found = [measured("eager", steady=False), measured("script", steady=False, difference=1e-6)]
    assert (
        choose(found, ["script"]).best.built.rung.slug == "script"
        and choose(found, None).best.built.rung.slug == "eager"
    )


@pytest.mark.parametrize("steady", [True, False])
def test_where_answers_differ_answers_are_named_and_time_is_not(steady: bool) -> None:
    found = [
        measured("eager", kept=False, steady=steady),
        measured("script", same=False, steady=steady),
    ]
    with pytest.raises(DataError, match="script: differ") as refused:
        choose(found, None)
    assert "timing" not in str(refused.value) and "warm-up" not in str(refused.value)


def test_one_class_is_the_cause_that_is_named() -> None:
    with pytest.raises(DataError, match="gives all images one class"):
        choose([measured("eager", one_class=True)], None)
