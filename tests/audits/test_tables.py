"""Anybody's results table: what it becomes, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medpipe.audits.published_figures import audit_figures
from medpipe.audits.tables import COLUMNS, SAME_AS, figures_from_table
from medpipe.errors import MedpipeError, SpecError, UnknownNameError
from medpipe.evidence.finding import Finding

HEADER = "name,n,train_n,runs,accuracy,train_accuracy,gap"
GOOD = f"{HEADER}\nfirst,500,2000,1,81.2%,85.0%,3.8%\nsecond,500,2000,1,83.2%,86.0%,2.8%\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "results.csv"


def found(path: Path, text: str | bytes) -> list[Finding]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [f for f in audit_figures(figures_from_table(path)) if f.severity != "clean"]


def arithmetic(path: Path, text: str | bytes) -> dict[str, Finding]:
    return {f.id: f for f in found(path, text) if f.audit not in ("sampling_error", "power")}


def test_a_planted_gap_is_found_and_told_with_its_cell(table: Path) -> None:
    seen = arithmetic(table, GOOD.replace("2.8%", "3.4%"))
    assert list(seen) == ["recomputed:second.gap"]
    one = seen["recomputed:second.gap"]
    assert (one.severity, one.certain) == ("refutes", True)
    assert (
        one.statement
        == "results.csv (row 3, column gap) prints 3.4% as gap between training accuracy and"
        " accuracy of second; the difference of 86.0% (training accuracy of second) and 83.2%"
        " (accuracy of second) is 2.75 to 2.85 points. At least one of these figures is wrong."
    )
    assert dict(one.figures) == {
        "second.gap": "3.4%",
        "second.train_accuracy": "86.0%",
        "second.accuracy": "83.2%",
    }
    assert arithmetic(table, GOOD) == {}


def test_rows_are_compared_with_the_baseline(table: Path) -> None:
    first, second = (f for f in found(table, GOOD) if f.audit in ("sampling_error", "power"))
    assert (first.id, first.severity) == ("sampling_error:second.against_baseline", "undermines")
    said = "second has a higher accuracy than first: 83.2% (accuracy of second) against 81.2%"
    assert first.statement.startswith(said)
    assert second.id == "power:second.against_baseline"
    turned = (
        "name,n,accuracy,baseline,paired\na,500,81.2%,,yes\nb,500,83.2%,yes,\nc,500,83.2%,no,no\n"
    )
    statements = [f.statement for f in found(table, turned) if f.audit == "sampling_error"]
    assert len(statements) == 1  # c and b are equal: nothing is claimed
    assert statements[0].startswith("b has a higher accuracy than a:")
    assert "paired" in statements[0]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("name,n,accuracy\na,1143,98.90%\n", ["attainable:a.accuracy"]),
        (
            "name,n,positives,accuracy,ppv,sensitivity,f1\na,100,30,0.88,0.80,0.80,0.82\n",
            ["scores_together:a.scores"],
        ),
        ("name,n,positives,accuracy,ppv,sensitivity,f1\na,100,30,0.88,0.80,0.80,0.80\n", []),
        ("name,n,positives,specificity\na,100,30,0.924\n", ["attainable:a.specificity"]),
        ("name,n,positives,recall\na,100,30,0.86\n", ["attainable:a.recall"]),
        (
            "name,n:cat,n:dog,n:cow,average,accuracy,recall\na,10,20,30,weighted,0.90,0.92\n",
            ["scores_together:a.scores"],
        ),
        ("name,n,average,accuracy,f1\na,60,micro,0.85,0.867\n", ["scores_together:a.scores"]),
        ("name,n,average,accuracy,f1\na,60,micro,0.85,0.85\n", []),
        ("name,time_ms,speedup\nslow,125.2,1.0x\nquick,4.9,29.3x\n", ["recomputed:quick.speedup"]),
        ("name,time_ms,speedup\nslow,125.2 ms,\nquick,4.9,25.7\n", []),
        ("name,time_ms,speedup\nslow,125.2,\nquick,0,25.7\n", []),
        ("name,accuracy,gain\na,0.80,0.00\nb,0.85,0.09\n", ["recomputed:b.gain"]),
        ("name,accuracy,gain\na,0.80,\nb,0.75,-0.05\n", []),
        ("name,accuracy,gain\na,80%,\nb,<76%,-5%\n", []),
        ('\ufeffName, N ,Accuracy\r\n"a, b","1,143",98.90%\r\n\r\n', ["attainable:a_b.accuracy"]),
        (
            "name,n,accuracy\nA,1143,98.90%\na,1143,98.90%\n*,1143,98.90%\n",
            ["attainable:a.accuracy", "attainable:a_2.accuracy", "attainable:row.accuracy"],
        ),
    ],
)
def test_what_each_column_is_held_against(table: Path, text: str, ids: list[str]) -> None:
    assert sorted(arithmetic(table, text)) == ids


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a header with the names of the columns in row 1, got an empty table"),
        (",,\n", "a header"),
        (f"{HEADER}\n", "at least one row below the header, got none"),
        ("name,acuracy\na,1\n", "'acuracy' (did you mean accuracy?)"),
        ("name,precision,ppv\na,0.8,0.8\n", "every column once, got 'ppv' twice"),
        ("name\na\n", "columns of figures"),
        ("accuracy,n\n0.8,5\n", "the column 'name'"),
        (
            "name;n;accuracy\na;5;0,8\nb;5;0.8\n",
            "one decimal sign in all cells, got points and commas",
        ),
        ("name,n,accuracy\na,5\n", "row 2: expected 3 cells, as in the header, got 2"),
        (
            "name,n,accuracy\na,5,0,8\n",
            "row 2: expected 3 cells, as in the header, got 4; a comma within a cell needs quotes",
        ),
        ("name,n,accuracy\n,5,0.8\n", "row 2, column name: expected a name"),
        ('name,n,accuracy\n"a\nb",5,0.8\n', "in one line"),
        (
            "name,n,accuracy\na,5,0.8\nb,5,0.8\na,5,0.6\n",
            "row 4, column name: expected every name once, got 'a', which is in row 2, too",
        ),
        (
            "name,accuracy\na,812\n",
            "row 2, column accuracy: expected a share of 0 to 1 such as 0.812 or 81.2%, got '812'",
        ),
        ("name,accuracy\na,0.8 (see text)\n", "a printed number"),
        ("name,accuracy\na,0.8 (0.7-0.9\n", "a printed number"),
        ("name,accuracy\na,4/5\n", "a share of 0 to 1"),
        ("name,accuracy\na,5 ms\n", "a share of 0 to 1"),
        ("name,accuracy\na,-0.1\n", "a share of 0 to 1"),
        ("name,accuracy\na,120%\n", "a share of 0 to 1"),
        ("name,accuracy\na,=B2/C2\n", "a printed number such as 0.812, 81.2% or 4.9, got '=B2/C2'"),
        ("name,accuracy\na,#DIV/0!\n", "a printed number"),
        ("name,accuracy\na,n/a\n", "at least one printed figure, got none"),
        ("name,accuracy\na," + "9" * 5000 + "\n", "a printed number"),
        ("name,time_ms\na,1e999\n", "a printed number"),
        ("name,accuracy,gap\na,81.2%,380\n", "column gap: expected a difference of shares"),
        (
            "name,accuracy,gap\na,81.2%,0.8\n",
            "column gap: expected a difference in % or points, as the accuracy is in %, got '0.8'",
        ),
        ("name,time_ms\na,4.9 s\n", "a time in ms"),
        ("name,time_ms\na,-4.9\n", "a time in ms"),
        ("name,time_ms\na,5%\n", "a time in ms"),
        ("name,speedup\na,25 ms\n", "a ratio such as 25.7"),
        (
            "name,n,accuracy\na,500.5,0.8\n",
            "row 2, column n: expected a whole number of samples, 1 to 1,000,000,000, got '500.5'",
        ),
        ("name,n,accuracy\na,0,0.8\n", "a whole number"),
        ("name,n,accuracy\na,~500,0.8\n", "a whole number"),
        ("name,n,accuracy\na," + "9" * 30 + ",0.8\n", "a whole number"),
        ("name,n,accuracy\na,٣,0.8\n", "a whole number"),
        ('name,n,accuracy\na,"0,812",0.8\n', "a whole number"),
        ("name,n,positives,f1\na,5,5,0.8\n", "fewer positives than samples (column n), got 5 of 5"),
        ("name,positives,f1\na,5,0.8\n", "got 5 of no n"),
        ("name,n,positives,n:a,n:b,f1\na,5,2,2,3,0.8\n", "either positives or columns n:<class>"),
        (
            "name,n,n:a,n:b,average,f1\na,6,2,3,macro,0.8\n",
            "column n: expected the sum of the classes, 5, got 6",
        ),
        ("name,n:a,average,f1\na,6,macro,0.8\n", "at least two classes"),
        (
            "name,n:a,n:b,n:c,average,f1\na,2,3,4,binary,0.8\n",
            "macro, weighted or micro for more than two classes",
        ),
        (
            "name,n,runs,accuracy\na,5,0,0.8\n",
            "column runs: expected a whole number of runs, 1 to 100,000, got '0'",
        ),
        ("name,n,average,f1\na,5,makro,0.8\n", "did you mean macro"),
        ("name,accuracy,baseline\na,0.8,maybe\n", "known: no, yes"),
        (
            "name,accuracy,baseline\na,0.8,yes\nb,0.8,yes\n",
            "row 3, column baseline: expected one baseline",
        ),
        ("name,n,accuracy,paired\na,5,0.8,\nb,10,0.9,yes\n", "as many samples as the baseline (5)"),
        ("name,n\na,5\n", "at least one printed figure, got none"),
        ('name,accuracy\n"a,0.8\n', "a table in CSV"),
        ("name,accuracy\na\x00,0.8\n", "results.csv"),
        (
            b"PK\x03\x04\x14name,accuracy\n",
            "a table as text in UTF-8, UTF-16 or Windows-1252, got other bytes",
        ),
        (b"name,accuracy\nM\x81ller,0.8\n", "save the table as CSV in UTF-8"),
        (b"name,accuracy\n" + b"a" * 1_000_001, "at most 1000000 bytes, got 1000015 bytes"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused_in_one_sentence(
    table: Path, text: str | bytes, says: str
) -> None:
    with pytest.raises(MedpipeError) as caught:
        found(table, text)
    assert isinstance(caught.value, SpecError | UnknownNameError)
    assert says in str(caught.value)
    assert "results.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, says in (("results.xlsx", "got .xlsx"), ("results", "a name without an ending")):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
        with pytest.raises(SpecError, match=says):
            figures_from_table(tmp_path / name)
    with pytest.raises(SpecError, match="a readable file, got No such file"):
        figures_from_table(tmp_path / "absent.csv")


def test_figure_records_are_read_without_a_subject(tmp_path: Path) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(
        """version: 1
quantities:
  - {id: q.acc, what: accuracy, kind: proportion, n: 1143,
     printed: [{id: acc, document: any.pdf, place: table 1, text: "98.90%"}]}
""",
        encoding="utf-8",
    )
    assert [f.id for f in audit_figures(figures_from_table(path)) if f.severity != "clean"] == [
        "attainable:acc"
    ]
    path.write_text("version: 1\nquantities: []\n", encoding="utf-8")
    with pytest.raises(SpecError, match="quantities"):
        figures_from_table(path)
    path.write_text("version: 1\n", encoding="utf-8")
    with pytest.raises(SpecError, match="at least one record, got none"):
        figures_from_table(path)


def test_every_column_is_documented(repository: Path) -> None:
    page = (repository / "docs/figures.md").read_text(encoding="utf-8")
    assert [name for name in (*COLUMNS, *SAME_AS, "n:<class>") if f"`{name}`" not in page] == []
