"""What a run reads is recorded, and a change of any of it is found; what is unchanged is not made
again.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe import declare_read
from medpipe.evidence import Inputs
from medpipe.running.recorded_inputs import NATIVE_CALLS, Recorder, Unchanged
from medpipe.running.roots import Roots

NUMBERS = count()


class Place:
    """A project folder of its own, in which code is run under the recorder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp()) / "project"
        (self.folder / "sub").mkdir(parents=True)
        self.roots = Roots.of({"project": self.folder}, self.folder.parent / "notes")
        self.own = self.folder.parent / "own"
        self.recorder: Recorder | None = None

    def record(self, work: Callable[[], object], *, vouched: bool = True) -> Inputs:
        self.recorder = Recorder(self.roots, [self.own], self.folder.parent / "journal")
        self.recorder.start()
        work()
        return self.recorder.inputs(vouched=vouched)

    def reason(self, inputs: Inputs, **how: bool) -> str | None:
        return Unchanged(self.roots).reason(inputs, **{"built_in": False, **how})


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    shutil.rmtree(made.folder.parent)


def read_by_os(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY))


def read_in_a_child(path: Path) -> None:
    child = os.fork()
    if child == 0:
        path.read_bytes()
        os._exit(0)
    os.waitpid(child, 0)


def read_and_write(path: Path) -> None:
    with path.open("r+b") as file:
        file.read()


def read_compressed(path: Path) -> None:
    with gzip.open(path), contextlib.suppress(OSError):
        pass


def read_as_text(path: Path) -> None:
    with open(str(path), encoding="latin-1") as file:
        file.read()


READERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda p: p.read_bytes(),
    "text": read_as_text,
    "os.open": read_by_os,
    "declared": declare_read,
    "fromfile": lambda p: np.fromfile(p, np.uint8),
    "memmap": lambda p: np.memmap(p, np.uint8, "r"),
    "read and write": read_and_write,
    "gzip": read_compressed,
    "child": read_in_a_child,
}

CHANGES: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "nothing": (lambda p: None, None),
    "touched": (lambda p: os.utime(p, (1, 1)), None),
    "written again": (lambda p: p.write_bytes(p.read_bytes()), None),
    "other content": (lambda p: p.write_bytes(p.read_bytes()[::-1] + b"!"), "changed"),
    "same size and time": (lambda p: _same_size_and_time(p), "changed"),
    "gone": (lambda p: p.unlink(), "is missing"),
    "a folder instead": (lambda p: (p.unlink(), p.mkdir()), "is missing"),
    "by a link to the same": (
        lambda p: (p.rename(p.with_suffix(".moved")), p.symlink_to(p.with_suffix(".moved"))),
        None,
    ),
}


def _same_size_and_time(path: Path) -> None:
    content, state = path.read_bytes(), path.stat()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "sub/"]),
            st.sampled_from(sorted(READERS)),
            st.sampled_from(sorted(CHANGES)),
            st.binary(min_size=1, max_size=64),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_change_of_any_file_that_was_read_is_found_and_nothing_else(
    files: list[tuple[str, str, str, bytes]],
) -> None:
    """And a file beside them that nobody read does not count."""
    place = Place()
    try:
        named = [
            (place.folder / f"{where}{n}.csv", how, change)
            for n, (where, how, change, _) in enumerate(files)
        ]
        for (path, _, _), (*_, content) in zip(named, files, strict=True):
            path.write_bytes(content)
        (place.folder / "unread.csv").write_bytes(b"x")
        inputs = place.record(lambda: [READERS[how](path) for path, how, _ in named])
        assert set(inputs.files) == {f"project/{p.relative_to(place.folder)}" for p, _, _ in named}
        assert place.reason(inputs) is None
        for path, _, change in named:
            CHANGES[change][0](path)
        (place.folder / "unread.csv").write_bytes(b"y")
        expected = {
            f"{p.relative_to(place.folder)} {said}"
            for p, _, change in named
            if (said := CHANGES[change][1])
        }
        found = place.reason(inputs)
        assert (found in expected) if expected else (found is None)
        assert place.reason(inputs, any_code=True) == found
    finally:
        shutil.rmtree(place.folder.parent)


CODE_CHANGES: dict[str, tuple[str, bool]] = {
    "": ("same", False),
    "# comment\n": ("comment", False),
    "\n\n": ("layout", False),
    "more = 1\n": ("code", True),
}


@settings(max_examples=30)
@given(st.lists(st.sampled_from(sorted(CODE_CHANGES)), min_size=1, max_size=4), st.booleans())
def test_a_change_of_any_imported_module_is_found_but_not_of_its_comments(
    changes: list[str], compiled: bool
) -> None:
    place = Place()
    names = [f"helper_{next(NUMBERS)}" for _ in changes]
    try:
        sys.path.insert(0, str(place.folder))
        for name in names:
            (place.folder / f"{name}.py").write_text("value = 1\n")
        importlib.invalidate_caches()
        if compiled:
            subprocess.run(
                [sys.executable, "-m", "compileall", "-q", str(place.folder)], check=True
            )
        inputs = place.record(lambda: [importlib.import_module(name) for name in names])
        assert set(inputs.modules) >= {f"project/{name}.py" for name in names}
        assert place.reason(inputs) is None
        for name, change in zip(names, changes, strict=True):
            (place.folder / f"{name}.py").write_text("value = 1\n" + change)
        expected = {
            f"{name}.py changed"
            for name, change in zip(names, changes, strict=True)
            if CODE_CHANGES[change][1]
        }
        found = place.reason(inputs)
        assert (found in expected) if expected else (found is None)
        assert place.reason(inputs, any_code=True) is None
    finally:
        sys.path.remove(str(place.folder))
        for name in names:
            sys.modules.pop(name, None)
        shutil.rmtree(place.folder.parent)


@pytest.mark.parametrize(
    "listing",
    [
        lambda p: os.listdir(p),
        lambda p: list(os.scandir(p)),
        lambda p: list(p.iterdir()),
        lambda p: list(p.glob("*.csv")),
        lambda p: list(os.walk(p)),
        declare_read,
    ],
)
def test_a_file_that_appears_in_a_folder_that_was_listed_is_found(
    place: Place, listing: Callable[[Path], object]
) -> None:
    (place.folder / "sub/a.csv").write_text("1")
    inputs = place.record(lambda: listing(place.folder / "sub"))
    assert place.reason(inputs) is None
    (place.folder / "sub/b.csv").write_text("2")
    assert place.reason(inputs) == "files were added to sub or taken from it"


def test_what_the_run_itself_made_is_nothing_that_it_read(place: Path) -> None:
    own = place.own
    own.mkdir()

    def work() -> None:
        os.listdir(place.folder)
        (place.folder / "out.csv").write_text("1")
        (place.folder / "out.csv").read_text()
        (place.folder / "draft").write_text("1")
        (place.folder / "draft").replace(place.folder / "final")
        (place.folder / "final").read_text()
        (own / "checkpoint").write_text("1")
        (own / "checkpoint").read_text()
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).read_bytes()

    inputs = place.record(work)
    assert inputs.files == {}
    (place.folder / "out.csv").write_text("2")
    assert place.reason(inputs) is None


def test_a_file_that_was_looked_for_and_not_there_is_found_when_it_comes(place: Place) -> None:
    def work() -> None:
        with pytest.raises(FileNotFoundError):
            (place.folder / "labels.csv").open()

    inputs = place.record(work)
    assert inputs.files == {"project/labels.csv": None}
    assert place.reason(inputs) is None
    (place.folder / "labels.csv").write_text("1")
    assert place.reason(inputs) == "labels.csv was not there"


def test_a_file_that_was_read_and_then_removed_means_that_the_run_is_made_again(
    place: Place,
) -> None:
    path = place.folder / "once.csv"
    path.write_text("1")
    inputs = place.record(lambda: (path.read_text(), path.unlink()))
    assert place.reason(inputs) == "once.csv is missing"


def test_a_file_that_others_change_while_the_run_is_going_is_named(place: Place) -> None:
    path = place.folder / "data.csv"
    path.write_text("1")
    change = [sys.executable, "-c", f"open({str(path)!r}, 'w').write('2')"]
    place.record(lambda: (path.read_text(), subprocess.run(change, check=True)))
    assert place.recorder.changed_meanwhile() == ["data.csv"]


def test_no_path_of_this_machine_is_recorded_and_what_lies_elsewhere_is_found_again(
    place: Place,
) -> None:
    elsewhere = place.folder.parent / "elsewhere.csv"
    elsewhere.write_text("1")
    inputs = place.record(lambda: elsewhere.read_text())
    text = json.dumps([inputs.files, inputs.folders, inputs.modules])
    assert str(place.folder.parent) not in text and len(inputs.files) == 1
    assert place.reason(inputs) is None
    elsewhere.write_text("2")
    assert place.reason(inputs) == "elsewhere.csv changed"
    shutil.rmtree(place.roots.notes)
    assert place.reason(inputs) == "elsewhere.csv is not known on this machine"


def test_files_are_found_again_where_the_roots_have_moved(place: Place) -> None:
    (place.folder / "sub/a.csv").write_text("1")
    inputs = place.record(lambda: (place.folder / "sub/a.csv").read_text())
    moved = place.folder.rename(place.folder.with_name("moved"))
    place.roots = Roots.of({"project": moved}, place.roots.notes)
    assert place.reason(inputs) is None


@pytest.mark.parametrize(
    ("work", "unseen"),
    [
        (lambda: subprocess.run(["cat", os.devnull], check=True), "cat"),
        (lambda: os.system("true"), "true"),
        (lambda: subprocess.run(["uname"], check=True, capture_output=True), None),
    ],
)
def test_what_another_program_reads_is_not_seen_and_that_is_said(
    place: Place, work: Callable[[], Any], unseen: str | None
) -> None:
    known = set(place.record(lambda: None, vouched=False).unseen)  # this process has imported much
    assert set(place.record(work, vouched=False).unseen) - known == ({unseen} if unseen else set())
    assert place.record(work, vouched=True).unseen == ()


def test_a_common_function_of_native_code_tells_what_it_reads(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"native_{next(NUMBERS)}"
    (place.folder / f"{name}.py").write_text("def load(path, more=0):\n    return more\n")
    (place.folder / "model.pt").write_bytes(b"1")
    monkeypatch.syspath_prepend(str(place.folder))
    monkeypatch.setitem(NATIVE_CALLS, name, ("load",))
    place.record(lambda: None)
    inputs = place.record(
        lambda: importlib.import_module(name).load(str(place.folder / "model.pt"), more=2)
    )
    assert set(inputs.files) == {"project/model.pt"}
    (place.folder / "model.pt").write_bytes(b"2")
    assert place.reason(inputs) == "model.pt changed"


def test_reads_that_cannot_be_recorded_mean_that_the_run_is_made_again(place: Place) -> None:
    why = place.reason(Inputs(unseen=("h5py",)))
    assert why == "what it read through h5py is not recorded (see medpipe.declare_read)"


def test_another_version_of_a_package_is_found(place: Place) -> None:
    inputs = place.record(lambda: None)
    assert inputs.distributions["numpy"] == np.__version__
    changed = Inputs(distributions={**inputs.distributions, "numpy": "0.1"})
    assert place.reason(changed) == f"numpy 0.1 is now {np.__version__}"
    assert (
        place.reason(Inputs(distributions={"no-such-package": "1"}))
        == "no-such-package is not installed"
    )
    assert place.reason(changed, any_code=True) is None


@given(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", None])),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", None])),
)
def test_runs_are_pooled_only_if_they_agree_on_what_both_read(
    mine: dict[str, str | None], theirs: dict[str, str | None]
) -> None:
    differ = any(
        mine[n] and theirs[n] and mine[n] != theirs[n] for n in mine.keys() & theirs.keys()
    )
    assert Inputs(files=mine).agree_with(Inputs(files=theirs)) is not differ
