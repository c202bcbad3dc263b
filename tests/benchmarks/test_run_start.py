"""What a run costs beside its own work: four short runs of the demonstration in fresh processes and
in forked ones. Machines differ, so nothing asserts the times.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medpipe.evidence import Bundle
from medpipe.running import runner
from medpipe.running.plan import make_plan
from medpipe.running.roots import Roots
from medpipe.specs import load_specs

pytest.importorskip("torch")
PROTOCOLS = {
    "text.lstm_d01_l001",
    "text.lstm_d05_l001",
    "text.lstm_d01_l01",
    "text.lstm_d05_l01",
}


@pytest.mark.parametrize("forked", [False, True], ids=["fresh", "forked"])
def test_four_short_runs(
    benchmark: Any,
    forked: bool,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    specs = load_specs(repository / "specs")
    planned = make_plan(specs, specs.profile("demonstration")).runs
    runs = [p for p in planned if p.protocol in PROTOCOLS]
    bundle = Bundle.create(tmp_path / "bundle", "made-up", "demonstration")
    if not forked:
        monkeypatch.setattr(runner, "may_fork", lambda: False)

    def make() -> None:
        runner.execute(
            runs,
            bundle,
            work=tmp_path / "work",
            jobs=1,
            device="cpu",
            roots=Roots.of({"project": repository}, tmp_path / "notes"),
            listener=lambda key, event: None,
        )

    benchmark.pedantic(make, rounds=2, warmup_rounds=0)
    assert all(bundle.get(p.run.key) is not None for p in runs)
