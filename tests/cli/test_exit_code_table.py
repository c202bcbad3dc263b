"""One table of exit codes: each kind of ending has its code, and a fault never has that of a
verdict.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from made_up_project import make_project

from medpipe import errors
from medpipe.cli import codes
from medpipe.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]
CODES = {
    name: getattr(codes, name)
    for name in ("DONE", "REFUTED", "USAGE", "INCOMPLETE", "ALTERED", "INTERNAL", "INTERRUPTED")
}
RAISED: list[tuple[Callable[[], BaseException], int]] = [
    (lambda: SpecError("x", "a", "b"), codes.USAGE),
    (lambda: errors.UnknownNameError("x", "y", ["z"]), codes.USAGE),
    (lambda: errors.TamperedError("x", extra=["a"], missing=[], changed=[]), codes.ALTERED),
    (lambda: errors.SignatureError("x"), codes.ALTERED),
    (lambda: errors.DataError("x"), codes.INCOMPLETE),
    (lambda: errors.BundleError("x"), codes.USAGE),
    (lambda: errors.BusyError("x"), codes.INCOMPLETE),
    (lambda: errors.MissingDependency("a", "b", "c"), codes.INCOMPLETE),
    (lambda: ModuleNotFoundError("no", name="torch"), codes.INCOMPLETE),
    (lambda: PermissionError(13, "Permission denied", "/x/y"), codes.INCOMPLETE),
    (lambda: BrokenPipeError(32, "Broken pipe"), codes.INCOMPLETE),
    (lambda: ModuleNotFoundError("no", name="medpipe.gone"), codes.INTERNAL),
    (lambda: KeyError("x"), codes.INTERNAL),
    (lambda: AssertionError(), codes.INTERNAL),
    (lambda: UnicodeEncodeError("cp1252", "●", 0, 1, "no"), codes.INTERNAL),
    (lambda: RecursionError("x"), codes.INTERNAL),
    (lambda: MemoryError(), codes.INTERNAL),
    (lambda: SystemExit(1), codes.INTERNAL),
    (lambda: SystemExit(0), codes.INTERNAL),
    (lambda: OSError("x"), codes.INTERNAL),
    (KeyboardInterrupt, codes.INTERRUPTED),
    (typer.Abort, codes.INTERRUPTED),
    (lambda: typer.Exit(3), 3),
    (lambda: typer.Exit(1), 1),
    (lambda: typer.BadParameter("x"), codes.USAGE),
]


def ended(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise raised

    monkeypatch.setattr(sys, "argv", ["medpipe"])
    with pytest.raises(SystemExit) as caught:
        codes.run_command(lambda: app)
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(("make", "code"), RAISED)
def test_each_kind_of_ending_has_its_code(
    make: Callable[[], BaseException],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert ended(make(), monkeypatch) == code
    said = capfd.readouterr().err
    assert "Traceback" not in said
    if code == codes.INTERNAL:
        saved = re.search(r"the traceback was saved to (\S+);", said)
        assert saved and "Traceback" in Path(saved[1]).read_text(encoding="utf-8")
        assert said.count("\n") == 1


def test_no_error_at_all_has_the_code_of_a_verdict_or_of_success() -> None:
    def kinds(kind: type[BaseException]) -> Iterator[type[BaseException]]:
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    seen = 0
    for kind in set(kinds(BaseException)) - {typer.Exit}:
        try:
            error = kind.__new__(kind)
            str(error)
        except Exception:  # a class that cannot be made or printed without arguments
            continue
        code, _ = codes.told(error)
        assert code in CODES.values() and code not in (codes.DONE, codes.REFUTED), kind
        seen += 1
    assert seen > 50


def test_an_error_that_cannot_even_be_printed_is_internal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Broken(errors.DataError):
        def __str__(self) -> str:
            raise ValueError

    assert ended(Broken("x"), monkeypatch) == codes.INTERNAL
    assert "Traceback" not in capfd.readouterr().err


def test_the_table_in_the_docs_holds_these_codes_and_no_others() -> None:
    page = (ROOT / "docs/exit_codes.md").read_text(encoding="utf-8")
    assert {int(n) for n in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == set(CODES.values())
    assert len(set(CODES.values())) == len(CODES)


@given(st.text(max_size=120))
def test_a_name_never_leads_outside_its_folder(name: str) -> None:
    try:
        codes.check_name(name, "--name")
    except SpecError:
        return
    place = Path("/a/reports")
    assert Path(os.path.normpath(place / name)).parent == place and "\0" not in name


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "", "/x", "a/b", "a\\b", "C:x", "x\0", "a\nb", "-x", ".x", "x" * 200],
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="expected a plain name"):
        codes.check_name(name, "--name")


@pytest.mark.parametrize("name", ["x", "my-report", "2026.11", "Bericht über x", "a_b"])
def test_names_that_are_taken(name: str) -> None:
    codes.check_name(name, "--name")


def test_places_that_cannot_be_written_to_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes.check_output_folder(tmp_path / "a/b/c", "--out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(
            SpecError, match=r"--out .*expected a folder to write to, got .*file, which is a file"
        ):
            codes.check_output_folder(place, "--out")
    assert (tmp_path / "file").read_text() == "mine"
    codes.check_output_file(tmp_path / "file", "--out")
    with pytest.raises(SpecError, match="expected a file to write to, got a folder"):
        codes.check_output_file(tmp_path, "--out")
    assert (tmp_path / "file").read_text() == "mine"

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(
        SpecError, match="expected a place that can be written to, got read-only file system"
    ):
        codes.check_output_folder(tmp_path, "--out")


def start(words: list[str], folder: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "medpipe.cli", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), **environment},
        # a suite in the background of a shell ignores Ctrl-C, and what it starts would, too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_ctrl_c_says_in_one_line_that_the_same_command_goes_on(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project")
    slow = "import pathlib, time\npathlib.Path('began').write_text('x')\ntime.sleep(600)\n"
    (folder / "exp.py").write_text(slow, encoding="utf-8")
    process = start(["run", "--profile", "published"], folder)
    try:
        for _ in range(1200):
            if (folder / "began").exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.strip().splitlines()[-1:] == [
        "medpipe: interrupted; the same command continues from where it stopped"
    ]
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["verify", "--profile", "published", "--name", "../x"], "--name: expected a plain name"),
        (["verify", "--profile", "published", "--reports", "FILE"], "FILE, which is a file"),
        (
            ["run", "--profile", "published", "--reports", "/proc/nowhere"],
            "expected a place that can be written to",
        ),
        (["report", "--bundle", "nowhere", "--out", "FILE"], "FILE, which is a file"),
        (["audit-data", "specs", "--out", "FILE"], "FILE, which is a file"),
    ],
)
def test_output_places_are_checked_before_any_work(
    tmp_path: Path, words: list[str], says: str
) -> None:
    if words[0] == "audit-data":
        pytest.importorskip("PIL")
    folder = make_project(tmp_path / "project")
    (folder / "FILE").write_text("mine", encoding="utf-8")
    process = start(words, folder)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 2, (out, said)
    assert says in said and said.count("\n") == 1
    assert not (folder / ".medpipe").exists() and not (tmp_path / "x").exists()
    assert (folder / "FILE").read_text(encoding="utf-8") == "mine"


def test_an_output_that_cannot_hold_our_characters_is_no_fault(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project")
    process = start(["plan", "--profile", "published"], folder, PYTHONIOENCODING="ascii")
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "toy" in out


MESSAGES = re.compile(
    r"(remove (it|them|one|the)\b|\bdelete (it|them|the)\b|get it again(?! from its signer))"
)


def test_no_message_advises_to_delete_what_a_user_made() -> None:
    found = [
        f"{path}: {hit[0]}"
        for path in sorted((ROOT / "medpipe").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (hit := MESSAGES.search(node.value))
    ]
    assert found == []
