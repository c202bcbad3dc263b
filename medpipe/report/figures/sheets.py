"""Contact sheets: the first images of the largest groups of related images, with what was
altered.
"""

from __future__ import annotations

import numpy as np

from medpipe.audits.images.groups import CONFIDENCE, SHEETS
from medpipe.evidence import Evidence, Observations
from medpipe.formatting import plural
from medpipe.report.figures.curves import evidence_keys
from medpipe.report.figures.prediction_gallery import png
from medpipe.report.figures.svg import WIDE, Drawing, Figure, wrapped

COLUMNS, GAP, LINE, SIZE, LINES = 6, 6.0, 9.0, 7.0, 3


def sheet_figures(title: str, run: Evidence) -> list[Figure]:
    """A figure for each group that the run shows, the largest first; none where it shows no
    group.
    """
    o = run.observations.get(SHEETS)
    return (
        []
        if o is None
        else [
            _figure(title, run, o, np.flatnonzero(o["group"] == of)) for of in np.unique(o["group"])
        ]
    )


def _figure(
    title: str,
    run: Evidence,
    o: Observations,
    index: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> Figure:
    first, kind = int(index[0]), str(o["kind"][index[0]])
    count, slices = int(o["count"][first]), int(o["slices"][first])
    what = (
        "the same slice"
        if slices == 1
        else f"{plural(slices, 'slice')} that are likely of one patient"
    )
    answer = f"{plural(count, 'image')} of {what}, filed under {o['classes'][first]}."
    shown = "All are shown" if len(index) == count else f"The first {len(index)} are shown"
    cases = "; ".join(f"{o['sample_id'][i]}: {o['altered'][i]}" for i in index)
    details = (
        f"{shown}; beneath each is what differs from the first. Loosest link: {kind}, and at least "
        f"{100 * CONFIDENCE[kind]:.0f} % of such links are right where patients are known."
    )
    return Figure(
        _sheet(o, index),
        f"{title}. {answer} {cases}. {details}",
        answer,
        details,
        evidence_keys([run]),
    )


def _sheet(o: Observations, index: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
    cell = WIDE / COLUMNS
    side = cell - GAP
    drawing = Drawing(WIDE, side + LINE * (LINES + 1))
    for k, i in enumerate(index):
        drawing.picture((k * cell, 0), side, side, png(o["pixels"][i]))
        name = str(o["sample_id"][i]).rpartition("/")[2]
        for n, line in enumerate([name, *wrapped(str(o["altered"][i]), SIZE, side, LINES - 1)]):
            drawing.text((k * cell, side + LINE * (n + 1)), line, size=SIZE, bold=n == 0)
    return drawing.svg()
