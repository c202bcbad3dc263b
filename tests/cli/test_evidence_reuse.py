"""The case that started it: an experiment reads predictions.csv, all labels are inverted, and
verify runs again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import PLUGIN
from made_up_project import HELPER, ROOT, make_project, medpipe, write_predictions


def judged(folder: Path) -> dict[str, object]:
    done = medpipe(folder, "judge", "--bundle", "reports/toy-published", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    verdict: dict[str, object] = json.loads(done.stdout)["verdicts"][0]
    return verdict


def ran(folder: Path, *words: str) -> str:
    done = medpipe(folder, "run", "--profile", "published", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_inverted_labels_change_the_verdict_of_verify(tmp_path: Path) -> None:
    for package in ("weasyprint", "pyhanko", "jinja2"):
        pytest.importorskip(package)
    folder = make_project(tmp_path / "project")
    first = medpipe(folder, "verify", "--profile", "published")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 supported" in first.stdout
    write_predictions(folder, right=100)
    second = medpipe(folder, "verify", "--profile", "published", "--strict")
    assert second.returncode == 1, second.stdout + second.stderr
    assert "Run again: predictions.csv changed (toy, 2 runs)" in second.stdout + second.stderr
    assert "1 refuted" in second.stdout + second.stderr


def test_evidence_is_used_again_only_if_all_that_was_read_is_unchanged(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project")
    assert "0 are finished, 2 to make" in ran(folder)
    assert judged(folder)["outcome"] == "supported"
    assert "2 are finished, 0 to make" in ran(folder)
    (folder / "helper.py").write_text(HELPER + "# a comment\n", encoding="utf-8")
    (folder / "notes.txt").write_text("read by nobody", encoding="utf-8")
    assert "2 are finished, 0 to make" in ran(folder)

    (folder / "helper.py").write_text(
        HELPER.replace("return guess", "return 1 - guess"), encoding="utf-8"
    )
    said = ran(folder)
    assert (
        "0 are finished, 2 to make" in said and "Run again: helper.py changed (toy, 2 runs)" in said
    )
    assert judged(folder)["outcome"] == "refuted"
    assert "2 are finished, 0 to make" in ran(folder)

    other = folder / "other.csv"
    other.write_bytes((folder / "predictions.csv").read_bytes())
    (folder / "helper.py").write_text(HELPER.replace("predictions", "other"), encoding="utf-8")
    ran(folder)
    other.unlink()
    gone = medpipe(folder, "run", "--profile", "published")
    assert gone.returncode == 3
    assert "Run again: other.csv is missing (toy, 2 runs)" in gone.stdout + gone.stderr
    assert "exp.py, line 18" in gone.stdout + gone.stderr


def test_the_bundle_names_no_path_of_this_machine_and_works_from_elsewhere(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project")
    outside = tmp_path / "outside.csv"
    (folder / "helper.py").write_text(
        HELPER.replace('"predictions.csv"', repr(str(outside))), encoding="utf-8"
    )
    outside.write_bytes((folder / "predictions.csv").read_bytes())
    ran(folder)
    for path in (folder / "reports/toy-published").rglob("*.json*"):
        assert str(tmp_path).encode() not in path.read_bytes(), path
    assert "2 are finished, 0 to make" in ran(folder)
    outside.write_text(outside.read_text(encoding="utf-8").replace("0,0", "0,1"), encoding="utf-8")
    assert "Run again: outside.csv changed" in ran(folder)

    (folder / "helper.py").write_text(HELPER, encoding="utf-8")
    ran(folder)
    moved = folder.rename(tmp_path / "moved")
    assert "2 are finished, 0 to make" in ran(moved)
    record = next((moved / "reports/toy-published/runs").iterdir())
    inputs = json.loads(record.read_text(encoding="utf-8"))["provenance"]["inputs"]
    assert set(inputs["files"]) == {"project/predictions.csv"} and set(inputs["modules"]) == {
        "project/exp.py",
        "project/helper.py",
    }


def test_records_of_version_1_are_read_and_a_strangers_are_made_again(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project")
    ran(folder)
    for path in (folder / "reports/toy-published/runs").iterdir():
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["provenance"]["inputs"]
        path.write_text(json.dumps({**record, "version": 1}), encoding="utf-8")
    assert (
        "Run again: its record is of an earlier version, which did not note what a run read (toy, 2"
        " runs)" in ran(folder)
    )


@pytest.mark.parametrize(
    ("how", "says", "line"),
    [
        ("column", "KeyError: 'probability' (exp.py, line 11)", 'exp.py", line 11'),
        (
            "nothing",
            "TypeError: expected an ExperimentResult from exp:run, got NoneType",
            "Traceback",
        ),
        ("exit", "SystemExit: 0 (exp.py, line 17)", 'exp.py", line 17'),
    ],
)
def test_a_run_that_fails_is_exit_3_everywhere(
    tmp_path: Path, how: str, says: str, line: str
) -> None:
    strict = ["--strict"] if how == "column" else []
    folder = make_project(tmp_path / "project", how)
    done = medpipe(folder, "run", "--profile", "published")
    assert done.returncode == 3, done.stdout + done.stderr
    assert says in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr
    assert "Incomplete: 2 of 2 runs failed." in done.stdout + done.stderr
    logs = sorted((folder / ".medpipe/toy-published").glob("*.log"))
    assert len(logs) == 2
    for log in logs:
        assert (
            line in log.read_text(encoding="utf-8")
            and str(Path(".medpipe/toy-published") / log.name) in done.stdout + done.stderr
        )
    again = medpipe(folder, "judge", "--bundle", "reports/toy-published", *strict)
    assert again.returncode == 3
    assert (
        "Not complete: 1 of 1 claim was not measured, because runs failed or were not made:"
        " Accuracy of the toy." in again.stdout + again.stderr
    )
    tests = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "specs",
            "--bundle",
            "reports/toy-published",
            "-q",
            *PLUGIN,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 1
    assert "1 error" in tests.stdout and "skipped" not in tests.stdout, tests.stdout
    assert says.split(" (")[0] in tests.stdout


def test_what_cannot_be_had_here_is_not_tested_and_exit_0(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project", "absent")
    ran(folder)
    verdict = judged(folder)
    assert verdict["outcome"] == "not-tested" and "incomplete" not in verdict
    assert verdict["reason"] == "expected a GPU, found none; run on a machine with one"


def test_a_report_of_failed_runs_says_so_in_its_first_line(tmp_path: Path) -> None:
    for package in ("weasyprint", "pyhanko", "jinja2"):
        pytest.importorskip(package)
    from medpipe.evidence import Bundle
    from medpipe.report.report_data import read_case
    from medpipe.report.write import audit_html, card_html

    folder = make_project(tmp_path / "project", "column")
    done = medpipe(folder, "verify", "--profile", "published")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Signed: " in done.stdout + done.stderr
    case = read_case(Bundle.open(folder / "reports/toy-published"))
    for html in (audit_html(case), card_html(case)):
        first = re.sub("<[^>]*>", "", html.split("<article>")[1]).split()
        assert " ".join(first).startswith(
            "Not complete: 1 of 1 claim was not measured, because runs failed"
        )
