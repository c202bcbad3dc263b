"""Making evidence: what is not there yet, or was made of other code, packages or data, is run; the
rest is used again.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from medpipe import registry
from medpipe.errors import BusyError, ExperimentError
from medpipe.evidence import Bundle, Evidence, Failure, Inputs, Provenance, Run, ledger
from medpipe.running.plan import Plan, PlannedRun
from medpipe.running.processes import Process, Processes, command, may_fork
from medpipe.running.recorded_inputs import Unchanged
from medpipe.running.roots import Roots

ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}
"""glibc keeps freed memory instead of giving it back at each step: the page faults cost a fifth of
an LSTM step's processor time.
"""

Listener = Callable[[str, Mapping[str, Any]], None]
"""``listener(run key, event)``: events hold ``status`` (started, finished, failed, unavailable) or
``done``, ``total``, ``message``.
"""


def to_run(plan: Plan, bundle: Bundle, roots: Roots) -> tuple[PlannedRun, ...]:
    """The planned runs for which the bundle has no evidence that may be used again, each with the
    reason.

    Probes code, packages and data in a process of its own.
    """
    stored = {p.run.key: bundle.get(p.run.key) for p in plan.runs}
    if not any(stored.values()):
        return plan.runs
    unchanged = Unchanged(roots)
    found = []
    for planned, now in zip(plan.runs, _probe([p.run for p in plan.runs]), strict=True):
        evidence = stored[planned.run.key]
        why = "" if evidence is None else _difference(evidence, now, unchanged)
        if why is not None:
            found.append(replace(planned, again=why))
    return tuple(found)


def reuse(
    waiting: Sequence[PlannedRun],
    bundle: Bundle,
    sources: Sequence[Bundle],
    roots: Roots,
    *,
    any_code: bool = False,
) -> tuple[PlannedRun, ...]:
    """Take from ``sources`` the evidence that `to_run` would have accepted; what is left to run.
    Each one taken stands in the ledger, and the ledgers of where it was taken from come along.

    The first source that has it is taken. ``any_code``: where none has it, evidence of the same
    data by other code or packages is kept.
    """
    stored = {
        p.run.key: [(e, source) for source in sources if (e := source.get(p.run.key)) is not None]
        for p in waiting
    }
    there = [p for p in waiting if stored[p.run.key]]
    taken: dict[str, Bundle] = {}
    left: dict[str, str] = {}
    unchanged = Unchanged(roots)
    for p, made in zip(there, _probe([p.run for p in there]) if there else (), strict=True):
        for event, other_code in (("reused", False), ("kept", True))[: 1 + any_code]:
            reasons = [
                (_difference(e, made, unchanged, any_code=other_code), e, source)
                for e, source in stored[p.run.key]
            ]
            found = next(((e, source) for why, e, source in reasons if why is None), None)
            if found is not None:
                bundle.put(found[0])
                ledger.append(bundle.ledger_path, event, p.run.key)
                taken[p.run.key] = found[1]
                break
            left[p.run.key] = reasons[0][0] or ""
    for source in set(taken.values()):
        bundle.take_ledgers(source)
    return tuple(
        replace(p, again=p.again or left.get(p.run.key, ""))
        for p in waiting
        if p.run.key not in taken
    )


def _difference(
    evidence: Evidence,
    now: Mapping[str, Any] | None,
    unchanged: Unchanged,
    *,
    any_code: bool = False,
) -> str | None:
    """Why evidence cannot be used again; None where all that it was made of is as it was."""
    if evidence.failure is not None:
        return (
            "it could not be made the last time"
            if evidence.failure.kind == "unavailable"
            else "it failed the last time"
        )
    if now is None:
        return "its code cannot be loaded"
    stored = evidence.provenance
    if now["data_digests"] not in (
        None,
        dict(stored.data_digests),
    ):  # data that is not here cannot have changed for us
        names = [n for n, d in now["data_digests"].items() if stored.data_digests.get(n) != d] or [
            *stored.data_digests
        ]
        return f"the data {', '.join(names)} changed"
    if not any_code and now["code_digest"] != stored.code_digest:
        return "the code changed"
    if not any_code and now["packages"] != dict(stored.packages):
        names = sorted(
            n
            for n in now["packages"].keys() | stored.packages.keys()
            if now["packages"].get(n) != stored.packages.get(n)
        )
        return f"{', '.join(names)}: other versions than then"
    built_in = registry.is_built_in("experiment", evidence.run.experiment)
    if stored.inputs is None:
        return (
            None
            if built_in
            else "its record is of an earlier version, which did not note what a run read"
        )
    return unchanged.reason(stored.inputs, built_in=built_in, any_code=any_code)


def trusted_without_files(plan: Plan, bundle: Bundle, waiting: Sequence[PlannedRun]) -> int:
    """How many runs that are used again have a record of version 1, which does not note the files
    that they read.
    """
    again = {p.run.key for p in plan.runs} - {p.run.key for p in waiting}
    return sum((e := bundle.get(key)) is not None and e.provenance.inputs is None for key in again)


def _probe(runs: Sequence[Run]) -> list[Mapping[str, Any] | None]:
    distinct = {json.dumps([r.experiment, r.parameters], sort_keys=True): r for r in runs}
    job = {
        "task": "probe",
        "code": _code(),
        "runs": [
            {"experiment": r.experiment, "parameters": r.parameters} for r in distinct.values()
        ],
    }
    done = subprocess.run(
        command("worker"),
        input=json.dumps(job),
        capture_output=True,
        text=True,
        env=_environment(1),
        check=False,
    )
    if done.returncode != 0:
        raise ExperimentError(
            "probe",
            RuntimeError(
                done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no output"
            ),
        )
    found = dict(zip(distinct, json.loads(done.stdout)["makings"], strict=True))
    return [found[json.dumps([r.experiment, r.parameters], sort_keys=True)] for r in runs]


def execute(
    runs: Sequence[PlannedRun],
    bundle: Bundle,
    *,
    work: Path,
    jobs: int,
    device: str,
    roots: Roots,
    listener: Listener,
) -> None:
    """Make the evidence of runs, ``jobs`` at a time, each in its own process. Every start stands in
    the ledger before it begins.

    A run killed half-way goes on from its checkpoint the next time. Raises KeyboardInterrupt after
    stopping all processes.
    """
    waiting = list(runs)
    active: dict[str, Process] = {}
    events: Queue[tuple[PlannedRun, dict[str, Any] | None]] = Queue()
    shared = shared_modules(runs)
    common = _common(bundle, roots)
    setup = {**common, "own": [str(work), str(bundle.folder), str(roots.notes)]}
    work.mkdir(parents=True, exist_ok=True)
    processes = Processes(work, setup, _environment(jobs))
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                planned = waiting.pop(0)
                key = planned.run.key
                ledger.append(bundle.ledger_path, "started", key)
                listener(key, {"status": "started"})
                job = {**common, **_job(planned.run, work, device)}
                active[key] = processes.start(job, work / f"{key}.log", shared.get(key))
                _listen(planned, active[key], events)
            try:
                planned, event = events.get(timeout=0.5)
            except Empty:
                continue
            if event is not None:
                if "status" not in event:
                    listener(planned.run.key, event)
                continue
            process = active.pop(planned.run.key)
            _close(planned, process, bundle, work, listener)
            processes.keep({shared.get(k) for k in (*active, *(p.run.key for p in waiting))})
    except BaseException:
        for process in active.values():
            process.terminate()
        for process in active.values():
            process.wait()
        raise
    finally:
        processes.keep(())


def shared_modules(runs: Sequence[PlannedRun]) -> dict[str, str]:
    """By key of a run, the experiment's module that a server imports for it and other runs.

    Only medpipe's own experiments: what others wrote is imported by the run alone.
    """
    if not may_fork():
        return {}
    modules = {
        p.run.key: registry.target("experiment", p.run.experiment).partition(":")[0]
        for p in runs
        if registry.is_built_in("experiment", p.run.experiment)
    }
    count = Counter(modules.values())
    return {key: module for key, module in modules.items() if count[module] > 1}


def _common(bundle: Bundle, roots: Roots) -> dict[str, Any]:
    """What the jobs of all runs have in common."""
    return {
        "code": _code(),
        "roots": {name: str(folder) for name, folder in roots.folders.items()},
        "notes": str(roots.notes),
        "bundle": str(bundle.folder),
    }


def _job(run: Run, work: Path, device: str) -> dict[str, Any]:
    return {
        "task": "run",
        "run": {"experiment": run.experiment, "parameters": run.parameters, "seed": run.seed},
        "work": str(work),
        "device": device,
    }


def _listen(planned: PlannedRun, process: Process, events: Any) -> None:
    """Pass on what a process says, and None when it has ended, without waiting for it here."""

    def listen() -> None:
        try:
            for event in process.events():
                events.put((planned, event))
        finally:
            events.put((planned, None))

    threading.Thread(target=listen, daemon=True).start()


def _close(
    planned: PlannedRun,
    process: Process,
    bundle: Bundle,
    work: Path,
    listener: Listener,
) -> None:
    """Note how a run ended; a process that died without a word leaves a failure as its evidence."""
    code = process.wait()
    evidence = bundle.get(planned.run.key) if code == 0 else None
    if evidence is None:
        tail = (
            (work / f"{planned.run.key}.log")
            .read_text(encoding="utf-8", errors="replace")
            .strip()
            .splitlines()[-1:]
        )
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        failure = Failure("failed", f"the run's process {how}" + (f": {tail[0]}" if tail else ""))
        evidence = Evidence(
            planned.run,
            planned.run.parameters,
            Provenance("", {}, {}, inputs=Inputs()),
            failure=failure,
        )
        bundle.put(evidence)
    status = "finished" if evidence.failure is None else evidence.failure.kind
    ledger.append(bundle.ledger_path, status, planned.run.key)
    listener(
        planned.run.key,
        {"status": status, "message": evidence.failure.message if evidence.failure else ""},
    )


def _code() -> str | None:
    """The folder whose code a worker may run, as this process may."""
    allowed = registry.allowed_code()
    return None if allowed is None else str(allowed.folder)


def _environment(jobs: int) -> dict[str, str]:
    """The worker's environment: our import path, and its share of the cores, so that runs side by
    side do not fight.
    """
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // jobs))
    here = (
        Path(__file__).resolve().parents[2]
    )  # where medpipe itself is, if the current folder was it
    path = os.pathsep.join(
        dict.fromkeys([*(str(Path(p).resolve()) for p in sys.path if p), str(here)])
    )
    return {
        **ALLOCATOR,
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }


@contextmanager
def only_one(work: Path) -> Iterator[None]:
    """Hold a bundle's work folder for this process alone. Raises `BusyError` where another one has
    it.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(
                f"{work}: another medpipe is making this bundle; wait for it, or give another"
                " --name"
            ) from error
        yield
