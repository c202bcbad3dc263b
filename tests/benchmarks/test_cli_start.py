"""How long a user waits before anything happens. The limits are the project's promises; machines differ, so nothing asserts them.

Promised: ``medpipe --help`` within 0.3 s.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

HELP = "from medpipe.cli import main; main()"


@pytest.mark.parametrize("arguments", [["pass"], ["import medpipe"], [HELP, "--help"]], ids=["python", "import medpipe", "medpipe --help"])
def test_start(benchmark: Any, arguments: list[str]) -> None:
    command = [sys.executable, "-c", *arguments]
    done = benchmark.pedantic(subprocess.run, (command,), {"capture_output": True}, rounds=5, warmup_rounds=1)
    assert done.returncode == 0, done.stderr
