"""Scores that can or cannot belong together, against brute force, scikit-learn and mlscorecheck."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.audits.averages import averaged, compositions, macro_recall
from medpipe.audits.result import AuditResult
from medpipe.audits.rounding import Range
from medpipe.audits.scores import scores_together
from medpipe.audits.two_classes import matrices, second_opinion
from medpipe.specs.figures import Scores

from .conftest import build, quantity

sklearn = pytest.importorskip("sklearn.metrics")
pytest.importorskip("mlscorecheck")
TWO = {"classes": {"apple": 30, "pear": 70}, "positive": "apple", "average": "binary", "n": 100}
FOUR = {"classes": {"a": 264, "b": 268, "c": 319, "d": 292}, "average": "weighted", "n": 1143}
THREE = {"classes": {"a": 10, "b": 20, "c": 30}, "average": "macro", "n": 60}


def judged(about: Mapping[str, Any], **texts: str) -> AuditResult | None:
    """The one result on some printed scores; None where there is none."""
    record = {
        "id": "sorter",
        "what": "scores of the sorter",
        **about,
        **{name: f"q.{name}" for name in texts},
    }
    figures = build(
        quantities=[quantity(name, text) for name, text in texts.items()], scores=[record]
    )
    return next(scores_together(figures), None)


def verdict(about: Mapping[str, Any], **texts: str) -> tuple[str, bool] | None:
    seen = judged(about, **texts)
    return None if seen is None else (seen.severity, seen.certain)


def test_planted_two_class_scores_are_refuted_and_their_twin_passes() -> None:
    """24 of 30 apples found, 6 pears called apples: accuracy 0.88, precision 0.80, recall 0.80."""
    good = judged(TWO, accuracy="0.88", precision="0.80", recall="0.80", f1="0.80")
    bad = judged(TWO, accuracy="0.88", precision="0.80", recall="0.80", f1="0.82")
    assert good is not None
    assert bad is not None
    fits = (
        "30 positives, 70 negatives: 1 confusion matrices fit, such as 24 true and 6 false"
        " positives"
    )
    assert (good.severity, good.arithmetic) == ("clean", fits)
    assert (bad.audit, bad.key, bad.severity, bad.certain) == (
        "scores_together",
        "sorter",
        "refutes",
        True,
    )
    assert bad.bears_on == ("sorter", "accuracy", "precision", "recall", "f1")
    assert bad.rests_on == ("accuracy", "precision", "recall", "f1")
    assert (
        "accuracy 0.88, precision 0.80, recall 0.80 and f1 0.82 cannot belong together"
        in bad.statement
    )
    assert (
        bad.arithmetic
        == "30 positives, 70 negatives: 0 confusion matrices fit, nor does mlscorecheck find any"
    )


def test_the_example_of_the_page() -> None:
    assert verdict(FOUR, accuracy="0.9886", precision="0.9887", f1="0.9886") == ("clean", True)
    assert verdict(FOUR, accuracy="0.9886", precision="0.9887", f1="0.9896") == ("refutes", True)


@pytest.mark.parametrize(
    ("about", "texts", "expected"),
    [
        (TWO, {"recall": "0.80", "specificity": "0.91"}, ("clean", True)),
        (
            TWO,
            {"recall": "0.80", "specificity": "0.924"},
            ("refutes", True),
        ),  # 64 of 70 is 0.9143, 65 is 0.9286
        (
            TWO,
            {"recall": "0.86", "specificity": "0.91"},
            ("narrows", False),
        ),  # 26 of 30 is 0.8667, cut off
        (TWO, {"recall": "<10%", "accuracy": "0.70"}, ("clean", True)),
        (
            TWO,
            {"recall": ">90%", "accuracy": "0.20"},
            ("refutes", True),
        ),  # 28 found is 0.28 at least
        (
            TWO,
            {"precision": "0", "recall": "0", "accuracy": "0.70"},
            ("clean", True),
        ),  # nothing called an apple
        (
            TWO,
            {"precision": "1", "recall": "0", "accuracy": "0.70"},
            ("clean", True),
        ),  # the same, in a library that gives 1
        (TWO, {"precision": "0.50", "recall": "0.00", "accuracy": "0.70"}, ("refutes", True)),
        (
            TWO,
            {"precision": "1.00", "recall": "0.80", "accuracy": "0.93"},
            ("refutes", True),
        ),  # 24 of 24 would be 0.94
        (TWO, {"accuracy": "0.88"}, None),
        ({**TWO, "positive": "pear"}, {"recall": "0.91", "specificity": "0.80"}, ("clean", True)),
        (
            {"n": 100, "average": "binary"},
            {"recall": "0.91", "specificity": "0.80"},
            None,
        ),  # how many positives?
        ({"n": 60, "average": "micro"}, {"accuracy": "0.85", "f1": "0.850"}, ("clean", True)),
        (
            {"n": 60, "average": "micro"},
            {"accuracy": "0.86", "f1": "0.867"},
            ("narrows", False),
        ),  # 52 of 60, cut off in one place
        ({"n": 60, "average": "micro"}, {"accuracy": "0.85", "f1": "0.870"}, ("refutes", True)),
        (
            {"n": 60, "average": "micro"},
            {"accuracy": "0.8", "f1": "0.84"},
            ("refutes", True),
        ),  # 50 of 60 is 0.833, 51 is 0.85
        (
            {**THREE, "average": "weighted"},
            {"accuracy": "0.90", "recall": "0.92"},
            ("refutes", True),
        ),
        (
            {"n": 60, "average": "weighted"},
            {"accuracy": "0.90", "recall": "0.900"},
            ("clean", True),
        ),
        (
            {"n": 60, "average": "macro"},
            {"precision": "0.80", "recall": "0.70", "f1": "0.77"},
            ("refutes", True),
        ),  # above their mean
        (
            {"n": 60, "average": "macro"},
            {"precision": "0.80", "recall": "0.70", "f1": "0.75"},
            ("clean", True),
        ),
        ({"n": 60, "average": "macro"}, {"precision": "0.80", "f1": "0.75"}, None),
        (
            {**THREE, "n": 6000, "classes": {"a": 1000, "b": 2000, "c": 3000}},
            {"accuracy": "0.90", "recall": "0.78"},
            ("refutes", True),
        ),
        (
            {**THREE, "n": 6000, "classes": {"a": 2000, "b": 2000, "c": 2000}},
            {"accuracy": "0.90", "recall": "0.92"},
            ("refutes", True),
        ),
    ],
)
def test_scores(
    about: Mapping[str, Any], texts: Mapping[str, str], expected: tuple[str, bool] | None
) -> None:
    assert verdict(about, **texts) == expected


def test_an_f1_of_averaged_precision_and_recall_is_only_suspicious() -> None:
    y = np.repeat([0, 1, 2], [10, 20, 30])
    called = y.copy()
    called[:6] = 2
    p, r, f1, _ = sklearn.precision_recall_fscore_support(y, called, average="macro")
    texts = {
        "accuracy": f"{(y == called).mean():.4f}",
        "precision": f"{p:.4f}",
        "recall": f"{r:.4f}",
    }
    assert verdict(THREE, **texts, f1=f"{f1:.4f}") == ("clean", True)
    seen = judged(THREE, **texts, f1=f"{2 * p * r / (p + r):.4f}")
    assert seen is not None
    assert (seen.severity, seen.certain) == ("narrows", False)
    assert "only if F1 was made of the averaged precision and recall" in seen.statement


def test_full_digits_as_code_prints_them_are_read() -> None:
    texts = {
        "accuracy": "0.88",
        "precision": "0.8",
        "recall": "0.8",
        "f1": str(float(Fraction(48, 60))),
    }
    assert verdict(TWO, **texts) == ("clean", True)
    third = {"precision": "0.3333333333333333", "recall": "0.0333333333333333"}  # 1 of 3, 1 of 30
    assert verdict(TWO, **third) == ("clean", True)
    assert verdict(TWO, precision="0.3333333333333333", recall="0.0433333333333333") == (
        "refutes",
        True,
    )


def exactly(p: int, n: int, tp: int, fp: int) -> dict[str, Fraction]:
    return {
        "accuracy": Fraction(tp + n - fp, p + n),
        "precision": Fraction(tp, tp + fp) if tp + fp else Fraction(0),
        "recall": Fraction(tp, p),
        "specificity": Fraction(n - fp, n),
        "f1": Fraction(2 * tp, tp + fp + p),
    }


@st.composite
def printed_scores(draw: st.DrawFn) -> tuple[int, int, dict[str, Range]]:
    """Two classes, scores of one matrix rounded to 1 to 3 decimals, mostly with one of them
    moved.
    """
    p, n = draw(st.integers(1, 15)), draw(st.integers(1, 15))
    truth = exactly(p, n, draw(st.integers(0, p)), draw(st.integers(0, n)))
    scale = 10 ** draw(st.integers(1, 3))
    names = draw(st.lists(st.sampled_from(sorted(truth)), min_size=2, max_size=5, unique=True))
    moved = {draw(st.sampled_from(names)): draw(st.integers(-4, 4))}
    centre = {
        name: Fraction(round(truth[name] * scale) + moved.get(name, 0), scale) for name in names
    }
    return (
        p,
        n,
        {
            name: Range(c - Fraction(1, 2 * scale), c + Fraction(1, 2 * scale))
            for name, c in centre.items()
        },
    )


@given(printed_scores())
@settings(max_examples=300)
def test_two_classes_against_trying_every_matrix(drawn: tuple[int, int, dict[str, Range]]) -> None:
    p, n, ranges = drawn

    def fits(tp: int, fp: int) -> bool:
        values = [exactly(p, n, tp, fp)]
        if tp + fp == 0:
            values.append({**values[0], "precision": Fraction(1)})
        return any(all(r.low <= v[name] <= r.high for name, r in ranges.items()) for v in values)  # type: ignore[operator]

    every = [(tp, fp) for tp, fp in product(range(p + 1), range(n + 1)) if fits(tp, fp)]
    ways, example = matrices(p, n, ranges)
    assert ways == len(every)
    assert example in every if every else example is None
    other = second_opinion(p, n, ranges)
    if every and (
        example != (0, 0) or ways > 1
    ):  # of nothing called positive, mlscorecheck knows no precision
        assert other
    at_edge = any(
        r.low is not None and r.high is not None and (r.low + r.high) / 2 in (0, 1)
        for r in ranges.values()
    )
    nothing = exactly(p, n, 0, 0)
    undefined = all(
        r.low <= nothing[name] <= r.high for name, r in ranges.items() if name != "precision"
    )  # type: ignore[operator]
    if (
        not every and not at_edge and not undefined
    ):  # mlscorecheck leaves a score of 0 or 1 out of account, and one without divisor
        assert other is False


def test_more_positives_than_can_be_tried_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 2,000,000 positives"):
        matrices(2_000_001, 5, {})
    assert (
        verdict(
            {**TWO, "n": 3_000_000, "classes": {"apple": 2_900_000, "pear": 100_000}},
            recall="0.8",
            accuracy="0.1",
        )
        is None
    )


def test_large_numbers_are_counted_exactly_too() -> None:
    """Beyond 64 bits: Python's own whole numbers take over."""
    tiny = Fraction(1, 10**15)
    ways, example = matrices(
        100_000,
        400_000,
        {
            "precision": Range(Fraction(1, 3) - tiny, Fraction(1, 3) + tiny),
            "recall": Range(Fraction(1, 2), Fraction(1, 2)),
        },
    )
    assert (ways, example) == (1, (50_000, 100_000))


@given(st.integers(0, 7), st.integers(2, 4))
def test_compositions_are_all_there_is(total: int, parts: int) -> None:
    brute = [c for c in product(range(total + 1), repeat=parts) if sum(c) == total]
    assert sorted(map(tuple, compositions(total, parts).tolist())) == sorted(brute)


SIZES = (2, 2, 3)


def every_matrix() -> list[np.ndarray]:
    """All confusion matrices of three classes of `SIZES` samples."""
    rows = [compositions(size, 3) for size in SIZES]
    return [np.array(rows_) for rows_ in product(*rows)]


@pytest.fixture(scope="module")
def all_scores() -> dict[str, np.ndarray]:
    """What scikit-learn gives for each of them: average → float64 ``(matrices, 4)`` of accuracy,
    precision, recall, F1.
    """
    found: dict[str, list[tuple[float, ...]]] = {"macro": [], "weighted": []}
    y = np.repeat([0, 1, 2], SIZES)
    for matrix in every_matrix():
        called = np.concatenate([np.repeat([0, 1, 2], row) for row in matrix])
        for average, rows in found.items():
            scores = sklearn.precision_recall_fscore_support(
                y, called, average=average, zero_division=0
            )[:3]
            rows.append(((y == called).mean(), *scores))
    return {average: np.array(rows) for average, rows in found.items()}


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_search_finds_exactly_what_some_matrix_gives(
    average: str, all_scores: dict[str, np.ndarray]
) -> None:
    """Against scikit-learn on every confusion matrix of seven samples in three classes, at 2
    decimals.
    """
    s = Scores("s", "s", sum(SIZES), average, dict(zip("abc", SIZES, strict=True)))
    table = all_scores[average]
    rng = np.random.default_rng(3)
    verdicts = []
    for _ in range(400):
        centre = np.round(table[rng.integers(len(table))], 2) + rng.integers(-3, 4, 4) / 100 * (
            rng.random(4) < 0.3
        )
        ranges = {
            name: Range(
                Fraction(round(c * 100) * 2 - 1, 200), Fraction(round(c * 100) * 2 + 1, 200)
            )
            for name, c in zip(("accuracy", "precision", "recall", "f1"), centre, strict=True)
        }
        brute = (np.abs(table - np.round(centre, 2)) <= 0.005 + 1e-12).all(axis=1).any()
        answer = averaged(s, ranges)
        assert answer is not None
        assert answer.possible == brute, (centre, answer)
        verdicts.append(brute)
    assert 50 < sum(verdicts) < 350  # both answers were asked for


def test_macro_recall_is_bounded_by_brute_force() -> None:
    for right in range(sum(SIZES) + 1):
        hits = [h for h in product(*(range(s + 1) for s in SIZES)) if sum(h) == right]
        recalls = [sum(Fraction(h, s) for h, s in zip(hit, SIZES, strict=True)) / 3 for hit in hits]
        bound = macro_recall(sorted(SIZES), right)
        assert (bound.low, bound.high) == (min(recalls), max(recalls))
