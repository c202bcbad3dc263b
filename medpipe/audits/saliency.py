"""Does a saliency map explain the network? Two sanity checks that a useless map fails.

**Purpose.** A map that looks plausible may say nothing about the network: an edge detector looks
plausible too.

**Method.** *Faithfulness* (Petsiuk, Das and Saenko 2018): pixels are removed, or put back, in the
order of the map; the area under the explained class's probability is compared, sample by sample,
with that of a map that knows nothing. A map passes where the 95 % interval of its mean advantage
lies above `WORTH`. *Weight randomisation* (Adebayo and others 2018): the map of the same network
with new weights must be another. A map passes where the interval of the mean rank correlation lies
below `UNCHANGED`.

**Limits.** The interval is over samples (or clusters of them), of one trained network. A pass says
that the map depends on the network and on the input; not that the network is right, nor that a
reader is helped.

**Example.** An edge detector has a rank correlation of 1 with itself, whatever the weights are: it
fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.metrics.contributions import clustered
from medpipe.metrics.intervals import Interval

Outcome = Literal["pass", "fail", "not shown"]
Values = NDArray[np.floating]
UNCHANGED = 0.5
"""A rank correlation from which two maps count as the same: Cohen's "large" (1988, p. 80). Below it
they share less than a quarter of the variance of their ranks. Adebayo and others give no number.
"""
WORTH = 0.01
"""The smallest advantage, in mean probability: one percentage point, the last digit in which
probabilities are told. An untrained network has its preferences too, of some thousandths, and
Grad-CAM finds them; nobody asks for their explanation.
"""
FEWEST = 6
"""Independent clusters without which no interval is made: six of six on one side is what a
two-sided sign test needs for 5 % (2 / 2**6).
"""


@dataclass(frozen=True)
class Check:
    """One sanity check: ``interval`` is of the mean advantage, or of the mean rank correlation;
    ``said`` tells it in a sentence.

    ``outcome``: ``pass``, ``fail``, or ``not shown`` where the interval holds the threshold.
    """

    name: str
    outcome: Outcome
    interval: Interval
    said: str

    def scalars(self, prefix: str) -> dict[str, float]:
        """``<prefix>_<name>`` with ``_low``, ``_high``, ``_n``, and ``_passes`` (1 or 0)."""
        name = f"{prefix}_{self.name}"
        return {
            **interval_scalars(name, self.interval),
            f"{name}_passes": float(self.outcome == "pass"),
        }


def interval_scalars(name: str, interval: Interval) -> dict[str, float]:
    """``<name>`` with ``_low`` and ``_high`` of its interval, and ``_n``."""
    return {
        name: interval.estimate,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
        f"{name}_n": interval.n,
    }


def check_explanation(
    advantage: Mapping[str, Values], similarity: Values, cluster: Sequence[str] | None = None
) -> tuple[Check, ...]:
    """The checks of one kind of map on N samples.

    ``advantage``: name → ``(N,)``, how much better the map's area is than that of a map that knows
    nothing, positive where it is better (``deletion_against_random``: random minus map, because
    deletion should end low). ``similarity`` ``(N,)``, -1 to 1: rank correlation of the map with
    that of the network with new weights. ``cluster`` names what depends on each other, such as
    patients. Raises `DataError` for unequal lengths, values that are not finite, or fewer than
    `FEWEST` clusters.
    """
    found = [
        _faithful(name, mean_interval(name, values, cluster)) for name, values in advantage.items()
    ]
    return (*found, _depends_on_weights(mean_interval("randomisation", similarity, cluster)))


def passes(checks: Sequence[Check]) -> bool:
    """Whether every one of some checks passes. Raises `DataError` for none."""
    if not checks:
        raise DataError("explanation: expected checks, got none")
    return all(c.outcome == "pass" for c in checks)


def mean_interval(name: str, values: Values, cluster: Sequence[str] | None = None) -> Interval:
    """The mean of ``values`` ``(N,)`` with a 95 % interval over clusters (over samples where there
    are none).
    """
    if (
        values.ndim != 1
        or not np.isfinite(values).all()
        or (cluster is not None and len(cluster) != len(values))
    ):
        raise DataError(
            f"explanation, {name}: expected finite values (N,) and a cluster for each, got"
            f" {values.shape} and {'no' if cluster is None else len(cluster)} clusters"
        )
    found = clustered(values.astype(np.float64), None if cluster is None else np.asarray(cluster))
    if (found.clusters or 0) < FEWEST:
        raise DataError(
            f"explanation, {name}: expected at least {FEWEST} independent samples, got"
            f" {found.clusters}; explain more"
        )
    return found


def _faithful(name: str, interval: Interval) -> Check:
    outcome: Outcome = (
        "pass" if interval.low > WORTH else "fail" if interval.high <= WORTH else "not shown"
    )
    words = {
        "pass": "better than a map that knows nothing",
        "fail": "no better than a map that knows nothing",
        "not shown": "not shown to be better than a map that knows nothing",
    }
    return Check(
        name,
        outcome,
        interval,
        f"{name.replace('_', ' ')}: {words[outcome]}; mean advantage {_shown(interval)}",
    )


def _depends_on_weights(interval: Interval) -> Check:
    outcome: Outcome = (
        "pass"
        if interval.high < UNCHANGED
        else "fail"
        if interval.low >= UNCHANGED
        else "not shown"
    )
    words = {
        "pass": "the map changes with the weights",
        "fail": "the map stays whatever the weights are",
        "not shown": "not shown to change with the weights",
    }
    return Check(
        "randomisation",
        outcome,
        interval,
        f"weight randomisation: {words[outcome]}; mean rank correlation {_shown(interval)}",
    )


def _shown(i: Interval) -> str:
    return f"{i.estimate:.3f} ({i.low:.3f} to {i.high:.3f}, n = {i.n:,})".replace(
        "-", "\N{MINUS SIGN}"
    )
