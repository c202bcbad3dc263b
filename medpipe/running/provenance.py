"""What evidence is made of: the code a run really uses, the packages that compute, and the data.

Evidence is used again only where all of them match.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from medpipe import registry

DOCUMENTATION = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def provenance_of(
    experiment: str,
    parameters: Mapping[str, Any],
    unrecorded: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, Any]:
    """Code digest, package versions and data digests of a run, as they are now. Imports the
    experiment.

    ``unrecorded`` surrounds the reading of source code, which the digest of the code covers.
    """
    module_name = registry.target("experiment", experiment).partition(":")[0]
    registry.resolve("experiment", experiment)
    with unrecorded():
        code, packages = code_of(module_name)
    digests = getattr(sys.modules[module_name], "data_digests", None)
    return {
        "code_digest": code,
        "packages": packages,
        "data_digests": dict(digests(parameters)) if digests else {},
    }


def makings_without_data(experiment: str) -> dict[str, Any]:
    """The same where the data is not here: its digests are None."""
    code, packages = code_of(registry.target("experiment", experiment).partition(":")[0])
    return {"code_digest": code, "packages": packages, "data_digests": None}


def code_of(module_name: str) -> tuple[str, dict[str, str]]:
    """Digest of a module's import closure inside medpipe and its own package, and versions of all
    other packages it imports.

    Comments, docstrings and layout do not count; of package ``__init__`` files only what they
    define themselves.
    """
    own = {"medpipe", module_name.split(".")[0]}
    sources: dict[str, str] = {}
    others: set[str] = set()
    waiting = [module_name]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in sources or path is None:
            continue
        parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
        sources[name], statements = _parsed(path.read_bytes(), parent)
        for imported in _imports(statements):
            if imported.split(".")[0] in own:
                waiting.append(imported)
            else:
                others.add(imported.split(".")[0])
    text = "\0".join(f"{name}\0{sources[name]}" for name in sorted(sources))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest(), versions_of(others)


def _source(name: str) -> Path | None:
    """The file of a module, None where there is no such module (then the name is an attribute of
    its parent).
    """
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError, AttributeError):
        return None
    return (
        Path(spec.origin)
        if spec is not None and spec.origin and spec.origin.endswith(".py")
        else None
    )


@lru_cache(maxsize=2048)
def _parsed(content: bytes, package: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """A module's code without its documentation, and what its import statements name."""
    tree = ast.parse(content)
    return _without_documentation(tree), frozenset(_statements(tree, package))


def _statements(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """All modules that a module imports when it runs, inside functions too, each with the name that
    is taken from it; without one where that makes no difference.
    """
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            base = ".".join([*parents, node.module] if node.module else parents)
            own = base.split(".")[0] in ("medpipe", package.split(".")[0])
            yield from ((base, alias.name if own else "") for alias in node.names)


def _imports(statements: Iterable[tuple[str, str]]) -> set[str]:
    """Names of the modules that statements import; for a re-exported name, the module it is
    from.
    """
    return {_home(base, member) if member else base for base, member in statements}


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            continue
        yield node
        yield from _running(node)


def _home(base: str, name: str) -> str:
    """The module that ``from base import name`` really uses."""
    path = _source(base)
    if path is None or path.name != "__init__.py":
        return base
    if _source(f"{base}.{name}"):
        return f"{base}.{name}"
    home = getattr(getattr(importlib.import_module(base), name, None), "__module__", None)
    return home if isinstance(home, str) and home.split(".")[0] == base.split(".")[0] else base


def _without_documentation(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTATION) and node.body and isinstance(node.body[0], ast.Expr):
            value = node.body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body[0] = ast.Expr(ast.Constant(...))
    return ast.unparse(tree)


def digest_of_code(path: Path) -> str:
    """Digest of a module's code without comments, docstrings and layout; of its bytes where it is
    no Python source.
    """
    return _digest_of_code(path.read_bytes(), path.suffix == ".py")


@lru_cache(maxsize=2048)
def _digest_of_code(content: bytes, is_python: bool) -> str:
    if is_python:
        with suppress(SyntaxError, ValueError):
            content = _without_documentation(ast.parse(content)).encode()
    return "sha256:" + hashlib.sha256(content).hexdigest()


def versions_of(modules: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions behind modules, but for medpipe itself; the standard library
    has none.
    """
    distributions = _distributions()
    names = {
        d
        for m in {m.partition(".")[0] for m in modules} - {*sys.stdlib_module_names, "medpipe"}
        for d in distributions.get(m, ())
    }
    return {name.lower(): version_of(name) or "" for name in sorted(names)}


@cache
def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def machine() -> dict[str, Any]:
    """Where this is running: Python, platform, processor, threads, and the repository's
    revision.
    """
    revision, dirty = _revision()
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": threads,
        "revision": revision,
        "dirty": dirty,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _revision() -> tuple[str | None, bool | None]:
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return None, None
