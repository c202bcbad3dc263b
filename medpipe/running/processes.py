"""The processes in which runs are made, as the runner sees them: fresh, or forked by a server that
has imported the experiment (`fork_server`).

A run gets a fresh process where forking is not possible or not safe: other systems than Linux, a
GPU, code that is not medpipe's own, or a server that ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

FORKS = "linux"
"""On macOS, libraries of the system may not be used in a forked process; Windows has no fork."""


def has_cuda() -> bool:
    """Whether an NVIDIA device answers, asked without importing torch."""
    tool = shutil.which("nvidia-smi")
    return (
        tool is not None
        and subprocess.run([tool, "-L"], capture_output=True, check=False).returncode == 0
    )


def may_fork() -> bool:
    """Whether processes may be forked here after torch was imported: on Linux without a GPU."""
    no_gpu = not Path("/dev/nvidiactl").exists() and not Path("/dev/kfd").exists()
    return sys.platform == FORKS and no_gpu and not has_cuda()


class Process(Protocol):
    """A process that makes one run."""

    def events(self) -> Iterator[dict[str, Any]]:
        """What it says until it ends."""

    def terminate(self) -> None:
        """Ask it to end."""

    def wait(self) -> int:
        """Its exit code once it has ended; negative: the signal that ended it."""


class FreshProcess:
    """A new interpreter for one run."""

    def __init__(self, job: Mapping[str, Any], log: Path, environment: dict[str, str]) -> None:
        with log.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                command("worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=environment,
            )
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            json.dump(job, stdin)

    def events(self) -> Iterator[dict[str, Any]]:
        """What it says until it ends."""
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            yield from map(json.loads, lines)

    def terminate(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    def wait(self) -> int:
        """Its exit code once it has ended."""
        return self.process.wait()


class Server:
    """A fork server for the runs of one experiment."""

    def __init__(self, setup: Mapping[str, Any], environment: dict[str, str]) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.forked = 0
        with theirs, Path(setup["log"]).open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command("fork_server"),
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                env=environment,
            )
        self.send(setup)

    def send(self, message: Mapping[str, Any], descriptors: Collection[int] = ()) -> None:
        """Send a message; a server that is gone hears nothing."""
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.channel, [json.dumps(message).encode()], list(descriptors))

    def has_ended(self) -> bool:
        """Whether it takes no more jobs."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it; what it forked is not touched."""
        self.channel.close()
        self.process.terminate()  # it may still be importing
        self.process.wait()


class ForkedProcess:
    """A process forked by a server for one run; a fresh one if the server ended before it."""

    def __init__(
        self, server: Server, job: Mapping[str, Any], log: Path, fresh: Callable[[], Process]
    ) -> None:
        self.server, self.fresh = server, fresh
        self.pid: int | None = None
        self.code: int | None = None
        self.instead: Process | None = None
        self.stopped, self.ended = False, threading.Event()
        self.lines, theirs = socket.socketpair()
        with theirs, log.open("w", encoding="utf-8") as file:
            server.send(job, (theirs.fileno(), file.fileno()))

    def events(self) -> Iterator[dict[str, Any]]:
        """What it says until it ends."""
        try:
            with self.lines, self.lines.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    event = json.loads(line)
                    if "pid" in event:
                        self.pid = event["pid"]
                        self.server.forked += 1
                    elif "code" in event:
                        self.code = event["code"]
                    else:
                        yield event
            if self.pid is None and not self.stopped:
                self.instead = self.fresh()
                yield from self.instead.events()
        finally:
            self.ended.set()

    def terminate(self) -> None:
        """Ask it to end."""
        self.stopped = True
        if self.instead is not None:
            self.instead.terminate()
        elif self.code is None:
            with suppress(OSError):  # it may have ended by itself
                if self.pid is not None:
                    os.kill(self.pid, signal.SIGTERM)
                else:
                    self.lines.shutdown(socket.SHUT_RDWR)

    def wait(self) -> int:
        """Its exit code once it has ended; that of a killed one if the server was killed, too."""
        self.ended.wait()
        if self.instead is not None:
            return self.instead.wait()
        return -signal.SIGKILL if self.code is None else self.code


class Processes:
    """Starts processes for runs, with one server for each module whose runs share one.

    ``setup``: what servers are told beside the module: `roots`, `notes`, `code`, and the run's
    `own` folders.
    """

    def __init__(self, work: Path, setup: Mapping[str, Any], environment: dict[str, str]) -> None:
        self.work, self.setup, self.environment = work, setup, environment
        self.servers: dict[str, Server] = {}

    def start(self, job: Mapping[str, Any], log: Path, module: str | None) -> Process:
        """Start the process of a run; ``module``: what its server has imported, None for a fresh
        process.
        """

        def fresh() -> Process:
            return FreshProcess(job, log, self.environment)

        server = None if module is None else self._server(module)
        return fresh() if server is None else ForkedProcess(server, job, log, fresh)

    def _server(self, module: str) -> Server | None:
        """The server for a module; a new one where it ended after it had forked, none where it
        ended before.
        """
        server = self.servers.get(module)
        if server is not None and not server.has_ended():
            return server
        if server is not None:
            server.stop()
            if not server.forked:
                return None
        base = self.work / f"{module}.server"
        named = {"module": module, "log": f"{base}.log", "journal": f"{base}.reads"}
        self.servers[module] = Server({**self.setup, **named}, self.environment)
        return self.servers[module]

    def keep(self, modules: Collection[str | None]) -> None:
        """Stop the servers of all other modules."""
        for module in self.servers.keys() - set(modules):
            self.servers.pop(module).stop()


def command(module: str) -> list[str]:
    """How to start a module of this package; with ``-P`` the current folder is not on the import
    path.
    """
    return [sys.executable, "-P", "-m", f"medpipe.running.{module}"]
