"""What people type first: --version, help, a file without its option, a command that is spelt
another way.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.cli import main
from medpipe.cli.hints import BY_ENDING, command_for


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["medpipe", *words])
    with pytest.raises(SystemExit) as done:
        main()
    told = capsys.readouterr()
    return int(done.value.code or 0), told.out, told.err


def test_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, capsys, "--version") == (0, f"medpipe {version('medpipe')}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["help"], "check-report"),
        (["help", "judge"], "--bundle"),
        (["help", "data"], "fetch"),
        (["help", "data", "fetch"], "--folder"),
    ],
)
def test_help_explains(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 0 and said in out and not err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["paper.pdf"], "Try: medpipe check-report paper.pdf"),
        (["my table.csv"], "Try: medpipe audit-figures --from 'my table.csv'"),
        (["images.tar.gz"], "Try: medpipe audit-data images.tar.gz"),
        (["FOLDER"], "Try: medpipe audit-data FOLDER"),
        (["BUNDLE"], "Try: medpipe judge --bundle BUNDLE"),
        (["judge", "x"], "judge --bundle x"),
        (["sign", "x"], "sign --bundle x"),
        (["bench", "network.pt"], "bench --models network.pt"),
        (["export", "network.pt", "--out", "x"], "export --models network.pt"),
        (["verify", "paper.pdf"], "Try: medpipe check-report paper.pdf"),
        (["plan", "x"], "--specs"),
        (["juge"], "Did you mean 'judge'?"),
        (["data", "ftch"], "Did you mean 'fetch'?"),
        (["zzz"], "All commands"),
        (["help", "juge"], "did you mean judge?"),
        (["reader-study", "score", "a.json"], "Missing option '--key'"),
    ],
)
def test_a_hint_where_something_was_given_without_its_command_or_option(
    words: list[str],
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "BUNDLE").mkdir()
    (tmp_path / "BUNDLE" / "bundle.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 2 and not out and hint in " ".join(err.split())


@given(
    stem=st.text(min_size=1, max_size=20),
    ending=st.sampled_from([e for es in BY_ENDING.values() for e in es]),
)
def test_every_kind_of_file_has_its_command(stem: str, ending: str) -> None:
    wanted = command_for(stem + ending.upper())
    assert wanted is not None and next(c for c, es in BY_ENDING.items() if ending in es) in wanted
