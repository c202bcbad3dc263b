"""How long a user waits before anything happens. The limits are the project's promises; machines
differ, so nothing asserts them.

Promised: ``medpipe --help`` within 0.3 s, ``medpipe audit-figures`` on the published figures within
2 s.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
HELP = "from medpipe.cli import main; main()"


@pytest.mark.parametrize(
    "arguments",
    [["pass"], ["import medpipe"], [HELP, "--help"], [HELP, "audit-figures", str(SPECS)]],
    ids=["python", "import medpipe", "medpipe --help", "medpipe audit-figures"],
)
def test_start(benchmark: Any, arguments: list[str]) -> None:
    command = [sys.executable, "-c", *arguments]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"capture_output": True}, rounds=5, warmup_rounds=1
    )
    assert done.returncode == 0, done.stderr
