"""Claims as test items: what passes, fails, skips and is expected to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import PLUGIN, claim_data, evidence_of, observations

from medpipe.evidence import Bundle
from medpipe.specs.loading import Specs, load_specs

CASES: dict[str, dict[str, Any]] = {
    "toy.model.right": {"published": {"value": 0.8}},
    "toy.model.wrong": {"published": {"value": 0.6}},
    "toy.model.near": {"published": {"value": 0.82}},
    "toy.model.absent": {"measure": {"metric": "accuracy", "run": "toy", "split": "no_such"}},
    "toy.model.known": {
        "published": {"value": 0.6},
        "known": {"outcome": "refuted", "reason": "not reproduced before"},
    },
    "toy.model.changed": {
        "published": {"value": 0.8},
        "known": {"outcome": "refuted", "reason": "not reproduced before"},
    },
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Specifications of six claims and a bundle for them."""
    documents: dict[str, Any] = {
        "subject": {
            "version": 1,
            "id": "made-up",
            "name": "x",
            "revision": "1",
            "about": "x",
            "parts": {"toy": "x"},
            "documents": {"paper.pdf": "sha256:" + "0" * 64},
        },
        "claims/toy": {
            "version": 1,
            "claims": [claim_data(**{"id": name, **change}) for name, change in CASES.items()],
        },
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
        path = tmp_path / "specs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")
    specs: Specs = load_specs(tmp_path / "specs")
    bundle = Bundle.create(tmp_path / "bundle", "made-up", "small")
    bundle.put(evidence_of({"validation": observations(np.random.default_rng(0), 40_000, 0.8)}))
    bundle.write_specs(specs.files)
    bundle.seal()
    return tmp_path


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "-rA", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_outcomes_become_test_results(place: Path) -> None:
    done = run(place, "specs", "--bundle", "bundle")
    for line in (
        "PASSED specs/claims/toy.yaml::toy.model.right",
        "ClaimRefuted: It is right",
        "ClaimInconclusive: It is right",
        "SKIPPED",
        "XFAIL specs/claims/toy.yaml::toy.model.known",
        "1 passed, 3 failed, 1 skipped, 1 xfailed",
    ):
        assert line in done.stdout.replace("3 failed, 1 passed", "1 passed, 3 failed"), done.stdout
    assert "[XPASS(strict)] not reproduced before" in done.stdout


def test_a_claim_that_is_not_the_bundles_is_not_judged(place: Path) -> None:
    path = place / "specs/claims/toy.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"margin": 0.02', '"margin": 0.5'),
        encoding="utf-8",
    )
    done = run(place, "specs", "--bundle", "bundle")
    assert "not the one that the bundle was made for" in done.stdout
    assert "PASSED" not in done.stdout


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (
            lambda p: (p / "specs/claims/toy.yaml").write_text("claims: [", encoding="utf-8"),
            "well-formed YAML",
        ),
        (
            lambda p: (p / "bundle/verdicts.json").write_text("{}", encoding="utf-8"),
            "extra verdicts.json",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    place: Path, break_it: Callable[[Path], object], says: str
) -> None:
    break_it(place)
    done = run(place, "specs", "--bundle", "bundle")
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_without_a_bundle_nothing_is_collected(place: Path) -> None:
    assert run(place, "specs").returncode == 5
