"""Heat maps of grids, gradient flow and the table of trivial methods: true to the observations they
are drawn from.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.report.figures import gradient_flow, grid_figures, grid_members

SVG = "{http://www.w3.org/2000/svg}"
DISTANCES = [0, 1, 8, 32]


def words_in(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def run(dropout: float, l2: float, accuracy: float, seed: int = 0, **more: Any) -> Evidence:
    parameters = {
        "model": {"kind": "lstm", "dropout": dropout},
        "training": {"weight_decay": l2, "epochs": 5},
        **more,
    }
    right = np.arange(1000) < round(1000 * accuracy)
    arrays = {
        "sample_id": np.arange(1000).astype(str),
        "y_true": np.zeros(1000, int),
        "y_pred": np.where(right, 0, 1),
    }
    seen = Observations(arrays, ("a", "b"))
    return Evidence(
        Run("text_classification", parameters, seed),
        parameters,
        Provenance("sha256:0", {}, {}),
        {"validation": seen},
    )


def grid(**more: Any) -> dict[str, tuple[str, list[Evidence]]]:
    cells = [(d, w, 0.6 + d / 10 + 10 * w) for d in (0.1, 0.3) for w in (0.001, 0.01)]
    return {
        f"g{d}{w}{more}": (
            f"LSTM {d}, {w}",
            [run(d, w, a, 0, **more), run(d, w, a + 0.02, 1, **more)],
        )
        for d, w, a in cells
    }


def test_a_grid_is_found_by_what_its_protocols_differ_in() -> None:
    stranger = {"other": ("ResNet", [run(0.3, 0.5, 0.9, data={"rows": 7})])}
    (figure,) = grid_figures({**grid(), **stranger})
    assert (
        figure.answer
        == "Of 4 configurations the highest accuracy is 74.0 % (dropout 0.3, weight decay 0.01),"
        " the lowest 63.0 % (dropout 0.1, weight decay 0.001)."
    )
    words = words_in(figure.svg)
    assert "74.0" in words
    assert "73.0 to 75.0" in words
    assert "2 seeds a cell; n = 1,000 samples" in figure.details
    assert grid_members({p: runs for p, (_, runs) in grid().items()}) == set(list(grid())[1:])


def test_a_hole_in_a_grid_is_said() -> None:
    cells = {**grid(), "more": ("LSTM 0.5", [run(0.5, 0.01, 0.5)])}
    (figure,) = grid_figures(cells)
    assert words_in(figure.svg).count("not run") == 1
    assert "one seed" in words_in(figure.svg)


def test_two_grids_are_two_figures_and_fewer_cells_are_none() -> None:
    assert len(grid_figures({**grid(), **grid(sound=True)})) == 2
    assert grid_figures(dict(list(grid().items())[:3])) == []
    assert grid_figures({}) == []


def measured(decay: float, seed: int = 0) -> Evidence:
    parameters = {"gradients": {"distances": DISTANCES, "far": 32}}
    norms = np.array([[decay ** max(d - 1, 0) for d in DISTANCES]] * 40, np.float32)
    norms[0, -1] = np.nan  # a sentence that is too short for the last distance
    seen = Observations(
        {
            "sample_id": np.arange(40).astype(str),
            "y_true": np.zeros(40, int),
            "y_pred": np.zeros(40, int),
            "gradient_norm_initial": norms**2,
            "gradient_norm_trained": norms,
        },
        ("a", "b"),
    )
    return Evidence(
        Run("gradient_flow", parameters, seed),
        parameters,
        Provenance("sha256:0", {}, {}),
        {"gradients": seen},
    )


@pytest.mark.parametrize(("decay", "says"), [(0.5, "it vanishes"), (0.95, "it does not vanish")])
def test_gradient_flow_tells_what_is_left_at_the_far_distance(decay: float, says: str) -> None:
    figure = gradient_flow("LSTM", [measured(decay, 0), measured(decay, 1)])
    assert figure is not None
    assert says in figure.answer
    left = decay**31
    assert (f"{100 * left:.0f} %" if left >= 0.1 else f"{left:.0e}") in figure.answer
    assert "40 sentences" in figure.details and "2 seeds" in figure.details
    assert {"before training", "after training"} <= set(words_in(figure.svg))


def test_without_gradients_there_is_no_figure() -> None:
    assert gradient_flow("LSTM", [run(0.1, 0.1, 0.5)]) is None
