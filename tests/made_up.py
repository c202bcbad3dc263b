"""Made-up claims and evidence to judge."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from medpipe.evidence import Evidence, Observations, Provenance, Run

PLUGIN = (
    [] if list(entry_points(group="pytest11", name="medpipe")) else ["-p", "medpipe.pytest_plugin"]
)
"""How a pytest of its own gets the plugin: by itself where medpipe is installed."""

PARAMETERS = {"data": {"source": "real"}, "training": {"epochs": 5}}


def claim_data(**change: Any) -> dict[str, Any]:
    """A claim as its file holds it; what is changed to None is left out."""
    data = {
        "id": "toy.model.accuracy",
        "title": "Accuracy",
        "statement": "It is right in 80 %.",
        "source": {"document": "paper.pdf", "place": "table 1", "printed": "80%"},
        "published": {"value": 0.8},
        "measure": {"metric": "accuracy", "run": "toy", "split": "validation"},
        "criterion": {"kind": "within", "margin": 0.02, "rationale": "small", "unit": "proportion"},
        "depends_on": ["data", "training"],
    }
    return {key: value for key, value in {**data, **change}.items() if value is not None}


def observations(
    rng: np.random.Generator,
    n: int,
    accuracy: float | Sequence[float],
    *,
    clusters: int | None = None,
    classes: int = 2,
    prefix: str = "",
) -> Observations:
    """``accuracy`` for everybody, or one by group of the column ``sex``."""
    by_group = [accuracy, accuracy] if isinstance(accuracy, float) else list(accuracy)
    group = np.arange(n) % 2
    right = rng.random(n) < np.array(by_group)[group]
    y_true = rng.integers(0, classes, n)
    arrays = {
        "sample_id": np.char.add(prefix, np.arange(n).astype(str)),
        "y_true": y_true,
        "y_pred": np.where(right, y_true, (y_true + 1) % classes),
        "sex": np.array(["f", "m"])[group],
    }
    if clusters is not None:
        arrays["patient_id"] = (np.arange(n) % clusters).astype(str)
    return Observations(
        arrays, tuple("abcdef"[:classes]), "patient_id" if clusters is not None else None
    )


def evidence_of(
    splits: Mapping[str, Observations], seed: int = 0, protocol: str = "toy", **change: Any
) -> Evidence:
    """Evidence of a run of a protocol, made as published unless ``resolved`` says otherwise."""
    fields: dict[str, Any] = {
        "resolved": PARAMETERS,
        "provenance": Provenance("sha256:0", {}, {}),
        "observations": splits,
        **change,
    }
    return Evidence(Run(f"made_up:{protocol}", PARAMETERS, seed), **fields)


def pairs(*evidence: Evidence) -> list[tuple[Run, Evidence | None]]:
    """As `judge` wants it."""
    return [(e.run, e) for e in evidence]


def write_files_of(page: Path, folder: Path) -> int:
    """Write every block of a page that begins with ``# file: <path>`` into a folder; returns how
    many there are.
    """
    blocks = re.findall(
        r"```[a-z]+\n# file: (\S+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    )
    for name, text in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return len(blocks)
