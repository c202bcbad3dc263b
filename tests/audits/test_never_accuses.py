"""Consistent tables are never accused; moved figures are found wherever they can be.

The rates are those of docs/figures.md. All tables are drawn from one seed: what is measured here is
what stands there.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from medpipe.audits.arithmetic import recomputed
from medpipe.audits.attainability import attainable
from medpipe.audits.restatement import restated
from medpipe.audits.result import AuditResult
from medpipe.audits.scores import scores_together
from medpipe.audits.tables import figures_of
from medpipe.specs.figures import Figures

pytest.importorskip("sklearn")
from .drawn import SHARES, Table, draw
from .other_truths import (
    TIMES,
    averages_exist,
    ends,
    moved,
    right_answers,
    times_exist,
    two_classes_exist,
)

pytestmark = pytest.mark.slow
ARITHMETIC: tuple[Callable[[Figures], Iterator[AuditResult]], ...] = (
    recomputed,
    attainable,
    scores_together,
    restated,
)
TABLES, MOVED = 10_000, 5_000
NOT_TOLD = {
    ("macro", "precision"),
    ("macro", "recall"),
    ("macro", "f1"),
    ("weighted", "precision"),
    ("weighted", "f1"),
}
"""Averages over three and more classes from which many confusion matrices are free to choose."""
NAMES = {
    "accuracy": "accuracy",
    "train_accuracy": "training accuracy",
    "gap": "gap",
    "gain": "gain",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "f1": "F1",
    "time_ms": "time",
    "speedup": "speed-up",
}
Outcome = tuple[str, int, Table, bool]
"""Column and units of what was moved, the table, and whether it was found."""


@pytest.fixture(scope="module")
def tables() -> list[Table]:
    rng = np.random.default_rng(20_261_125)
    return [draw(rng) for _ in range(TABLES)]


def accused(table: Table) -> list[AuditResult]:
    figures = figures_of(table.csv(), Path("drawn.csv"))
    return [seen for audit in ARITHMETIC for seen in audit(figures) if seen.severity != "clean"]


def test_of_10_000_consistent_tables_none_is_accused(tables: list[Table]) -> None:
    examined: Counter[str] = Counter()
    for table in tables:
        figures = figures_of(table.csv(), Path("drawn.csv"))
        seen = [s for audit in ARITHMETIC for s in audit(figures)]
        assert [s for s in seen if s.severity != "clean"] == [], table.csv().decode()
        examined.update({s.audit for s in seen})
    assert len(tables) == TABLES
    assert (
        min(examined[name] for name in ("recomputed", "attainable", "scores_together"))
        > 0.8 * TABLES
    )  # they did look


@pytest.fixture(scope="module")
def outcomes(tables: list[Table]) -> list[Outcome]:
    """Column, units, table and whether it was found, of every moved figure."""
    rng = np.random.default_rng(1)
    changed = [m for table in tables[:MOVED] if (m := moved(table, rng)) is not None]
    return [(column, units, table, bool(accused(table))) for column, units, table in changed]


def told(table: Table, column: str) -> bool:
    """Whether a moved figure of this kind can be told in general."""
    return column not in TIMES and (table.average, column) not in NOT_TOLD


def rates(
    outcomes: list[Outcome], key: Callable[[str, int, Table], object]
) -> dict[object, tuple[int, float]]:
    """How many were moved, and the share that was found, by kind."""
    by: defaultdict[object, list[bool]] = defaultdict(list)
    for column, units, table, found in outcomes:
        by[key(column, units, table)].append(found)
    return {kind: (len(found), sum(found) / len(found)) for kind, found in by.items()}


def test_of_every_kind_that_can_be_told_95_of_100_moved_figures_are_found(
    outcomes: list[Outcome],
) -> None:
    here = [o for o in outcomes if told(o[2], o[0])]
    by_kind = rates(here, lambda column, units, table: column)
    assert by_kind.keys() == {*SHARES, "gap", "gain"}
    assert all(count > 200 for count, _ in by_kind.values())
    assert {kind: rate for kind, (_, rate) in by_kind.items() if rate < 0.95} == {}
    by_size = rates(here, lambda column, units, table: (dense(column, table), min(abs(units), 3)))
    assert by_size[True, 3][1] > 0.995
    assert min(by_size[False, size][1] for size in (1, 2, 3)) > 0.95


def test_the_rates_of_the_page_are_these(outcomes: list[Outcome], repository: Path) -> None:
    page = (repository / "docs/figures.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| ([^|(]+?)(?: \(.*\))? \| (\d+) \| ([\d.]+) % \|$", re.MULTILINE)
    rows = {name: (int(count), float(rate)) for name, count, rate in row.findall(page)}
    measured = rates(
        [o for o in outcomes if told(o[2], o[0]) or o[0] in TIMES],
        lambda column, units, table: NAMES[column],
    )
    assert rows.keys() == measured.keys()
    for name, (count, rate) in measured.items():
        assert rows[str(name)] == (count, pytest.approx(100 * rate, abs=0.051)), name
    assert f"({len(outcomes):,} could be moved so)" in page


def dense(column: str, table: Table) -> bool:
    """Whether there are so many samples that every figure of so many digits is some share of
    them.
    """
    return (table.train_n if column == "train_accuracy" else table.n) * table.figures[1][
        column
    ].unit >= 1


def test_what_is_missed_has_another_truth(outcomes: list[Outcome]) -> None:
    """One that prints the whole table, moved figure and all. Audits look at one relation at a time:
    a few are told by two together only.
    """
    missed = [
        (table, dense(column, table), abs(units))
        for column, units, table, found in outcomes
        if not found and told(table, column)
    ]
    assert 10 < len(missed) < 0.03 * len(outcomes)
    exists = [
        times_exist(t)
        and (two_classes_exist(t) if t.average == "binary" else bool(right_answers(t)))
        for t, _, _ in missed
    ]
    assert sum(exists) >= 0.8 * len(exists)
    assert sum(size <= 2 for _, _, size in missed) >= 0.95 * len(missed)
    assert sum(close for _, close, _ in missed) >= 0.8 * len(missed)


def test_times_and_speed_ups_are_found_exactly_where_no_two_times_print_them(
    outcomes: list[Outcome],
) -> None:
    here = [(table, found) for column, _, table, found in outcomes if column in TIMES]
    whole = [(table, found) for table, found in here if ends(table.figures[1]["time_ms"])[0] > 0]
    assert len(whole) > 400
    assert [found for _, found in whole] == [not times_exist(table) for table, _ in whole]
    assert 0.3 < sum(found for _, found in whole) / len(whole) < 0.95
    assert not any(
        found for table, found in here if ends(table.figures[1]["time_ms"])[0] <= 0
    )  # a divisor that may be 0 gives no range


def test_of_averages_over_many_classes_fewer_are_found_for_other_matrices_give_them(
    outcomes: list[Outcome],
) -> None:
    here = [
        (column, units, table, found)
        for column, units, table, found in outcomes
        if (table.average, column) in NOT_TOLD
    ]
    by_kind = rates(here, lambda column, units, table: (table.average, column))
    assert by_kind.keys() == NOT_TOLD
    assert all(0.2 < rate < 0.95 for _, rate in by_kind.values()), by_kind
    rng = np.random.default_rng(2)
    some = [table for _, _, table, found in here if not found][:12]
    assert (
        sum(averages_exist(table, rng) for table in some) >= len(some) / 3
    )  # a simple search; it overlooks more
