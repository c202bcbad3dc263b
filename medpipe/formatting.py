"""Format lists, plurals and other small pieces of sentences."""

from __future__ import annotations

from collections.abc import Iterable


def listed(words: Iterable[str]) -> str:
    """``a, b and c``; empty for none."""
    every = list(words)
    return " and ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def plural(count: int | str, word: str, many: str = "") -> str:
    """``0 runs``, ``1 run``, ``3,000 runs``; a count that is a text is shown as it is. ``many`` is
    for words that take more than an s: ``plural(2, "copy", "copies")``.
    """
    shown = count if isinstance(count, str) else f"{count:,}"
    return f"{shown} {agree(count, word, many or word + 's')}"


def agree(count: int | str, one: str, many: str) -> str:
    """The word that goes with a count: ``agree(1, "is", "are")`` is ``is``."""
    return one if str(count).lstrip("+-\N{MINUS SIGN}") == "1" else many


def capital(text: str) -> str:
    """A text with a large first letter, the rest as it is."""
    return text[:1].upper() + text[1:]
