"""Made-up evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medpipe.evidence import Bundle, Evidence, Observations, Provenance, Run


def make_evidence(seed: int = 0, n: int = 40, accuracy: float = 0.8) -> Evidence:
    """Evidence of a made-up run of a classifier of three classes."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 3, n)
    y_pred = np.where(rng.random(n) < accuracy, y_true, (y_true + 1) % 3)
    y_prob = np.full((n, 3), 0.1)
    y_prob[np.arange(n), y_pred] = 0.8
    observations = Observations(
        {
            "sample_id": np.arange(n).astype(str),
            "y_true": y_true,
            "y_pred": y_pred,
            "y_prob": y_prob,
            "sex": rng.choice(["f", "m"], n),
            "patient_id": (np.arange(n) // 2).astype(str),
        },
        ("a", "b", "c"),
        cluster="patient_id",
    )
    run = Run("made_up:run", {"data": {"source": "made-up"}, "training": {"epochs": 1}}, seed)
    provenance = Provenance(
        "sha256:0", {"numpy": "1"}, {"made-up": "sha256:1"}, started="2026-01-01T00:00:00+00:00"
    )
    return Evidence(
        run,
        run.parameters,
        provenance,
        {"validation": observations},
        {"parameters": 12},
        [{"epoch": 1, "loss": float("nan")}],
        notes=["a note"],
    )


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Make made-up evidence."""
    return make_evidence


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A sealed bundle with evidence of two runs."""
    made = Bundle.create(tmp_path / "bundle", "made-up", "small")
    for seed in (0, 1):
        made.put(make_evidence(seed))
    made.write_specs({"subject.yaml": b"version: 1\n"})
    made.seal()
    return made
