"""Checks whose full size takes too long for every run: `make test-full` runs all of it, `pytest
tests` a sample.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FULL = os.environ.get("MEDPIPE_FULL", "") not in ("", "0")
RESULTS = Path(__file__).parent / "results"


@pytest.fixture(scope="session")
def scaled() -> Callable[[int, int], int]:
    """``scaled(sample, full)``: how many cases this run takes."""
    return lambda sample, full: full if FULL else sample


@pytest.fixture(scope="session")
def keep_result() -> Callable[[str, dict[str, Any]], None]:
    """Store a full run's seeds, counts and findings under ``results/NAME.json``; a sample stores
    nothing.
    """

    def keep(name: str, result: dict[str, Any]) -> None:
        if FULL:
            RESULTS.mkdir(exist_ok=True)
            text = json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")

    return keep
