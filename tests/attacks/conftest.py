"""How a command is run in the place of an attack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from attacks_place import ROOT, Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run Python in a folder; by default in one that holds traps for whoever imports from the
    current folder.
    """

    def start(*words: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        place = at or tmp_path
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MEDPIPE_IDENTITY": str(tmp_path / "identity"),
            "COLUMNS": "200",
        }
        return subprocess.run(
            [sys.executable, *words],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return start
