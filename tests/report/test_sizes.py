"""Learning curves over training-set size: drawn for protocols that differ in that alone, true to
the observations.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
from made_up import observations

from medpipe.evidence import Evidence, Provenance, Run
from medpipe.report.figures import size_figures, size_members

FULL = 800


def run(fraction: float | None, seed: int, right: float, **model: Any) -> Evidence:
    parameters: dict[str, Any] = {"data": {"source": "real"}, "model": {"kind": "net", **model}}
    if fraction is not None:
        parameters["data"]["train_fraction"] = fraction
    seen = observations(np.random.default_rng(seed), 400, right)
    return Evidence(
        Run("toy", parameters, seed),
        parameters,
        Provenance("sha256:0", {}, {}),
        {"validation": seen, "training_evaluated": seen},
        {"samples_train": FULL * (fraction or 1.0)},
    )


def curve(**model: Any) -> dict[str, tuple[str, list[Evidence]]]:
    shares = {"toy_tenth": (0.125, 0.6), "toy_half": (0.5, 0.75), "toy": (None, 0.8)}
    return {
        name: (f"Title of {name}", [run(f, s, right, **model) for s in (0, 1)])
        for name, (f, right) in shares.items()
    }


def test_says_what_the_last_doubling_gave() -> None:
    made = curve()
    (figure,) = size_figures(made)
    ElementTree.fromstring(figure.svg)
    accuracies = [
        100
        * np.mean(
            [
                np.mean(
                    e.observations["validation"]["y_true"] == e.observations["validation"]["y_pred"]
                )
                for e in runs
            ]
        )
        for _, runs in made.values()
    ]
    assert (
        f"From 400 to 800 training samples validation accuracy goes from {accuracies[1]:.1f} to"
        f" {accuracies[2]:.1f} %" in figure.answer
    )
    assert f"with 100 it is {accuracies[0]:.1f} %" in figure.answer
    assert figure.alt.startswith("Title of toy.") and "2 seeds" in figure.details
    assert size_members({p: runs for p, (_, runs) in made.items()}) == {"toy_tenth", "toy_half"}


def test_other_protocols_make_no_curve() -> None:
    two = {name: made for name, made in curve().items() if name != "toy_half"}
    without_all = {name: made for name, made in curve().items() if name != "toy"}
    other_model = {**two, "other_half": curve(width=2)["toy_half"]}
    assert [size_figures(made) for made in (two, without_all, other_model, {})] == [[], [], [], []]


def test_what_is_looked_at_beside_makes_no_difference() -> None:
    made = curve()
    title, runs = made["toy"]
    looked = [
        Evidence(
            Run("toy", {**e.run.parameters, "observe": {"training": True}}, e.run.seed),
            {**e.resolved, "observe": {"training": True}},
            e.provenance,
            e.observations,
            e.scalars,
        )
        for e in runs
    ]
    assert len(size_figures({**made, "toy": (title, looked)})) == 1
