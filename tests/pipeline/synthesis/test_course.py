"""What a game's history comes to."""

from __future__ import annotations

import numpy as np
import pytest

from medpipe.pipeline.synthesis.training_dynamics import NO_GRADIENT, course


def history(losses: list[float], gradients: list[float]) -> list[dict[str, float]]:
    return [
        {"generator_loss": loss, "generator_gradient": gradient}
        for loss, gradient in zip(losses, gradients, strict=True)
    ]


def test_ten_times_the_gradient_is_one_more() -> None:
    small, large = (
        course(history([1, 1], [scale * 2, scale * 8]))["generator_gradient_log10"]
        for scale in (0.1, 1)
    )
    assert large - small == pytest.approx(1) and large == pytest.approx(np.log10(4))
    assert course(history([1], [0]))["generator_gradient_log10"] == pytest.approx(
        np.log10(NO_GRADIENT)
    )


def test_a_settled_loss_does_not_change_and_a_rising_one_does() -> None:
    assert course(history([9, 5, 1, 1, 1, 1], [1] * 6))["generator_loss_change"] == pytest.approx(
        0, abs=1e-12
    )
    assert course(history([1, 1, 1, 1, 2, 3], [1] * 6))["generator_loss_change"] == pytest.approx(1)
    assert "generator_loss_change" not in course(history([1], [1]))
