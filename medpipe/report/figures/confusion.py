"""Two views of one run's predictions: which classes are taken for which, and whether stated
confidence can be believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.metrics.calibration import BINS, binned, expected_calibration_error
from medpipe.metrics.classification import confusion
from medpipe.metrics.intervals import wilson
from medpipe.report.figures.curves import evidence_keys
from medpipe.report.figures.svg import (
    ACCENT,
    GRID,
    HALF,
    INK,
    MUTED,
    REGION,
    Drawing,
    Figure,
    Scale,
    fitted,
    text_width,
)

MOST_CLASSES = 16
HEIGHT = 156.0  # both drawings, so that their captions stand level


def confusion_matrix(title: str, run: Evidence, split: str) -> Figure | None:
    """Counts with row percentages; None without classes and predictions, or with more classes than
    a page can hold.
    """
    o = run.observations[split]
    if "y_true" not in o or "y_pred" not in o or not 2 <= len(o.classes) <= MOST_CLASSES:
        return None
    counts = confusion(o)[0].astype(int)
    svg = _matrix(counts, o.classes)
    answer, rows = _confusions(counts, o.classes)
    answer = f"Split “{split}”: {answer}"
    details = (
        f"Counts, and per cent of each true class; n = {len(o):,}, seed {run.run.seed} alone;"
        " counts carry no interval."
    )
    return Figure(
        svg,
        f"{title}. {answer} {rows} {details}",
        answer,
        details,
        evidence_keys([run]),
        wide=False,
    )


def _matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    size = 7.5 if len(classes) <= 8 else 6
    names = [fitted(c.lower() if c.isupper() else c, 8, 60) for c in classes]
    longest = max(text_width(c, 8) for c in names)
    narrow = longest > (HALF - longest - 10) / len(classes) - 4
    margin, beyond = longest + 10, 0.55 * text_width(names[-1], 8) if narrow else 0.0
    cell = min((HALF - margin - beyond) / len(classes), 52.0)
    head = 22 + (0.66 * longest if narrow else 0)
    tall = min((HEIGHT - head - 2) / len(classes), 0.8 * cell if len(classes) <= 8 else cell)
    drawing = Drawing(HALF, HEIGHT)
    drawing.text((margin, 8), "called", colour=MUTED)
    drawing.text((0, head - 5), "truly", colour=MUTED)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for k, name in enumerate(names):
        x = margin + cell * (k + 0.5)
        drawing.text(
            (x - 2 if narrow else x, head - 5),
            name,
            anchor="start" if narrow else "middle",
            turn=40 if narrow else None,
        )
        drawing.text((margin - 6, head + tall * (k + 0.5) + 3), name, anchor="end")
    for r, c in np.ndindex(counts.shape):
        x, y = margin + cell * c, head + tall * r
        share = float(shares[r, c])
        drawing.box((x + 0.5, y + 0.5), cell - 1, tall - 1, _shade(share))
        colour, middle = ("#ffffff" if share > 0.55 else INK), x + cell / 2
        if len(classes) <= 8:
            drawing.text(
                (middle, y + tall / 2 - 0.5),
                f"{counts[r, c]:,}",
                size=size + 0.5,
                colour=colour,
                anchor="middle",
                bold=r == c,
            )
            drawing.text(
                (middle, y + tall / 2 + 8.5),
                f"{100 * share:.0f} %",
                size=size - 0.5,
                colour=colour,
                anchor="middle",
            )
        else:
            drawing.text(
                (middle, y + tall / 2 + 2),
                str(counts[r, c]),
                size=size,
                colour=colour,
                anchor="middle",
            )
    return drawing.svg()


def _shade(share: float) -> str:
    """From white to the accent, evenly darker, so that it reads in grey too."""
    ends = ((246, 248, 250), (11, 83, 148))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*ends, strict=True))


def _confusions(counts: NDArray[np.int64], classes: Sequence[str]) -> tuple[str, str]:
    """The caption's answer, and every row in words."""
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    total, right = int(counts.sum()), int(np.trace(counts))
    answer = f"{right:,} of {total:,} are right"
    if errors.any():
        r, c = (int(v) for v in np.unravel_index(int(errors.argmax()), errors.shape))
        answer += (
            f"; the most frequent error is “{classes[r]}” called “{classes[c]}”, {errors[r, c]:,}"
            f" of {counts[r].sum():,}."
        )
    else:
        answer += ", and there is no error."
    rows = "; ".join(
        f"{classes[r]}: "
        + ", ".join(
            f"{counts[r, c]} called {classes[c]}" for c in range(len(classes)) if counts[r, c]
        )
        for r in range(len(classes))
    )
    return answer, f"{rows}."


def reliability(title: str, run: Evidence, split: str) -> Figure | None:
    """Stated confidence against the share of right answers, with counts; None without
    probabilities.
    """
    o = run.observations[split]
    if "y_prob" not in o or "y_true" not in o:
        return None
    n, stated, right = binned(o)
    svg = _diagram(n, stated, right)
    there = n > 0
    gap = float((n[there] * (stated[there] / n[there] - right[there] / n[there])).sum() / n.sum())
    towards = "higher than" if gap > 0 else "lower than"
    answer = (
        f"Split “{split}”: on average stated confidence is {100 * abs(gap):.1f} points {towards}"
        " the share of right answers; by bin they differ by"
        f" {100 * expected_calibration_error(o):.1f} points (expected calibration error)."
    )
    details = (
        "Bars are 95 % Wilson intervals, the dashed line is perfect agreement, numbers count"
        f" samples by bin; n = {len(o):,}, seed {run.run.seed} alone."
    )
    bins = "; ".join(
        f"{k * 10} to {k * 10 + 10} %: {plural(int(n[k]), 'sample')}, "
        f"{100 * right[k] / n[k]:.0f} % right"
        for k in np.flatnonzero(there)
    )
    return Figure(
        svg,
        f"{title}. {answer} {bins}. {details}",
        answer,
        details,
        evidence_keys([run]),
        wide=False,
    )


def _diagram(
    n: NDArray[np.float64], stated: NDArray[np.float64], right: NDArray[np.float64]
) -> str:
    left, top, side, strip = 26.0, 14.0, 78.0, 22.0
    drawing = Drawing(HALF, HEIGHT)
    x, y = Scale(0, 1, left, HALF - 6), Scale(0, 1, top + side, top)
    drawing.text((0, 8), "right answers, %", colour=MUTED)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawing.line((x.start, y(tick)), (x.end, y(tick)), GRID, 0.4)
        drawing.text(
            (left - 5, y(tick) + 2.5), f"{100 * tick:.0f}", colour=MUTED, anchor="end", size=7.5
        )
        drawing.text(
            (x(tick), y.start + strip + 25),
            f"{100 * tick:.0f}",
            colour=MUTED,
            anchor="middle",
            size=7.5,
        )
    drawing.line((x(0), y(0)), (x(1), y(1)), MUTED, 0.7, "3 2")
    base = y.start + strip + 15
    drawing.line((x.start, base), (x.end, base), GRID, 0.4)
    for k in np.flatnonzero(n > 0):
        bar = strip * float(n[k] / n.max())
        drawing.box((x(k / BINS) + 1, base - bar), x(1 / BINS) - x(0) - 2, bar, REGION)
        drawing.text(
            (x((k + 0.5) / BINS), base - bar - 2),
            f"{int(n[k]):,}",
            size=6.5,
            colour=MUTED,
            anchor="middle",
        )
        interval, at = wilson(float(right[k]), int(n[k])), x(float(stated[k] / n[k]))
        drawing.line((at, y(interval.low)), (at, y(interval.high)), ACCENT, 1.2)
        drawing.disc((at, y(interval.estimate)), 2.4, ACCENT)
    drawing.text(
        ((x.start + x.end) / 2, HEIGHT - 4),
        "stated confidence, %",
        colour=MUTED,
        anchor="middle",
        size=7.5,
    )
    return drawing.svg()
