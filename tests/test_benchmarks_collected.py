"""Benchmarks are collected when they are asked for, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("pytest_benchmark") is None or find_spec("torch") is None,
    reason="pytest-benchmark and torch are not both installed",
)


def collected(repository: Path, *arguments: str) -> str:
    """What pytest collects of the benchmarks and this file; the rest of the tests would only take
    long to import.
    """
    rest = [
        f"--ignore={path}"
        for path in (repository / "tests").iterdir()
        if path.name not in ("benchmarks", Path(__file__).name)
    ]
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }  # where this runs beside others
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            *arguments,
            *rest,
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        env=alone,
    )
    return done.stdout


def test_the_ladder_is_collected_where_it_is_asked_for(repository: Path) -> None:
    assert "test_gpu_ladder.py::test_a_form_answers[eager_cuda]" in collected(
        repository, "-m", "gpu", "--benchmark-only"
    )
    assert "test_cli_start.py" in collected(repository, "tests/benchmarks")


def test_a_plain_run_leaves_benchmarks_out(repository: Path) -> None:
    for arguments in ((), ("tests",)):
        found = collected(repository, *arguments)
        assert Path(__file__).name in found and "benchmarks/" not in found
