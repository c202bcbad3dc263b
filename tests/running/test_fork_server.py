"""Runs in forked processes: they see what fresh ones see, and leave each other alone."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from medpipe import registry
from medpipe.evidence import Bundle, Evidence, Run
from medpipe.running import runner
from medpipe.running.plan import PlannedRun, make_plan
from medpipe.running.roots import Roots
from medpipe.running.runner import execute, shared_modules
from medpipe.specs import load_specs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="medpipe forks only on Linux")

IMPORTED = "medpipe.running.fork_server"  # a server that imports nothing beside what it is made of
CODE = """
import json, os, random, sys, time
import numpy as np
from medpipe import ExperimentResult, Observations

def run(config, seed, context):
    how = config["how"]
    if how == "fail": raise ValueError("boom")
    if how == "absent": import no_such_module_anywhere
    if how == "die": os._exit(7)
    if how == "shot": os.kill(os.getpid(), 9)
    if how == "shoots its parent": os.kill(os.getppid(), 9)
    if how == "noisy": print("a library prints"); os.write(1, b"to file descriptor one\\n")
    if how == "reads": open(config["path"]).read()
    if how == "slow":
        for i in range(10**6):  # it ends in this test only where somebody ends it
            time.sleep(0.05); context.progress(i, 10**6, "slow")
    state = {"python": random.random(), "numpy": np.random.random(), "pid": os.getpid(),
             "parent": os.getppid(), "stdin": os.read(0, 1).decode(), "how": how,
             "threads": os.environ["OMP_NUM_THREADS"], "modules": sorted(sys.modules)}
    columns = {"sample_id": np.array(["a"]), "y_true": np.array([0]), "y_pred": np.array([0])}
    seen = {"validation": Observations(columns, ("x", "y"))}
    return ExperimentResult({"how": how}, seen, notes=[json.dumps(state)])
"""


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    """An empty bundle, and a stranger's experiment whose runs are forked as if it were built in."""
    (tmp_path / "forked_runs.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(runner, "shared_modules", lambda runs: {p.run.key: IMPORTED for p in runs})
    with registry.code_from(tmp_path):
        yield Bundle.create(tmp_path / "bundle", "made-up", "small")
    sys.modules.pop("forked_runs", None)


def planned(how: str, seed: int = 0, **more: str) -> PlannedRun:
    return PlannedRun(
        Run("forked_runs:run", {"how": how, **more}, seed), "toy", ("toy.model.accuracy",), None
    )


def made(
    bundle: Bundle, *runs: PlannedRun, jobs: int = 1, listener: runner.Listener | None = None
) -> None:
    execute(
        runs,
        bundle,
        work=bundle.folder.parent / "work",
        jobs=jobs,
        device="cpu",
        roots=Roots.of({"project": bundle.folder.parent}, bundle.folder.parent / "notes"),
        listener=listener or (lambda key, event: None),
    )


def evidence(bundle: Bundle, run: PlannedRun) -> Evidence:
    found = bundle.get(run.run.key)
    assert found is not None
    return found


def state(bundle: Bundle, run: PlannedRun) -> Any:
    found = evidence(bundle, run)
    assert found.failure is None, found.failure
    return json.loads(found.notes[0])


def test_each_run_has_a_process_and_a_state_of_its_own(bundle: Bundle) -> None:
    runs = [planned("well", seed) for seed in range(3)]
    made(bundle, *runs)
    states = [state(bundle, run) for run in runs]
    assert len({s["parent"] for s in states}) == 1
    assert os.getpid() not in {s["parent"] for s in states}  # of the server, not of the runner
    for what in ("pid", "python", "numpy"):
        assert len({s[what] for s in states}) == 3, what
    assert {s["stdin"] for s in states} == {""}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("fail", "ValueError: boom"),
        ("absent", "no_such_module_anywhere"),
        ("die", "ended with code 7"),
        ("shot", "ended by signal 9"),
    ],
)
def test_a_run_that_dies_takes_no_other_down(bundle: Bundle, how: str, message: str) -> None:
    before, bad, after = planned("well", 0), planned(how), planned("well", 1)
    made(bundle, before, bad, after)
    failure = evidence(bundle, bad).failure
    assert failure is not None and message in failure.message
    assert state(bundle, before)["parent"] == state(bundle, after)["parent"]


def test_a_killed_server_costs_one_run_and_the_next_has_another(bundle: Bundle) -> None:
    before, bad, after = planned("well", 0), planned("shoots its parent"), planned("well", 1)
    made(bundle, before, bad, after)
    failure = evidence(bundle, bad).failure
    assert failure is not None and "ended by signal 9" in failure.message
    assert state(bundle, after)["parent"] not in (state(bundle, before)["parent"], os.getpid())


def test_each_run_has_a_log_of_its_own(bundle: Bundle, tmp_path: Path) -> None:
    noisy, other = planned("noisy"), planned("well")
    made(bundle, noisy, other, jobs=2)
    log = (tmp_path / "work" / f"{noisy.run.key}.log").read_text(encoding="utf-8")
    assert "a library prints" in log and "to file descriptor one" in log
    assert (tmp_path / "work" / f"{other.run.key}.log").read_text(encoding="utf-8") == ""


def test_what_a_run_reads_is_recorded_for_it_alone(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    runs = [planned("reads", path=str(tmp_path / name)) for name in ("one", "two")]
    made(bundle, *runs, jobs=2)
    read = [set(evidence(bundle, run).provenance.inputs.files) for run in runs]  # type: ignore[union-attr]
    assert read == [{"project/one"}, {"project/two"}]


@pytest.fixture
def table(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is read when the module is imported that servers import."""
    table, place = tmp_path / "table", tmp_path / "installed"
    table.write_text("1", encoding="utf-8")
    place.mkdir()
    (place / "helps_import.py").write_text("", encoding="utf-8")
    for name in ("medpipe", "numpy"):  # folders that are no packages hide nothing
        (tmp_path / name).mkdir()
    (place / "read_on_import.py").write_text(
        f"import helps_import\nopen({str(table)!r}).read()\nprint('imported')\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(
        runner, "shared_modules", lambda runs: {p.run.key: "read_on_import" for p in runs}
    )
    return table


def digest_of(bundle: Bundle, run: PlannedRun) -> str | None:
    inputs = evidence(bundle, run).provenance.inputs
    assert inputs is not None
    assert set(inputs.files) == {"project/table"}
    assert set(inputs.modules) == {
        "project/forked_runs.py",
        "project/installed/helps_import.py",
        "project/installed/read_on_import.py",
    }
    return inputs.files["project/table"]


def test_what_was_read_and_printed_by_imports_counts_for_every_run(
    bundle: Bundle, table: Path, tmp_path: Path
) -> None:
    runs = [planned("well", seed) for seed in range(2)]
    made(bundle, *runs)
    assert digest_of(bundle, runs[0]) == digest_of(bundle, runs[1]) is not None
    for run in runs:
        assert "helps_import" in state(bundle, run)["modules"]
        log = tmp_path / "work" / f"{run.run.key}.log"
        assert log.read_text(encoding="utf-8") == "imported\n"


def test_a_change_of_what_imports_read_ends_the_server(bundle: Bundle, table: Path) -> None:
    runs = [planned("well", seed) for seed in range(3)]

    def change(key: str, event: Mapping[str, Any]) -> None:
        if event["status"] == "finished" and key == runs[0].run.key:
            table.write_text("22", encoding="utf-8")

    made(bundle, *runs, listener=lambda k, e: change(k, e) if "status" in e else None)
    first, second, third = (state(bundle, run)["parent"] for run in runs)
    assert second == os.getpid()  # a fresh process
    assert third not in (first, second)  # another server
    assert digest_of(bundle, runs[0]) != digest_of(bundle, runs[2])


@pytest.mark.parametrize("why", ["cannot be imported", "is shadowed"])
def test_a_server_that_cannot_be_is_replaced_by_fresh_processes(
    bundle: Bundle, table: Path, tmp_path: Path, why: str
) -> None:
    if why == "is shadowed":  # a fresh process would import this one
        (tmp_path / "helps_import.py").write_text("", encoding="utf-8")
    else:
        table.unlink()
    runs = [planned("well", seed) for seed in range(2)]
    made(bundle, *runs)
    assert {state(bundle, run)["parent"] for run in runs} == {os.getpid()}
    assert all("read_on_import" not in state(bundle, run)["modules"] for run in runs)


def test_a_stop_ends_forked_processes(bundle: Bundle, tmp_path: Path) -> None:
    run = planned("slow")

    def stop(key: str, event: Mapping[str, Any]) -> None:
        if event.get("message") == "slow":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(bundle, run, listener=stop)
    assert bundle.get(run.run.key) is None
    with (tmp_path / "work" / f"{run.run.key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more


def test_code_of_others_and_single_runs_get_fresh_processes(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = load_specs(repository / "specs")
    runs = [*make_plan(specs, specs.profile("demonstration")).runs, planned("a"), planned("b")]
    monkeypatch.setattr(runner, "may_fork", lambda: True)
    shared = shared_modules(runs)
    assert set(shared) < {p.run.key for p in runs}
    assert all(module.startswith("medpipe.pipeline.experiments.") for module in shared.values())
    assert sum(module.endswith(".architecture") for module in shared.values()) == 0  # one run
    assert sum(module.endswith(".gradient_flow") for module in shared.values()) == 2
    monkeypatch.setattr(runner, "may_fork", lambda: False)
    assert shared_modules(runs) == {}
