"""The fonts in the package, so that a report looks the same on every machine.

Families in CSS: ``medpipe text`` (Source Sans 3: 400, 400 italic, 600), ``medpipe mono`` (Source
Code Pro: 400, 600) and ``medpipe symbols`` (the marks ● ○ ◐ ▽ ◆ ✓). The symbols stand first in the
stack for text, so that all marks come from one drawing: they share the text's line metrics and word
space.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Final

FACES: Final[tuple[tuple[str, int, str, str], ...]] = (
    ("medpipe text", 400, "normal", "SourceSans3-Regular.otf"),
    ("medpipe text", 400, "italic", "SourceSans3-It.otf"),
    ("medpipe text", 600, "normal", "SourceSans3-Semibold.otf"),
    ("medpipe mono", 400, "normal", "SourceCodePro-Regular.otf"),
    ("medpipe mono", 600, "normal", "SourceCodePro-Semibold.otf"),
    ("medpipe symbols", 400, "normal", "MedpipeSymbols.ttf"),
)
TEXT_STACK: Final = '"medpipe symbols", "medpipe text"'
MONO_STACK: Final = '"medpipe mono", "medpipe symbols", "medpipe text"'


def font_path(name: str) -> Path:
    """Path of the shipped font file ``name``, such as ``SourceSans3-Regular.otf``: for figures that
    draw their own text.
    """
    if name not in {file for *_, file in FACES}:
        raise ValueError(f"expected one of the shipped font files, got {name!r}")
    return Path(__file__).parent / name


@cache
def font_css() -> str:
    """The ``@font-face`` rules of all shipped fonts, with the files themselves as ``data:`` URLs
    (about 1.6 MB of text).
    """
    return "\n".join(_face(*face) for face in FACES)


def _face(family: str, weight: int, style: str, name: str) -> str:
    data = b64encode(font_path(name).read_bytes()).decode("ascii")
    return (
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-style: {style}; '
        f'src: url("data:font/{name[-3:]};base64,{data}"); }}'
    )
