"""What makes a timing worthless, told of each form before it is timed: each guard gives a sentence,
or None where all is well.

What the timed rounds themselves tell is `medpipe.metrics.timing.short_warm_up`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medpipe.formatting import plural

LEFT = 0.10
"""A wait that takes more than this share of the timed part shows that the timer did not wait for
the device.
"""


def cached_answer(call: Callable[[Any], Any], inputs: Sequence[Any]) -> str | None:
    """Unlike inputs must get unlike answers."""
    answers = [np.asarray(call(value), np.float64) for value in inputs]
    same = [
        i
        for i in range(1, len(answers))
        if np.array_equal(answers[i], answers[0]) and not np.array_equal(inputs[i], inputs[0])
    ]
    if not same:
        return None
    others = plural(len(inputs) - 1, "other input")
    return f"{len(same)} of {others} get the answer of the first: it is remembered, not computed"


def does_not_wait(
    call: Callable[[Any], Any],
    wait: Callable[[], None],
    device_wait: Callable[[], None],
    value: Any,
    calls: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> str | None:
    """After a timer that waits as it should, nothing is left to wait for on the device."""
    timed, left = [], []
    for _ in range(calls):
        device_wait()
        start = clock()
        call(value)
        wait()
        done = clock()
        device_wait()
        timed.append(done - start)
        left.append(clock() - done)
    share = float(np.median(left) / max(float(np.median(timed)), 1e-9))
    return (
        f"after the timer stopped the device worked on for {100 * share:.0f} % of the time that was"
        " measured"
        if share > LEFT
        else None
    )


def tracks_gradients(answer: Any) -> str | None:
    """A baseline that keeps what a gradient needs does more than answer."""
    return (
        "the answer carries its gradient: the baseline does more than it needs to"
        if getattr(answer, "requires_grad", False)
        else None
    )
