"""Is there another truth that prints the same table? Looked for without the audits, to show that
what they miss cannot be told.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .drawn import Figure, Table, scores_of

SCORES = ("precision", "recall", "specificity", "f1")
ROUNDS, BATCH = 600, 64
TIMES = ("time_ms", "speedup")


def ends(figure: Figure) -> tuple[Fraction, Fraction]:
    """What rounds to the printed figure, ties either way."""
    number = Fraction(figure.text.rstrip("%")) * (Fraction(1, 100) if figure.per_cent else 1)
    return number - figure.unit / 2, number + figure.unit / 2


def shares(figure: Figure, n: int) -> list[Fraction]:
    """Every count of ``n`` that prints it, as a share."""
    low, high = ends(figure)
    return [
        Fraction(k, n)
        for k in range(max(0, int(low * n)), min(n, int(high * n) + 1) + 1)
        if low <= Fraction(k, n) <= high
    ]


def times_exist(table: Table) -> bool:
    """Two times that round to the printed ones, and whose ratio rounds to the printed one."""
    (a_low, a_high), (b_low, b_high), (low, high) = (
        ends(f)
        for f in (
            table.figures[0]["time_ms"],
            table.figures[1]["time_ms"],
            table.figures[1]["speedup"],
        )
    )
    return high >= max(a_low, 0) / b_high and (b_low <= 0 or low <= a_high / b_low)


def right_answers(table: Table) -> list[int]:
    """Numbers of right answers that print accuracy, gap and gain together with some training result
    and some baseline.
    """
    new, old = table.figures[1], table.figures[0]
    trained, before = shares(new["train_accuracy"], table.train_n), shares(old["accuracy"], table.n)

    def one_fits(parts: list[Fraction], low: Fraction, high: Fraction) -> bool:
        return any(low <= part <= high for part in parts)

    return [
        int(share * table.n)
        for share in shares(new["accuracy"], table.n)
        if one_fits(trained, *(end + share for end in ends(new["gap"])))
        and one_fits(before, *sorted(share - end for end in ends(new["gain"])))
    ]


def two_classes_exist(table: Table) -> bool:
    """Some true and false positives give every score; all that the printed recall and specificity
    leave are tried.
    """
    figures, (negatives, positives) = table.figures[1], table.matrix.sum(axis=1)
    right = set(right_answers(table))
    for found in (int(s * positives) for s in shares(figures["recall"], positives)):
        for kept in (int(s * negatives) for s in shares(figures["specificity"], negatives)):
            called = found + int(negatives) - kept
            if (
                found + kept in right
                and figures["precision"].prints(Fraction(found, called) if called else Fraction(0))
                and figures["f1"].prints(Fraction(2 * found, called + int(positives)))
            ):
                matrix = np.array([[kept, negatives - kept], [positives - found, found]])
                truth = scores_of(matrix, "binary")
                return all(
                    figures[name].prints(Fraction(value).limit_denominator(10**10))
                    for name, value in truth.items()
                )
    return False


def averages_exist(table: Table, rng: np.random.Generator) -> bool:
    """Look for a confusion matrix that gives the averaged scores, by moving samples about in the
    true one and keeping what comes nearer.
    """
    sizes = table.matrix.sum(axis=1)
    weights = (
        sizes / sizes.sum() if table.average == "weighted" else np.full(len(sizes), 1 / len(sizes))
    )
    right = right_answers(table)
    if not right:
        return False
    wanted = [ends(table.figures[1][name]) for name in ("precision", "recall", "f1")]
    low, high = (
        np.array([*(float(w[i]) for w in wanted), (right[0], right[-1])[i] / table.n])
        for i in (0, 1)
    )

    def miss(matrices: np.ndarray) -> np.ndarray:
        hit = np.diagonal(matrices, axis1=1, axis2=2)
        called = matrices.sum(axis=1)
        precision = np.divide(hit, called, out=np.zeros(hit.shape), where=called > 0)
        values = np.stack(
            [
                precision @ weights,
                (hit / sizes) @ weights,
                (2 * hit / (called + sizes)) @ weights,
                hit.sum(axis=1) / table.n,
            ],
            1,
        )
        return np.maximum(np.maximum(low - values, values - high), 0).sum(axis=1)

    best, distance = table.matrix, float(miss(table.matrix[None])[0])
    for _ in range(ROUNDS):
        if distance <= 1e-12:
            return True
        tried = np.repeat(best[None], BATCH, axis=0)
        for matrix in tried:
            for _ in range(rng.integers(1, 4)):
                row, (a, b) = rng.integers(len(sizes)), rng.choice(len(sizes), 2, replace=False)
                step = min(
                    int(matrix[row, a]), int(np.exp(rng.uniform(0, np.log(1 + sizes[row] / 4))))
                )
                matrix[row, a], matrix[row, b] = matrix[row, a] - step, matrix[row, b] + step
        distances = miss(tried)
        if distances.min() < distance:
            best, distance = tried[int(distances.argmin())], float(distances.min())
    return distance <= 1e-12


def moved(table: Table, rng: np.random.Generator) -> tuple[str, int, Table] | None:
    """One figure of the second row moved by 1 to 20 units of its last digit, so that it is no
    rounding of the truth any more.
    """
    column = str(rng.choice(list(table.figures[1])))
    units = int(rng.integers(1, 21)) * int(rng.choice([-1, 1]))
    other = table.moved(column, units)
    figure = other.figures[1][column]
    low, high = ends(figure)
    value, least = (low + high) / 2, -1 if column in ("gap", "gain") else 0
    possible = least <= value and (value <= 1 or column in TIMES)
    return (
        (column, units, other) if possible and not low <= Fraction(figure.truth) <= high else None
    )
