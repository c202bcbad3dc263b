"""Output where the terminal's encoding lacks characters: something near to them, and no fault."""

from __future__ import annotations

import codecs
import sys
import unicodedata

NEAREST = {
    "–": "-",
    "—": "-",
    "−": "-",
    "‐": "-",
    "‑": "-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "±": "+/-",
    "…": "...",
    "“": "'",
    "”": "'",
    "‘": "'",
    "’": "'",
    "●": "*",
    "○": "o",
    "◐": "~",
    "·": "-",
    "→": "->",
    "µ": "u",
    "✓": "ok",
}
"""None of these may end a JSON string."""


def transliterate(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: what an encoding lacks becomes the nearest that it has."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(map(_nearest, text)), error.end


def _nearest(character: str) -> str:
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return NEAREST.get(character, bare or "?")


def degrade() -> None:
    """Let the standard streams write what their encoding lacks as something near to it."""
    codecs.register_error("medpipe", transliterate)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="medpipe")
