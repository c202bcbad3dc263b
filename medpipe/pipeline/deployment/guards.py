"""What makes a timing worthless, told before or after it is made: each guard gives a sentence, or None where all is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import kendalltau

LEFT = 0.10
"""A wait that takes more than this share of the timed part shows that the timer did not wait for the device."""
TREND, SURE = 1.10, 0.001
"""Ratio of the first quarter of rounds to the rest from which, with a trend of this p, the warm-up was too short."""


def cached_answer(call: Callable[[Any], Any], inputs: Sequence[Any]) -> str | None:
    """Unlike inputs must get unlike answers."""
    answers = [np.asarray(call(value), np.float64) for value in inputs]
    same = [i for i in range(1, len(answers)) if np.array_equal(answers[i], answers[0]) and not np.array_equal(inputs[i], inputs[0])]
    return f"{len(same)} of {len(inputs) - 1} other inputs get the answer of the first: it is remembered, not computed" if same else None


def does_not_wait(call: Callable[[Any], Any], wait: Callable[[], None], device_wait: Callable[[], None], value: Any,
                  calls: int = 5) -> str | None:
    """After a timer that waits as it should, nothing is left to wait for on the device."""
    timed, left = [], []
    for _ in range(calls):
        device_wait()
        start = time.perf_counter()
        call(value)
        wait()
        done = time.perf_counter()
        device_wait()
        timed.append(done - start)
        left.append(time.perf_counter() - done)
    share = float(np.median(left) / max(float(np.median(timed)), 1e-9))
    return f"after the timer stopped the device worked on for {100 * share:.0f} % of the time that was measured" if share > LEFT else None


def short_warm_up(seconds: Sequence[float]) -> str | None:
    """Rounds that get faster with time were begun too early."""
    values = np.asarray(seconds, np.float64)
    quarter = max(len(values) // 4, 1)
    ratio = float(np.median(values[:quarter]) / np.median(values[quarter:]))
    found = kendalltau(np.arange(len(values)), values)
    if ratio >= TREND and found.statistic < 0 and found.pvalue < SURE:
        return f"the first quarter of the rounds takes {ratio:.2f} times as long as the rest: the warm-up was too short"
    return None


def tracks_gradients(answer: Any) -> str | None:
    """A baseline that keeps what a gradient needs does more than answer."""
    return "the answer carries its gradient: the baseline does more than it needs to" if getattr(answer, "requires_grad", False) else None
