"""One run in a process of its own, so that what it loads, seeds and crashes stays there.

``python -m medpipe.running.worker`` reads a job as JSON from standard input and writes lines of
JSON to standard output: progress while it runs, and ``{"status": …}`` at the end. Evidence goes
straight into the bundle.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from medpipe import registry
from medpipe.errors import UnavailableError
from medpipe.evidence import Bundle, Evidence, Failure, Provenance, Run
from medpipe.evidence.files import sha256
from medpipe.formatting import listed
from medpipe.running.experiment import ExperimentResult, RunContext
from medpipe.running.provenance import machine, makings_without_data, provenance_of
from medpipe.running.recorded_inputs import Recorder
from medpipe.running.roots import Roots, below_any, installed, package


def main() -> None:
    """Read the job, do it, say how it ended."""
    job = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between our lines
    work(job, out)


def work(job: Mapping[str, Any], out: IO[str], *, earlier: Recorder | None = None) -> None:
    """Do a job and write lines of JSON to ``out``. ``earlier``: what was read before this process
    was forked.
    """
    with registry.code_from(Path(job["code"])) if job["code"] else nullcontext():
        _do(job, out, earlier)


def _do(job: Mapping[str, Any], out: IO[str], earlier: Recorder | None) -> None:
    if job["task"] == "probe":
        with _without_collecting():
            probed = [_probe(r) for r in job["runs"]]
        out.write(json.dumps({"makings": probed}) + "\n")
        return
    run = Run(**job["run"])
    work = Path(job["work"]) / run.key
    work.mkdir(parents=True, exist_ok=True)
    with (work.parent / f"{run.key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an orphan of a killed parent may still be ending
        bundle = Bundle(Path(job["bundle"]))
        roots = Roots.of(job["roots"], Path(job["notes"]))
        beside = work.parent / run.key
        own = (
            work,
            bundle.folder,
            roots.notes,
            *(beside.with_name(beside.name + end) for end in (".log", ".lock", ".reads")),
        )
        recorder = Recorder(roots, own, beside.with_name(beside.name + ".reads"))
        if earlier is not None:
            recorder.add(earlier)
        evidence = _make(run, job["device"], work, _Reporter(out), recorder)
        _keep(bundle, evidence)
    status = "finished" if evidence.failure is None else evidence.failure.kind
    out.write(
        json.dumps(
            {"status": status, "message": evidence.failure.message if evidence.failure else ""}
        )
        + "\n"
    )


def _keep(bundle: Bundle, evidence: Evidence) -> None:
    """Store evidence; that something cannot be had here never replaces what was seen where it
    could.
    """
    before = bundle.get(evidence.run.key)
    if (
        before is None
        or before.failure is not None
        or evidence.failure is None
        or evidence.failure.kind != "unavailable"
    ):
        bundle.put(evidence)


class _Reporter:
    """Sends progress at most five times a second; ends the process when nobody listens any more."""

    def __init__(self, out: Any) -> None:
        self.out, self.last = out, 0.0

    def __call__(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if now - self.last < 0.2 and done < total:
            return
        self.last = now
        try:
            self.out.write(json.dumps({"done": done, "total": total, "message": message}) + "\n")
        except BrokenPipeError:
            os._exit(1)


def _probe(run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The makings of a run as they are now; None where its code cannot be had, which the run itself
    will say.
    """
    with suppress(Exception):  # such as a mistake in the syntax of one experiment among others
        try:
            return provenance_of(run["experiment"], run["parameters"])
        except UnavailableError:
            return makings_without_data(run["experiment"])
    return None


def _make(run: Run, device: str, work: Path, progress: _Reporter, recorder: Recorder) -> Evidence:
    """Run the experiment. Whatever it raises is evidence too: this is the one place that catches
    everything.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    made: dict[str, Any] = {"code_digest": "", "packages": {}, "data_digests": {}}
    result: ExperimentResult | None = None
    failure: Failure | None = None
    recorder.start()
    try:
        with _without_collecting():
            made = provenance_of(run.experiment, run.parameters, recorder.paused)
        experiment = registry.resolve("experiment", run.experiment)
        returned = experiment(run.parameters, run.seed, RunContext(work, device, progress))
        if not isinstance(returned, ExperimentResult):
            raise TypeError(
                f"expected an ExperimentResult from {run.experiment}, got {type(returned).__name__}"
            )
        result = returned
    except UnavailableError as error:
        failure = Failure("unavailable", recorder.roots.without_paths(str(error)))
    except (
        BaseException
    ) as error:  # a failed run is evidence, not a crash; so is one that ends the process
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc()  # into the run's log
        failure = failure_of(error, recorder.roots)
    inputs = recorder.inputs(vouched=_vouched(run))
    changed = recorder.changed_meanwhile()
    if (
        result is not None
        and dict(result.data_digests) != made["data_digests"]
        and made["data_digests"]
    ):
        failure, result = Failure("failed", "the data changed while the run was going"), None
    elif result is not None and changed:
        failure, result = (
            Failure("failed", f"{listed(changed)} changed while the run was going"),
            None,
        )
    provenance = Provenance(
        **made,
        **machine(),
        device=result.device if result else device,
        determinism=_determinism(),
        started=started,
        duration_s=round(time.monotonic() - clock, 1),
        inputs=inputs,
    )
    if result is None:
        return Evidence(run, run.parameters, provenance, failure=failure)
    return Evidence(
        run,
        result.resolved,
        provenance,
        result.observations,
        result.scalars,
        result.history,
        {name: "sha256:" + sha256(path.read_bytes()) for name, path in result.files.items()},
        result.notes,
    )


def failure_of(error: BaseException, roots: Roots) -> Failure:
    """What was raised, with the file and line of the code that is neither medpipe's nor a
    package's, and no path of this machine.
    """
    frames = traceback.extract_tb(error.__traceback__)
    skipped = (*installed(), package())
    theirs = [
        f for f in frames if not below_any(f.filename, skipped) and not f.filename.startswith("<")
    ]
    where = (theirs or frames)[-1] if frames else None
    place = "" if where is None else f" ({os.path.basename(where.filename)}, line {where.lineno})"
    said = " ".join(str(error).split())
    message = shorten_message(f"{type(error).__name__}: {said}" if said else type(error).__name__)
    return Failure(
        "failed", roots.without_paths(message + place), roots.without_paths(traceback.format_exc())
    )


def shorten_message(message: str, most: int = 500) -> str:
    """A message that fits a report; the whole of it stands in the run's log."""
    return message if len(message) <= most else message[:most] + " …"


def _vouched(run: Run) -> bool:
    """Whether the experiment tells the digests of its data itself."""
    module = sys.modules.get(registry.target("experiment", run.experiment).partition(":")[0])
    return hasattr(module, "data_digests")


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What imports make stays: to look for garbage among it takes a fifth of the time of importing
    torch.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _determinism() -> str:
    """What torch was told about determinism, if it was used."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "no torch in this run"
    return (
        "deterministic algorithms on"
        if torch.are_deterministic_algorithms_enabled()
        else "deterministic algorithms not enforced"
    )


if __name__ == "__main__":
    main()
