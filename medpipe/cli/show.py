"""Terminal output: plans, progress with the time left, tables of verdicts.

Results go to standard output, all else to standard error. Printed text is taken literally, so that
no specification can paint the screen. A terminal gets lines broken between words; a pipe gets
plain text, each sentence on a line.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment, Segments
from rich.table import Column, Table
from rich.text import Text

from medpipe.formatting import agree, plural
from medpipe.progress import listening

if TYPE_CHECKING:
    from medpipe.evidence import Bundle
    from medpipe.running.plan import Plan, PlannedRun
    from medpipe.signing.policy import Step
    from medpipe.specs import Specs
    from medpipe.specs.origins import Setting
    from medpipe.specs.protocol import Protocol

PIPE_WIDTH = 140
"""Columns of a table in a log or a pipe, unless COLUMNS says otherwise."""
FIRST_S, EVERY_S = 2.0, 30.0
"""Without a terminal, progress is a line after so many seconds, and one now and then."""
BAR_FROM, MESSAGE_FROM = 60, 100
"""Columns from which a bar, and a message beside it, have room."""
Advance = Callable[[int, int, str], None]
"""Steps that are done, of how many, and what is done now."""


def _console(*, stderr: bool) -> Console:
    without = bool(os.environ.get("NO_COLOR"))  # bold and dim, too
    made = Console(stderr=stderr, highlight=False, color_system=None if without else "auto")
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPE_WIDTH
    return made


console, errors = _console(stderr=False), _console(stderr=True)


def talk_on_stderr() -> None:
    """Keep standard output for JSON."""
    console.stderr = True


def say(sentence: str | Text, out: Console | None = None) -> None:
    """Print a sentence: on a terminal broken between words, and indented as it begins."""
    out = out or console
    text = Text(plain(sentence)) if isinstance(sentence, str) else sentence
    for line in text.split("\n", allow_blank=True):
        if not out.is_terminal:
            out.print(line, soft_wrap=True)
            continue
        indent = len(line.plain) - len(line.plain.lstrip())
        words = line[indent:]
        for part in words.divide(_breaks(words.plain, out.width - indent)):
            part.rstrip()
            out.print(Text.assemble(" " * indent if part else "", part), soft_wrap=True)


def _breaks(text: str, width: int) -> list[int]:
    """Where lines of that width begin; rich would also cut a word that is longer, such as a
    path.
    """
    offsets, column = [], 0
    for word in re.finditer(r"\S+\s*", text):
        if column and column + cell_len(word.group().rstrip()) > width:
            offsets.append(word.start())
            column = 0
        column += cell_len(word.group())
    return offsets


def note(sentence: str) -> None:
    """Say on standard error what is no result."""
    say(sentence, errors)


def show_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    out: Console | None = None,
) -> None:
    """A table, or where its words do not fit beside each other, a paragraph for each row."""
    out = out or console
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in head:
        table.add_column(
            Text(plain(name)), overflow="fold", justify="right" if name in right else "left"
        )
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    lines = list(Segment.split_lines(out.render(table)))
    whole = {word for line in lines for segment in line for word in segment.text.split()}
    if whole >= {word for row in (head, *rows) for cell in row for word in plain(cell).split()}:
        for line in lines:
            out.print(_without_end(line), soft_wrap=True, end="")
        return
    for first, *rest in rows:  # the window is so narrow that words would be cut
        say(first, out)
        for name, cell in zip(head[1:], rest, strict=True):
            if cell:
                say(f"  {name}: {cell}", out)


def _without_end(line: list[Segment]) -> Segments:
    """A line without the spaces that fill its last columns."""
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
    return Segments([*line, Segment.line()])


def say_json(document: Any) -> None:
    """Print JSON; with escapes where the encoding of the output lacks characters."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=ascii_only, default=str) + "\n")


def plain(text: str) -> str:
    """Text without control and direction characters."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def print_plan(
    specs: Specs,
    plan: Plan,
    waiting: Sequence[PlannedRun],
    jobs: int,
    *,
    deviations: bool = False,
    out: Console | None = None,
) -> None:
    """What will run and about how long, before it starts; with the deviations if asked."""
    again = len(plan.runs) - len(waiting)
    minutes = sum(p.minutes or 0 for p in waiting) / jobs
    unknown = sum(p.minutes is None for p in waiting)
    long = (
        f"about {minutes:.0f} min"
        if minutes >= 1
        else "about a minute"
        if minutes
        else "of unknown duration"
    )
    if unknown and minutes:
        long += f" and {unknown} of unknown duration"
    say(
        f"{plural(len(specs.claims), 'claim')} {agree(len(specs.claims), 'needs', 'need')} "
        f"{plural(len(plan.runs), 'run')}; {again} {agree(again, 'is', 'are')} finished, "
        f"{len(waiting)} to make" + (f", {long} with {jobs} in parallel." if waiting else "."),
        out,
    )
    rows = []
    for name in dict.fromkeys(p.protocol for p in plan.runs):
        mine = [p for p in plan.runs if p.protocol == name]
        todo = sum(p in waiting for p in mine)
        each = f"{mine[0].minutes:g}" if mine[0].minutes else "?"
        rows.append([name, specs.protocols[name].title, str(len(mine)), str(todo), each])
    rows += [[name, specs.protocols[name].title, "–", "–", "not run"] for name in plan.left_out]
    numbers = ("runs", "to make", "minutes each")
    show_table(["protocol", "title", *numbers], rows, numbers, out)
    if deviations:
        for name, found in plan.deviations.items():
            for d in found:
                say(f"  {name}: {d}", out)
        for name, reason in plan.left_out.items():
            say(f"  {name}: not run. {reason}", out)


def print_plan_json(plan: Plan) -> None:
    """The plan as JSON."""
    say_json(
        {
            "profile": plan.profile,
            "left_out": dict(plan.left_out),
            "runs": [
                {
                    "key": p.run.key,
                    "protocol": p.protocol,
                    "experiment": p.run.experiment,
                    "parameters": p.run.parameters,
                    "seed": p.run.seed,
                    "claims": list(p.claims),
                    "minutes": p.minutes,
                }
                for p in plan.runs
            ],
            "deviations": {
                n: [{"path": d.path, "published": d.published, "used": d.used} for d in found]
                for n, found in plan.deviations.items()
            },
        }
    )


SECTIONS = {"run": "Run", "parameters": "Parameters", "unstated": "Not stated in the source"}
"""Titles of the tables of `print_settings`, by `Setting.kind`."""


def print_settings(
    protocol: Protocol, profile: str, found: Sequence[Setting], as_json: bool
) -> None:
    """Every value of a run under a profile, and where it is set."""
    if as_json:
        values = [
            {
                "kind": s.kind,
                "name": s.name,
                "value": s.value,
                "set_by": s.set_by,
                "file": s.origin.file,
                "key": s.origin.key,
            }
            for s in found
        ]
        say_json({"protocol": protocol.id, "profile": profile, "values": values})
        return
    say(f"{protocol.id} under the profile {profile}:")
    for kind, title in SECTIONS.items():
        rows = [[s.name, _as_written(s.value), _set_where(s)] for s in found if s.kind == kind]
        if rows:
            say(f"\n{title}")
            show_table(["name", "value", "from"], rows)


def _as_written(value: Any) -> str:
    """A value as it stands in a specification; text without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _set_where(setting: Setting) -> str:
    """What sets a value, with its file and key; the end of the key is the name beside it."""
    key = setting.origin.key.removesuffix(f".{setting.name}")
    return f"{setting.set_by}, {setting.origin.file}: {key}"


class Watcher:
    """Shows running runs on standard error, as `transfer` shows one thing."""

    def __init__(self, waiting: Sequence[PlannedRun]) -> None:
        self.names = {p.run.key: f"{p.protocol} seed {p.run.seed}" for p in waiting}
        self.total, self.ended = len(waiting), 0
        self.tasks: dict[str, tuple[TaskID, float]] = {}
        self.lines: dict[str, Lines] = {}
        self.progress = _bars()

    def __enter__(self) -> Watcher:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def __call__(self, key: str, event: Mapping[str, Any]) -> None:
        name, status = self.names[key], event.get("status")
        if status == "started":
            self.tasks[key] = (
                self.progress.add_task(name, total=None, message=""),
                time.monotonic(),
            )
            self.lines[key] = Lines(name)
        elif status is not None:
            self._end(key, name, str(status), str(event.get("message", "")))
        else:
            self.progress.update(
                self.tasks[key][0],
                completed=event["done"],
                total=event["total"],
                message=plain(str(event["message"])),
            )
            self.lines[key](event["done"], event["total"], str(event["message"]))

    def _end(self, key: str, name: str, status: str, message: str) -> None:
        self.ended += 1
        self.progress.remove_task(self.tasks[key][0])
        took = time.monotonic() - self.tasks[key][1]
        tail = f": {message}" if message else ""
        note(f"  [{self.ended}/{self.total}] {name}: {status} after {_duration(took)}{tail}")


class Lines:
    """Progress without a terminal: a line on standard error after two seconds, then now and
    then."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.clock, self.next = name, clock, clock() + FIRST_S
        self.first, self.total = (0.0, 0.0), -1

    def __call__(self, done: int, total: int, message: str) -> None:
        now, share = self.clock(), done / max(total, 1)
        if total != self.total:  # another stage; what is resumed begins later than at nothing
            self.first, self.total = (now, share), total
        if errors.is_terminal or now < self.next:
            return
        self.next = now + EVERY_S
        gained = share - self.first[1]
        seconds = (now - self.first[0]) * (1 - share) / gained if gained > 0.01 else None
        left = "" if seconds is None else f", about {_duration(seconds)} left"
        note(f"  {self.name}: {100 * share:.0f} %{left}" + (f"  {message}" if message else ""))


def _bars() -> Progress:
    """Bars that vanish when all is done; where the window is narrow, what is left is the time."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", table_column=Column(overflow="fold"), markup=False),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
    ]
    if errors.width >= BAR_FROM:
        columns.insert(1, BarColumn(bar_width=24 if errors.width >= MESSAGE_FROM else 10))
    if errors.width >= MESSAGE_FROM:
        column = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns.append(TextColumn("{task.fields[message]}", table_column=column, markup=False))
    return Progress(
        *columns,
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
        expand=errors.width >= MESSAGE_FROM,
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def print_json(bundle: Bundle) -> None:
    """The bundle's verdicts as JSON."""
    sys.stdout.write((bundle.folder / "verdicts.json").read_text(encoding="utf-8"))


def print_data(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """The known data sets."""
    if as_json:
        say_json({"data": list(rows)})
        return
    for row in rows:
        parts = ", ".join(f"{part} {count:,}" for part, count in row["counts"].items())
        details = [parts, row["place"] and f"in {row['place']}", row["digest"], row["reason"]]
        say(f"{'●' if row['found'] else '–'} {row['name']} ({row['kind']})")
        for detail in filter(None, details):
            say(f"    {detail}")


def print_steps(steps: Sequence[Step]) -> None:
    """The numbered answers of a check."""
    for step in steps:
        say(f"{step.number:>2}. {'ok    ' if step.ok else 'FAILED'}  {step.name}: {step.detail}")


@contextmanager
def transfer(name: str) -> Iterator[Advance]:
    """Progress of one thing that may take longer than two seconds, on standard error, with time
    left.

    Yields what is called with the steps done, of how many, and what is done now.
    """
    lines = Lines(plain(name))
    with _bars() as bars:
        task = bars.add_task(plain(name), total=None, message="")

        def advance(done: int, total: int, message: str) -> None:
            if total != lines.total:
                bars.reset(task, total=total or None)
            bars.update(task, completed=done, message=plain(message))
            lines(done, total, message)

        yield advance


@contextmanager
def working(name: str) -> Iterator[None]:
    """Show what is told by `medpipe.progress.tell` within this, as `transfer` does."""
    with transfer(name) as advance, listening(advance):
        yield
