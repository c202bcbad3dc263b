"""A run in a forked process leaves the same evidence as one in a fresh process, bit for bit."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from medpipe import registry
from medpipe.evidence import Bundle, Evidence, Observations
from medpipe.running import processes, runner
from medpipe.running.plan import PlannedRun, make_plan
from medpipe.running.roots import Roots
from medpipe.specs import load_specs
from medpipe.specs.loading import code_beside

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="medpipe forks only on Linux"),
]
PROTOCOLS = (
    "synthesis.vanish_tanh",
    "text.baseline_tfidf",
    "text.lstm_d01_l001",
)


def digest(observations: Observations) -> str:
    """Digest of names, types and contents of all arrays."""
    sha = hashlib.sha256()
    for name, array in sorted(observations.arrays.items()):
        content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        sha.update(f"{name} {array.dtype} {array.shape}\0".encode() + content)
    return sha.hexdigest()


def timeless(values: Mapping[str, Any]) -> dict[str, Any]:
    """Measurements without those of time and memory."""
    return {n: v for n, v in values.items() if not n.endswith(("_s", "_ms", "_mib"))}


def made(
    runs: Sequence[PlannedRun], folder: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Evidence]:
    """Make runs with a cache of their own, which is empty."""
    monkeypatch.setenv("MEDPIPE_CACHE", str(folder / "cache"))
    bundle = Bundle.create(folder / "bundle", "made-up", "demonstration")
    roots = Roots.of({"project": repository, "cache": folder / "cache"}, folder / "notes")
    runner.execute(
        runs,
        bundle,
        work=folder / "work",
        jobs=1,
        device="cpu",
        roots=roots,
        listener=lambda key, event: None,
    )
    return [found for p in runs if (found := bundle.get(p.run.key)) is not None]


def test_evidence_of_forked_and_fresh_processes_is_equal(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = load_specs(repository / "specs")
    planned = make_plan(specs, specs.profile("demonstration")).runs
    runs = [p for p in planned if p.protocol in PROTOCOLS]
    modules = {
        p.run.key: registry.target("experiment", p.run.experiment).partition(":")[0] for p in runs
    }
    assert len(set(modules.values())) == len(runs) == len(PROTOCOLS)
    with code_beside(repository / "specs", specs):  # as `verify` does
        monkeypatch.setattr(runner, "shared_modules", lambda runs: {})
        fresh = made(runs, tmp_path / "fresh", repository, monkeypatch)
        monkeypatch.setattr(runner, "shared_modules", lambda runs: modules)
        started: list[object] = []
        fresh_process = processes.FreshProcess

        def noted(*arguments: Any) -> processes.FreshProcess:
            started.append(arguments)
            return fresh_process(*arguments)

        monkeypatch.setattr(processes, "FreshProcess", noted)
        forked = made(runs, tmp_path / "forked", repository, monkeypatch)
    assert started == []  # no server ended early, which would give fresh processes
    for one, other in zip(fresh, forked, strict=True):
        assert one.failure is None and other.failure is None
        assert one.observations or one.scalars
        assert {n: digest(o) for n, o in one.observations.items()} == {
            n: digest(o) for n, o in other.observations.items()
        }
        assert timeless(one.scalars) == timeless(other.scalars)
        assert [timeless(row) for row in one.history] == [timeless(row) for row in other.history]
        assert (one.resolved, one.notes, one.file_digests) == (
            other.resolved,
            other.notes,
            other.file_digests,
        )
        mine, theirs = one.provenance, other.provenance
        assert mine.inputs is not None
        assert mine.inputs == theirs.inputs
        assert (mine.code_digest, mine.packages, mine.data_digests, mine.determinism) == (
            theirs.code_digest,
            theirs.packages,
            theirs.data_digests,
            theirs.determinism,
        )
