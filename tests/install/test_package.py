"""The wheel: every module and every data file of the package is in it, and it imports from where it
is unpacked.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "medpipe"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return zipfile.Path(next(folder.glob("medpipe-*.whl")))


def test_every_file_of_the_package_is_packed(wheel: zipfile.Path) -> None:
    there = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert len(there) > 10
    assert there - set(wheel.root.namelist()) == set()


def test_data_files_of_each_kind_are_packed(wheel: zipfile.Path) -> None:
    names = wheel.root.namelist()
    kinds = {
        "specs/schemas": (".json",),
        "report/templates": (".html", ".css", ".j2"),
        "fonts": (".ttf", ".otf"),
    }
    for folder, suffixes in kinds.items():
        assert [
            name
            for name in names
            if name.startswith(f"medpipe/{folder}/") and name.endswith(suffixes)
        ], f"no file of {folder}"


def test_the_entry_points(wheel: zipfile.Path) -> None:
    text = next(
        wheel.root.read(name).decode()
        for name in wheel.root.namelist()
        if name.endswith("entry_points.txt")
    )
    assert "medpipe = medpipe.cli:main" in text and "medpipe = medpipe.pytest_plugin" in text


def test_it_imports_from_where_it_is_unpacked(wheel: zipfile.Path, tmp_path: Path) -> None:
    wheel.root.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import medpipe;"
        " print(medpipe.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "medpipe" / "__init__.py")
