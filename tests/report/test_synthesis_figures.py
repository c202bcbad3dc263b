"""Figures of a generator: every picture that the evidence holds is drawn, and the captions say what
it holds.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import numpy as np

from medpipe.evidence import Evidence, Observations, Provenance, Run
from medpipe.report.figures import synthesis_figures
from medpipe.report.figures.svg import text_width

CLASSES = ("glioma", "notumor")


def pictures(n: int, **more: Any) -> Observations:
    draw = np.random.default_rng(0)
    return Observations(
        {
            "sample_id": np.array([f"generated/{i:05d}" for i in range(n)]),
            "pixels": draw.integers(0, 256, (n, 8, 8), np.uint8),
            **more,
        },
        CLASSES,
    )


def trained(seed: int = 0) -> Evidence:
    called = np.arange(20) % 4 // 3
    observations = {
        "samples": pictures(20),
        "quality": pictures(20, y_pred=called, y_prob=np.eye(2)[called] * 0.8 + 0.1),
        "over_time": pictures(12, epoch=np.repeat([1, 5, 9], 4), point=np.tile(np.arange(4), 3)),
        "interpolation": pictures(8, way=np.repeat([0, 1], 4), step=np.tile(np.arange(4), 2)),
        "worst": pictures(
            5,
            training_pixels=np.zeros((5, 8, 8), np.uint8),
            likeness=np.linspace(0.5, 0.9, 5).astype(np.float32),
            training_id=np.array([f"Training/{i}" for i in range(5)]),
        ),
    }
    history = [
        {
            "generator_loss": 2.0 - k,
            "discriminator_loss": 1.0,
            "real_score": 0.9,
            "held_out_score": 0.6,
            "fake_score": 0.1 + 0.1 * k,
        }
        for k in range(2)
    ]
    return Evidence(
        Run("image_synthesis", {}, seed),
        {},
        Provenance("sha256:0", {}, {}),
        observations,
        history=history,
    )


def test_each_figure_shows_and_says_what_the_evidence_holds() -> None:
    curves, samples, time, walks, worst = synthesis_figures("DCGAN", [trained(0), trained(1)])
    assert (
        "generator 2.00, discriminator 1.00" in curves.answer
        and "held-out ones 0.60, generated ones 0.20" in curves.answer
    )
    assert "glioma 15, notumor 5" in samples.answer and samples.svg.count("<image") == 20
    assert "same 4 latent points after 3 epochs" in time.answer and time.svg.count("<image") == 12
    assert "2 walks between two latent points in 4 steps" in walks.answer
    assert (
        "correlation of 0.900" in worst.answer and "generated/00004 beside Training/4" in worst.alt
    )
    assert all(
        re.search(r"image_synthesis-\w+-s0", f.keys) for f in (curves, samples, time, walks, worst)
    )


def test_no_caption_runs_into_the_next() -> None:
    wide = trained()
    named = replace(
        wide,
        observations={
            **wide.observations,
            "quality": Observations(
                wide.observations["quality"].arrays, ("meningioma of the convexity", "notumor")
            ),
        },
    )
    drawn = next(f for f in synthesis_figures("DCGAN", [named]) if "drawn by lot" in f.answer)
    captions = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" font-size="([\d.]+)"[^>]*>([^<]+)<', drawn.svg
    )
    assert len(captions) == 20
    for (x, y, size, words), (nearer, row, *_) in itertools.pairwise(captions):
        assert row != y or float(x) + text_width(words, float(size)) <= float(nearer)


def test_other_experiments_have_none() -> None:
    assert (
        synthesis_figures("x", [replace(trained(), observations={}, history=[])]) == []
        and synthesis_figures("x", []) == []
    )
