"""Fixtures and settings that every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from medpipe.registry import code_from

NEEDS = {"pipeline": "torch", "realdata": "torch", "report": "weasyprint"}
collect_ignore = [room for room, package in NEEDS.items() if find_spec(package) is None]


def pytest_report_header() -> str | None:
    """Say which rooms are left out where the package that they are about is not installed."""
    return (
        "medpipe: not collected:"
        f" {', '.join(f'{room} (no {NEEDS[room]})' for room in collect_ignore)}"
        if collect_ignore
        else None
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Benchmarks run when asked for: by --benchmark-only, or by their path."""
    if collection_path != Path(__file__).parent / "benchmarks" or config.getoption(
        "--benchmark-only", False
    ):
        return None
    asked = [
        (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        for argument in config.args
    ]
    return None if any(path.is_relative_to(collection_path) for path in asked) else True


settings.register_profile(
    "shared machine", deadline=None
)  # a busy machine is no fault of the law under test
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def own_code(repository: Path) -> Iterator[None]:
    """Metrics in the modules beside this file may run, as those beside a user's own specifications
    may.
    """
    with code_from(repository / "tests"):
        yield
