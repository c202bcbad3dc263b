"""What the package imports is what pyproject.toml declares: nothing by luck of another package,
nothing for nothing.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DISTRIBUTION = {
    "PIL": "pillow",
    "c2pa": "c2pa-python",
    "cv2": "opencv-python-headless",
    "faiss": "faiss-cpu",
    "fontTools": "fonttools",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
NOT_DECLARED = {
    "medpipe",
    "pytest",
}  # pytest loads pytest_plugin.py itself, nothing else imports it
PASSED_ON = {"onnx", "onnxscript", "six"}  # torch writes ONNX files with two; kaggle forgot six


def imported(package: Path) -> dict[str, str]:
    """Distributions that the modules of ``package`` import, wherever the statement stands, each
    with one place.
    """
    found = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in (
                {name.partition(".")[0] for name in names} - sys.stdlib_module_names - NOT_DECLARED
            ):
                found[canonicalize_name(DISTRIBUTION.get(top, top))] = str(
                    path.relative_to(package)
                )
    return found


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for extra in ("train", "report", "deploy", "c2pa") for line in extras[extra]),
    ]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_import_is_declared() -> None:
    found = imported(ROOT / "medpipe")
    assert found
    assert {name: where for name, where in found.items() if name not in declared()} == {}


def test_every_declared_package_is_imported() -> None:
    assert declared() - PASSED_ON - imported(ROOT / "medpipe").keys() == set()


def test_the_check_sees_imports_inside_functions(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import os\nfrom . import b\ndef f():\n    from PIL import Image\n    import scipy.stats\n",
        "utf-8",
    )
    assert imported(tmp_path) == {"pillow": "a.py", "scipy": "a.py"}
