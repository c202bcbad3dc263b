"""``CONTRIBUTING.md`` shows how to add a metric and an audit; here both run exactly as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_up import claim_data, evidence_of, observations, write_files_of
from sklearn.metrics import balanced_accuracy_score

from medpipe.judging.estimate import estimate
from medpipe.registry import code_from
from medpipe.specs.claim import claim_from

LONGEST = 30


@pytest.fixture(scope="module")
def page(repository: Path) -> Path:
    return repository / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def folder(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("contributor")
    assert write_files_of(page, written) == 3
    return written


def test_a_metric_and_an_audit_take_less_than_thirty_lines(folder: Path) -> None:
    for name in ("balanced.py", "repeated_figures.py"):
        assert len((folder / name).read_text(encoding="utf-8").splitlines()) < LONGEST, name


def test_the_metric_gives_an_estimate_with_an_interval(page: Path, folder: Path) -> None:
    printed = re.search(r"```yaml\n(measure: .*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert printed
    claim = claim_from(claim_data(**yaml.safe_load(printed[1])), {})
    seen = observations(np.random.default_rng(1), 400, [0.9, 0.7])
    with code_from(folder):
        interval = estimate(claim, {"toy": [evidence_of({"validation": seen})]}).found
    assert interval.estimate == pytest.approx(
        balanced_accuracy_score(seen["y_true"], seen["y_pred"])
    )
    assert interval.low < interval.estimate < interval.high


def findings(folder: Path, table: str, repository: Path) -> list[dict[str, Any]]:
    """The findings of the audit of the page in a results table."""
    (folder / "results.csv").write_text(table, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "medpipe", "audit-figures", "results.csv", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{repository}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [f for f in json.loads(done.stdout)["findings"] if f["audit"] == "repeated"]


def install(folder: Path) -> None:
    """Write what an installer writes for the ``pyproject.toml`` of the page."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    made.mkdir(exist_ok=True)
    (made / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (made / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {code}\n" for name, code in points.items())
            for group, points in project["entry-points"].items()
        )
    )


def test_the_audit_finds_a_planted_fault_and_passes_a_clean_twin(
    folder: Path, repository: Path
) -> None:
    install(folder)
    table = "name,n,accuracy,precision\nfirst,5000,81.26%,80.11%\nsecond,5000,%s,82.07%\n"
    (found,) = findings(folder, table.replace("%s", "81.26%"), repository)
    assert found["severity"] == "narrows" and not found["certain"]
    assert "81.26% is printed for" in found["statement"]
    assert findings(folder, table.replace("%s", "83.44%"), repository) == []
