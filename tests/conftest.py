"""Fixtures and settings that every room's tests share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

collect_ignore = [] if find_spec("torch") else ["pipeline", "realdata"]


def pytest_report_header() -> str | None:
    """Say what is left out where torch is not installed."""
    return f"medpipe: no torch here, so not collected: {', '.join(collect_ignore)}" if collect_ignore else None


settings.register_profile("shared machine", deadline=None)  # a busy machine is no fault of the law under test
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[1]
