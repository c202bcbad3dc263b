"""``docs/imaging.md`` says how to audit other images by YAML only; here somebody does exactly
that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import write_files_of


@pytest.mark.slow
def test_images_are_audited_without_code(tmp_path: Path, repository: Path) -> None:
    assert write_files_of(repository / "docs/imaging.md", tmp_path) == 7
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "MEDPIPE_DATA": "data",
        "OMP_NUM_THREADS": "1",
    }

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    python("draw.py")
    told = python(
        "-m",
        "medpipe.cli",
        "audit-data",
        "data/slices",
        "--table",
        "data/people.csv",
        "--column",
        "person",
        "--json",
    )
    seen = json.loads(told)
    assert {part: sum(count.values()) for part, count in seen["counts"].items()} == {
        "test": 40,
        "train": 120,
    }
    assert (
        next(r for r in seen["relations"] if "group of the table" in r["kind"])["found"]["count"]
        == 0
    )
    python("-m", "medpipe.cli", "run", "--profile", "published", "--jobs", "1")
    verdicts = {
        v["claim"]: v
        for v in json.loads(
            python("-m", "medpipe.cli", "judge", "--bundle", "reports/slices-published", "--json")
        )["verdicts"]
    }
    network = verdicts["imaging.network.accuracy"]
    assert (network["grade"], network["seeds"], network["deviations"]) == (
        "published",
        [0, 1],
        [],
    ) and network["interval"]["n"] == 40
    assert verdicts["imaging.border.merit"]["outcome"] in ("supported", "inconclusive", "refuted")
