"""What counts as the same code: what a run really uses, and not how it is commented."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medpipe.registry import code_from
from medpipe.running.provenance import code_of, machine, provenance_of


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A stranger's package: an experiment that uses one of two helpers."""
    root = tmp_path / "stranger_code"
    root.mkdir()
    (root / "__init__.py").write_text("", encoding="utf-8")
    (root / "used.py").write_text(
        '"""Used."""\n\ndef f(x):\n    """Doc."""\n    return x + 1  # comment\n', encoding="utf-8"
    )
    (root / "unused.py").write_text("y = 1\n", encoding="utf-8")
    (root / "experiment.py").write_text(
        "import numpy\nfrom stranger_code.used import f\n\ndef run(config, seed, context):\n   "
        " import scipy.stats\n    return f(1)\n\ndef data_digests(config):\n    return {'data':"
        " config['digest']}\n",
        encoding="utf-8",
    )
    with code_from(tmp_path):
        yield root


def digest() -> str:
    return code_of("stranger_code.experiment")[0]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_packages_are_those_that_are_imported_inside_functions_too(package: Path) -> None:
    assert set(code_of("stranger_code.experiment")[1]) == {"numpy", "scipy"}


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("used.py", "x + 1", "x + 2", True),
        ("experiment.py", "f(1)", "f(2)", True),
        ("used.py", "# comment", "# another comment", False),
        ("used.py", '"""Doc."""', '"""Other words."""', False),
        ("used.py", "return x + 1", "return (x\n            + 1)", False),
        ("unused.py", "y = 1", "y = 2", False),
    ],
)
def test_only_what_runs_counts(package: Path, file: str, old: str, new: str, changes: bool) -> None:
    before = digest()
    edit(package / file, old, new)
    assert (digest() != before) is changes


def test_the_makings_hold_the_data_too(package: Path) -> None:
    made = provenance_of("stranger_code.experiment:run", {"digest": "sha256:1"})
    assert made["data_digests"] == {"data": "sha256:1"}
    assert made["code_digest"] == digest()


@pytest.mark.parametrize("room", ["judging.judge", "report.write", "cli.making", "audits"])
def test_judging_and_reporting_are_no_part_of_an_experiments_code(room: str) -> None:
    """Otherwise every change of a sentence in the report would train everything again."""
    from medpipe.running import provenance as module

    seen: set[str] = set()
    waiting = [
        "medpipe.pipeline.experiments.text_classification",
        "medpipe.pipeline.experiments.mri_classification",
    ]
    while waiting:
        name = waiting.pop()
        path = module._source(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [
            n
            for n in module._imports(module._parsed(path.read_bytes(), package)[1])
            if n.startswith("medpipe")
        ]
    assert len(seen) > 15
    assert f"medpipe.{room}" not in seen


def test_the_machine_is_described() -> None:
    found = machine()
    assert found["threads"] >= 1
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
