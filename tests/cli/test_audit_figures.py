"""`medpipe audit-figures` as a stranger meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from medpipe.cli import figure_audits

ROOT = Path(__file__).resolve().parents[2]
TABLE = (
    "name,n,train_n,runs,accuracy,train_accuracy,gap\n"
    "first,500,2000,1,81.2%,85.0%,3.8%\nsecond,500,2000,1,83.1%,86.0%,2.9%\n"
)
DOCUMENTS = {
    "subject.yaml": (
        f"""version: 1
id: x
name: x
revision: "1"
about: x
parts: {{toy: x}}
documents: {{paper.pdf: "sha256:{"0" * 64}"}}
"""
    ),
    "claims/toy.yaml": (
        """version: 1
claims:
  - {id: toy.a.b, title: x, statement: x, source: {document: paper.pdf, place: x, printed: x},
     unmeasured: Nothing measures it.}
"""
    ),
}

app = typer.Typer()
app.callback()(lambda: None)  # a command among others, as in the whole command line
figure_audits.register(app)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit-figures", *words])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "results.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_a_table_of_anybodys_paper_gives_findings_with_their_working(table: Path) -> None:
    shown = run("--from", str(table))
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.output.split())
    assert (
        "prints 83.1% as accuracy of second, of 500 samples; no count of 500 gives that" in said
    )  # 415 are 83.0 %, 416 are 83.2 %
    assert "prints 81.2%" not in said
    assert run("--from", str(table), "--strict").exit_code == 1


def test_json_holds_every_finding_with_its_severity(table: Path) -> None:
    found = json.loads(run("--from", str(table), "--json").output)["findings"]
    assert {
        "id",
        "audit",
        "severity",
        "statement",
        "figures",
        "claims",
        "certain",
        "arithmetic",
    } <= found[0].keys()
    assert [(f["audit"], f["certain"]) for f in found if f["severity"] == "refutes"] == [
        ("attainable", True)
    ]
    assert any(f["severity"] == "clean" for f in found)


def test_the_project_own_specifications_list_every_claim(repository: Path) -> None:
    shown = json.loads(run(str(repository / "specs"), "--json").output)
    assert shown["findings"]
    assert len({f["id"] for f in shown["findings"]}) == len(shown["findings"])
    assert shown["claims"]
    assert all(isinstance(ids, list) for ids in shown["claims"].values())


def test_building_counts_what_the_formulas_say(repository: Path) -> None:
    pytest.importorskip("torch")
    shown = json.loads(run(str(repository / "specs"), "--json", "--build").output)
    counted = {
        f["id"]: f["arithmetic"]
        for f in shown["findings"]
        if f["audit"] == "architecture" and "parameters" in f["arithmetic"]
    }
    assert shown["built"]
    for network in shown["built"]:
        said = [
            text
            for name, text in counted.items()
            if name.startswith(f"architecture:{network['id']}.")
        ]
        assert all(f"{network['parameters']:,} parameters" in text for text in said)


def test_without_figures_one_sentence_says_what_to_write(tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    for name, text in DOCUMENTS.items():
        (specs / name).parent.mkdir(parents=True, exist_ok=True)
        (specs / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "medpipe.cli", "audit-figures", str(specs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "docs/figures.md" in done.stderr
    assert "Traceback" not in done.stderr
