"""What the rows of a game's history come to: how strong the generator's gradients were, and whether
its loss settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

NO_GRADIENT = float(np.finfo(np.float32).tiny)
"""What a gradient of 0 is counted as: the smallest normal float32."""


def course(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """``generator_gradient_log10``: the mean over epochs of the decadic logarithm of the
    generator's gradient norm, so that a difference of 1 is ten times the gradient.
    ``generator_loss_change``: how far a straight line through the generator's loss rises over the
    second half of the epochs, as a share of its mean there; 0 for a loss that has settled, and left
    out below two epochs in that half.
    """
    norms = np.maximum([row["generator_gradient"] for row in history], NO_GRADIENT)
    found = {"generator_gradient_log10": float(np.log10(norms).mean())}
    late = np.array([row["generator_loss"] for row in history[len(history) // 2 :]])
    if len(late) > 1:
        slope = float(np.polyfit(np.arange(len(late)), late, 1)[0])
        found["generator_loss_change"] = slope * (len(late) - 1) / float(np.abs(late).mean())
    return found
