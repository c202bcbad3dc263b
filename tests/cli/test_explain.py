"""``medpipe plan --explain RUN`` shows every value of a run, and the file and key that set it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
RUN = "text.lstm_sound_d01_l0001"


@pytest.fixture
def plan(repository: Path) -> Command:
    """The command in the project's root, with a window of some columns."""

    def command(*words: str, columns: str = "140") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "medpipe", "plan", "--profile", "reduced", *words],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(repository), "COLUMNS": columns},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_a_table_names_file_and_key(plan: Command) -> None:
    shown = plan("--explain", RUN)
    assert shown.returncode == 0, shown.stderr
    rows = {
        line.split()[0]: " ".join(line.split()[1:]) for line in shown.stdout.splitlines() if line
    }
    assert rows["training.epochs"].startswith("2 profile reduced, profiles/reduced.yaml: groups[")
    assert rows["model.dropout"] == "0.1 grid member, protocols/text.lstm_sound.yaml:"
    assert rows["model.length"] == "128 parent text.lstm, protocols/text.lstm.yaml: parameters"
    assert f"grid.{RUN}.change" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_sixty_columns_cut_nothing(plan: Command) -> None:
    wide, narrow = plan("--explain", RUN), plan("--explain", RUN, columns="60")
    assert set(wide.stdout.split()) - set(narrow.stdout.split()) <= {"name", "value"}  # the head
    assert f"protocols/text.lstm_sound.yaml: grid.{RUN}.change" in narrow.stdout


def test_json_has_the_same_values(plan: Command) -> None:
    document = json.loads(plan("--explain", "text.baseline_tfidf", "--json").stdout)
    assert (document["protocol"], document["profile"]) == ("text.baseline_tfidf", "reduced")
    values = {v["name"]: v for v in document["values"]}
    assert values["model.words"] == {
        "kind": "parameters",
        "name": "model.words",
        "value": 2,
        "set_by": "grid member",
        "file": "protocols/text.baselines.yaml",
        "key": "grid.text.baseline_tfidf.add.model.words",
    }
    assert values["experiment"]["set_by"] == "template"
    assert values["data.dev_rows"]["set_by"] == "parent text.data_audit"


def test_a_run_that_is_left_out_says_why(plan: Command) -> None:
    shown = plan("--profile", "demonstration", "--explain", "text.biobert")
    assert "fetches no weights" in " ".join(shown.stdout.split())
    assert "profile demonstration, profiles/demonstration.yaml: groups[" in shown.stdout


def test_an_unknown_run_gets_near_matches(plan: Command) -> None:
    shown = plan("--explain", "text.lstm_sond")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "unknown protocol 'text.lstm_sond'; did you mean text.lstm_sound" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
