"""Invented words and raw keys, found in what readers see."""

from __future__ import annotations

import html
import re

COINAGES = re.compile(
    r"\b(rungs?|makings|oddit(?:y|ies)|over[- _]readers?|hurried|spoilt|blindness|"
    r"file marks|innocent reading|a pencil|bent controls?|commonest|short[- ]cuts?|ladders?|"
    r"likeness(?:es)?|relatives|nothing is done twice|no computer of size|what is said|"
    r"all of them follow|tested without an answer)\b",
    re.IGNORECASE,
)
"""Words and phrases of this project that nobody else uses in this sense."""
RAW = {
    "a key with underscores": re.compile(r"(?<![\w/.-])[a-z]+(?:_[a-z0-9]+)+(?![\w/.])"),
    "a path of parameters": re.compile(
        r"\b(?:data|model|training|timing|evaluation)\.[a-z_]+\b(?!\.\w)"
    ),
    "a Python exception": re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning)\b|Traceback"),
    "a technical message": re.compile(r"expected (?:observations|the scalar)|, got '"),
}
"""What a report must not show, by kind."""


def without_markup(text: str) -> str:
    """The words of a template or a page of HTML."""
    text = re.sub(r"{[{%#].*?[}%#]}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<(style|script)\b.*?</\1>", " ", text, flags=re.DOTALL)
    text = re.sub(r'<(\w+)[^>]*class="[^"]*\bmono\b[^"]*"[^>]*>[^<]*</\1>', " ", text)
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def coinages(text: str) -> list[str]:
    """The invented words of a text, each with what stands around it."""
    text = " ".join(text.split())
    return [text[max(0, m.start() - 30) : m.end() + 30] for m in COINAGES.finditer(text)]
