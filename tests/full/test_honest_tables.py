"""No honest table is refuted for certain, whatever its kind; planted contradictions in pooled
tables are found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe import registry
from medpipe.audits.result import AuditResult
from medpipe.audits.tables import figures_from_tables, figures_of
from medpipe.specs.figures import Figures

pytest.importorskip("mlscorecheck")
from .honest_tables import AVERAGES, drawn_case, drawn_matrices, drawn_report, scores_of

SEED = 20_261_129
ARITHMETIC = ("recomputed", "attainable", "scores_together", "restated")
AUDITS = [registry.resolve("audit", name) for name in registry.BUILT_IN["audit"]]


def audited(figures: Figures) -> list[AuditResult]:
    return [seen for audit in AUDITS for seen in audit(figures)]


def proves(seen: AuditResult) -> bool:
    return seen.severity == "refutes" and seen.certain


def test_honest_tables_are_never_refuted_for_certain(
    scaled: Callable[[int, int], int], keep_result: Callable[[str, dict[str, Any]], None]
) -> None:
    rng = np.random.default_rng(SEED)
    tables = scaled(150, 10_000)
    kinds: Counter[str] = Counter()
    suspicious: Counter[str] = Counter()
    examined: Counter[str] = Counter()
    refuted: list[str] = []
    for number in range(tables):
        case = drawn_case(rng)
        found = audited(figures_of(case.raw, Path(f"table{case.ending}")))
        examined.update(f.audit for f in found)
        kinds.update(
            {
                str(case.what["kind"]),
                f"{case.what['classes']} classes",
                str(case.what["average"]),
                str(case.what["scale"]),
                str(case.what["rounding"]),
                str(case.what["encoding"]),
                "with n" if case.what["n"] else "without n",
            }
        )
        suspicious[case.what["kind"]] += any(
            f.severity != "clean" and f.audit not in ("sampling_error", "power") for f in found
        )
        refuted += [f"table {number} ({case.what}): {f.statement}" for f in found if proves(f)]
    keep_result(
        "honest_tables",
        {
            "seed": SEED,
            "tables": tables,
            "refuted_for_certain": len(refuted),
            "kinds": dict(kinds),
            "with_a_suspicious_finding": dict(suspicious),
            "results_by_audit": dict(examined),
        },
    )
    assert refuted == []
    assert (
        min(
            examined[name]
            for name in ("recomputed", "attainable", "scores_together", "printed_interval")
        )
        > 0.02 * tables
    )


def test_honest_reports_and_matrices_agree(
    tmp_path: Path,
    scaled: Callable[[int, int], int],
    keep_result: Callable[[str, dict[str, Any]], None],
) -> None:
    rng = np.random.default_rng(SEED + 1)
    sets = scaled(30, 1_000)
    examined: Counter[str] = Counter()
    accused: list[str] = []
    for _ in range(sets):
        found = audited(figures_from_tables(drawn_report(rng, tmp_path)))
        examined.update(f.audit for f in found)
        accused += [f.statement for f in found if f.severity != "clean"]
    result = {"seed": SEED + 1, "sets": sets, "not_in_order": len(accused)}
    keep_result("honest_reports", {**result, "results_by_audit": dict(examined)})
    assert accused == []
    assert min(examined[name] for name in ("restated", "recomputed", "scores_together")) >= sets


def test_planted_contradictions_in_pooled_tables_are_found(
    scaled: Callable[[int, int], int], keep_result: Callable[[str, dict[str, Any]], None]
) -> None:
    """The tables of tests/audits/drawn.py; one figure is moved to 1 to 20 units from the truth."""
    drawn, other_truths = (
        pytest.importorskip(f"audits.{name}") for name in ("drawn", "other_truths")
    )
    rng, moving = np.random.default_rng(SEED + 2), np.random.default_rng(SEED + 3)
    found: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for _ in range(scaled(60, 3_000)):
        if (moved := other_truths.moved(drawn.draw(rng), moving)) is None:
            continue
        column, _, table = moved
        open_, stated = (
            [s for s in audited(figures_of(t.csv(), Path("t.csv"))) if s.audit in ARITHMETIC]
            for t in (table, table.stated())
        )
        found[column].append((any(s.severity != "clean" for s in open_), any(map(proves, stated))))
        assert not any(map(proves, open_)) or any(map(proves, stated))
    rates = {
        column: {
            "moved": len(each),
            "found": sum(one for one, _ in each),
            "certain_where_stated": sum(certain for _, certain in each),
        }
        for column, each in found.items()
    }
    keep_result("planted_contradictions", {"seeds": [SEED + 2, SEED + 3], "columns": rates})
    always = [one for column in ("accuracy", "gain", "gap") for one in found[column]]
    assert sum(one for one, _ in always) > 0.9 * len(always)
    assert sum(certain for _, certain in always) > 0.5 * len(always)


@pytest.mark.parametrize("average", AVERAGES)
def test_the_scores_of_the_generator_are_those_of_scikit_learn(average: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    for classes in (2,) if average == "binary" else (2, 4):
        matrices = drawn_matrices(rng, "folds", classes, 3)
        found = scores_of(matrices, average)
        for k, matrix in enumerate(matrices):
            true, called = (
                np.repeat(index.ravel(), matrix.ravel()) for index in np.indices(matrix.shape)
            )
            p, r, f1, _ = metrics.precision_recall_fscore_support(
                true, called, average=average, zero_division=0
            )
            assert [found[name][k] for name in ("precision", "recall", "f1")] == pytest.approx(
                [p, r, f1]
            )
            assert found["balanced_accuracy"][k] == pytest.approx(
                metrics.balanced_accuracy_score(true, called)
            )
