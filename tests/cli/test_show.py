"""What the terminal shows: narrow windows, pipes, NO_COLOR, poor encodings, progress."""

from __future__ import annotations

import io
import itertools
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from medpipe.cli import encoding, show
from medpipe.formatting import agree, listed, plural
from medpipe.progress import tell

WORDS = st.text("abcäß–≤%.,[]/", min_size=1, max_size=30)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)
TABLES = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(WORDS, min_size=n, max_size=n),
        st.lists(st.lists(CELLS, min_size=n, max_size=n), max_size=5),
    )
)


def written(width: int, *, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), width=width, highlight=False, color_system=None, force_terminal=terminal
    )


def lines(out: Console) -> list[str]:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


@given(table=TABLES, width=st.integers(40, 200), terminal=st.booleans())
def test_tables_fit_the_window_lose_nothing_and_end_without_spaces(
    table: tuple[list[str], list[list[str]]], width: int, terminal: bool
) -> None:
    head, rows = table
    out = written(width, terminal=terminal)
    show.show_table(head, rows, out=out)
    seen = lines(out)
    assert all(line == line.rstrip() and "\x1b" not in line for line in seen)
    words = {word for row in rows for cell in row for word in cell.split()}
    assert words <= {word for line in seen for word in line.split()}  # none is cut or folded
    if terminal:
        assert all(len(line) <= width or " " not in line.strip() for line in seen)


@given(
    sentence=st.lists(WORDS, min_size=1, max_size=40).map(" ".join),
    indent=st.integers(0, 6),
    width=st.integers(40, 200),
)
def test_sentences_break_between_words_on_a_terminal_and_never_in_a_pipe(
    sentence: str, indent: int, width: int
) -> None:
    pipe, terminal = written(width), written(width, terminal=True)
    for out in (pipe, terminal):
        show.say(" " * indent + sentence, out)
    assert lines(pipe) == [" " * indent + sentence]
    seen = lines(terminal)
    assert " ".join(" ".join(seen).split()) == sentence
    assert all(line.startswith(" " * indent) and line == line.rstrip() for line in seen)


@given(text=st.text())
@pytest.mark.parametrize("name", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_becomes_something_near(name: str, text: str) -> None:
    raw = io.BytesIO()
    encoding.degrade()
    stream = io.TextIOWrapper(raw, encoding=name, errors="medpipe")
    stream.write(text)
    stream.flush()
    assert raw.getvalue().decode(name) is not None


@pytest.mark.parametrize(
    ("text", "ascii_only"),
    [
        ("a ≤ b", "a <= b"),
        ("3 × 2", "3 x 2"),
        ("−1 – 2", "-1 - 2"),
        ("naïve", "naive"),
        ("“x”", "'x'"),
        ("病", "?"),
        ("● ok…", "* ok..."),
    ],
)
def test_the_nearest_is_what_one_would_type(text: str, ascii_only: str) -> None:
    encoding.degrade()
    assert text.encode("ascii", "medpipe").decode() == ascii_only


@given(value=st.text())
def test_json_stays_json_where_the_encoding_is_poor(value: str) -> None:
    encoding.degrade()
    shown = (
        json.dumps({"a": value}, ensure_ascii=False).encode("cp1252", "medpipe").decode("cp1252")
    )
    assert set(json.loads(shown)) == {"a"}


COUNTS = st.one_of(st.sampled_from([0, 1, 2]), st.integers(0, 10**9))


@given(count=COUNTS, word=st.sampled_from(["run", "image", "claim"]))
def test_one_is_singular_and_all_else_is_plural(count: int, word: str) -> None:
    assert plural(count, word) == f"{count:,} {word}{'' if count == 1 else 's'}"
    assert plural(count, "copy", "copies").endswith(" copy" if count == 1 else " copies")
    assert plural(f"{count:,}", word) == plural(count, word)
    assert agree(count, "is", "are") == ("is" if count == 1 else "are")


def test_lists_of_none_one_and_many() -> None:
    assert [listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_without_a_terminal_progress_is_a_line_after_two_seconds_with_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ticks = itertools.count()
    said = show.Lines("judging", clock=lambda: float(next(ticks)))
    for done in range(101):
        said(done, 100, "claims")
    seen = capsys.readouterr()
    assert seen.out == ""
    shown = seen.err.splitlines()
    assert 3 <= len(shown) <= 5 and "about" in shown[-1] and "left" in shown[-1] and "%" in shown[0]


def test_what_is_quick_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    said = show.Lines("judging", clock=lambda: 0.0)
    for done in range(11):
        said(done, 10, "claims")
    assert capsys.readouterr().err == ""


def test_what_deep_code_tells_is_shown_and_only_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(1, 2, "nobody listens")
    monkeypatch.setattr(show, "FIRST_S", -1.0)
    with show.working("judging"):
        tell(1, 2, "claims")
    tell(2, 2, "nobody listens")
    assert capsys.readouterr().err == "  judging: 50 %  claims\n"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_bars_keep_names_and_seeds_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    out = written(width, terminal=True)
    monkeypatch.setattr(show, "errors", out)
    name = "imaging.densenet121_frozen seed 12"
    with show._bars() as bars:
        bars.add_task(name, total=10, completed=3, message="epoch 3 of 10, a message that is long")
        bars.refresh()
        shown = lines(out)
    text = " ".join(" ".join(shown).replace("\x1b", " ").split())
    assert all(word in text for word in ("imaging.densenet121_frozen", "seed", "12", "30 %"))


def run(words: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", "medpipe", *words],
        env={**clean, **environment},
        check=False,
        capture_output=True,
        text=True,
        encoding="latin-1",
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(
        "name,n,accuracy,sensitivity,specificity\nA,100,0.805,0.9,0.7\nB,100,0.80,0.8,0.8\n"
    )
    return path


@pytest.mark.parametrize(
    ("environment", "poor"),
    [
        ({"COLUMNS": "60"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"PYTHONIOENCODING": "cp1252"}, True),
        ({"PYTHONIOENCODING": "ascii"}, True),
    ],
)
def test_a_command_in_a_pipe_is_plain(environment: dict[str, str], poor: bool, table: Path) -> None:
    done = run(["audit-figures", "--from", str(table), "--all"], **environment)
    assert done.returncode == 0 and "Traceback" not in done.stderr and done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    assert not poor or done.stdout.isascii() or environment["PYTHONIOENCODING"] != "ascii"


def test_no_color_on_a_terminal_takes_bold_and_dim_away(table: Path) -> None:
    main, side = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "60"}
    with os.fdopen(main, "rb", 0) as screen:
        done = subprocess.Popen(
            [sys.executable, "-m", "medpipe", "audit-figures", "--from", str(table), "--all"],
            stdout=side,
            stderr=side,
            env=environment,
        )
        os.close(side)
        parts = []
        while True:
            try:
                part = screen.read(65536)
            except OSError:  # a terminal that is closed
                break
            if not part:
                break
            parts.append(part)
        done.wait()
    text = b"".join(parts).decode()
    assert "6 checks" in text and "\x1b[1m" not in text and "\x1b[2m" not in text
    assert all(len(line) <= 60 or " " not in line.strip() for line in text.splitlines())
