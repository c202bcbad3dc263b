"""A bundle that somebody sent, whose claims name code, and a place to look at it from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from made_up import claim_data, evidence_of, observations

from medpipe.evidence import Bundle
from medpipe.specs.loading import load_specs

ROOT = Path(__file__).resolve().parents[1]
EVIL = (
    "from pathlib import Path\n(Path(__file__).parent / 'RAN').write_text('x')\n\ndef score(o):\n  "
    "  return 0.8\n"
)
GOOD = "from pathlib import Path\nimport helper\n\ndef auc(o):\n    return helper.right(o)\n"
HELPER = "def right(o):\n    return float((o['y_true'] == o['y_pred']).mean())\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


def write_specs(folder: Path, metric: str, **change: object) -> None:
    """Specifications of one claim that is judged by a metric."""
    measure = {"metric": metric, "run": "toy", "split": "validation"}
    documents = {
        "subject": {
            "version": 1,
            "id": "made-up",
            "name": "x",
            "revision": "1",
            "about": "x",
            "parts": {"toy": "x"},
            "documents": {"paper.pdf": "sha256:" + "0" * 64},
        },
        "claims/toy": {"version": 1, "claims": [claim_data(**{"measure": measure, **change})]},
        "profiles/small": {"version": 1, "id": "small", "title": "x", "seeds": [0]},
        "protocols/toy": {
            "version": 1,
            "id": "toy",
            "experiment": "made_up:toy",
            "title": "x",
            "source": "x",
            "parameters": {"data": {"source": "real"}, "training": {"epochs": 5}},
        },
    }
    for name, document in documents.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")


def make_bundle(folder: Path, specs: Path, code: dict[str, str] | None = None) -> Bundle:
    """A sealed bundle of one run, with the code that it brings along."""
    bundle = Bundle.create(folder, "made-up", "small")
    bundle.put(evidence_of({"validation": observations(np.random.default_rng(0), 400, 0.8)}))
    bundle.write_specs(load_specs(specs).files)
    bundle.write_code({name: text.encode() for name, text in (code or {}).items()})
    bundle.seal()
    return bundle


def reseal(folder: Path) -> None:
    """A manifest that fits whatever lies in a folder, as whoever put it there would write it."""
    files = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(
        json.dumps({"version": 1, "files": files}), encoding="utf-8"
    )
