"""Which predictions a reader is shown: some drawn by lot, so that none is picked, and those most
confidently wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

Index = NDArray[np.int64]
Labels = NDArray[np.integer]
SPLIT = "gallery"
"""The split of a run's observations in which a gallery is kept."""
DRAWN, ERRORS = 10, 12


def choose_gallery(
    y_true: Labels, y_pred: Labels, y_prob: NDArray[np.floating], seed: int
) -> Index:
    """Indices of the samples to show: `DRAWN` by lot, in the order drawn, then those of
    `most_confident_errors` not yet among them.

    Whoever holds the predictions and the seed finds the same again. Raises `DataError` for no
    samples.
    """
    if not len(y_true):
        raise DataError("gallery: expected predictions to choose from, got none")
    drawn = np.random.default_rng(seed).permutation(len(y_true))[:DRAWN]
    errors = most_confident_errors(y_true, y_pred, y_prob)
    return np.concatenate([drawn, errors[~np.isin(errors, drawn)]])


def most_confident_errors(y_true: Labels, y_pred: Labels, y_prob: NDArray[np.floating]) -> Index:
    """Indices of up to `ERRORS` wrong predictions, the most confident first; equal ones in their
    order.

    Probabilities ``(N, C)`` are compared as observations keep them, in float16, so that kept ones
    give the same choice.
    """
    wrong = np.flatnonzero(y_true != y_pred)
    stated = y_prob.astype(np.float16)[wrong, y_pred[wrong]]
    return wrong[np.argsort(-stated, kind="stable")][:ERRORS]
