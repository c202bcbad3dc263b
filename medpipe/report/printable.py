"""Clean text from other authors: keep characters that the fonts have, drop control characters."""

from __future__ import annotations

import unicodedata
from functools import cache

from medpipe.errors import MissingDependency
from medpipe.fonts import FACES, font_path


def printable(text: str) -> str:
    """``text`` without control and direction characters, and with ``?`` for what no shipped font
    draws. Raises `MissingDependency`.
    """
    if text.isascii() and text.isprintable():
        return text
    known = _drawable()
    spaced = unicodedata.normalize("NFC", text).replace("\n", " ").replace("\t", " ")
    clean = (c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf"))
    return "".join(c if ord(c) in known else "?" for c in clean)


@cache
def _drawable() -> frozenset[int]:
    """Code points that the symbols have, or the text in every weight and style."""
    try:
        from fontTools.ttLib import TTFont
    except ImportError as error:
        raise MissingDependency("weasyprint", "report", "writing a report") from error
    faces: dict[str, set[int]] = {}
    for family, _, _, name in FACES:
        with TTFont(font_path(name), lazy=True) as font:
            points = set(font.getBestCmap())
        faces[family] = faces.get(family, points) & points
    return frozenset(faces["medpipe symbols"] | faces["medpipe text"])
