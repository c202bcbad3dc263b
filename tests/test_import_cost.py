"""What an import costs: judging, planning and `medpipe --help` must load neither torch nor the
report's libraries.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "medpipe"
MAKING = {"torch", "torchvision", "transformers", "accelerate"}
TELLING = {"weasyprint", "pyhanko", "jinja2", "matplotlib"}
HEAVY = MAKING | TELLING | {"sklearn", "pandas", "statsmodels", "cryptography"}
EXTRAS = HEAVY | {
    "PIL",
    "asn1crypto",
    "c2pa",
    "cv2",
    "fontTools",
    "huggingface_hub",
    "pydyf",
    "pyhanko_certvalidator",
    "safetensors",
}


def loaded_by(program: str) -> set[str]:
    """Top-level packages in ``sys.modules`` after a fresh interpreter ran ``program``, in which a
    warning is an error.
    """
    show = "\nimport sys\nprint('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + show],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


def outside_pipeline() -> list[str]:
    """All modules that a machine without torch may import."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[1] != "pipeline":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_the_measurement_sees_an_import() -> None:
    assert "numpy" in loaded_by("import numpy")
    assert "numpy" not in loaded_by("pass")


def test_the_front_door_is_light() -> None:
    assert loaded_by("import medpipe") & HEAVY == set()


def test_the_command_line_starts_light() -> None:
    program = """
import sys
from medpipe.cli import main
sys.argv = ["medpipe", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert loaded_by(program) & HEAVY == set()


def test_everything_but_the_pipeline_imports_without_torch() -> None:
    names = outside_pipeline()
    assert len(names) > 10
    assert loaded_by("\n".join(f"import {name}" for name in names)) & (MAKING | TELLING) == set()


def test_everything_but_the_pipeline_imports_where_the_extras_are_absent() -> None:
    absent = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(EXTRAS)}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Absent())
"""
    loaded_by(
        absent + "try:\n    import torch\nexcept ModuleNotFoundError:\n    pass\nelse:\n    raise"
        " SystemExit('torch is there')"
    )
    loaded_by(absent + "\n".join(f"import {name}" for name in outside_pipeline()))
