"""Drawing in SVG by hand: a few marks, in points, in the report's own type. Equal input gives equal
text; nothing is looked up.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from medpipe.errors import MissingDependency
from medpipe.fonts import font_path
from medpipe.report.printable import printable

INK: Final = "#1b1f24"
MUTED: Final = "#57606a"
GRID: Final = "#d8dee4"
REGION: Final = "#dfe5ec"
ACCENT: Final = "#0b5394"
# Okabe and Ito's vermilion: told apart from the accent in grey and by the colour-blind
SECOND: Final = "#d55e00"
WIDE: Final = 482.0  # 170 mm
HALF: Final = 232.0  # 82 mm
Point = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """A drawing with what it says: ``answer`` opens the caption, ``details`` give n, interval,
    seeds; ``keys`` name the evidence.
    """

    svg: str
    alt: str
    answer: str
    details: str
    keys: str = ""
    wide: bool = True

    @property
    def uri(self) -> str:
        return "data:image/svg+xml;base64," + b64encode(self.svg.encode()).decode("ascii")


class Drawing:
    """Marks in order, on a ``width`` × ``height`` canvas in points."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._marks: list[str] = []

    def _add(self, tag: str, **attributes: str | float | None) -> None:
        written = " ".join(
            f"{k.replace('_', '-')}={quoteattr(_n(v))}"
            for k, v in attributes.items()
            if v is not None
        )
        self._marks.append(f"<{tag} {written}/>")

    def line(
        self, a: Point, b: Point, colour: str = INK, width: float = 0.6, dash: str | None = None
    ) -> None:
        self._add(
            "line",
            x1=a[0],
            y1=a[1],
            x2=b[0],
            y2=b[1],
            stroke=colour,
            stroke_width=width,
            stroke_dasharray=dash,
        )

    def path(
        self,
        points: Sequence[Point],
        colour: str,
        width: float,
        dash: str | None = None,
        opacity: float | None = None,
    ) -> None:
        d = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._add(
            "polyline",
            points=d,
            fill="none",
            stroke=colour,
            stroke_width=width,
            stroke_dasharray=dash,
            stroke_opacity=opacity,
            stroke_linejoin="round",
        )

    def box(
        self, corner: Point, width: float, height: float, fill: str, stroke: str | None = None
    ) -> None:
        self._add(
            "rect",
            x=corner[0],
            y=corner[1],
            width=max(width, 0),
            height=max(height, 0),
            fill=fill,
            stroke=stroke,
            stroke_width=None if stroke is None else 0.6,
        )

    def picture(self, corner: Point, width: float, height: float, png: bytes) -> None:
        """An image inside the drawing, without smoothing, which PDF/A forbids."""
        uri = "data:image/png;base64," + b64encode(png).decode("ascii")
        self._add(
            "image",
            x=corner[0],
            y=corner[1],
            width=width,
            height=height,
            href=uri,
            preserveAspectRatio="none",
            image_rendering="crisp-edges",
        )

    def disc(self, centre: Point, radius: float, fill: str, stroke: str | None = None) -> None:
        self._add(
            "circle",
            cx=centre[0],
            cy=centre[1],
            r=radius,
            fill=fill,
            stroke=stroke,
            stroke_width=None if stroke is None else 1,
        )

    def half_disc(self, centre: Point, radius: float, colour: str) -> None:
        """A ring whose left half is filled: the mark of *inconclusive*."""
        x, y = centre
        self.disc(centre, radius, "#ffffff", colour)
        self._add(
            "path",
            d=f"M{_n(x)},{_n(y - radius)} A{radius},{radius} 0 0 0 {_n(x)},{_n(y + radius)} Z",
            fill=colour,
        )

    def shape(self, points: Sequence[Point], fill: str) -> None:
        self._add("polygon", points=" ".join(f"{_n(x)},{_n(y)}" for x, y in points), fill=fill)

    def diamond(self, centre: Point, radius: float, fill: str = INK) -> None:
        x, y = centre
        self.shape([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], fill)

    def text(
        self,
        at: Point,
        words: str,
        *,
        size: float = 8,
        colour: str = INK,
        anchor: str = "start",
        bold: bool = False,
        turn: float | None = None,
    ) -> None:
        """``anchor``: start, middle or end; ``turn``: degrees, anticlockwise."""
        turned = "" if turn is None else f' transform="rotate({_n(-turn)} {_n(at[0])} {_n(at[1])})"'
        weight = ' font-weight="600"' if bold else ""
        place = f'x="{_n(at[0])}" y="{_n(at[1])}" font-size="{_n(size)}"'
        self._marks.append(
            f'<text {place} fill="{colour}"'
            f' text-anchor="{anchor}"{weight}{turned}>{escape(printable(words))}</text>'
        )

    def svg(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(self.width)}pt"'
            f' height="{_n(self.height)}pt" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
            f' font-family="medpipe symbols,medpipe text">{"".join(self._marks)}</svg>'
        )


def _n(value: str | float | None) -> str:
    """A number with at most two decimals."""
    return value if isinstance(value, str) else f"{value or 0:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Scale:
    """Data values ``low..high`` on paper from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def clipped(self, value: float) -> float:
        return self(min(max(value, self.low), self.high))

    def ticks(self, about: int = 5) -> tuple[list[float], int]:
        """Round values inside the range, and the decimals that they need."""
        raw = (self.high - self.low) / about
        power = 10 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9)) + (
            1 if math.isclose(step / power, 2.5) else 0
        )
        first = math.ceil(self.low / step - 1e-9)
        values = [
            round(k * step, decimals) + 0.0
            for k in range(first, math.floor(self.high / step + 1e-9) + 1)
        ]
        return values, decimals


def padded(
    values: Iterable[float], share: float = 0.06, least: float = 1e-9
) -> tuple[float, float]:
    """The range of some values with room at both ends."""
    found = list(values)
    low, high = min(found), max(found)
    room = max((high - low) * share, least)
    return low - room, high + room


def signed(value: float, decimals: int) -> str:
    """``+0.5``, ``−1.0``, ``0``."""
    if value == 0:
        return "0"
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


@cache
def _advances() -> tuple[dict[int, float], float]:
    try:
        from fontTools.ttLib import TTFont
    except ImportError as error:
        raise MissingDependency("weasyprint", "report", "drawing a figure") from error
    with TTFont(font_path("SourceSans3-Regular.otf"), lazy=True) as font:
        unit = float(font["head"].unitsPerEm)
        metrics = font["hmtx"]
        return {code: metrics[name][0] / unit for code, name in font.getBestCmap().items()}, 0.6


def text_width(words: str, size: float) -> float:
    """Width in points of a line in the report's type."""
    known, other = _advances()
    return size * sum(known.get(ord(c), other) for c in words)


def wrapped(words: str, size: float, width: float, lines: int = 2) -> list[str]:
    """Words in at most so many lines of a width; what does not fit ends in …"""
    rows = [""]
    for word in words.split():
        longer = f"{rows[-1]} {word}".strip()
        if not rows[-1] or text_width(longer, size) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    if len(rows) > lines:
        rows = [*rows[: lines - 1], " ".join(rows[lines - 1 :])]
    return [fitted(row, size, width) for row in rows]


def fitted(words: str, size: float, width: float) -> str:
    """One line, cut with … where it is wider."""
    if text_width(words, size) <= width:
        return words
    while words and text_width(words + "…", size) > width:
        words = words[:-1]
    return words.rstrip() + "…"
