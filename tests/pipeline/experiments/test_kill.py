from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["text", "text_sound", "images"])
def test_a_run_killed_at_random_moments_ends_as_if_it_had_not_been(
    tmp_path: Path, experiment: str
) -> None:
    script = Path(__file__).with_name("killed_run.py")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        ),
    }
    done = subprocess.run(
        [sys.executable, str(script), experiment, str(tmp_path), "1"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["equal"] == ["seen", "history", "weights"]
    assert said["kills"] >= 2 and sum("resumed in epoch" in note for note in said["notes"]) >= 1
