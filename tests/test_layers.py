"""The house holds: who may import whom, checked on the syntax trees, imports inside functions
counted.

The rules are in docs/architecture.md. The checker has its own controls: each planted violation must
be found, and a clean twin must pass.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "medpipe"
LAYERS = [
    {"errors", "formatting", "progress"},
    {"registry", "documents", "fonts"},
    {"evidence"},
    {"metrics"},
    {"specs"},
    {"running", "judging", "audits", "reader_study", "marking"},
    {"signing"},
    {"report", "pipeline"},
    {"checking"},
    {"cli", "pytest_plugin", "serving"},
    {"", "__main__"},  # the front doors: they may show everything, and nothing may lean on them
]
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
ONLY_IN_PIPELINE = {"torch", "torchvision", "transformers", "accelerate", "captum"}
ONLY_INSIDE_FUNCTIONS = {"weasyprint", "pyhanko", "pyhanko_certvalidator", "jinja2", "matplotlib"}
EXIT_CODES = "medpipe.cli.codes"  # gives every error of the command line its code, whatever it is
DECIDED_NOWHERE = (  # the registry names experiments by strings, `running` alone resolves them
    "medpipe.pipeline.experiments"
)


@dataclass(frozen=True)
class Import:
    """One import statement: the dotted name it asks for, and whether it runs when the module is
    loaded.
    """

    name: str
    line: int
    on_load: bool


def modules(package: Path) -> dict[str, ast.Module]:
    """Every module of the tree at ``package``, which is imported as ``medpipe``, by dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = ["medpipe", *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(
            path.read_text("utf-8"), str(path)
        )
    return found


def imports(tree: ast.Module, module: str, known: set[str], is_package: bool) -> Iterator[Import]:
    """All imports of a module, also those inside functions, under ``TYPE_CHECKING`` and by
    ``import_module("...")``.
    """

    def walk(node: ast.AST, on_load: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, on_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                kept = parents[: len(parents) - node.level + is_package]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield Import(whole if whole in known else base, node.lineno, on_load)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "import_module",
            "__import__",
        ):
            yield from (
                Import(name.value, node.lineno, on_load)
                for name in node.args[:1]
                if isinstance(name, ast.Constant) and isinstance(name.value, str)
            )
        inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types_only = isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        )
        for child in ast.iter_child_nodes(node):
            in_else = isinstance(node, ast.If) and child in node.orelse
            yield from walk(
                child, on_load and not inside_function and (in_else or not for_types_only)
            )

    return walk(tree, True)


def room(module: str) -> str:
    return [*module.split("."), ""][1]


def below(importer: str, imported: str) -> bool:
    """May a module of this room import one of that room?"""
    return room(importer) == room(imported) or LAYER[room(imported)] < LAYER[room(importer)]


def cycles(edges: dict[str, set[str]]) -> Iterator[str]:
    """Import cycles, each once, by walking depth first."""
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> Iterator[str]:
        if module in trail:
            yield " -> ".join([*trail[trail.index(module) :], module])
        elif module not in done:
            for imported in sorted(edges.get(module, ())):
                yield from visit(imported, (*trail, module))
            done.add(module)

    for module in sorted(edges):
        yield from visit(module, ())


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether a handler swallows whatever comes; one that cleans up and ends in ``raise`` does
    not.
    """
    if isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
        return False
    caught = handler.type
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds
    )


def violations(package: Path) -> list[str]:
    """Everything in the tree at ``package`` that breaks the house, one sentence each."""
    trees = modules(package)
    known = set(trees)
    faults: list[str] = []
    edges: dict[str, set[str]] = {}
    broad: list[str] = []
    for module, tree in trees.items():
        if room(module) not in LAYER:
            faults.append(f"{module} belongs to no layer")
            continue
        is_package = (package.joinpath(*module.split(".")[1:]) / "__init__.py").exists()
        for found in imports(tree, module, known, is_package):
            where = f"{module}:{found.line}"
            top = found.name.split(".")[0]
            if top == "medpipe":
                if room(found.name) in LAYER and not below(module, found.name):
                    faults.append(f"{where} imports {found.name}, which is not below it")
                if f"{found.name}.".startswith(f"{DECIDED_NOWHERE}."):
                    faults.append(
                        f"{where} imports {found.name}: an experiment is named by a string"
                    )
                if found.name in known:
                    edges.setdefault(module, set()).add(found.name)
            if top in ONLY_IN_PIPELINE and (
                room(module) != "pipeline" or f"{module}.".startswith("medpipe.pipeline.data.")
            ):
                faults.append(
                    f"{where} imports {top}, which is for medpipe.pipeline (but not its data)"
                )
            if top in ONLY_INSIDE_FUNCTIONS and found.on_load:
                faults.append(f"{where} imports {top} outside a function")
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and catches_everything(node):
                broad.append(f"{module}:{node.lineno}")
    faults += [f"import cycle: {cycle}" for cycle in cycles(edges)]
    broad = [where for where in broad if not where.startswith(f"{EXIT_CODES}:")]
    misplaced = [where for where in broad if room(where.split(":")[0]) != "running"]
    faults += [
        f"{where} catches every exception; that stands once, in running" for where in misplaced
    ]
    if len(broad) - len(misplaced) > 1:
        faults.append(
            "running catches every exception more than once:"
            f" {', '.join(sorted(set(broad) - set(misplaced)))}"
        )
    return faults


def test_the_house_holds() -> None:
    assert modules(PACKAGE), "found no modules: the check would pass on nothing"
    assert violations(PACKAGE) == []


CLEAN = {
    "__init__": "from medpipe.errors import Oops",
    "errors": "class Oops(Exception): ...",
    "evidence/__init__": "",
    "evidence/bundle": "from medpipe.errors import Oops\nfrom . import manifest",
    "evidence/manifest": (
        "import numpy\ntry:\n    pass\nexcept BaseException:\n    numpy.save()\n    raise"
    ),
    "registry": "NAMES = ['medpipe.pipeline.experiments.x:run']",
    "running/__init__": "",
    "running/runner": (
        "from medpipe.evidence import bundle\ntry:\n    pass\nexcept Exception:\n    pass"
    ),
    "pipeline/__init__": "",
    "pipeline/training": "import torch\nfrom medpipe.running import runner",
    "pipeline/experiments/__init__": "",
    "pipeline/experiments/x": "from medpipe.pipeline import training",
    "report/__init__": "",
    "report/render": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jinja2\ndef f():\n   "
        " import weasyprint"
    ),
}


def plant(folder: Path, changed: dict[str, str]) -> Path:
    for name, source in {**CLEAN, **changed}.items():
        path = folder / "medpipe" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return folder / "medpipe"


def test_a_clean_house_passes(tmp_path: Path) -> None:
    assert violations(plant(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("module", "source", "words"),
    [
        ("errors", "import medpipe.registry", "not below"),
        ("registry", "from medpipe import metrics", "not below"),
        ("evidence/bundle", "def f():\n    from medpipe.specs import claim", "not below"),
        (
            "evidence/bundle",
            (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from medpipe.specs"
                " import claim"
            ),
            "not below",
        ),
        ("evidence/bundle", "from ..running import runner", "not below"),
        ("evidence/__init__", "from ..running import runner", "not below"),
        ("evidence/bundle", "from medpipe import Oops", "not below"),
        ("judging/verdicts", "from medpipe.running.runner import x", "not below"),
        (
            "report/render",
            "import importlib\nimportlib.import_module('medpipe.pipeline.training')",
            "not below",
        ),
        ("pipeline/training", "from medpipe.pipeline.experiments import x", "named by a string"),
        ("running/runner", "def f():\n    import torch.nn", "for medpipe.pipeline"),
        ("pipeline/data/__init__", "import torch", "for medpipe.pipeline"),
        ("pipeline/data/images", "from torchvision import io", "for medpipe.pipeline"),
        (
            "report/render",
            "try:\n    import weasyprint\nexcept ImportError:\n    pass",
            "outside a function",
        ),
        ("report/render", "class A:\n    from matplotlib import pyplot", "outside a function"),
        (
            "evidence/manifest",
            "from . import bundle",
            (
                "cycle: medpipe.evidence.bundle -> medpipe.evidence.manifest ->"
                " medpipe.evidence.bundle"
            ),
        ),
        ("evidence/manifest", "def f():\n    from medpipe.evidence.bundle import x", "cycle"),
        (
            "evidence/manifest",
            "try:\n    pass\nexcept (ValueError, Exception):\n    pass",
            "stands once",
        ),
        ("evidence/manifest", "try:\n    pass\nexcept:\n    pass", "stands once"),
        ("running/plan", "try:\n    pass\nexcept BaseException:\n    pass", "more than once"),
        ("utils", "", "no layer"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, module: str, source: str, words: str) -> None:
    extra = {
        "specs/__init__": "",
        "specs/claim": "",
        "metrics/__init__": "",
        "judging/__init__": "",
    }
    assert violations(plant(tmp_path / "twin", extra)) == []
    faults = violations(plant(tmp_path / "planted", {**extra, module: source}))
    assert any(
        words in fault and module.replace("/__init__", "").replace("/", ".") in fault
        for fault in faults
    ), faults
