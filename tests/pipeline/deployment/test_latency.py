"""The measuring function and its guards: order, turns, stability; and what spoils a timing is
told.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from planted_forms import CLOCK, FarDevice

from medpipe.metrics.timing import short_warm_up
from medpipe.pipeline.deployment.guards import cached_answer, does_not_wait, tracks_gradients
from medpipe.pipeline.deployment.latency import Configuration, is_stable, measure


def test_every_round_holds_every_configuration_in_an_order_of_its_own() -> None:
    seen: list[tuple[str, int]] = []
    made = [
        Configuration(name, lambda value, name=name: seen.append((name, value)), [1, 2, 3])
        for name in ("a", "b", "c")
    ]
    found = measure(made, rounds=30, seed=1, most_warm_up_s=0.01)
    by_round = [[t.name for t in found.timings if t.round == k] for k in range(30)]
    assert (
        all(sorted(names) == ["a", "b", "c"] for names in by_round)
        and len({tuple(names) for names in by_round}) > 3
    )
    assert all(
        sorted(t.position for t in found.timings if t.round == k) == [0, 1, 2] for k in range(30)
    )
    assert set(Counter(seen).values()) and all(
        {v for n, v in seen if n == name} == {1, 2, 3} for name in "abc"
    )  # inputs take turns
    assert [t.name for t in measure(made, rounds=30, seed=1, most_warm_up_s=0.01).timings] == [
        t.name for t in found.timings
    ]
    assert len(found.of("a")) == 30 and (found.of("a") >= 0).all()


def test_warm_up_goes_on_until_calls_take_as_long_as_before() -> None:
    assert is_stable([1.0] * 10) and not is_stable([2.0] * 5 + [1.0] * 5)
    cold = iter([0.02] * 6 + [0.001] * 1000)
    found = measure(
        [Configuration("cold", lambda _: CLOCK.sleep(next(cold)), [0])],
        rounds=1,
        seed=0,
        clock=CLOCK,
    ).warm_ups["cold"]
    assert found.stable and len(found.seconds) >= 12  # the slow calls are not among the last ten
    worse = iter(np.geomspace(0.001, 1, 40).tolist())
    assert (
        not measure(
            [Configuration("never", lambda _: CLOCK.sleep(next(worse)), [0])],
            rounds=0,
            seed=0,
            most_warm_up_s=0.1,
            clock=CLOCK,
        )
        .warm_ups["never"]
        .stable
    )


def test_the_timer_waits_for_the_device() -> None:
    device = FarDevice()
    found = measure(
        [Configuration("far", device.call, [0.01], device.wait)],
        rounds=3,
        seed=0,
        most_warm_up_s=0.01,
        clock=CLOCK,
    )
    assert (found.of("far") >= 0.009).all()
    assert does_not_wait(device.call, device.wait, device.wait, 0.01, clock=CLOCK) is None
    assert "worked on" in str(
        does_not_wait(device.call, lambda: None, device.wait, 0.01, clock=CLOCK)
    )


def test_a_device_that_tells_the_time_itself_is_believed() -> None:
    done: list[int] = []

    def seconds(call: Any) -> float:
        call()
        return 0.25

    found = measure(
        [Configuration("far", done.append, [1, 2], seconds=seconds)],
        rounds=3,
        seed=0,
        most_warm_up_s=0.01,
    )
    assert found.of("far").tolist() == [0.25] * 3 and len(done) == 2 * 3 + len(
        found.warm_ups["far"].seconds
    )


def test_what_others_have_emptied_is_filled_again_before_the_clock_starts() -> None:
    called: list[str] = []
    made = [Configuration(name, called.append, [name]) for name in "ab"]
    found = measure(made, rounds=20, seed=0, most_warm_up_s=0.01)
    in_rounds = called[-2 * 2 * 20 :]
    assert in_rounds[::2] == in_rounds[1::2] == [t.name for t in found.timings]


def test_a_remembered_answer_is_told_from_a_computed_one() -> None:
    inputs = [np.full(3, k, np.float32) for k in range(3)]
    first = inputs[0] * 2
    assert (
        "2 of 2" in str(cached_answer(lambda value: first, inputs))
        and cached_answer(lambda value: value * 2, inputs) is None
    )


def test_rounds_that_get_faster_were_begun_too_early() -> None:
    draw = np.random.default_rng(0)
    steady = 1 + 0.05 * draw.random(60)
    early = steady + 0.5 * np.exp(-np.arange(60) / 10)
    assert short_warm_up(steady.tolist()) is None and "too short" in str(
        short_warm_up(early.tolist())
    )


def test_a_baseline_that_tracks_gradients_is_told() -> None:
    weight = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        clean: Any = weight * 2
    assert tracks_gradients(weight * 2) is not None and tracks_gradients(clean) is None
