"""The one measuring function: several configurations side by side, warmed up until stable, in
random order within every round.

Configurations are compared within a round, so what slows the machine for a moment slows all of
them, and ratios are paired. Before each timed call stands one that is not timed: in service a form
has the processor's caches to itself, here the others have just emptied them. Inputs take turns, so
that no answer can be remembered. Nothing that was measured is left out. A timer waits until the
device is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

Progress = Callable[[int, int], None]
Clock = Callable[[], float]
WINDOW = 5
"""Calls whose median is held against that of as many calls before them."""
STABLE = 0.10
"""Two such medians nearer than this share are stable."""


def nothing() -> None:
    """What waits for a processor that is done when the call returns."""


@dataclass(frozen=True)
class Configuration:
    """Something to be timed: ``call`` takes one of ``inputs`` in turn; ``wait`` returns when the
    device has finished.

    ``seconds``: does what it is given and tells how long the device took by its own events; without
    it the host's clock does.
    """

    name: str
    call: Callable[[Any], Any]
    inputs: Sequence[Any]
    wait: Callable[[], None] = nothing
    seconds: Callable[[Callable[[], Any]], float] | None = None


@dataclass(frozen=True)
class Timing:
    """One call: in which round, at which place within it, and how long it took."""

    name: str
    round: int
    position: int
    seconds: float


@dataclass(frozen=True)
class WarmUp:
    """The calls before timing, in seconds, and whether they became stable before the cap."""

    seconds: tuple[float, ...]
    stable: bool


@dataclass(frozen=True)
class Measured:
    """All timings in the order of their making, and the warm-up of each configuration."""

    timings: tuple[Timing, ...]
    warm_ups: dict[str, WarmUp] = field(default_factory=dict)

    def of(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Seconds float64 ``(rounds,)`` of one configuration, by round."""
        return np.array([t.seconds for t in self.timings if t.name == name], np.float64)


def measure(
    configurations: Sequence[Configuration],
    *,
    rounds: int,
    seed: int,
    most_warm_up_s: float = 10.0,
    least_warm_up: int = 10,
    settle: int = 1,
    progress: Progress = lambda done, total: None,
    clock: Clock = time.perf_counter,
) -> Measured:
    """Warm up each configuration, then time one call of each in every round, in an order drawn
    anew, ``settle`` untimed ones before it.

    Warm-up goes on for at least ``least_warm_up`` calls, until the median of the last `WINDOW`
    calls is within `STABLE` of that of the `WINDOW` before, or for ``most_warm_up_s`` seconds,
    whichever is first; `WarmUp.stable` says which.
    """
    turns = {c.name: cycle(c.inputs) for c in configurations}
    warm_ups = {
        c.name: warm_up(c, turns[c.name], least_warm_up, most_warm_up_s, clock)
        for c in configurations
    }
    draw = np.random.default_rng(seed)
    timings = []
    for number in range(rounds):
        for position, place in enumerate(draw.permutation(len(configurations)).tolist()):
            c = configurations[place]
            for _ in range(settle):
                timed(c, next(turns[c.name]), clock)
            timings.append(Timing(c.name, number, position, timed(c, next(turns[c.name]), clock)))
        progress(number + 1, rounds)
    return Measured(tuple(timings), warm_ups)


def timed(configuration: Configuration, value: Any, clock: Clock = time.perf_counter) -> float:
    """Seconds from before the call until the device is done with it; nothing is under way when the
    clock starts.
    """
    configuration.wait()
    if configuration.seconds is not None:
        return configuration.seconds(partial(configuration.call, value))
    start = clock()
    configuration.call(value)
    configuration.wait()
    return clock() - start


def warm_up(
    configuration: Configuration,
    inputs: Iterator[Any],
    least: int,
    most_s: float,
    clock: Clock = time.perf_counter,
) -> WarmUp:
    """Call until stable, as `measure` says."""
    seconds: list[float] = []
    end = clock() + most_s
    while True:
        seconds.append(timed(configuration, next(inputs), clock))
        if len(seconds) >= max(least, 2 * WINDOW) and is_stable(seconds):
            return WarmUp(tuple(seconds), True)
        if clock() >= end:
            return WarmUp(tuple(seconds), False)


def is_stable(seconds: Sequence[float]) -> bool:
    """Whether the median of the last `WINDOW` calls is within `STABLE` of that of the `WINDOW`
    before.
    """
    before, last = np.median(seconds[-2 * WINDOW : -WINDOW]), np.median(seconds[-WINDOW:])
    return bool(abs(last - before) <= STABLE * before)
