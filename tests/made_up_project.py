"""A stranger's project: an experiment that reads predictions.csv, with a helper beside it and one
claim.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = """
import csv
import numpy as np
from medpipe import ExperimentResult, Observations
from medpipe.errors import UnavailableError
import helper

def run(config, seed, context):
    how = config["how"]
    if how == "column":
        probability = {}["probability"]
    if how == "absent":
        raise UnavailableError("expected a GPU, found none; run on a machine with one")
    if how == "nothing":
        return None
    if how == "exit":
        raise SystemExit(0)
    with open(helper.FILE) as file:
        rows = list(csv.DictReader(file))
    label, guess = (np.array([int(r[c]) for r in rows]) for c in ("label", "guess"))
    ids = np.arange(len(rows)).astype(str)
    columns = {"sample_id": ids, "y_true": label, "y_pred": helper.turned(guess)}
    return ExperimentResult(config, {"testing": Observations(columns, ("no", "yes"))})
"""
HELPER = """
FILE = "predictions.csv"

def turned(guess):
    return guess
"""
CLAIM = {
    "id": "toy.model.accuracy",
    "title": "Accuracy of the toy",
    "statement": "It is right in 80 %.",
    "source": {"document": "paper.pdf", "place": "table 1", "printed": "80%"},
    "published": {"value": 0.8},
    "measure": {"metric": "accuracy", "run": "toy", "split": "testing"},
    "criterion": {"kind": "at_least", "rationale": "as printed", "unit": "proportion"},
    "depends_on": ["how"],
}


def document(name: str, how: str) -> dict[str, object]:
    documents: dict[str, dict[str, object]] = {
        "subject": {
            "id": "toy",
            "name": "x",
            "revision": "1",
            "about": "x",
            "parts": {"toy": "x"},
            "documents": {"paper.pdf": "sha256:" + "0" * 64},
        },
        "claims/toy": {"claims": [CLAIM]},
        "profiles/published": {"id": "published", "title": "x", "seeds": [0, 1]},
        "protocols/toy": {
            "id": "toy",
            "experiment": "exp:run",
            "title": "x",
            "source": "x",
            "parameters": {"how": how},
        },
    }
    return {"version": 1, **documents[name]}


def make_project(folder: Path, how: str = "well") -> Path:
    for name in ("subject", "claims/toy", "profiles/published", "protocols/toy"):
        path = folder / "specs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document(name, how)), encoding="utf-8")
    (folder / "exp.py").write_text(EXPERIMENT, encoding="utf-8")
    (folder / "helper.py").write_text(HELPER, encoding="utf-8")
    write_predictions(folder, right=900)
    return folder


def write_predictions(folder: Path, right: int, of: int = 1000) -> None:
    rows = [f"{n % 2},{n % 2 if n < right else 1 - n % 2}" for n in range(of)]
    (folder / "predictions.csv").write_text("\n".join(["label,guess", *rows]), encoding="utf-8")


def medpipe(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "medpipe.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": path,
            "MEDPIPE_IDENTITY": str(folder.parent / "identity"),
            "COLUMNS": "200",
            **environment,
        },
    )
