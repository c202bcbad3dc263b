"""A network whose gradients truly vanish is found, and its twin that remembers passes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from medpipe.pipeline.models.lstm import (  # noqa: E402
    LSTMClassifier,
    Vocabulary,
)
from medpipe.pipeline.text.gradients import VANISHED, norms_by_distance, ratios  # noqa: E402
from medpipe.pipeline.text.samples import Words  # noqa: E402

DISTANCES, FAR = [0, 1, 8, 32], 32


def median_ratio(forget_bias: float, masked: bool) -> float:
    """The median over 40 sentences, of an LSTM whose forget gates are biased; PyTorch adds two
    biases, and the second is set to 0.
    """
    torch.manual_seed(0)
    model = LSTMClassifier(
        vocabulary=50,
        classes=3,
        embedding=16,
        hidden=32,
        layers=2,
        bidirectional=True,
        dropout=0.3,
        masked=masked,
    )
    for name, parameter in model.lstm.named_parameters():
        if name.startswith("bias"):
            forget = parameter.data[32:64]  # gates stand in the order input, forget, cell, output
            forget.fill_(forget_bias if name.startswith("bias_ih") else 0.0)
    draw = np.random.default_rng(0)
    sentences = [" ".join(f"w{draw.integers(0, 48)}" for _ in range(40)) for _ in range(40)]
    words = Words(
        Vocabulary([f"w{i}" for i in range(48)], size=50, words=1),
        sentences,
        draw.integers(0, 3, 40),
        length=44,
        masked=masked,
    )
    return float(np.median(ratios(norms_by_distance(model, words, DISTANCES), DISTANCES, FAR)))


@pytest.mark.parametrize("masked", [True, False])
def test_closed_forget_gates_make_gradients_vanish_and_open_ones_do_not(masked: bool) -> None:
    assert median_ratio(-6.0, masked) < VANISHED / 1000
    for open_bias in (3.0, 5.0):
        assert median_ratio(open_bias, masked) > VANISHED * 10
