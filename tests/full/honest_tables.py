"""Honest results tables of every kind: predictions are drawn, scored, averaged, printed and saved
as people do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("pooled", "folds", "stratified folds", "runs")
AVERAGES = ("binary", "macro", "weighted", "micro")
ROUNDINGS = (ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_DOWN)
DIALECTS = (
    (",", ".", "utf-8"),
    (";", ",", "cp1252"),
    (";", ",", "utf-8-sig"),
    ("\t", ".", "utf-16"),
    ("\t", ",", "utf-8"),
    ("|", ".", "utf-8"),
)
Matrices = NDArray[np.int64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Style:
    """How figures are printed: decimals of what stands there, per cent with or without its sign,
    rounding, separator, decimal sign."""

    decimals: int
    scale: str
    rounding: str
    separator: str
    decimal: str
    encoding: str

    def text(self, value: float, *, signed: bool = False) -> str:
        """``signed``: a difference, which always has its sign for per cent."""
        per_cent = self.scale != "share"
        exact = Decimal(repr(float(value) * 100 if per_cent else float(value)))
        if abs(exact - exact.quantize(Decimal("1e-9"))) < Decimal("1e-12"):
            exact = exact.quantize(Decimal("1e-9"))  # 0.1 + 0.2 is not printed as less than 0.3
        rounded = exact.quantize(Decimal(1).scaleb(-self.decimals), self.rounding)
        number = f"{rounded:.{self.decimals}f}".replace(".", self.decimal)
        return number + ("%" if self.scale == "sign" or (signed and per_cent) else "")


def drawn_style(rng: Rng) -> Style:
    scale = str(rng.choice(["share", "sign", "bare"]))
    decimals = int(rng.integers(2, 5) if scale == "share" else rng.integers(0, 3))
    return Style(
        decimals, scale, str(rng.choice(ROUNDINGS)), *DIALECTS[rng.integers(len(DIALECTS))]
    )


def drawn_matrices(rng: Rng, kind: str, classes: int, times: int) -> Matrices:
    """Confusion matrices ``(times, classes, classes)``, rows true, of one classifier on the folds
    or runs of one data set."""
    n = int(np.exp(rng.uniform(np.log(max(12 * classes, 3 * times)), np.log(20_000))))
    sizes = 1 + rng.multinomial(n - classes, rng.dirichlet(np.full(classes, 4.0)))
    level = rng.uniform(0.4, 0.99)
    if kind == "runs":
        per_time = np.repeat(sizes[None], times, axis=0)
    elif kind == "folds":  # not stratified, of uneven sizes at times
        shares = (
            rng.dirichlet(np.full(times, 30.0)) if rng.random() < 0.5 else np.full(times, 1 / times)
        )
        per_time = np.stack([rng.multinomial(size, shares) for size in sizes], axis=1)
    else:
        per_time = np.stack(
            [
                np.bincount((np.arange(size) + i) % times, minlength=times)
                for i, size in enumerate(sizes)
            ],
            axis=1,
        )
    per_time = per_time[per_time.sum(axis=1) > 0]
    chances = np.stack([rng.dirichlet(np.ones(classes)) * (1 - level) for _ in range(classes)])
    chances[np.diag_indices(classes)] += level * rng.uniform(0.6, 1, classes)
    chances /= chances.sum(axis=1, keepdims=True)
    return np.array(
        [[rng.multinomial(size, chances[i]) for i, size in enumerate(row)] for row in per_time]
    )


def scores_of(
    matrices: Matrices, average: str, undefined: float = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Scores ``(times,)`` of confusion matrices, as scikit-learn has them; ``undefined``: a
    precision of 0 / 0."""
    hit = np.diagonal(matrices, axis1=1, axis2=2).astype(float)
    rows, called, n = matrices.sum(axis=2), matrices.sum(axis=1), matrices.sum(axis=(1, 2))

    def share(a: Any, b: Any, empty: float = 0.0) -> Any:
        return np.divide(a, b, out=np.full(np.shape(a), empty), where=np.asarray(b) > 0)

    precision, recall, f1 = (
        share(hit, called, undefined),
        share(hit, rows),
        share(2 * hit, rows + called),
    )
    others = n[:, None] - rows
    specificity = share(others - (called - hit), others)
    accuracy = hit.sum(axis=1) / n
    every = {"precision": precision, "recall": recall, "specificity": specificity, "f1": f1}
    if average == "binary":
        found = {name: values[:, 1] for name, values in every.items()}
    elif average == "micro":
        found = dict.fromkeys(("precision", "recall", "f1"), accuracy)
    else:
        weights = (
            rows / n[:, None] if average == "weighted" else np.full(rows.shape, 1 / rows.shape[1])
        )
        found = {name: (values * weights).sum(axis=1) for name, values in every.items()}
    found |= {"accuracy": accuracy, "balanced_accuracy": recall.mean(axis=1)}
    if matrices.shape[1] == 2:
        found["youden"] = recall.sum(axis=1) - 1
    return found


@dataclass(frozen=True)
class ReportData:
    """A table as bytes with the ending of its name; ``what``: how it came about."""

    raw: bytes
    ending: str
    what: Mapping[str, Any]


def drawn_case(rng: Rng) -> ReportData:
    kind, classes = str(rng.choice(KINDS)), 2 if rng.random() < 0.5 else int(rng.integers(3, 7))
    times = 1 if kind == "pooled" else int(rng.integers(2, 21))
    average = str(rng.choice(AVERAGES if classes == 2 else AVERAGES[1:]))
    style = drawn_style(rng)
    matrices = drawn_matrices(rng, kind, classes, times)
    rows = [
        _row(
            rng,
            name,
            kind,
            average,
            matrices if name == "new" else drawn_matrices(rng, kind, classes, times),
            style,
        )
        for name in ("old", "new")
    ]
    if kind != "pooled" and rng.random() < 0.2:
        rows = _folds_and_mean(rng, kind, average, matrices, style)
    what = {
        "kind": kind,
        "classes": classes,
        "average": average,
        "times": times,
        "n": any(c == "n" or c.startswith("n:") for row in rows for c in row),
        "scale": style.scale,
        "rounding": style.rounding,
        "encoding": style.encoding,
        "stated": bool({"runs", "folds"} & rows[-1].keys()),
    }
    return ReportData(saved(rows, style), ".csv", what)


def _printed_scores(
    rng: Rng, matrices: Matrices, average: str, undefined: float
) -> dict[str, NDArray[np.float64]]:
    found = scores_of(matrices, average, undefined)
    if matrices.shape[1] == 2:
        one = scores_of(matrices, "binary")
        s, q = one["recall"], one["specificity"]  # any ROC curve through the operating point
        found["auc"] = s * q + rng.beta(0.5, 0.5, len(s)) * (1 - (1 - s) * (1 - q) - s * q)
    keep = rng.choice(list(found), size=int(rng.integers(2, len(found) + 1)), replace=False)
    return {name: found[name] for name in found if name in keep}


def _row(
    rng: Rng, name: str, kind: str, average: str, matrices: Matrices, style: Style
) -> dict[str, str]:
    """One row of means over the matrices, with what is said about samples, averages and repeats."""
    scores = _printed_scores(rng, matrices, average, float(rng.random() < 0.2))
    cells = {
        "name": name,
        **{
            column: _cell(rng, values, style, signed=column == "youden")
            for column, values in scores.items()
        },
    }
    if "accuracy" in scores and rng.random() < 0.5:
        trained = np.minimum(1, scores["accuracy"] + rng.uniform(0, 0.1, len(matrices)))
        cells |= {
            "train_accuracy": style.text(trained.mean()),
            "gap": style.text((trained - scores["accuracy"]).mean(), signed=True),
        }
    return cells | _sizes(rng, kind, matrices) | _stated(rng, kind, average, len(matrices))


def _cell(rng: Rng, values: NDArray[np.float64], style: Style, *, signed: bool = False) -> str:
    text, spread = style.text(values.mean(), signed=signed), style.text(values.std(), signed=signed)
    kind = rng.random() if len(values) > 1 and not signed else 1
    if kind < 0.2:
        return f"{text.rstrip('%')} ± {spread}"
    if kind < 0.3 and style.decimal == ".":
        low, high = (style.text(end).rstrip("%") for end in (values.min(), values.max()))
        return f"{text} (95% CI {low}-{high})"
    return text


def _sizes(rng: Rng, kind: str, matrices: Matrices) -> dict[str, str]:
    """The samples of all folds together, of one of them, or nothing."""
    sizes = matrices.sum(axis=2)
    known = sizes[0] if kind == "runs" or rng.random() < 0.2 else sizes.sum(axis=0)
    told = rng.random()
    if told < 0.25 or min(known) < 1:
        return {}
    if told < 0.4:
        return {"n": str(known.sum())}
    if len(known) == 2:
        return {"n": str(known.sum()), "positives": str(known[1])}
    return {f"n:{'abcdef'[i]}": str(size) for i, size in enumerate(known)}


def _stated(rng: Rng, kind: str, average: str, times: int) -> dict[str, str]:
    stated = {"average": average} if rng.random() < 0.4 else {}
    if rng.random() < 0.4:
        stated |= {"pooled": {"runs": "1"}, "runs": {"runs": str(times)}}.get(
            kind, {"folds": str(times)}
        )
    return stated


def _folds_and_mean(
    rng: Rng, kind: str, average: str, matrices: Matrices, style: Style
) -> list[dict[str, str]]:
    """A row for each fold or run, and one of means."""
    scores = _printed_scores(rng, matrices, average, 0.0)
    word = "run" if kind == "runs" else "fold"
    rows = [
        {
            "name": f"{word} {i + 1}",
            "n": str(matrix.sum()),
            **{c: style.text(v[i]) for c, v in scores.items() if c != "youden"},
        }
        for i, matrix in enumerate(matrices)
    ]
    pooled = kind != "runs" and rng.random() < 0.3
    whole = scores_of(matrices.sum(axis=0)[None], average)
    last = {
        c: style.text(whole[c][0] if pooled and c in whole else v.mean())
        for c, v in scores.items()
        if c != "youden"
    }
    spread = {"name": "std", **{c: style.text(v.std()) for c, v in scores.items() if c != "youden"}}
    return [*rows, {"name": "mean", **last}, *([spread] if rng.random() < 0.5 else [])]


def saved(rows: list[dict[str, str]], style: Style) -> bytes:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [
        columns,
        *(
            [row.get(column, "n/a" if column in ("f1", "auc") else "") for column in columns]
            for row in rows
        ),
    ]
    quoted = ([f'"{cell}"' if style.separator in cell else cell for cell in line] for line in lines)
    return "\r\n".join(style.separator.join(line) for line in quoted).encode(style.encoding)


def drawn_report(rng: Rng, folder: Path) -> list[Path]:
    """A classification report of scikit-learn's layout, a confusion matrix, and a row of a table,
    all of the same predictions."""
    classes = int(rng.integers(2, 7))
    matrix = drawn_matrices(rng, "pooled", classes, 1)
    names = ["cat", "dog", "in situ", "owl", "eel", "asp"][:classes]
    digits = int(rng.integers(2, 5))
    average = str(rng.choice(AVERAGES[1:3]))
    style = Style(digits, "share", ROUND_HALF_EVEN, *DIALECTS[rng.integers(len(DIALECTS))])
    pasted = bool(rng.random() < 0.3)
    printed = replace(style, separator="  ", decimal=".", encoding="utf-8") if pasted else style
    report = folder / ("report.txt" if pasted else "report.csv")
    report.write_bytes(saved_report(matrix[0], names, printed, pasted=pasted))
    table, confusion = folder / "table.csv", folder / "confusion.csv"
    scores = scores_of(matrix, average)
    cells = {
        "name": "any",
        "n": str(matrix.sum()),
        **{c: style.text(v[0]) for c, v in scores.items() if c != "youden"},
    }
    del cells["specificity"]  # of one class against all others
    table.write_bytes(saved([cells | _stated(rng, "pooled", average, 1)], style))
    confusion.write_bytes(saved_matrix(rng, matrix[0], names, style.separator))
    return [table, report, confusion]


def saved_report(matrix: Matrices, names: list[str], style: Style, *, pasted: bool) -> bytes:
    """``classification_report`` as text, or as pandas saves it."""
    rows = [["" if not pasted else " ", "precision", "recall", "f1-score", "support"]]
    hit, sizes, called = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    for i, name in enumerate(names):
        each = (hit[i] / max(1, called[i]), hit[i] / sizes[i], 2 * hit[i] / (sizes[i] + called[i]))
        rows.append([name, *(style.text(float(v)) for v in each), str(sizes[i])])
    rows.append(["accuracy", "", "", style.text(hit.sum() / sizes.sum()), str(sizes.sum())])
    for average in ("macro", "weighted"):
        found = scores_of(matrix[None], average)
        means = (style.text(found[c][0]) for c in ("precision", "recall", "f1"))
        rows.append([f"{average} avg", *means, str(sizes.sum())])
    return "\n".join(style.separator.join(row) for row in rows).encode(style.encoding)


def saved_matrix(rng: Rng, matrix: Matrices, names: list[str], separator: str) -> bytes:
    """A confusion matrix, with or without labels and totals, at times with the true classes as
    columns."""
    counts = matrix.T if rng.random() < 0.3 else matrix
    lines = [[str(c) for c in row] for row in counts]
    if rng.random() < 0.7:
        head = ["true", *names]
        lines = [[name, *line] for name, line in zip(names, lines, strict=True)]
        if rng.random() < 0.5:
            head.append("Total")
            lines = [[*line, str(sum(row))] for line, row in zip(lines, counts, strict=True)]
            lines.append(["Total", *map(str, counts.sum(axis=0)), str(counts.sum())])
        lines = [head, *lines]
    return "\n".join(separator.join(line) for line in lines).encode()
