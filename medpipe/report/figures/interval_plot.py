"""The interval plot: for every claim, how far what was found lies from what was published."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from medpipe.formatting import listed, plural
from medpipe.judging import Outcome
from medpipe.judging.wording import show, show_interval
from medpipe.report.figures.svg import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    REGION,
    WIDE,
    Drawing,
    Figure,
    Scale,
    signed,
    wrapped,
)
from medpipe.report.report_data import ClaimResult
from medpipe.specs.claim import FREE_UNITS

NUMBER, LABEL, LEFT, RIGHT, PUBLISHED, FOUND = 17.0, 152.0, 160.0, 326.0, 378.0, 386.0
LINE, ROW, HEAD, FOOT = 9.5, 17.0, 16.0, 24.0
MOST_HEIGHT = 520.0
"""Points that a figure may be high: with a heading above it and its words below it still stands on
one page.
"""


def interval_figures(items: Sequence[ClaimResult]) -> list[Figure]:
    """A figure for percentages and points, which share an axis, one for counts and one for numbers;
    none where nothing was tested.
    """
    items = [i for i in items if i.verdict.published is not None]  # words have no place on an axis
    kinds = [
        [i for i in items if i.verdict.unit in units]
        for units in (("proportion", "points"), ("count",), ("number",))
    ]
    pieces = [piece for kind in kinds for piece in _pages(kind)]
    return [
        _figure(piece) for piece in pieces if any(i.verdict.interval is not None for i in piece)
    ]


def _pages(items: Sequence[ClaimResult]) -> list[list[ClaimResult]]:
    """The items in figures that fit on a page each."""
    pages: list[list[ClaimResult]] = []
    room = 0.0
    for item in items:
        height = _height(_labels(item))
        if height > room:
            pages.append([])
            room = MOST_HEIGHT - HEAD - FOOT
        pages[-1].append(item)
        room -= height
    return pages


def _height(labels: Sequence[str]) -> float:
    return max(ROW, LINE * len(labels) + 6)


def _figure(items: Sequence[ClaimResult]) -> Figure:
    relative = items[0].verdict.unit in FREE_UNITS
    rows = [(i, _labels(i)) for i in items]
    heights = [_height(labels) for _, labels in rows]
    drawing = Drawing(WIDE, HEAD + sum(heights) + FOOT)
    scale = _scale(items)
    top, bottom = HEAD, HEAD + sum(heights)
    _frame(drawing, scale, top, bottom, relative, any(i.claim.prints_value for i in items))
    y = top
    for (item, labels), height in zip(rows, heights, strict=True):
        _row(drawing, scale, item, labels, y, height)
        y += height
    return Figure(drawing.svg(), _alt(items), _answer(items), _details(items))


def _labels(item: ClaimResult) -> list[str]:
    return wrapped(item.claim.title, 8, LABEL - NUMBER)


def offset(value: float, item: ClaimResult) -> float:
    """Distance from the published value: in points, or in per cent of it for counts and numbers;
    infinite stays infinite.
    """
    published = item.verdict.published or 0.0
    if item.verdict.unit in FREE_UNITS:
        return 100 * (value - published) / (abs(published) or 1.0)
    return 100 * (value - published)


def _scale(items: Sequence[ClaimResult]) -> Scale:
    """An axis that shows the accepted regions and most intervals at a readable size; what lies
    further out gets an arrow.
    """
    edges = [abs(offset(e, i)) for i in items for e in i.verdict.accepted if math.isfinite(e)]
    far = sorted(
        max(abs(offset(v, i)) for v in (d.low, d.high))
        for i in items
        if (d := i.verdict.decided_by) is not None
    )
    usual = far[int(0.75 * (len(far) - 1))] if far else 0.0
    reach = max(2.2 * max(edges, default=0.0), min(1.15 * usual, 12 * max([*edges, 1.0])), 1.0)
    if far and far[-1] <= 1.6 * reach:
        reach = max(reach, 1.08 * far[-1])
    return Scale(-reach, reach, LEFT, RIGHT)


def _frame(
    drawing: Drawing, scale: Scale, top: float, bottom: float, relative: bool, printed: bool
) -> None:
    values, decimals = scale.ticks(4)
    drawing.text((0, top - 6), "claim", colour=MUTED)
    drawing.text(
        (scale(0), top - 6),
        "◆ published" if printed else "reference",
        colour=MUTED,
        anchor="middle",
    )
    drawing.text((PUBLISHED, top - 6), "published", colour=MUTED, anchor="end")
    drawing.text((FOUND, top - 6), "found (interval)", colour=MUTED)
    for value in values:
        drawing.line((scale(value), bottom), (scale(value), bottom + 3), MUTED)
        drawing.text(
            (scale(value), bottom + 11),
            signed(value, decimals),
            colour=MUTED,
            anchor="middle",
            size=7.5,
        )
    unit = "per cent of it" if relative else "percentage points"
    drawing.text(
        ((LEFT + RIGHT) / 2, bottom + 21),
        f"found minus published or reference, {unit}",
        colour=MUTED,
        anchor="middle",
        size=7.5,
    )
    drawing.line((0, top), (WIDE, top), INK, 0.5)
    drawing.line((LEFT, bottom), (RIGHT, bottom), MUTED, 0.5)


def _row(
    drawing: Drawing, scale: Scale, item: ClaimResult, labels: list[str], y: float, height: float
) -> None:
    verdict, middle = item.verdict, y + height / 2
    low, high = (scale.clipped(offset(v, item)) for v in verdict.accepted)
    drawing.box((low, y + 1.5), max(high - low, 0.8), height - 3, REGION)
    drawing.line((scale(0), y), (scale(0), y + height), MUTED, 0.5)
    drawing.line((0, y + height), (LABEL, y + height), GRID, 0.4)
    drawing.line((LEFT, y + height), (WIDE, y + height), GRID, 0.4)
    if item.claim.prints_value:
        drawing.diamond((scale(0), middle), 2.8)
    first = middle + 2.7 - LINE * (len(labels) - 1) / 2
    drawing.text((NUMBER - 5, first), str(item.number), anchor="end")
    for k, label in enumerate(labels):
        drawing.text((NUMBER, first + LINE * k), label)
    drawing.text((PUBLISHED, middle + 2.7), _published(item), anchor="end")
    if verdict.interval is None or verdict.decided_by is None:
        drawing.text((FOUND, middle + 2.7), "– not tested", colour=MUTED)
        return
    drawing.text((FOUND, middle + 2.7), show_interval(verdict.interval, verdict.unit))
    _interval(drawing, scale, item, middle)


def _published(item: ClaimResult) -> str:
    """The published number; where none was printed, that the claim is in words or that medpipe asks
    it.
    """
    if item.claim.prints_value:
        return show(item.verdict.published, item.verdict.unit)
    return "–" if item.claim.is_asked else "in words"


def _interval(drawing: Drawing, scale: Scale, item: ClaimResult, y: float) -> None:
    verdict = item.verdict
    assert verdict.interval is not None and verdict.decided_by is not None
    centre = offset(verdict.interval.estimate, item)
    if not scale.low <= centre <= scale.high:
        tip, back = (scale.end, -5.0) if centre > scale.high else (scale.start, 5.0)
        drawing.line((tip + 3 * back, y), (tip, y), ACCENT, 1.6)
        drawing.shape([(tip, y), (tip + back, y - 3), (tip + back, y + 3)], ACCENT)
        return
    thin, thick = (
        [scale.clipped(offset(v, item)) for v in (i.low, i.high)]
        for i in (verdict.decided_by, verdict.interval)
    )
    drawing.line((thin[0], y), (thin[1], y), ACCENT, 0.8)
    for x in thin:
        drawing.line((x, y - 2), (x, y + 2), ACCENT, 0.8)
    drawing.line((thick[0], y), (thick[1], y), ACCENT, 2.6)
    at = (scale(centre), y)
    if verdict.outcome is Outcome.SUPPORTED:
        drawing.disc(at, 3.2, ACCENT, ACCENT)
    elif verdict.outcome is Outcome.REFUTED:
        drawing.disc(at, 3.2, "#ffffff", ACCENT)
    else:
        drawing.half_disc(at, 3.2, ACCENT)


def _answer(items: Sequence[ClaimResult]) -> str:
    count = Counter(i.verdict.outcome for i in items)
    said = [
        f"{count[o]} {words}"
        for o, words in (
            (Outcome.SUPPORTED, "supported"),
            (Outcome.REFUTED, "refuted"),
            (Outcome.INCONCLUSIVE, "inconclusive"),
            (Outcome.NOT_TESTED, "not tested"),
        )
        if count[o]
    ]
    kind = "counted quantities" if items[0].verdict.unit == "count" else "measured claims"
    return f"Of {len(items)} {kind} here, {listed(said)}."


def _details(items: Sequence[ClaimResult]) -> str:
    tested = [i.verdict.interval for i in items if i.verdict.interval is not None]
    sizes = sorted({i.n for i in tested})
    runs = sorted({i.runs for i in tested})
    confidence = sorted({i.confidence for i in tested})
    said = [
        "◆ is the published value"
        + (
            ""
            if all(i.claim.prints_value for i in items)
            else (
                ", where one was printed; the others are drawn from the reference that their claim"
                " is held against"
            )
        )
    ]
    said.append("the shaded band is the accepted region")
    if tested and items[0].verdict.unit == "count":
        said.append("the mark is what was counted, without sampling error")
    elif tested:
        said.append(
            f"the thick line is the {listed([f'{100 * c:g} %' for c in confidence])} interval of"
            " what was found; the thin line adds the sampling error of the published figure and"
            " decides; an arrow means that it lies further out"
        )
        said.append(
            f"n from {sizes[0]:,} to {sizes[-1]:,}" if len(sizes) > 1 else f"n = {sizes[0]:,}"
        )
    if tested:
        said.append(f"{runs[0]} to {runs[-1]} runs" if len(runs) > 1 else plural(runs[0], "run"))
    said.append("marks: ● supported, ○ refuted, ◐ inconclusive")
    return "; ".join(said) + "."


def _alt(items: Sequence[ClaimResult]) -> str:
    lines = []
    for i in items:
        v = i.verdict
        found = (
            "not tested"
            if v.interval is None
            else f"found {show_interval(v.interval, v.unit)}, {v.outcome.value}"
        )
        lines.append(f"{i.claim.title}: published {_published(i)}, {found}")
    return f"{_answer(items)} " + "; ".join(lines) + "."
