"""What the terminal shows: plans, progress with time left, verdict tables.

Printed text is escaped, so that no specification can paint the screen.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from medpipe.claims import Specs
    from medpipe.evidence import Bundle
    from medpipe.judging import Verdict
    from medpipe.report.policy import Step
    from medpipe.running.plan import Plan, PlannedRun

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 140  # a log or a pipe has no edge to fold at
SHAPES = {"supported": "●", "refuted": "○", "inconclusive": "◐", "not-tested": "–"}


def talk_on_stderr() -> None:
    """Keep standard output for JSON."""
    console.stderr = True


def say(sentence: str) -> None:
    """Print one sentence, whole even where the terminal is narrow."""
    console.print(escape(plain(sentence)), soft_wrap=True)


def plain(text: str) -> str:
    """Text without control and direction characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def print_plan(specs: Specs, plan: Plan, waiting: Sequence[PlannedRun], jobs: int, *, deviations: bool = False) -> None:
    """What will run and about how long, before it starts; with the deviations if asked."""
    again = len(plan.runs) - len(waiting)
    minutes = sum(p.minutes or 0 for p in waiting) / jobs
    unknown = sum(p.minutes is None for p in waiting)
    long = f"about {minutes:.0f} min" if minutes >= 1 else "about a minute" if minutes else "of unknown length"
    if unknown and minutes:
        long += f" and {unknown} of unknown length"
    say(f"{len(specs.claims)} claims need {len(plan.runs)} runs; {again} are there already, {len(waiting)} to make"
        + (f", {long} with {jobs} at a time." if waiting else "."))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("protocol", "what", "runs", "to make", "minutes each"):
        table.add_column(column, justify="left" if column in ("protocol", "what") else "right")
    for name in dict.fromkeys(p.protocol for p in plan.runs):
        mine = [p for p in plan.runs if p.protocol == name]
        todo = sum(p in waiting for p in mine)
        each = f"{mine[0].minutes:g}" if mine[0].minutes else "?"
        table.add_row(name, escape(plain(specs.protocols[name].title)), str(len(mine)), str(todo), each)
    for name in plan.left_out:
        table.add_row(name, escape(plain(specs.protocols[name].title)), "–", "–", "left out")
    console.print(table)
    if deviations:
        for name, found in plan.deviations.items():
            for d in found:
                say(f"  {name}: {d}")
        for name, reason in plan.left_out.items():
            say(f"  {name}: left out. {reason}")


def print_plan_json(plan: Plan) -> None:
    """The plan as JSON."""
    sys.stdout.write(json.dumps({
        "profile": plan.profile, "left_out": dict(plan.left_out),
        "runs": [{"key": p.run.key, "protocol": p.protocol, "experiment": p.run.experiment, "parameters": p.run.parameters,
                  "seed": p.run.seed, "claims": list(p.claims), "minutes": p.minutes} for p in plan.runs],
        "deviations": {n: [{"path": d.path, "published": d.published, "used": d.used} for d in found]
                       for n, found in plan.deviations.items()}}, indent=1) + "\n")


class Watcher:
    """Shows running runs with a bar and time left; where the output is no terminal, a line now and then instead."""

    def __init__(self, waiting: Sequence[PlannedRun]) -> None:
        self.names = {p.run.key: f"{p.protocol} seed {p.run.seed}" for p in waiting}
        self.total, self.ended, self.began = len(waiting), 0, time.monotonic()
        self.tasks: dict[str, Any] = {}
        self.said: dict[str, float] = {}
        self.first: dict[str, tuple[float, float]] = {}
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"),
                                 TimeRemainingColumn(compact=True), TextColumn("{task.fields[message]}"), console=console,
                                 disable=not console.is_terminal)

    def __enter__(self) -> Watcher:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.stop()

    def __call__(self, key: str, event: Mapping[str, Any]) -> None:
        name, status = self.names[key], event.get("status")
        if status == "started":
            self.tasks[key] = (self.progress.add_task(name, total=None, message=""), time.monotonic())
        elif status is not None:
            self._end(key, name, str(status), str(event.get("message", "")))
        else:
            self.progress.update(self.tasks[key][0], completed=event["done"], total=event["total"], message=plain(str(event["message"])))
            self._line(key, name, event)

    def _end(self, key: str, name: str, status: str, message: str) -> None:
        self.ended += 1
        self.progress.remove_task(self.tasks[key][0])
        took = time.monotonic() - self.tasks[key][1]
        tail = f": {message}" if message else ""
        say(f"  [{self.ended}/{self.total}] {name}: {status} after {_duration(took)}{tail}")

    def _line(self, key: str, name: str, event: Mapping[str, Any]) -> None:
        """Without a terminal: one line a minute for each run."""
        now, share = time.monotonic(), event["done"] / max(1, event["total"])
        began, at_first = self.first.setdefault(key, (now, share))  # a resumed run does not begin at nothing
        if console.is_terminal or now - self.said.get(key, began) < 60:
            return
        self.said[key] = now
        gained = share - at_first
        left = f", about {_duration((now - began) * (1 - share) / gained)} left" if gained > 0.01 else ""
        say(f"  {name}: {100 * share:.0f} %{left}  {event['message']}")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def print_verdicts(specs: Specs, verdicts: Sequence[Verdict]) -> None:
    """The table of verdicts, and how many of each."""
    from medpipe.judging.wording import show_interval

    table = Table(box=None, pad_edge=False, header_style="dim")
    wide = console.width >= 120
    for column in ("claim", "published", "found (95 % interval)", "outcome", *(("validity", "grade") if wide else ())):
        table.add_column(column, no_wrap=column in ("claim", "outcome"))
    for v in verdicts:
        found = "–" if v.interval is None else show_interval(v.interval, v.unit)
        shape = SHAPES[v.outcome.value]
        side = f", {v.indication}" if v.indication else ""
        more = (v.validity.value, v.grade or "–") if wide else ()
        table.add_row(v.claim, escape(plain(v.printed)), found, f"{shape} {v.outcome.value}{side}", *more)
    console.print(table)
    if not wide:
        say("Validity and grade of each: in a wider window, in the report, or with: medpipe judge --json")
    counts = {o: sum(v.outcome.value == o for v in verdicts) for o in SHAPES}
    say("; ".join(f"{n} {o}" for o, n in counts.items()) + f"; of {len(verdicts)} claims.")
    if any(v.grade == "demonstration" for v in verdicts):
        say("Demonstration data: this shows that the machinery works and is no evidence about any claim.")


def print_reports(bundle: Bundle, paths: Sequence[Path]) -> None:
    """Where everything lies and how to check it."""
    say(f"Bundle: {bundle.folder}  root digest {bundle.root_digest}")
    for path in paths:
        say(f"Signed: {path}")
    if paths:
        say(f"Check it: medpipe check-report {paths[0]}")


def print_json(bundle: Bundle) -> None:
    """The bundle's verdicts as JSON."""
    sys.stdout.write((bundle.folder / "verdicts.json").read_text(encoding="utf-8"))


def print_data(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """The known data sets."""
    if as_json:
        sys.stdout.write(json.dumps({"data": list(rows)}, indent=1, default=str) + "\n")
        return
    for row in rows:
        detail = " ".join(f"{k}: {v}" for k, v in row.items() if k not in ("name", "found") and v is not None)
        say(f"{'●' if row['found'] else '–'} {row['name']}  {detail}")


def print_steps(steps: Sequence[Step]) -> None:
    """The numbered answers of a check."""
    for step in steps:
        say(f"{step.number:>2}. {'ok    ' if step.ok else 'FAILED'}  {step.name}: {step.detail}")


@contextmanager
def transfer(name: str) -> Iterator[Any]:
    """A progress bar for a download: yields ``progress(done bytes, total bytes, message)``."""
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
                  console=console) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total, message: bar.update(task, completed=done, total=total or None, description=plain(message or name))
