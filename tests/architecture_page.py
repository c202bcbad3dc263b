"""The generated parts of ``docs/architecture.md``: the table of packages and the two paths.

``python tests/architecture_page.py`` writes these parts again; `test_architecture_page` compares
them with what the layer test and two traced calls say.
"""

from __future__ import annotations

import ast
import inspect
import io
import os
import re
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/architecture.md"
PACKAGE = ROOT / "medpipe"


def files_run_by(call: Callable[[], object]) -> list[str]:
    """The files of medpipe whose functions run during ``call``, in the order of the first call.

    Code that runs while a module is being imported does not count, and neither do class bodies.
    """
    found: dict[str, None] = {}
    importing = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal importing
        code = frame.f_code
        if code.co_name == "<module>":
            importing += (event == "call") - (event == "return")
        elif event == "call" and not importing and code.co_flags & inspect.CO_OPTIMIZED:
            found.setdefault(code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    found.pop(str(PACKAGE / "running/recorded_inputs.py"), None)  # an audit hook stays for good
    paths = [Path(name) for name in found if Path(name).is_relative_to(PACKAGE)]
    return [path.relative_to(PACKAGE).as_posix() for path in paths if path.suffix == ".py"]


def follow_a_claim() -> list[str]:
    """From the YAML file of a claim to its verdict: load the specifications, judge the bundle."""
    from medpipe.evidence import Bundle
    from medpipe.judging import judge_bundle
    from medpipe.specs import load_specs

    bundle = ROOT / "tests/data/bundle-1"

    def judge() -> None:
        load_specs(bundle / "specs")
        judge_bundle(Bundle.open(bundle))

    return files_run_by(judge)


def follow_an_image() -> list[str]:
    """From a zip file of images to the figures in a signed report, by ``medpipe audit-data``."""
    from medpipe.cli.data_audits import audit_data

    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.zip"
        write_image_set(images)
        own = {f"MEDPIPE_{name}": f"{folder}/{name}" for name in ("CACHE", "DATA", "IDENTITY")}
        Path(own["MEDPIPE_DATA"]).mkdir()
        with patch.dict(os.environ, own):
            return files_run_by(lambda: audit_data(images, out=Path(folder) / "report"))


def write_image_set(path: Path) -> None:
    """Slices of drawn patients in two classes and two parts; every eighth one has a copy in
    ``test``.
    """
    import numpy as np
    from PIL import Image

    from medpipe.pipeline.data.phantoms import make

    drawn = make("Training")
    _, one_of_each_patient = np.unique([p.patient_id for p in drawn.people], return_index=True)
    with zipfile.ZipFile(path, "w") as written:
        for number, row in enumerate(sorted(one_of_each_patient)):
            buffer = io.BytesIO()
            Image.fromarray(drawn.pixels[row]).save(buffer, "JPEG", quality=90)
            part, label = "test" if number % 8 in (3, 6) else "train", "ab"[number % 2]
            written.writestr(f"{part}/{label}/{number:03d}.jpg", buffer.getvalue())
            if number % 8 == 0:
                written.writestr(f"test/{label}/copy-{number:03d}.jpg", buffer.getvalue())


def packages_table(layers: Iterable[set[str]]) -> str:
    """One row for each package or top-level module, lowest layer first."""
    rows = [
        f"| {number} | `{name}` | {purpose(PACKAGE / name)} |"
        for number, names in enumerate(layers)
        for name in sorted(names)
        if name and ((PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists())
    ]
    return "\n".join(["| layer | package | contains |", "|---|---|---|", *rows])


def path_list(files: Iterable[str]) -> str:
    """A numbered list of files, each with its purpose."""
    return "\n".join(
        f"{number}. `{name}`: {purpose(PACKAGE / name)}" for number, name in enumerate(files, 1)
    )


def purpose(path: Path) -> str:
    """The first sentence of a module's docstring."""
    file = next(p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file())
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=[.?!])\s", " ".join(docstring.split()), maxsplit=1)[0]
    return sentence.replace("``", "`").replace("|", "\\|")


def listed_files(page: str, name: str) -> list[str]:
    """The files that a list of the page names, in order."""
    return re.findall(r"^\d+\. `([^`]+)`: \S", part(page, name), re.MULTILINE)


def part(page: str, name: str) -> str:
    """What stands between the marks of a generated part."""
    found = re.search(_between(name), page, re.DOTALL)
    assert found, f"docs/architecture.md has no part {name!r}"
    return found[0].strip("\n")


def _between(name: str) -> str:
    return rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)"


def write_page() -> None:
    """Write the generated parts again."""
    from test_layers import LAYERS

    text = PAGE.read_text(encoding="utf-8")
    for name, content in {
        "packages": packages_table(LAYERS),
        "claim": path_list(follow_a_claim()),
        "image": path_list(follow_an_image()),
    }.items():
        text = re.sub(_between(name), lambda _, new=content: f"{new}\n", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_page()
