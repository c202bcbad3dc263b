"""Fixed words and small formats of a report: marks, glossary, dates, number lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

MARKS: Final[Mapping[str, str]] = {
    "supported": "●",
    "refuted": "○",
    "inconclusive": "◐",
    "not-tested": "–",
    "sound": "✓",
    "narrowed": "◇",
    "undermined": "▽",
    "not-assessed": "–",
}

GLOSSARY: Final = (
    (
        "accepted region",
        (
            "The values at which a claim counts as reproduced. It is fixed before a run, with a"
            " reason."
        ),
    ),
    (
        "outcome",
        (
            "Is the number what was claimed? Supported: the interval lies inside the accepted"
            " region. Refuted: it lies outside. Inconclusive: it lies across an edge, or the"
            " evidence was not made as published. Not tested: there is no evidence."
        ),
    ),
    (
        "validity",
        (
            "Does the number mean what is said? Sound: the named threats were looked for and not"
            " found. Narrowed: it means less. Undermined: it does not mean what is said. Not"
            " assessed: the named threats were not looked for."
        ),
    ),
    (
        "grade",
        (
            "How close was the test to the published protocol? Published: no deviation. Reduced:"
            " deviations, which are listed. Demonstration: on data that medpipe made itself, which"
            " is never evidence about a claim."
        ),
    ),
    (
        "interval",
        (
            "The range of values that fit what was seen, at the stated confidence. A 95 % interval"
            " made in this way holds the true value in about 95 of 100 repeats. It covers chance"
            " only, not faults of the data or the design."
        ),
    ),
    (
        "n",
        (
            "The number of samples, such as images or sentences. Samples that depend on each other"
            " form clusters and are drawn together."
        ),
    ),
    (
        "run, seed",
        (
            "One training and evaluation. The seed fixes its random choices; several seeds show how"
            " much that matters."
        ),
    ),
    (
        "indication",
        (
            "On which side of the accepted region evidence lies that was not made as published. It"
            " decides nothing."
        ),
    ),
    (
        "deviation",
        (
            "A parameter of the published protocol that was not as published in the run. Deviations"
            " are computed, never declared."
        ),
    ),
    (
        "threat",
        (
            "A way in which a right number could still mislead, such as patients on both sides of a"
            " split. Audits look for it."
        ),
    ),
    ("confusion matrix", "How often each true class was called each class."),
    ("calibration", "Agreement of stated confidence with the share of right answers."),
    ("digest", "A fingerprint (SHA-256) of bytes. Other bytes have another digest."),
    (
        "root digest",
        (
            "The digest of the list of all files of the evidence with their digests: it names this"
            " evidence and no other."
        ),
    ),
    (
        "ledger",
        (
            "A list of every start of a run, written before it begins, each entry chained to the"
            " one before."
        ),
    ),
    (
        "trust level",
        (
            "L0 declared: numbers as typed. L1 bound: nothing changed since it was sealed. L2"
            " recomputed: every verdict computed again from per-sample predictions. L3 re-inferred:"
            " predictions made again with the same weights. L4 retrained: weights made again."
        ),
    ),
)

SIGNATURE_MEANS: Final = (
    (
        "It means",
        (
            "that the file has not changed since it was signed, and that the holder of the signing"
            " key signed it, at the time that the signer's clock showed."
        ),
    ),
    (
        "It does not mean",
        (
            "that the numbers are true, that the data was right, that the signer ran the models, or"
            " that anybody approves of clinical use."
        ),
    ),
    (
        "A local identity",
        (
            "was made on the signer's machine and vouched for by nobody. It shows that nothing"
            " changed, not who signed. Ask the signer for the fingerprint by another way."
        ),
    ),
    ("Archiving", "PDF/A-3a and PDF/UA-1 are declared, not certified."),
)

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def day(moment: datetime) -> str:
    """``23 Nov 2026``, in any locale."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def minute(moment: datetime) -> str:
    """``23 Nov 2026, 14:05 UTC``."""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def spans(numbers: Iterable[int]) -> str:
    """``1–3, 5, 8``: numbers with runs of three or more drawn together."""
    found: list[list[int]] = []
    for n in sorted(set(numbers)):
        if found and n == found[-1][-1] + 1:
            found[-1].append(n)
        else:
            found.append([n])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in found)


def value(given: Any) -> str:
    """A parameter as people read it."""
    if given is None:
        return "none"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, list | tuple):
        return " or ".join(value(v) for v in given)
    return f"{given:g}" if isinstance(given, float) else str(given)


def duration(seconds: float) -> str:
    """``48 s``, ``5 min 20 s``, ``2 h 03 min``."""
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def first_clause(text: str) -> str:
    """A text up to its first colon, semicolon or full stop, for summaries; the whole text stands
    elsewhere in the report.
    """
    return re.split(r"[.:;](?:\s|$)", text.strip(), maxsplit=1)[0]


def as_sentence(text: str) -> str:
    """A stored reason as a sentence: large first letter, one full stop."""
    at = len(text) - len(text.lstrip())
    return f"{text[: at + 1].upper()}{text[at + 1 :].rstrip().rstrip('.')}." if text.strip() else ""


def grouped(digest: str, width: int = 4) -> str:
    """A digest in groups, for reading aloud."""
    digest = digest.removeprefix("sha256:")
    return " ".join(digest[k : k + width] for k in range(0, len(digest), width))
