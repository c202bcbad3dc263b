"""``docs/figures.md``: its example gives what it shows, its records are read, and it names what
there is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from medpipe import registry
from medpipe.audits.published_figures import audit_figures
from medpipe.audits.tables import figures_from_table

pytest.importorskip("mlscorecheck")


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/figures.md").read_text(encoding="utf-8")


def block(page: str, language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(text)


def test_the_made_up_paper_gives_what_the_page_shows(
    page: str, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text(block(page, "csv"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "medpipe.cli", "audit-figures", "--from", "table.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(repository), "NO_COLOR": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == block(page, "text").split()
    assert "Refuted by the published figures themselves: 2" in done.stdout


def test_the_records_of_the_page_are_read_and_contradict_each_other(
    page: str, tmp_path: Path
) -> None:
    (tmp_path / "paper.yaml").write_text(block(page, "yaml"), encoding="utf-8")
    found = {
        f.id: f.severity
        for f in audit_figures(figures_from_table(tmp_path / "paper.yaml"))
        if f.severity != "clean"
    }
    assert found == {"recomputed:net.gap.text": "refutes", "restated:net.accuracy": "undermines"}


def test_every_audit_is_on_the_page(page: str) -> None:
    assert re.findall(
        r"^\| `([a-z_]+)` \| .* \| (?:refutes|undermines|narrows)", page, re.MULTILINE
    ) == list(registry.BUILT_IN["audit"])
