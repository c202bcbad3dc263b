"""Temperature scaling (Guo et al. 2017): one number that makes a network's stated probabilities as
sure as they should be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.model_selection import GroupShuffleSplit

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations

COLDEST, HOTTEST = 0.05, 20.0
_SMALLEST = 2.0**-24
"""The smallest probability that evidence keeps (float16), so that stored probabilities give the
temperature again.
"""


def scaled(probability: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities ``(N, C)`` with their logits divided by ``temperature``; rows sum to 1, the
    order within a row stays.
    """
    logits = np.log(np.maximum(probability, _SMALLEST)) / temperature
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def fitted_temperature(probability: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """The temperature of least log loss on ``label`` int64 ``(N,)``, between 0.05 and 20; above 1
    the network was too sure.

    Raises `DataError` where there is nothing to fit on.
    """
    if not len(label):
        raise DataError("temperature: expected samples to fit on, got none")

    def loss(log_temperature: float) -> float:
        right = scaled(probability, float(np.exp(log_temperature)))[np.arange(len(label)), label]
        return float(-np.log(np.maximum(right, _SMALLEST)).mean())

    return float(
        np.exp(minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded").x)
    )


def calibration_splits(
    observations: Observations, seed: int
) -> tuple[float, Observations, Observations]:
    """The temperature fitted on half of the clusters, and the other half before and after scaling.

    Both halves are drawn by whole clusters, so that nothing reported on is related to what was
    fitted on. Raises `DataError` where there are fewer than two.
    """
    cluster = observations[observations.cluster or "sample_id"]
    if len(np.unique(cluster)) < 2:
        raise DataError(
            "calibration: expected at least two clusters of samples, one to fit on and one to"
            " report on, got one"
        )
    fit, report = next(
        GroupShuffleSplit(1, test_size=0.5, random_state=seed).split(cluster, groups=cluster)
    )
    probability, label = (
        observations["y_prob"].astype(np.float64),
        observations["y_true"].astype(np.int64),
    )
    temperature = fitted_temperature(probability[fit], label[fit])
    before = observations.take(report)
    after = scaled(probability[report], temperature)
    return (
        temperature,
        before,
        Observations({**before.arrays, "y_prob": after}, before.classes, before.cluster),
    )
