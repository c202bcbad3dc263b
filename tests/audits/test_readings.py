"""Relations between scores that need no number of samples: true of every mean, and tight enough to
find what is planted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.audits.published_figures import audit_figures
from medpipe.audits.readings import Reading, contradiction
from medpipe.audits.rounding import Range
from medpipe.audits.tables import figures_of

pytest.importorskip("mlscorecheck")
Counts = tuple[int, int, int, int]


def binary(tp: int, fn: int, fp: int, tn: int) -> dict[str, Fraction]:
    """Scores of the positive class; a precision of 0 / 0 is 0."""
    recall, specificity = Fraction(tp, tp + fn), Fraction(tn, tn + fp)
    return {
        "accuracy": Fraction(tp + tn, tp + fn + fp + tn),
        "precision": Fraction(tp, tp + fp) if tp + fp else Fraction(0),
        "recall": recall,
        "specificity": specificity,
        "f1": Fraction(2 * tp, 2 * tp + fp + fn),
        "balanced_accuracy": (recall + specificity) / 2,
        "youden": recall + specificity - 1,
    }


def averaged(cells: Counts, average: str) -> dict[str, Fraction]:
    """The same averaged over the two classes."""
    tp, fn, fp, tn = cells
    one, other = binary(tp, fn, fp, tn), binary(tn, fp, fn, tp)
    if average == "micro":
        return {
            **one,
            **dict.fromkeys(("precision", "recall", "specificity", "f1"), one["accuracy"]),
        }
    share = Fraction(1, 2) if average == "macro" else Fraction(tp + fn, sum(cells))
    names = ("precision", "recall", "specificity", "f1") if average != "binary" else ()
    return {**one, **{name: one[name] * share + other[name] * (1 - share) for name in names}}


counts = st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(0, 30), st.integers(1, 30))


@given(
    st.lists(counts, min_size=1, max_size=8),
    st.sampled_from(["binary", "macro", "weighted", "micro"]),
    st.lists(st.fractions(0, 1), min_size=8, max_size=8),
)
@settings(max_examples=100)
def test_no_mean_of_scores_breaks_a_relation(
    folds: list[Counts], average: str, where: list[Fraction]
) -> None:
    every = []
    for fold, share in zip(folds, where, strict=False):
        one = binary(*fold)
        low, high = (
            one["recall"] * one["specificity"],
            1 - (1 - one["recall"]) * (1 - one["specificity"]),
        )
        every.append({**averaged(fold, average), "auc": low + share * (high - low)})
    mean = {name: sum(scores[name] for scores in every) / Fraction(len(every)) for name in every[0]}
    exact = {name: Range(value, value) for name, value in mean.items()}
    for two in (True, False):
        assert contradiction(exact, Reading("folds", average, two)) is None
        if len(folds) == 1:
            assert contradiction(exact, Reading("one", average, two)) is None
    if (
        len({fold[0] + fold[1] for fold in folds})
        == len({fold[2] + fold[3] for fold in folds})
        == 1
    ):
        assert contradiction(exact, Reading("runs", average)) is None


def severities(text: str) -> dict[str, tuple[str, bool]]:
    found = audit_figures(figures_of(text.encode(), Path("table.csv")))
    return {f.id: (f.severity, f.certain) for f in found if f.audit == "scores_together"}


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        ("precision,recall,f1", "0.80,0.70,0.75", ("clean", True)),
        ("precision,recall,f1", "0.80,0.70,0.55", ("clean", True)),  # a macro average may be so low
        ("precision,recall,f1", "0.80,0.70,0.77", ("refutes", True)),
        ("precision,recall,f1", "0.80,0.70,0.48", ("refutes", True)),
        ("average,precision,recall,f1,runs", "binary,0.80,0.70,0.73,1", ("refutes", True)),
        ("average,precision,recall,f1", "binary,0.80,0.70,0.73", ("narrows", False)),
        ("average,precision,recall,f1,runs", "binary,0.80,0.70,0.75,1", ("clean", True)),
        (
            "average,accuracy,sensitivity,specificity,runs",
            "binary,95%,90%,92%,1",
            ("refutes", True),
        ),
        (
            "average,accuracy,sensitivity,specificity,runs",
            "binary,95%,90%,92%,10",
            ("refutes", True),
        ),
        ("average,accuracy,sensitivity,specificity,folds", "binary,95%,90%,92%,5", ("clean", True)),
        (
            "average,accuracy,sensitivity,specificity,folds",
            "binary,80%,90%,92%,5",
            ("refutes", True),
        ),
        (
            "average,sensitivity,specificity,balanced_accuracy",
            "binary,90%,92%,93%",
            ("refutes", True),
        ),
        (
            "average,sensitivity,specificity,balanced_accuracy",
            "binary,90%,92%,91%",
            ("clean", True),
        ),
        (
            "sensitivity,specificity,balanced_accuracy",
            "90%,92%,93%",
            ("clean", True),
        ),  # more than two classes
        ("average,sensitivity,specificity,youden", "binary,0.90,0.92,0.80", ("refutes", True)),
        ("average,sensitivity,specificity,auc,runs", "binary,0.90,0.90,0.795,1", ("refutes", True)),
        (
            "average,sensitivity,specificity,auc",
            "binary,0.90,0.90,0.795",
            ("narrows", False),
        ),  # only as a mean
        ("average,sensitivity,specificity,auc", "binary,0.90,0.90,0.75", ("refutes", True)),
        ("average,accuracy,recall", "weighted,0.90,0.92", ("refutes", True)),
        ("average,accuracy,f1", "micro,0.90,0.92", ("refutes", True)),
    ],
)
def test_rows_without_a_number_of_samples_are_examined(
    columns: str, row: str, expected: tuple[str, bool]
) -> None:
    assert severities(f"name,{columns}\na,{row}\n") == {"scores_together:a.scores": expected}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("100,30,0.88,0.80,0.80,0.79", "means over folds or runs"),
        ("100,30,0.88,0.800,0.850,0.832", None),
    ],
)
def test_the_possible_reading_is_named(row: str, says: str | None) -> None:
    text = f"name,n,positives,accuracy,precision,recall,f1\na,{row}\n".encode()
    (seen,) = [
        f for f in audit_figures(figures_of(text, Path("t.csv"))) if f.audit == "scores_together"
    ]
    assert seen.severity == ("narrows" if says else "refutes")
    if says:
        assert says in seen.statement


def test_a_sign_for_per_cent_too_many_is_a_reading() -> None:
    text = b"name,n,positives,runs,average,recall,specificity\na,100,30,1,binary,0.80%,0.91%\n"
    found = audit_figures(figures_of(text, Path("t.csv")))
    assert {(f.audit, f.certain) for f in found if f.severity != "clean"} == {
        ("attainable", False),
        ("scores_together", False),
    }
    assert all(
        "the sign for per cent is missing or one too many" in f.statement
        for f in found
        if f.severity != "clean"
    )
