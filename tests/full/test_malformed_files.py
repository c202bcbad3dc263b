"""Whatever is wrong with a file, medpipe says so in a sentence, soon, in little memory, and does
nothing else.

The files are made by `malformed`, which also reads them, in processes of their own: a fault of one
batch cannot hide in the next.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import malformed
import pytest

pytest.importorskip("pyhanko")
pytest.importorskip("cv2")
SEED, BATCH = 15, 500
MAX_CPU_S = 10.0
ENDS = {
    "0",
    "2",
    "3",
    "4",
    "SpecError",
    "UnknownNameError",
    "DataError",
    "UnavailableError",
    "BundleError",
    "FormatVersionError",
    "TamperedError",
    "SignatureError",
    "CodeNotAllowed",
}
"""An exit code, or an error that the command line ends with one sentence and the code 2, 3 or 4."""


def read_batch(place: Path, first: int, count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every case of a batch, and how the process ended."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            malformed.__file__,
            str(place),
            str(SEED),
            str(first),
            str(count),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MEDPIPE_CACHE": str(place / "cache")},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr[-2000:]
    assert lines[-1]["end"] == "done", (
        f"the process ended in case {first + len(lines)}: {done.stderr[-2000:]}"
    )
    return lines[:-1], lines[-1]


def test_malformed_files_are_refused_in_a_sentence(
    tmp_path: Path,
    scaled: Callable[[int, int], int],
    keep_result: Callable[[str, dict[str, Any]], None],
) -> None:
    """No traceback, at most 1 GiB and 10 s of processor time each, no process, no socket, nothing
    written outside the given folder.
    """
    (tmp_path / "beside.txt").write_text("nobody touches this", encoding="utf-8")
    count = scaled(100, 10_000)
    firsts = range(0, count, BATCH)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = list(
            pool.map(
                lambda first: read_batch(
                    tmp_path / f"place/{first}", first, min(BATCH, count - first)
                ),
                firsts,
            )
        )
    cases = [case for found, _ in batches for case in found]
    peak = max(end["peak_mib"] for _, end in batches)
    faults = [
        case
        for case in cases
        if case["end"] not in ENDS or case["noted"] or case["cpu_s"] > MAX_CPU_S
    ]
    ends = Counter(f"{case['kind']}: {case['end']}" for case in cases)
    keep_result(
        "malformed_files",
        {
            "seed": SEED,
            "cases": len(cases),
            "faults": len(faults),
            "kinds": dict(Counter(case["kind"] for case in cases)),
            "ends": dict(ends),
            "longest_cpu_s": max(case["cpu_s"] for case in cases),
            "peak_resident_mib": peak,
        },
    )
    assert not faults, json.dumps(faults[:5], indent=1)
    assert len(cases) == count
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beside.txt", "place"]
    assert (tmp_path / "beside.txt").read_text(encoding="utf-8") == "nobody touches this"


def test_the_watch_sees_what_it_looks_for(tmp_path: Path) -> None:
    """The positive control: a process, a socket and a file outside are noted, a file inside is
    not.
    """
    code = (
        "import os, socket, sys; from pathlib import Path; import malformed; place ="
        " Path(sys.argv[1]); malformed.watch(place)\n(place / 'inside').write_text('x');"
        " (place.parent / 'outside').write_text('x'); os.system('true');"
        " socket.socket().close()\nprint(*malformed.NOTED, sep='\\n')"
    )
    place = tmp_path / "place"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(malformed.__file__).parent,
    )
    assert "os.system" in done.stdout
    assert "outside" in done.stdout
    assert "socket" in done.stdout
    assert "inside" not in done.stdout.replace("outside", "")
