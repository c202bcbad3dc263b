"""A process that has imported an experiment and forks a process for each run of it.

Importing torch and its companions takes longer than most runs of the demonstration. The server
does it once for each experiment, and imports nothing that a fresh process for that experiment
would not import, so that what a run imported can still be read from its process. It never computes
anything: no tensor exists and no thread pool runs when it forks. It imports only medpipe's own
experiments; code beside specifications always gets a fresh process.

The server reads a `setup` and then jobs from a socket, its standard input. With each job come two
descriptors: where the run's lines of JSON go, and its log. It ends when the socket is closed, when
a file that it imported has changed, or when forking would not be safe; whoever started it then
starts fresh processes.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medpipe.registry import OwnCode
from medpipe.running import worker
from medpipe.running.provenance import code_of
from medpipe.running.recorded_inputs import Recorder
from medpipe.running.roots import Roots, installed

MOST_BYTES = 1 << 20
LATER = {"open_machine": "torch._inductor"}
"""What every run of an experiment imports that uses a function: torch imports this when it is told
to be deterministic.
"""


class Imported:
    """An experiment's module, what was read while it was imported, and whether that still holds."""

    def __init__(self, setup: Mapping[str, Any]) -> None:
        own = tuple(Path(path) for path in setup["own"])
        journal = Path(setup["journal"])
        self.log = Path(setup["log"])
        self.reads = Recorder(Roots.of(setup["roots"], Path(setup["notes"])), own, journal)
        gc.disable()
        self.reads.start()
        module = importlib.import_module(setup["module"])
        for function, later in LATER.items():
            if hasattr(module, function):
                importlib.import_module(later)
        with self.reads.paused():
            code_of(setup["module"])  # the parsed sources stay in memory for the runs
        self.reads.on = False
        journal.unlink()
        self.states = {path: _state(path) for path in self._files()}
        gc.freeze()

    def _files(self) -> set[str]:
        """What must not change: medpipe's modules, what was read, and the lists of packages."""
        modules = {
            str(file)
            for name, module in sys.modules.items()
            if name.partition(".")[0] == "medpipe" and (file := getattr(module, "__file__", None))
        }
        packages = {folder for folder in installed() if folder.endswith("-packages")}
        return modules | packages | {*self.reads.files, *self.reads.sources}

    def is_current(self) -> bool:
        """Whether a fresh process would import the same now."""
        return all(_state(path) == state for path, state in self.states.items())

    def shadowed_by(self, code: str | None) -> bool:
        """Whether a folder of code that runs may use has a module named like one that was imported;
        a fresh process would import that one.
        """
        if code is None:
            return False
        own = OwnCode(Path(code), None)
        names = {path.stem for path in own.folder.iterdir()}
        return any(own.spec_of(n) is not None for n in names.intersection(sys.modules))


def main() -> None:
    """Import, fork for each job, and in each forked process do the job and end as usual."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started the server decides
    channel = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    setup = json.loads(channel.recv(MOST_BYTES))
    imported = Imported(setup)
    if imported.shadowed_by(setup["code"]) or _has_threads():
        return
    forked = _serve(channel, imported)
    if forked is not None:
        worker.work(*forked, earlier=imported.reads)


def _has_threads() -> bool:
    """Whether a thread survives a fork in the parent; those of OpenBLAS end before it."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return len(os.listdir("/proc/self/task")) > 1


def _serve(channel: socket.socket, imported: Imported) -> tuple[Mapping[str, Any], Any] | None:
    """Fork for each job that comes; returns the job and where its lines go in a forked process,
    and None in the server when it shall end.
    """
    running: dict[int, socket.socket] = {}
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker)
    while True:
        ready, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ended(running)
        if channel.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, 2)
        if not message or not imported.is_current():
            return None
        lines, log = descriptors
        os.set_inheritable(lines, False)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            _leave_server(channel, running, (woken, waker))
            _redirect(log, imported.log)
            return json.loads(message), os.fdopen(lines, "w", buffering=1)
        os.close(log)
        running[pid] = socket.socket(fileno=lines)
        running[pid].sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _tell_ended(running: dict[int, socket.socket]) -> None:
    """Say of each process that has ended how it ended."""
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as lines, suppress(OSError):  # nobody may listen any more
                code = os.waitstatus_to_exitcode(status)
                lines.sendall(json.dumps({"code": code}).encode() + b"\n")


def _leave_server(
    channel: socket.socket, running: Mapping[int, socket.socket], pipe: tuple[int, int]
) -> None:
    """Make a forked process what a fresh one is: signals, descriptors, random state and garbage
    collection of its own.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for other in (channel, *running.values()):
        other.close()
    for descriptor in pipe:
        os.close(descriptor)
    if "numpy.random" in sys.modules:  # Python's own generator does so by itself
        sys.modules["numpy.random"].seed()
    gc.enable()


def _redirect(log: int, of_imports: Path) -> None:
    """Send all that is printed to the run's log, which begins with what the imports printed."""
    os.write(log, of_imports.read_bytes())
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _state(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


if __name__ == "__main__":
    main()
