"""Making evidence: failures are evidence, starts stand in the ledger, and what is there is not made
again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from medpipe import registry
from medpipe.errors import BundleError
from medpipe.evidence import Bundle, Evidence, Run
from medpipe.evidence.ledger import unfinished
from medpipe.running.plan import PlannedRun, make_plan
from medpipe.running.roots import Roots
from medpipe.running.runner import execute, only_one, reuse, to_run
from medpipe.specs.loading import load_specs

CODE = """
import os, pathlib, time
import numpy as np
from medpipe import ExperimentResult, Observations
from medpipe.errors import UnavailableError

def run(config, seed, context):
    how = config["how"]
    context.progress(0, 2, "begin")
    if how == "fail": raise ValueError("boom")
    if how == "absent": raise UnavailableError("weights cannot be had; put them there")
    if how == "die": os._exit(7)
    if how == "shot": os.kill(os.getpid(), 9)
    if how == "noisy": print("a library prints"); os.write(1, b"to file descriptor one\\n")
    if how == "slow":
        (context.work_dir / "began").write_text("x")
        for i in range(10**6):  # it ends in this test only where somebody ends it
            time.sleep(0.05); context.progress(i, 10**6, "slow")
    context.progress(2, 2, "end")
    columns = {"sample_id": np.array(["a"]), "y_true": np.array([0]), "y_pred": np.array([0])}
    seen = {"validation": Observations(columns, ("x", "y"))}
    digests = data_digests(config)
    return ExperimentResult({"how": how}, seen, {"seed": seed}, notes=["fine"],
                            data_digests=digests)

def data_digests(config):
    return {"data": pathlib.Path(os.environ["STRANGER_DATA"]).read_text()}
"""


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    """An empty bundle, and an experiment of a stranger to run."""
    (tmp_path / "stranger_runs.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "data").write_text("one", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("STRANGER_DATA", str(tmp_path / "data"))
    with registry.code_from(tmp_path):
        yield Bundle.create(tmp_path / "bundle", "made-up", "small")
    sys.modules.pop("stranger_runs", None)


def planned(how: str, seed: int = 0) -> PlannedRun:
    return PlannedRun(
        Run("stranger_runs:run", {"how": how}, seed), "toy", ("toy.model.accuracy",), None
    )


def roots_of(bundle: Bundle) -> Roots:
    place = bundle.folder.parent
    return Roots.of({"project": place}, place / "notes")


def made(bundle: Bundle, *runs: PlannedRun, jobs: int = 1) -> list[tuple[str, Mapping[str, Any]]]:
    heard: list[tuple[str, Mapping[str, Any]]] = []
    execute(
        runs,
        bundle,
        work=bundle.folder.parent / "work",
        jobs=jobs,
        device="cpu",
        roots=roots_of(bundle),
        listener=lambda k, e: heard.append((k, e)),
    )
    return heard


def evidence(bundle: Bundle, run: PlannedRun) -> Evidence:
    found = bundle.get(run.run.key)
    assert found is not None
    return found


def test_makes_evidence_with_its_provenance(bundle: Bundle) -> None:
    run = planned("well", 3)
    heard = made(bundle, run)
    found = evidence(bundle, run)
    assert (found.failure, found.scalars, found.notes) == (None, {"seed": 3}, ("fine",))
    assert found.provenance.data_digests == {"data": "one"}
    assert set(found.provenance.packages) == {"numpy"}
    assert found.provenance.code_digest.startswith("sha256:")
    assert [e.event for e in bundle.ledger()] == ["started", "finished"]
    assert heard[0][1]["status"] == "started"
    assert {"done": 2, "total": 2, "message": "end"} in [dict(e) for _, e in heard]


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        ("fail", "failed", "ValueError: boom"),
        ("absent", "unavailable", "weights cannot be had"),
        ("die", "failed", "ended with code 7"),
        ("shot", "failed", "ended by signal 9"),
    ],
)
def test_a_failed_run_is_evidence_too_and_the_others_go_on(
    bundle: Bundle, how: str, kind: str, says: str
) -> None:
    bad, good = planned(how), planned("noisy")
    made(bundle, bad, good, jobs=2)
    failure = evidence(bundle, bad).failure
    assert failure is not None
    assert failure.kind == kind
    assert says in failure.message
    assert evidence(bundle, good).failure is None
    assert sorted(e.event for e in bundle.ledger()) == sorted(
        ["started", "started", "finished", kind]
    )
    assert unfinished(bundle.ledger()) == ()


def plan_of(tmp_path: Path, *runs: PlannedRun) -> Any:
    class Plan:
        def __init__(self) -> None:
            self.runs = runs

    return Plan()


def test_what_matches_is_not_made_again(bundle: Bundle, tmp_path: Path) -> None:
    good, bad = planned("well"), planned("fail")
    plan = plan_of(tmp_path, good, bad)
    assert to_run(plan, bundle, roots_of(bundle)) == (good, bad)
    made(bundle, good, bad)
    assert to_run(plan, bundle, roots_of(bundle)) == (bad,)  # a failure is tried again
    (tmp_path / "data").write_text("two", encoding="utf-8")
    assert to_run(plan, bundle, roots_of(bundle)) == (good, bad)  # other data
    (tmp_path / "data").write_text("one", encoding="utf-8")
    assert to_run(plan, bundle, roots_of(bundle)) == (bad,)
    code = tmp_path / "stranger_runs.py"
    code.write_text(CODE.replace('"begin"', '"commence"'), encoding="utf-8")
    assert to_run(plan, bundle, roots_of(bundle)) == (good, bad)  # other code
    code.write_text("import no_such_module_anywhere\n", encoding="utf-8")
    assert to_run(plan, bundle, roots_of(bundle))[0].again == "its code cannot be loaded"
    made(bundle, good)
    failure = evidence(bundle, good).failure
    assert failure is not None and failure.kind == "failed"
    assert "no_such_module_anywhere" in failure.message


def test_evidence_of_another_bundle_is_used_again_where_it_matches(
    bundle: Bundle, tmp_path: Path
) -> None:
    good, bad, absent = planned("well"), planned("fail"), planned("noisy")
    made(bundle, good, bad)
    other = Bundle.create(tmp_path / "other", "made-up", "small")
    (tmp_path / "data").write_text("two", encoding="utf-8")
    assert reuse((good, bad, absent), other, (bundle,), roots_of(other)) == (
        good,
        bad,
        absent,
    )  # made of other data
    assert other.attempts().entries == ()
    (tmp_path / "data").write_text("one", encoding="utf-8")
    assert reuse((good, bad, absent), other, (bundle,), roots_of(other)) == (
        bad,
        absent,
    )  # a failure is tried again
    name = f"runs/{good.run.key}.json"
    assert other.json(name) == bundle.json(name)
    assert [(e.event, e.run) for e in other.ledger()] == [("reused", good.run.key)]
    assert (
        other.attempts().taken == (bundle.ledger(),)
        and other.attempts().untold([good.run.key]) == ()
    )
    assert to_run(plan_of(tmp_path, good), other, roots_of(other)) == ()


def test_evidence_of_other_code_is_kept_only_where_that_is_asked_for(
    bundle: Bundle, tmp_path: Path
) -> None:
    good, bad = planned("well"), planned("fail")
    made(bundle, good, bad)
    (tmp_path / "stranger_runs.py").write_text(
        CODE.replace('"begin"', '"commence"'), encoding="utf-8"
    )
    other = Bundle.create(tmp_path / "other", "made-up", "small")
    assert (
        reuse((good, bad), other, (bundle,), roots_of(other)) == (good, bad)
        and other.ledger() == ()
    )
    assert reuse((good, bad), other, (bundle,), roots_of(other), any_code=True) == (bad,)
    assert [(e.event, e.run) for e in other.ledger()] == [("kept", good.run.key)]
    assert to_run(plan_of(tmp_path, good), other, roots_of(other)) == (
        good,
    )  # what it is made of is still told
    (tmp_path / "data").write_text("two", encoding="utf-8")
    assert reuse(
        (good,),
        Bundle.create(tmp_path / "third", "made-up", "small"),
        (bundle,),
        roots_of(bundle),
        any_code=True,
    ) == (good,)  # other data


def test_of_several_bundles_one_that_matches_comes_before_one_of_other_code(
    bundle: Bundle, tmp_path: Path
) -> None:
    good, bad = planned("well"), planned("fail")
    made(bundle, good, bad)
    old = bundle.json(f"runs/{good.run.key}.json")
    (tmp_path / "stranger_runs.py").write_text(
        CODE.replace('"begin"', '"commence"'), encoding="utf-8"
    )
    second, third = (
        Bundle.create(tmp_path / name, "made-up", "small") for name in ("second", "third")
    )
    made(second, good)
    assert reuse((good, bad), third, (bundle, second), roots_of(third), any_code=True) == (bad,)
    assert [(e.event, e.run) for e in third.ledger()] == [("reused", good.run.key)]
    assert (
        third.json(f"runs/{good.run.key}.json") == second.json(f"runs/{good.run.key}.json") != old
    )


def test_data_that_is_gone_does_not_cost_the_evidence_that_was_made_of_it(
    bundle: Bundle, tmp_path: Path
) -> None:
    run = planned("well")
    look = (
        "if not pathlib.Path(os.environ['STRANGER_DATA']).exists(): raise"
        " UnavailableError('gone')\n    "
    )
    code = CODE.replace('return {"data"', look + 'return {"data"')
    (tmp_path / "stranger_runs.py").write_text(code, encoding="utf-8")
    made(bundle, run)
    (tmp_path / "data").unlink()
    (again,) = to_run(plan_of(tmp_path, run), bundle, roots_of(bundle))
    assert again.again == "data is missing"
    made(bundle, run)
    assert evidence(bundle, run).failure is None and bundle.ledger()[-1].event == "finished"
    (tmp_path / "stranger_runs.py").write_text(
        code.replace('"begin"', '"commence"'), encoding="utf-8"
    )
    assert to_run(plan_of(tmp_path, run), bundle, roots_of(bundle)) == (run,)
    made(bundle, run)
    assert (
        evidence(bundle, run).failure is None
    )  # the attempt stands in the ledger, the evidence stays
    assert bundle.ledger()[-1].event == "finished"


def test_a_stop_ends_the_workers_and_leaves_the_start_open(bundle: Bundle) -> None:
    run = planned("slow")

    def stop(key: str, event: Mapping[str, Any]) -> None:
        if event.get("message") == "slow":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(
            [run],
            bundle,
            work=bundle.folder.parent / "work",
            jobs=1,
            device="cpu",
            roots=roots_of(bundle),
            listener=stop,
        )
    assert bundle.get(run.run.key) is None
    assert [e.run for e in unfinished(bundle.ledger())] == [run.run.key]


def test_a_worker_whose_parent_is_killed_ends_by_itself(bundle: Bundle, tmp_path: Path) -> None:
    run = planned("slow")
    job = {
        "task": "run",
        "run": {"experiment": run.run.experiment, "parameters": run.run.parameters, "seed": 0},
        "work": str(tmp_path / "work"),
        "bundle": str(bundle.folder),
        "device": "cpu",
        "roots": {},
        "code": str(tmp_path),
        "notes": str(tmp_path / "notes"),
    }
    code = (
        "import subprocess, sys, os, time, pathlib\np = subprocess.Popen([sys.executable, '-m',"
        " 'medpipe.running.worker'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,"
        f" text=True)\np.stdin.write({json.dumps(job)!r}); p.stdin.close()\nbegan ="
        f" pathlib.Path({str(tmp_path / 'work' / run.run.key / 'began')!r})\nwhile not"
        " began.exists(): time.sleep(0.05)\nprint(p.pid, flush=True); time.sleep(3600)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path),
    }
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while Path(
        f"/proc/{worker}"
    ).exists():  # else this test never ends, whatever else the machine does
        time.sleep(0.05)
    parent.stdout.close()


def test_only_one_process_makes_a_bundle(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(BundleError, match="another medpipe"),
        only_one(tmp_path),
    ):
        pass


def test_claims_share_runs(repository: Path) -> None:
    specs = load_specs(repository / "specs")
    plan = make_plan(specs, specs.profile("reduced"))
    assert len(plan.keys) == len(plan.runs) < len(specs.claims)
    lstm = [p for p in plan.runs if p.protocol == "text.lstm"]
    assert [p.run.seed for p in lstm] == [0, 1, 2]
    assert {
        "text.lstm.accuracy",
        "text.lstm.gap",
        "fairness.gap.text_sex",
        "text.lstm.accuracy_testing",
    } <= set(lstm[0].claims)
    assert {d.path for d in plan.deviations["text.lstm"]} == {
        "data.source",
        "data.train_sample",
        "training.epochs",
    }
    assert "text.biobert" in make_plan(specs, specs.profile("demonstration")).left_out


def test_a_runs_key_is_what_is_written(repository: Path) -> None:
    a = Run("x:run", {"a": 1, "b": {"c": 2}}, 0)
    assert a.key == Run("x:run", {"b": {"c": 2}, "a": 1}, 0).key
    assert (
        len(
            {
                a.key,
                Run("x:run", {"a": 1, "b": {"c": 2}}, 1).key,
                Run("y:run", {"a": 1, "b": {"c": 2}}, 0).key,
                Run("x:run", {"a": 1, "b": {"c": 3}}, 0).key,
            }
        )
        == 4
    )
