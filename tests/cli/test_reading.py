"""``medpipe reader-study``: from two folders to a page and a key, and from answers to a result;
faults are one sentence.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")
pytest.importorskip("jinja2", reason="the extra 'report' is not installed")

import typer
from made_up_readers import answers, folders
from typer.testing import CliRunner

from medpipe.cli import reader_study
from medpipe.errors import DataError, SpecError
from medpipe.reader_study.study import read_key

ROOT = Path(__file__).resolve().parents[2]


def medpipe(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "medpipe.cli", "reader-study", *words],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


MAKE = (
    "make",
    "--real",
    "real",
    "--synthetic",
    "synthetic",
    "--n",
    "24",
    "--repeat",
    "4",
    "--controls",
    "3",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with three readers' answers."""
    place = tmp_path_factory.mktemp("place")
    folders(place)
    made = medpipe(place, *MAKE, "--out", "study", "--title", "Ramps and noise")
    assert made.returncode == 0, made.stderr
    study = read_key(place / "study/key.json")
    rng = np.random.default_rng(0)
    for reader in ("R1", "R2", "R3"):
        (place / f"answers-{reader}.json").write_text(
            json.dumps(answers(study, reader, rng, sees=1.8)), "utf-8"
        )
    (place / "made.txt").write_text(made.stdout, "utf-8")
    data = json.loads((place / "study/key.json").read_text("utf-8"))
    other_side = {"real": "synthetic", "synthetic": "real", "control": "control"}
    data["items"] = [{**i, "origin": other_side[i["origin"]]} for i in data["items"]]
    (place / "swapped.json").write_text(json.dumps(data), "utf-8")
    other = {**answers(study, "R9", rng), "study": "f" * 12}
    (place / "other.json").write_text(json.dumps(other), "utf-8")
    return place


def test_making_says_what_to_give_and_what_to_keep(place: Path) -> None:
    said = (place / "made.txt").read_text("utf-8")
    study = read_key(place / "study/key.json")
    assert (
        "Give to readers: study/reading.html" in said
        and "Keep secret until all have answered: study/key.json" in said
    )
    assert study.commitment in said and "31 showings at 48 × 48: 12 real, 12 synthetic" in said
    assert "reveal the origin without anatomy" in said and "sharpness" in said
    assert "80 % power" in said
    assert study.nonce not in said and study.seed not in said
    assert stat.S_IMODE((place / "study/key.json").stat().st_mode) == 0o600


def test_scoring_prints_a_verdict_and_tables(place: Path) -> None:
    done = medpipe(
        place,
        "score",
        "--key",
        "study/key.json",
        "answers-R1.json",
        "answers-R2.json",
        "answers-R3.json",
    )
    assert done.returncode == 0, done.stderr
    for words in (
        "○ told apart",
        "3 readers read 24 images, 12 real and 12 synthetic",
        "Each reader",
        "Attention",
        "Ratings, 1 to 5",
        "Agreement between readers",
        "Obuchowski and Rockette",
    ):
        assert words in done.stdout


def test_json_on_standard_output_and_files_in_a_folder(place: Path) -> None:
    done = medpipe(
        place,
        "score",
        "--key",
        "study/key.json",
        "answers-R1.json",
        "answers-R2.json",
        "--json",
        "--out",
        "result",
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["verdict"] == "told apart" and printed == json.loads(
        (place / "result/result.json").read_text("utf-8")
    )
    assert "told apart" in (place / "result/result.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ([*MAKE, "--out", "study"], SpecError, "no study there yet"),
        (
            ["make", "--real", "nowhere", "--synthetic", "synthetic", "--out", "x"],
            DataError,
            "nowhere: expected a folder of JPEG or PNG",
        ),
        (
            ["make", "--real", "real", "--synthetic", "real", "--out", "x", "--n", "30"],
            DataError,
            "expected synthetic images that are no real",
        ),
        (
            [*MAKE, "--out", "x", "--fit", "pad"],
            SpecError,
            "--fit: expected crop or stretch, got 'pad'",
        ),
        ([*MAKE, "--out", "x", "--margin", "0.7"], DataError, "a margin above 0 and below 0.5"),
        (
            ["score", "--key", "nowhere.json", "answers-R1.json"],
            SpecError,
            "nowhere.json: expected a readable file",
        ),
        (["score", "--key", "answers-R1.json", "answers-R1.json"], SpecError, "answers-R1.json"),
        (["score", "--key", "study/key.json", "study/key.json"], SpecError, "study/key.json"),
        (
            ["score", "--key", "study/key.json", "answers-R1.json", "answers-R1.json"],
            SpecError,
            "every reader once",
        ),
        (
            ["score", "--key", "swapped.json", "answers-R1.json"],
            SpecError,
            "the key is not the one that the page was made with",
        ),
        (
            ["score", "--key", "study/key.json", "other.json"],
            SpecError,
            "got answers to ffffffffffff",
        ),
    ],
)
def test_faults(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    error: type[Exception],
    says: str,
) -> None:
    monkeypatch.chdir(place)
    app = typer.Typer()
    reader_study.register(app)
    done = CliRunner().invoke(app, ["reader-study", *words])
    assert (
        isinstance(done.exception, error)
        and says in str(done.exception)
        and "\n" not in str(done.exception)
    )
    assert done.output == "" and not (place / "x").exists()


def test_a_fault_is_one_sentence_and_an_exit_code(place: Path) -> None:
    done = medpipe(place, "score", "--key", "swapped.json", "answers-R1.json")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(
        "medpipe: answers-R1.json: commitment"
    )
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
