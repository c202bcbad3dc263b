"""``docs/text.md`` says how to audit other sentences and another model by YAML only; here somebody
does exactly that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import write_files_of


@pytest.fixture
def folder(tmp_path: Path, tiny_bert: Path, repository: Path) -> Path:
    """The files of the page, and a small model, in a folder of their own."""
    assert write_files_of(repository / "docs/text.md", tmp_path) == 7
    shutil.copytree(tiny_bert, tmp_path / "my-model")
    return tmp_path


@pytest.mark.slow
def test_a_model_and_sentences_are_audited_without_code(folder: Path, repository: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "MEDPIPE_DATA": "data",
        "OMP_NUM_THREADS": "1",
    }

    def medpipe(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "medpipe.cli", *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    medpipe("run", "--profile", "published", "--jobs", "1")
    verdict = json.loads(medpipe("judge", "--bundle", "reports/notes-published", "--json"))[
        "verdicts"
    ][0]
    assert (verdict["claim"], verdict["grade"], verdict["seeds"]) == (
        "notes.model.merit",
        "published",
        [0, 1],
    )
    assert verdict["interval"]["n"] == 6 and verdict["interval"]["clusters"] == 2
    assert {d["path"] for d in verdict["deviations"]} == set()
