"""What a run reads, seen by a Python audit hook, and whether it is unchanged.

The hook sees every file that Python opens and every folder that it lists, in this process and in
those forked from it. It does not see what native code opens by itself (``cv2.imread``, HDF5,
safetensors): a loader declares that with `declare_read`. Where a run used such code, another
program or the network and declared nothing, that stands in ``unseen``, and the run is made again
every time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from medpipe.evidence.evidence import Inputs
from medpipe.running.experiment import READ_EVENT
from medpipe.running.provenance import digest_of_code, version_of, versions_of
from medpipe.running.roots import SYSTEM, Roots, below_any, installed, package, shown

IMPORTS = ("<frozen importlib._bootstrap_external>", "<frozen importlib._bootstrap>")
NATIVE_READERS = {
    "cv2": "cv2",
    "h5py": "h5py",
    "netCDF4": "netCDF4",
    "tables": "tables",
    "safetensors": "safetensors",
    "polars": "polars",
    "duckdb": "duckdb",
    "pyarrow.parquet": "pyarrow",
    "pyarrow.dataset": "pyarrow",
    "pyarrow.feather": "pyarrow",
    "pyarrow.csv": "pyarrow",
    "SimpleITK": "SimpleITK",
    "itk": "itk",
    "vtk": "vtk",
    "rasterio": "rasterio",
    "lmdb": "lmdb",
    "tensorflow": "tensorflow",
    "openslide": "openslide",
    "pyvips": "pyvips",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "multiprocessing.popen_spawn_posix": "a spawned process",
    "multiprocessing.popen_forkserver": "a spawned process",
    "multiprocessing.popen_spawn_win32": "a spawned process",
}
"""Modules whose own code opens files where the hook cannot see it, with what to call them."""
FACTS = {
    "lscpu",
    "file",
    "nvidia-smi",
    "git",
    "uname",
    "ldconfig",
    "gcc",
    "cc",
    "g++",
    "c++",
    "clang",
    "ld",
    "sysctl",
    "ps",
    "which",
}
"""Programs that libraries ask about the machine; they read no data."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


NATIVE_CALLS = {"torch.jit._serialization": ("load",), "torchvision.io.image": ("read_file",)}
"""Functions of packages that are too common to distrust as a whole, and whose first argument is a
path that native code opens.
"""
NATIVE_EVENT = "medpipe.native"
_WORKING: list[Recorder] = []


class Recorder:
    """Records what this process and those forked from it read, from `start` on.

    ``own``: folders and files of the run itself and its bundle, which count as nothing read.
    ``journal``: a file in which forked processes leave what they read.
    """

    def __init__(self, roots: Roots, own: Sequence[Path], journal: Path) -> None:
        self.roots, self.journal, self.pid = roots, journal, os.getpid()
        self.own = tuple(
            {p for path in own for p in (os.path.abspath(path), os.path.realpath(path))}
        )
        self.skipped = (*installed(), *SYSTEM, package(), os.path.realpath(package()))
        self.began_ns = time.time_ns()
        self.files: dict[str, tuple[str | None, Any]] = {}
        self.folders: dict[str, list[str]] = {}
        self.sources: dict[str, str] = {}
        self.written: set[str] = set()
        self.changed: set[str] = set()
        self.unseen: set[str] = set()
        self.declared = False
        self.busy = threading.local()
        self.on = False
        self.handlers: Mapping[str, Callable[..., None]] = {
            "open": self._open,
            "os.listdir": self._list,
            "os.scandir": self._list,
            "os.rename": self._rename,
            "shutil.move": self._rename,
            READ_EVENT: self._declare,
            NATIVE_EVENT: self._library,
            "subprocess.Popen": self._start,
            "os.system": self._start,
            "os.exec": self._start,
            "os.posix_spawn": self._start,
            "socket.connect": self._connect,
            "sqlite3.connect": self._library,
            "ctypes.dlopen": self._library,
        }

    def start(self) -> None:
        """Begin to record. Only one recorder works at a time; the hook itself stays for good, as
        Python has no way out.
        """
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        self.journal.write_bytes(b"")
        if not _WORKING:
            sys.addaudithook(lambda event, args: _WORKING[0]._hook(event, args))
            sys.meta_path.insert(0, NativeCalls())
        _WORKING[:] = [self]
        self.on = True

    def add(self, earlier: Recorder) -> None:
        """Count what another recorder saw, in the process that this one was forked from, as read
        here.
        """
        kept = {p: seen for p, seen in earlier.files.items() if not earlier._temporary(p)}
        self.files.update(kept)
        self.folders.update(earlier.folders)
        self.sources.update(earlier.sources)
        self.written |= earlier.written
        self.changed |= earlier.changed
        self.unseen |= earlier.unseen
        self.declared = self.declared or earlier.declared

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        handler = self.handlers.get(event)
        if handler is None or not self.on or getattr(self.busy, "now", False):
            return
        self.busy.now = True
        try:
            handler(*args)
        except (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        ) as error:  # never the run's own
            self._note("unseen", f"{event}: {type(error).__name__}")
        finally:
            self.busy.now = False

    def _note(self, what: str, name: str, value: Any = None) -> None:
        """Keep something seen; a forked process writes it into the journal for its parent, too."""
        if os.getpid() != self.pid:
            with self.journal.open("ab", buffering=0) as file:
                file.write(json.dumps([what, name, value]).encode() + b"\n")
        if what == "files":
            self._keep_file(name, *value)
        elif what == "folders":
            self.folders.setdefault(name, value)
        elif what == "sources":
            if self.sources.setdefault(name, value) != value:
                self.changed.add(name)
        else:
            getattr(self, what).add(name)

    def _keep_file(self, path: str, digest: str | None, state: Any) -> None:
        if path in self.written and path not in self.files:
            return
        before = self.files.setdefault(path, (digest, state))
        if (
            digest is not None
            and before[0] is not None
            and before[0] != digest
            and path not in self.written
        ):
            self.changed.add(path)

    def _place(self, path: Any) -> str | None:
        """A path in full; None where it is of no concern: no path, or one of the interpreter, the
        system or the run itself.
        """
        if isinstance(path, int) and not isinstance(path, bool):
            path = os.readlink(f"/proc/self/fd/{path}")  # a folder opened before
        if not isinstance(path, (str, bytes, os.PathLike)) or not path:
            return None
        place = os.path.abspath(os.fsdecode(path))
        if os.path.dirname(place).endswith((".egg-info", ".dist-info")):
            return None
        return None if below_any(place, (*self.skipped, *self.own)) else place

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return
        place = self._place(path)
        if place is None:
            return
        if _importing():
            self._module(place)
            return
        flags = flags if isinstance(flags, int) else 0
        writes = any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & WRITES)
        keeps = (
            ("+" in mode and "w" not in mode)
            if isinstance(mode, str)
            else bool(flags & os.O_RDWR and not flags & os.O_TRUNC)
        )
        if not writes or keeps:
            self._read(place, absent_counts=not writes)
        if writes:
            self._note("written", place)

    def _read(self, place: str, *, absent_counts: bool = True) -> None:
        try:
            found = os.stat(place)
        except OSError:
            if absent_counts:
                self._note("files", place, (None, None))
            return
        if not stat.S_ISREG(found.st_mode):
            return
        state = [found.st_size, found.st_mtime_ns, found.st_ino]
        if place in self.files and self.files[place][1] == state:
            return
        self._note("files", place, (_sha256(place), state))

    def _module(self, place: str) -> None:
        source = importlib.util.source_from_cache(place) if place.endswith(".pyc") else place
        if os.path.isfile(source):
            self._note("sources", source, _sha256(source))
        elif os.path.isfile(place):
            self._note("sources", place, _sha256(place))

    def _list(self, path: Any = None) -> None:
        if _importing():
            return
        place = self._place("." if path is None else path)
        if place is not None and os.path.isdir(place):
            self._note("folders", place, sorted(os.listdir(place)))

    def _library(self, path: Any) -> None:
        """A database or a library that native code opens, named to Python's audit."""
        if isinstance(path, (str, bytes, os.PathLike)) and os.path.isfile(path):
            place = self._place(path)
            if place is not None:
                self._read(place)

    def _rename(self, source: Any, target: Any, *_: Any) -> None:
        if isinstance(source, (str, bytes, os.PathLike)) and isinstance(
            target, (str, bytes, os.PathLike)
        ):
            old, new = (os.path.abspath(os.fsdecode(p)) for p in (source, target))
            if old in self.written or below_any(old, self.own):
                self._note("written", new)

    def _declare(self, path: Any) -> None:
        self.declared = True
        place = self._place(path)
        if place is not None and os.path.isdir(place):
            for folder, _, names in os.walk(place):
                self._note("folders", folder, sorted(os.listdir(folder)))
                for name in names:
                    self._read(os.path.join(folder, name))
        elif place is not None:
            self._read(place)

    def _start(self, program: Any, *args: Any) -> None:
        words = (
            os.fsdecode(program).split() if isinstance(program, (str, bytes, os.PathLike)) else []
        )
        if not words and args and isinstance(args[0], (list, tuple)) and args[0]:
            words = [os.fsdecode(args[0][0])]
        name = os.path.basename(words[0]) if words else "another program"
        if name not in FACTS:
            self._note("unseen", name)

    def _connect(self, _: Any, address: Any) -> None:
        if (
            isinstance(address, tuple)
            and address
            and not str(address[0]).startswith(("127.", "::1", "localhost"))
        ):
            self._note("unseen", "the network")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing meanwhile."""
        self.on = False
        try:
            yield
        finally:
            self.on = True

    def inputs(self, *, vouched: bool) -> Inputs:
        """What was read until now; ends the recording. ``vouched``: the experiment tells its data's
        digests itself.
        """
        self.on = False
        self._merge()
        for module in list(
            sys.modules.values()
        ):  # also what was imported before, and what is not written in Python
            place = self._place(getattr(module, "__file__", None))
            if place is not None and os.path.isfile(place):
                self._module(place)
        files = {
            path: digest
            for path, (digest, _) in self.files.items()
            if not self._temporary(path) and path not in self.sources
        }
        again = {path: _sha256(path) if os.path.isfile(path) else None for path in files}
        self.changed |= {
            p
            for p, digest in files.items()
            if digest is not None and again[p] not in (digest, None) and p not in self.written
        }
        self.changed |= {
            p for p, digest in self.sources.items() if os.path.isfile(p) and _sha256(p) != digest
        }
        files = {
            path: digest
            for path, digest in files.items()
            if digest is not None or path not in self.written
        }
        native = {name for module, name in NATIVE_READERS.items() if module in sys.modules}
        return Inputs(
            files={
                self.roots.name(path): digest and f"sha256:{digest}"
                for path, digest in sorted(files.items())
            },
            folders={
                self.roots.name(path): self._listing(path, names)
                for path, names in sorted(self.folders.items())
            },
            modules={
                self.roots.name(path): digest_of_code(Path(path))
                for path in sorted(self.sources)
                if os.path.isfile(path)
            },
            distributions=versions_of(sys.modules),
            unseen=() if vouched or self.declared else tuple(sorted(self.unseen | native)),
        )

    def changed_meanwhile(self) -> list[str]:
        """Names of what others changed while the run was going; complete after `inputs`."""
        return sorted(shown(self.roots.name(path)) for path in self.changed)

    def _merge(self) -> None:
        with self.journal.open("rb") as file:
            for line in file.read().splitlines():
                what, name, value = json.loads(line)
                self._note(what, name, value)
        self.journal.unlink(missing_ok=True)

    def _listing(self, folder: str, names: Sequence[str]) -> dict[str, Any]:
        mine = {os.path.basename(p) for p in self.written if os.path.dirname(p) == folder}
        mine |= {
            name
            for name in names
            if any(below_any(p, (os.path.join(folder, name),)) for p in self.own)
        }
        return {"digest": digest_of_names(names, mine), "without": sorted(mine)}

    def _temporary(self, path: str) -> bool:
        """Whether a file came into being during the run in the folder for temporary files and is
        gone again: made by native code.
        """
        state = self.files[path][1]
        return (
            state is not None
            and state[1] >= self.began_ns
            and not os.path.exists(path)
            and below_any(path, (os.path.realpath(tempfile.gettempdir()),))
        )


def digest_of_names(names: Sequence[str], without: set[str]) -> str:
    """Digest of the names in a folder, but for some and for what tools leave behind."""
    kept = sorted(set(names) - without - {"__pycache__", ".DS_Store"})
    return (
        "sha256:" + hashlib.sha256("\0".join(kept).encode("utf-8", "surrogateescape")).hexdigest()
    )


def _importing() -> bool:
    """Whether Python's import system is what asks: modules are recorded apart, by what they do."""
    asking = sys._getframe(4).f_code.co_filename
    return asking in IMPORTS or "/importlib/" in asking or asking.endswith("/pkgutil.py")


def _sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class NativeCalls(MetaPathFinder):
    """Imports the modules of `NATIVE_CALLS` such that these functions tell which file they are
    about to read.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in NATIVE_CALLS else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                for function in NATIVE_CALLS[name]:
                    setattr(module, function, _telling(getattr(module, function)))

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _telling(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def tell(path: Any, *args: Any, **kwargs: Any) -> Any:
        sys.audit(NATIVE_EVENT, path)
        return function(path, *args, **kwargs)

    return tell


class Unchanged:
    """Whether what runs read is still there as it was; each file is read once however many runs it
    bears on.
    """

    def __init__(self, roots: Roots) -> None:
        self.roots, self.seen = roots, dict[str, str | None]()

    def reason(self, inputs: Inputs, *, built_in: bool, any_code: bool = False) -> str | None:
        """Why a run has to be made again; None where all that it read is unchanged.

        ``built_in``: data of medpipe's own experiments has a digest of its content, which was
        compared before; their files that are not here cannot have changed for us. ``any_code``:
        other modules and versions are accepted.
        """
        for name, digest in inputs.files.items():
            if built_in and name.startswith("data/"):
                continue
            if (why := self._file(name, digest, gone_is_fine=built_in)) is not None:
                return why
        for name, listing in inputs.folders.items():
            if not built_in and (why := self._folder(name, listing)) is not None:
                return why
        if inputs.unseen and not built_in:
            return (
                f"what it read through {', '.join(inputs.unseen)} is not recorded (see"
                " medpipe.declare_read)"
            )
        return None if any_code else self._code(inputs)

    def _file(self, name: str, digest: str | None, *, gone_is_fine: bool) -> str | None:
        path = self.roots.path(name)
        if path is None and digest is not None:
            return None if gone_is_fine else f"{shown(name)} is not known on this machine"
        now = None if path is None else self._digest(path)
        if now == digest or (now is None and gone_is_fine):
            return None
        if digest is None:
            return f"{shown(name)} was not there"
        return f"{shown(name)} is missing" if now is None else f"{shown(name)} changed"

    def _folder(self, name: str, listing: Mapping[str, Any]) -> str | None:
        path = self.roots.path(name)
        if path is None or not path.is_dir():
            return f"{shown(name)} is missing"
        now = digest_of_names(os.listdir(path), set(listing["without"]))
        return (
            None
            if now == listing["digest"]
            else f"files were added to {shown(name)} or taken from it"
        )

    def _code(self, inputs: Inputs) -> str | None:
        for name, digest in inputs.modules.items():
            path = self.roots.path(name)
            if path is None or not path.is_file():
                return f"{shown(name)} is missing"
            if digest_of_code(path) != digest:
                return f"{shown(name)} changed"
        for name, before in inputs.distributions.items():
            now = version_of(name)
            if now != before:
                return f"{name} {before} is now {now}" if now else f"{name} is not installed"
        return None

    def _digest(self, path: Path) -> str | None:
        if str(path) not in self.seen:
            try:
                self.seen[str(path)] = f"sha256:{_sha256(path)}" if path.is_file() else None
            except OSError:
                self.seen[str(path)] = None
        return self.seen[str(path)]
