"""Controls of the audits of deployment whose faults are planted in what a form does, timed by the
code that times real forms.
"""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from made_up_ladder import said, severities

from medpipe.audits.backend_timing import parities, winner

torch = pytest.importorskip("torch", reason="torch is not installed")

from planted_forms import FarDevice, Network, logits, planted, taking  # noqa: E402
from torch import Tensor  # noqa: E402

from medpipe.pipeline.deployment import backend_observations  # noqa: E402
from medpipe.pipeline.deployment.latency import measure  # noqa: E402

SECONDS = 0.001


def forms(**others: Network) -> dict[str, Network]:
    """Honest forms, with others in their place."""
    return {**{slug: taking(SECONDS) for slug in ("eager_no_grad", "eager", "script")}, **others}


def test_the_clean_twin_passes_when_it_is_really_timed() -> None:
    found = severities(planted(forms()))
    assert {k: found[k] for k in ("warm_up", "waits", "remembered", "script")} == dict.fromkeys(
        ("warm_up", "waits", "remembered", "script"), "clean"
    )


def test_a_timer_that_does_not_wait_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form gives its work to a device and returns at once; the timer stops there."""
    device = FarDevice()
    monkeypatch.setattr(backend_observations, "wait", lambda of: device.wait())

    def far(given: Tensor) -> Tensor:
        device.call(5 * SECONDS)
        return logits(given)

    e = planted(forms(script=far))
    assert severities(e)["waits"] == "undermines" and "of script stops" in said(e, "timing:waits")


def test_a_warm_up_that_is_too_short_is_found() -> None:
    """Each call takes a little less than the one before, so that ten of them look stable, and 80 do
    not.
    """
    cooling = (6 * SECONDS * (0.1 + 0.9 * 0.99**k) for k in itertools.count())
    e = planted(forms(script=taking(cooling)))
    assert severities(e)["warm_up"] == "narrows" and "of script was too short" in said(
        e, "timing:warm_up"
    )
    assert set(e.observations["warmup"]["stable"].tolist()) == {"yes"}


def test_a_warm_up_that_never_becomes_stable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five calls take four times as long as the next five, for ever."""
    monkeypatch.setattr(backend_observations, "measure", partial(measure, most_warm_up_s=0.2))
    turns = itertools.cycle([SECONDS] * 5 + [4 * SECONDS] * 5)
    assert "of script did not become stable" in said(
        planted(forms(script=taking(turns))), "timing:warm_up"
    )


def test_remembered_answers_are_found() -> None:
    e = planted(forms(script=taking(SECONDS, lambda given: torch.ones(len(given), 4))))
    assert severities(e)["remembered"] == "undermines" and "gave script" in said(
        e, "timing:remembered"
    )


def test_a_form_that_answers_otherwise_only_at_the_timed_size_cannot_win() -> None:
    """Some forms compile anew for each shape: parity of the one that was compared says nothing of
    the one that was timed.
    """
    e = planted(forms(script=taking(SECONDS / 4, lambda given: logits(given).flip(1))))
    assert parities(e)["script"].flipped.estimate == 0 and severities(e)["script"] == "undermines"
    best = winner(e)
    assert best is not None and best[0] != "script"


def test_a_baseline_that_tracks_gradients_is_named() -> None:
    weight = torch.ones(4, requires_grad=True)
    tracking = planted(
        forms(eager_no_grad=taking(SECONDS, lambda given: logits(given) * weight)),
        mode=torch.enable_grad,
    )
    assert severities(tracking)["baseline"] == "narrows" and "carry gradients" in said(
        tracking, "timing:baseline"
    )
