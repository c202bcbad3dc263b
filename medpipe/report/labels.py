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
            "Does the number mean what the claim says? Sound: audits looked for the named threats"
            " and found none. Narrowed: the number means less. Undermined: it means something else."
            " Not assessed: no audit looked for the named threats."
        ),
    ),
    (
        "grade",
        (
            "How close was the test to the published protocol? Published: no deviation. Reduced:"
            " with the listed deviations. Demonstration: on data that medpipe made itself, which"
            " is never evidence about a claim."
        ),
    ),
    (
        "interval",
        (
            "The values that are compatible with the observations, at the stated confidence. In"
            " about 95 of 100 repeats, a 95 % interval contains the true value. It covers chance"
            " only, not faults of the data or the design."
        ),
    ),
    (
        "n",
        (
            "The number of samples, such as images or sentences. Samples that depend on each other"
            " form clusters, and resampling draws whole clusters."
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
            "The side of the accepted region on which reduced evidence lies. It does not decide the"
            " claim."
        ),
    ),
    (
        "deviation",
        (
            "A parameter whose value in the run differs from the published protocol. medpipe"
            " computes deviations from what ran."
        ),
    ),
    (
        "threat",
        (
            "A way in which a correct number could still mislead, such as patients on both sides of"
            " a split. Audits look for threats."
        ),
    ),
    ("confusion matrix", "Counts of samples by true class and predicted class."),
    ("calibration", "Agreement of predicted probability with the proportion of correct answers."),
    ("digest", "A fingerprint (SHA-256) of bytes. Different bytes have different digests."),
    (
        "root digest",
        (
            "The digest of the list of all evidence files and their digests. It identifies this"
            " evidence and no other."
        ),
    ),
    (
        "ledger",
        (
            "A list of all starts of runs. medpipe writes each entry before the run begins and"
            " chains it to the previous one."
        ),
    ),
    (
        "trust level",
        (
            "L0 declared: numbers as stated. L1 bound: unchanged since the evidence was sealed. L2"
            " recomputed: verdicts computed again from per-sample predictions. L3 re-inferred:"
            " predictions made again with the same weights. L4 retrained: the model trained again."
        ),
    ),
)

SIGNATURE_MEANS: Final = (
    (
        "It means",
        (
            "that the file has not changed since it was signed, and that the holder of the signing"
            " key signed it, at the time of the signer's clock."
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
            "was made on the signer's machine, and nobody has confirmed it. It shows that nothing"
            " changed, not who signed. Ask the signer for the fingerprint through another channel."
        ),
    ),
    ("Archiving", "The file declares PDF/A-3a and PDF/UA-1; no validator has certified it."),
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


_ASSESSMENTS: Final = {"inflated": "leakage-inflated", "open": "not assessed"}


def assessment(stored: str) -> str:
    """The assessment of an accuracy in the words of the report."""
    return " and ".join(_ASSESSMENTS.get(word, word) for word in stored.split(" and "))


def parameter_name(path: str) -> str:
    """A parameter of a protocol as people read it: ``training.learning_rate`` is ``training
    learning rate``.
    """
    return path.replace(".", " ").replace("_", " ")


def plain_reason(stored: str) -> str:
    """A stored reason without run keys, names of parameters and technical messages."""
    text = stored
    for pattern, plain in _TECHNICAL:
        text = pattern.sub(plain, text)
    return text


def _without_name(found: re.Match[str]) -> str:
    """What a run lacks, in words."""
    name = found["name"]
    if name.endswith("_cuda"):
        return "the run has no GPU measurements"
    return f"the run has no results for “{parameter_name(name)}”"


_TECHNICAL: Final = (
    (
        re.compile(
            r"run \S+: expected (?:observations of the split|the scalar) '(?P<name>\w+)', got .*"
        ),
        _without_name,
    ),
    (re.compile(r"the data has no column '\w+': "), lambda _: "the "),
    (
        re.compile(r"(?<=[(; ])[a-z]\w*(?:\.[a-z]\w*)+(?=: \S+ for )"),
        lambda found: parameter_name(found[0]),
    ),
)
"""Technical messages in the stored reasons of verdicts, and what to print in their place."""


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
