"""Small pieces of sentences that every room which speaks to people needs."""

from __future__ import annotations

from collections.abc import Iterable


def listed(words: Iterable[str]) -> str:
    """``a, b and c``; empty for none."""
    every = list(words)
    return " and ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def plural(count: int, word: str, many: str = "") -> str:
    """``0 runs``, ``1 run``, ``3 runs``; ``many`` for words that take no s: ``plural(2, "copy", "copies")``."""
    return f"{count:,} {agree(count, word, many or word + 's')}"


def agree(count: int, one: str, many: str) -> str:
    """The word that goes with a count: ``agree(1, "is", "are")`` is ``is``."""
    return one if count == 1 else many


def capital(text: str) -> str:
    """A text with a large first letter, the rest as it is."""
    return text[:1].upper() + text[1:]
