"""The tables that people brought (tests/data/tables): what each of them is read as, and that no
honest one is refuted for certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from medpipe.audits.published_figures import audit_figures
from medpipe.audits.tables import figures_from_table, figures_from_tables
from medpipe.errors import SpecError
from medpipe.evidence.finding import Finding

pytest.importorskip("mlscorecheck")
CASES = Path(__file__).parents[1] / "data/tables"


def found(*names: str) -> list[Finding]:
    return [
        f
        for f in audit_figures(figures_from_tables([CASES / name for name in names]))
        if f.severity != "clean"
    ]


def printed(name: str) -> dict[str, str]:
    """What every figure of a case was read as."""
    return {p.id: p.number or p.text for _, p in figures_from_table(CASES / name).printings()}


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_no_case_is_refuted_for_certain_and_none_is_refused(name: str) -> None:
    assert [f for f in found(name) if f.proves] == []


@pytest.mark.parametrize(
    ("name", "expected", "note"),
    [
        ("b-pm.csv", {"resnet_50.accuracy": "98.86%", "vgg16.accuracy": "97.10%"}, None),
        (
            "c-mixed.csv",
            {
                "a.accuracy": "98.86%",
                "a.f1": "98.85%",
                "b.accuracy": "0.9886",
                "b.f1": "0.9885",
                "c.accuracy": "98.86%",
                "c.f1": "98.85%",
            },
            "figures above 1 without a sign read as per cent: accuracy and f1",
        ),
        (
            "d-german.csv",
            {"gr_sse.accuracy": "98.86%"},
            "read as Windows-1252, columns separated by semicolon",
        ),
        (
            "d2-semi.csv",
            {"groesse.accuracy": "98.86%"},
            "read as UTF-8 with a byte order mark, columns separated by semicolon",
        ),
        (
            "d3-cp1252.csv",
            {"gr_sse.accuracy": "98.86%"},
            "read as Windows-1252, columns separated by comma",
        ),
        ("d5-utf16.csv", {"a.accuracy": "98.86%"}, "read as UTF-16, columns separated by comma"),
        ("g-auc.csv", {"a.accuracy": "90.1%", "a.auc": "0.95"}, None),
        ("g2-ci.csv", {"a.accuracy": "90.1%"}, None),
        ("i4-na.csv", {"a.accuracy": "97.10%"}, "1 cell of n/a and the like read as not printed"),
        ("k.tsv", {"a.accuracy": "98.86%"}, "columns separated by tab"),
    ],
)
def test_cells_and_dialect_of_each_case(
    name: str, expected: dict[str, str], note: str | None
) -> None:
    assert printed(name) == expected
    notes = " ".join(figures_from_table(CASES / name).notes)
    assert note in notes if note else notes == ""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mean-of-folds.csv", "It is possible only if it is a mean over folds or runs."),
        ("mean-of-runs.csv", "They are possible only if the scores are means over folds or runs."),
        (
            "mean-of-stratified-folds.csv",
            "They are possible only if the scores are means over folds or runs.",
        ),
    ],
)
def test_means_over_folds_and_runs_are_named_as_the_possible_reading(name: str, says: str) -> None:
    assert any(says in f.statement for f in found(name))
    assert not any(f.certain for f in found(name))


def test_folds_are_no_rivals_and_their_mean_is_computed() -> None:
    every = audit_figures(figures_from_table(CASES / "folds-and-mean.csv"))
    assert {f.id for f in every if f.audit == "recomputed"} == {
        f"recomputed:mean.{c}" for c in ("accuracy", "recall", "specificity")
    }
    assert not any(f.audit in ("sampling_error", "power") for f in every)
    # 94.3 % is the mean of the printed specificities, 94.24 % that of the unrounded ones
    assert [(f.id, f.certain) for f in every if f.severity != "clean"] == [
        ("recomputed:mean.specificity", False)
    ]
    assert not any("“" in f.statement for f in every)


def stated(tmp_path: Path, name: str, **columns: str) -> list[Finding]:
    """A case with columns that state the reading of its one row."""
    header, row = (CASES / name).read_text(encoding="utf-8").splitlines()
    path = tmp_path / name
    path.write_text(
        ",".join([header, *columns]) + "\n" + ",".join([row, *columns.values()]) + "\n",
        encoding="utf-8",
    )
    return [f for f in audit_figures(figures_from_table(path)) if f.severity != "clean"]


def test_a_stated_reading_makes_the_check_certain(tmp_path: Path) -> None:
    assert stated(tmp_path, "mean-of-folds.csv", folds="5") == []
    assert [f.proves for f in stated(tmp_path, "mean-of-folds.csv", folds="1")] == [True]
    assert (
        stated(tmp_path, "mean-of-runs.csv", runs="10", average="binary") == []
    )  # 121 of 130, 81 of 100
    seven = stated(tmp_path, "mean-of-runs.csv", runs="7", average="binary")
    assert {f.id for f in seven if f.proves} == {
        f"{audit}:mean_of_10_runs.{what}"
        for audit, what in (
            ("attainable", "recall"),
            ("attainable", "specificity"),
            ("scores_together", "scores"),
        )
    }
    assert stated(tmp_path, "mean-of-stratified-folds.csv", folds="5") == []
    assert any(
        f.proves
        for f in stated(tmp_path, "mean-of-stratified-folds.csv", runs="1", average="binary")
    )


def test_a_report_and_a_matrix_are_held_against_each_other(tmp_path: Path) -> None:
    assert found("e-report.csv") == []
    assert found("f-confusion.csv") == []
    both = {f.id: f.certain for f in found("e-report.csv", "f-confusion.csv")}
    # 0.985 is printed as 0.98, as only cutting off does
    assert both == {
        "restated:value.e_report.macro.precision": False,
        "restated:value.e_report.macro.f1": False,
    }
    report = (CASES / "e-report.csv").read_text(encoding="utf-8")
    (tmp_path / "e-report.csv").write_text(
        report.replace("glioma,0.99,0.97", "glioma,0.99,0.93"), encoding="utf-8"
    )
    alone = [
        f.id
        for f in audit_figures(figures_from_table(tmp_path / "e-report.csv"))
        if f.severity != "clean"
    ]
    assert "scores_together:e_report.c0.scores" in alone  # F1 of 0.99 and 0.93 is 0.96
    both_now = audit_figures(
        figures_from_tables([tmp_path / "e-report.csv", CASES / "f-confusion.csv"])
    )
    assert "restated:value.e_report.c0.recall" in {f.id for f in both_now if f.severity != "clean"}


def test_the_row_of_a_table_is_held_against_the_matrix(tmp_path: Path) -> None:
    def against(row: str) -> dict[str, bool]:
        (tmp_path / "paper.csv").write_text(f"name,n,runs,accuracy,f1\n{row}\n", encoding="utf-8")
        seen = audit_figures(
            figures_from_tables([tmp_path / "paper.csv", CASES / "f-confusion.csv"])
        )
        return {f.id: f.certain for f in seen if f.severity != "clean" and f.audit == "restated"}

    assert against("any,1311,1,98.63%,98.53%") == {}  # 1,293 of 1,311, macro
    assert against("any,1311,1,98.63%,98.63%") == {}  # weighted
    assert against("any,1311,1,98.70%,98.53%") == {"restated:value.held.f_confusion.accuracy": True}
    assert against("any,1311,,98.70%,98.53%") == {
        "restated:value.held.f_confusion.accuracy": False
    }  # may be a mean
    assert against("any,1311,10,98.70%,98.53%") == {}


PASTED = """              precision    recall  f1-score   support

      benign       0.92      0.95      0.93        60
  in situ ca       0.92      0.88      0.90        40

    accuracy                           0.92       100
   macro avg       0.92      0.91      0.92       100
weighted avg       0.92      0.92      0.92       100
"""
MATRIX = (
    (",a,b,Total\na,57,3,60\nb,5,35,40\nTotal,62,38,100\n", 0),
    ("57,3\n5,35\n", 0),
    (";a;b\na;57;3\nb;5;35\n", 0),
    (",a,b,Total\na,57,3,60\nb,5,35,41\nTotal,62,38,100\n", 1),
)


def test_a_pasted_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text(PASTED, encoding="utf-8")
    figures = figures_from_table(path)
    assert {q.what for q in figures.quantities} >= {
        "precision of in situ ca",
        "accuracy of all classes",
    }
    assert [f for f in audit_figures(figures) if f.severity != "clean"] == []
    path.write_text(
        PASTED.replace("macro avg       0.92", "macro avg       0.95"), encoding="utf-8"
    )
    assert [
        (f.id, f.certain)
        for f in audit_figures(figures_from_table(path))
        if f.severity == "refutes"
    ] == [("recomputed:report.macro.precision", True)]


def test_a_report_with_classes_as_columns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text(
        ",0,1,accuracy,macro avg,weighted avg\nprecision,0.919,0.921,0.92,0.920,0.920\n"
        "recall,0.95,0.875,0.92,0.9125,0.92\n"
        "f1-score,0.934,0.897,0.92,0.916,0.920\nsupport,60.0,40.0,0.92,100.0,100.0\n",
        encoding="utf-8",
    )
    figures = figures_from_table(path)
    assert {p.id: p.text for _, p in figures.printings()}["report.all.accuracy"] == "0.92"
    assert [f for f in audit_figures(figures) if f.severity != "clean"] == []


@pytest.mark.parametrize(("text", "wrong"), MATRIX)
def test_confusion_matrices_with_and_without_labels_and_totals(
    tmp_path: Path, text: str, wrong: int
) -> None:
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    figures = figures_from_table(tmp_path / "m.csv")
    exact = {p.id: p.text for _, p in figures.printings()}
    assert (exact["m.all.accuracy"], exact["m.c0.precision"], exact["m.macro.recall"]) == (
        "0.920000",
        "0.919355",
        "0.912500",
    )
    seen = [f for f in audit_figures(figures) if f.severity != "clean"]
    assert [f.audit for f in seen] == ["recomputed"] * wrong
    assert all(f.proves for f in seen)


def test_a_turned_matrix_is_turned_back_by_the_support(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(PASTED, encoding="utf-8")
    (tmp_path / "m.csv").write_text(
        ",benign,in situ ca\nbenign,57,5\nin situ ca,3,35\n", encoding="utf-8"
    )
    figures = figures_from_tables([tmp_path / "r.txt", tmp_path / "m.csv"])
    assert any(
        "columns are the true classes, by the support in r.txt" in note for note in figures.notes
    )
    with pytest.raises(SpecError, match="at most one report and one confusion matrix"):
        figures_from_tables([tmp_path / "m.csv", tmp_path / "m.csv"])


def test_an_unknown_column_and_a_row_of_spreads_are_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "Model,Acc. loss,Accuracy (%),F1-Score\nA,0.3,95.1,0.951\nstd,0.1,0.2,0.003\n",
        encoding="utf-8",
    )
    figures = figures_from_table(path)
    assert {p.id: p.number or p.text for _, p in figures.printings()} == {
        "a.accuracy": "95.1%",
        "a.f1": "0.951",
    }
    assert any(
        "left out, because no such column is known: 'Acc. loss'" in note for note in figures.notes
    )
    assert any("because they hold spreads: row 3" in note for note in figures.notes)
