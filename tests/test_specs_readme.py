"""``specs/README.md`` says how to write a claim about one's own model; here a stranger does exactly
that, in an empty folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import PLUGIN, write_files_of

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The files of the page, in a folder of their own."""
    made = tmp_path_factory.mktemp("stranger")
    assert write_files_of(repository / "specs/README.md", made) == 5
    return made


def medpipe(folder: Path, *words: str, repository: Path) -> subprocess.CompletedProcess[str]:
    """The command line in that folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{repository}",
        "MEDPIPE_IDENTITY": str(folder / "identity"),
    }
    return subprocess.run(
        [sys.executable, "-m", "medpipe.cli", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def bundle(folder: Path, repository: Path) -> Path:
    """The bundle that ``medpipe run`` makes there."""
    made = medpipe(folder, "run", "--profile", "published", "--jobs", "2", repository=repository)
    assert made.returncode == 0, made.stderr
    return folder / "reports/forest-paper-published"


def test_a_stranger_writes_and_judges_a_claim(folder: Path, bundle: Path, repository: Path) -> None:
    judged = medpipe(folder, "judge", "--bundle", str(bundle), "--json", repository=repository)
    assert judged.returncode == 0, judged.stderr
    verdict = json.loads(judged.stdout)["verdicts"][0]
    assert (verdict["claim"], verdict["outcome"], verdict["grade"]) == (
        "forest.model.accuracy",
        "supported",
        "published",
    )
    assert verdict["seeds"] == [0, 1, 2]
    assert (
        0.9 <= verdict["interval"]["low"] <= verdict["estimate"] <= verdict["interval"]["high"] <= 1
    )


def test_the_claim_is_a_test(folder: Path, bundle: Path, repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "specs", "--bundle", str(bundle), "-q", *PLUGIN],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_whole_chain_ends_in_a_report_that_checks(
    folder: Path, bundle: Path, repository: Path
) -> None:
    for package in ("weasyprint", "pyhanko", "jinja2"):
        pytest.importorskip(package)
    done = medpipe(folder, "verify", "--profile", "published", "--strict", repository=repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 are finished, 0 to make" in done.stderr
    assert "1 supported" in done.stdout
    checked = medpipe(
        folder, "check-report", str(bundle / "audit-report.pdf"), repository=repository
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "judged again: 1 verdict recomputed from the observations, all equal" in checked.stdout
