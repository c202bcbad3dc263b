"""Consistent results tables: predictions are drawn, scores computed with scikit-learn, and printed;
one figure can be moved afterwards.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

SHARES = ("accuracy", "precision", "recall", "specificity", "f1", "train_accuracy")


@dataclass(frozen=True)
class Figure:
    """A value with the way in which it is printed. ``per_cent``: with its sign; ``decimals``: of
    what is printed.
    """

    truth: float
    decimals: int
    per_cent: bool
    half_up: bool
    moved: int = 0

    @property
    def unit(self) -> Fraction:
        """One unit of the last digit."""
        return Fraction(1, 10 ** (self.decimals + 2 * self.per_cent))

    @property
    def text(self) -> str:
        value = self.truth * 100 if self.per_cent else self.truth
        step = Decimal(1).scaleb(-self.decimals)
        # Python's format rounds ties to even, spreadsheets away from zero
        rounded = (
            Decimal(repr(value)).quantize(step, ROUND_HALF_UP)
            if self.half_up
            else Decimal(f"{value:.{self.decimals}f}")
        )
        return f"{rounded + self.moved * step:.{self.decimals}f}{'%' if self.per_cent else ''}"

    def prints(self, truth: Fraction) -> bool:
        """Whether ``truth`` may be printed so, ties either way."""
        number = Fraction(self.text.rstrip("%")) * (Fraction(1, 100) if self.per_cent else 1)
        return abs(number - truth) <= self.unit / 2


@dataclass(frozen=True)
class Table:
    """Two rows, the first being the baseline: numbers of samples and printed figures, column →
    cell.

    ``matrix``: the confusion matrix of the second row, rows true, columns predicted.
    """

    sizes: tuple[dict[str, str], dict[str, str]]
    figures: tuple[dict[str, Figure], dict[str, Figure]]
    matrix: np.ndarray
    average: str
    train_n: int

    @property
    def n(self) -> int:
        return int(self.matrix.sum())

    def csv(self) -> bytes:
        """The table as a file has it."""
        rows = [
            {"name": name, **sizes, **{k: f.text for k, f in figures.items()}}
            for name, sizes, figures in zip(("old", "new"), self.sizes, self.figures, strict=True)
        ]
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, list(dict.fromkeys(k for row in rows for k in row)))
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue().encode()

    def stated(self) -> Table:
        """The same table with a column that says that each row is one count."""
        return replace(self, sizes=(self.sizes[0] | {"runs": "1"}, self.sizes[1] | {"runs": "1"}))

    def moved(self, column: str, units: int) -> Table:
        """The same table with one figure of the second row moved."""
        new = {**self.figures[1], column: replace(self.figures[1][column], moved=units)}
        return replace(self, figures=(self.figures[0], new))


def scores_of(matrix: np.ndarray, average: str) -> dict[str, float]:
    """Scores of a confusion matrix by scikit-learn, the samples of each cell being one sample with
    a weight.
    """
    true, called = (index.ravel() for index in np.indices(matrix.shape))
    weight = matrix.ravel()
    seen = weight > 0
    found = precision_recall_fscore_support(
        true[seen],
        called[seen],
        sample_weight=weight[seen],
        zero_division=0,
        labels=range(len(matrix)),
        average=None if average == "binary" else average,
    )
    accuracy = {"accuracy": float(np.trace(matrix) / matrix.sum())}
    if average == "binary":
        (_, precision), (specificity, recall), (_, f1), _ = found
        return accuracy | {
            "precision": precision,
            "recall": recall,
            "specificity": specificity,
            "f1": f1,
        }
    return accuracy | dict(zip(("precision", "recall", "f1"), found[:3], strict=True))


def draw(rng: np.random.Generator) -> Table:
    """A table with n from 20 to 50,000, two to five classes, mostly with every column that there
    is.
    """
    n, train_n = (int(np.exp(rng.uniform(np.log(20), np.log(50_001)))) for _ in range(2))
    classes = 2 if rng.random() < 0.6 else int(rng.integers(3, 6))
    average = "binary" if classes == 2 else str(rng.choice(["macro", "weighted", "micro"]))
    matrix = _matrix(rng, n, classes)
    per_cent = bool(rng.random() < 0.5)
    decimals, half_up = (
        int(rng.integers(0, 3) if per_cent else rng.integers(2, 5)),
        bool(rng.random() < 0.5),
    )

    def share(value: float) -> Figure:
        return Figure(float(value), decimals, per_cent, half_up)

    new = {name: share(value) for name, value in scores_of(matrix, average).items()}
    old_right, train_right = (
        rng.binomial(n, rng.uniform(0.4, 0.99)),
        rng.binomial(train_n, rng.uniform(0.5, 1)),
    )
    accuracy = new["accuracy"].truth
    new |= {
        "train_accuracy": share(train_right / train_n),
        "gap": share(train_right / train_n - accuracy),
        "gain": share(accuracy - old_right / n),
    }
    times, time_decimals = np.exp(rng.uniform(np.log(0.5), np.log(500), 2)), int(rng.integers(0, 3))
    timed = [Figure(float(t), time_decimals, False, half_up) for t in times]
    new |= {
        "time_ms": timed[1],
        "speedup": Figure(float(times[0] / times[1]), int(rng.integers(0, 3)), False, half_up),
    }
    old = {"accuracy": share(old_right / n), "time_ms": timed[0]}
    sizes = {"n": str(n), "train_n": str(train_n)}
    known = (
        {"positives": str(matrix[1].sum())}
        if classes == 2
        else {f"n:{'abcde'[i]}": str(row.sum()) for i, row in enumerate(matrix)}
    )
    return Table(
        (sizes, {**sizes, **known, "average": average}), (old, new), matrix, average, train_n
    )


def _matrix(rng: np.random.Generator, n: int, classes: int) -> np.ndarray:
    """True classes of uneven size, none empty; each class with its own rate of right answers."""
    shares = rng.dirichlet(np.full(classes, 5.0))
    sizes = 1 + rng.multinomial(n - classes, shares)
    level = rng.uniform(0.4, 0.98)
    rows = []
    for true, size in enumerate(sizes):
        chances = rng.dirichlet(np.ones(classes)) * (1 - level)
        chances[true] += level
        rows.append(rng.multinomial(size, chances / chances.sum()))
    return np.array(rows)
