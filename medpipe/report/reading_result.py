"""What a reader study showed, in words and tables: the same for the terminal and for the result
page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from medpipe.fonts import font_css
from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.reader_study.agreement import Agreement
from medpipe.reader_study.scoring import ReaderResult, Result
from medpipe.report.context import package_version
from medpipe.report.write import to_html

MARKS: Final = {
    "told apart": "○",
    "told apart within the margin": "○",
    "not told apart": "●",
    "inconclusive": "◐",
}


@dataclass(frozen=True)
class Table:
    """A title, column heads, rows of cells, and a note below."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def result_page(result: Result) -> str:
    """``result.html``: one static page. Raises `MissingDependency` without the extra "report"."""
    return to_html(
        "reading-result.html",
        {
            "title": result.study.title,
            "study": result.study.id,
            "commitment": result.study.commitment,
            "version": package_version(),
            "fonts": font_css(),
            "mark": MARKS[result.verdict],
            "verdict": result.verdict,
            "reason": result.reason,
            "who": who(result),
            "found": tuple(found(result)),
            "tables": tables(result),
            "comments": result.comments,
            "files": tuple(zip((r.reader for r in result.readers), result.digests, strict=True)),
        },
    )


def who(result: Result) -> str:
    """How much was read by how many."""
    images = (
        f"{plural(result.real + result.synthetic, 'image')}, {result.real} real and "
        f"{result.synthetic} synthetic"
    )
    more = f"{result.repeats} of them twice, and {plural(result.controls, 'distorted control')}"
    return f"{plural(len(result.readers), 'reader')} read {images}, {more}."


def found(result: Result) -> Iterator[str]:
    """The main numbers, a sentence each."""
    e, level = result.equivalence, percent(result.study.confidence)
    p = "" if e.p is None else f", p {_p(e.p)}"
    yield (
        f"Area under the ROC curve over readers: {number(result.area)}, where 0.5 is guessing"
        f" ({level} interval; {result.area.method})."
    )
    yield (
        f"Readers guess if the 90 % interval lies between {0.5 - e.margin:g} and"
        f" {0.5 + e.margin:g}, as fixed before the study. The interval is {e.interval.low:.2f} to"
        f" {e.interval.high:.2f}{p}."
    )
    yield f"Accuracy: {share(result.accuracy)} over readers."
    by = (
        f"by {plural(len(result.readers), 'reader')} on {result.synthetic} synthetic and "
        f"{plural(result.real, 'real image')}"
    )
    for r in result.ratings:
        means = (
            f"synthetic {number(r.synthetic)}, real {number(r.real)}, difference"
            f" {signed(r.difference)}"
        )
        yield f"{r.question.capitalize()}, 1 to 5: {means}; {by}."
    if result.needed:
        yield (
            "If the readers guess, you need this many to show it with 80 % power: "
            + "; ".join(
                f"{plural(r, 'reader')} with {'no number of' if n is None else f'about {n:,}'}"
                " images"
                for r, n in result.needed
            )
            + ". These numbers use the variances of this study, which are uncertain."
        )


def tables(result: Result) -> tuple[Table, ...]:
    """Readers, ratings, agreement."""
    level = percent(result.study.confidence)
    return (
        Table(
            "Each reader",
            (
                "reader",
                "accuracy",
                "sensitivity (synthetic)",
                "specificity (real)",
                "area under the ROC curve",
            ),
            tuple(
                (
                    r.reader,
                    share(r.accuracy),
                    share(r.sensitivity),
                    share(r.specificity),
                    number(r.area) + (", told apart alone" if r.told_apart else ""),
                )
                for r in result.readers
            ),
            f"{level} intervals: Wilson's for proportions, DeLong's for areas (Newcombe's where"
            " a reader made no error).",
        ),
        Table(
            "Attention",
            (
                "reader",
                "area for distorted controls",
                "same answer both times",
                "kappa of both answers",
                "seconds per image",
            ),
            tuple(_attention(r) for r in result.readers),
            "The area compares controls with real images; 0.5 means that the reader did not notice"
            " them. Kappa has quadratic weights and a bootstrap over images shown twice.",
        ),
        Table(
            "Ratings, 1 to 5",
            (
                "question",
                "synthetic",
                "real",
                "synthetic minus real",
                "synthetic rated higher",
                "p by reader",
            ),
            tuple(
                (
                    r.question,
                    number(r.synthetic),
                    number(r.real),
                    signed(r.difference),
                    share(r.higher),
                    ", ".join(_p(p) for p in r.p),
                )
                for r in result.ratings
            ),
            f"{level} intervals over readers and images. “Rated higher” compares a random synthetic"
            " image with a random real one; ties count half (Mann–Whitney). The p values are"
            " two-sided and not corrected for the number of readers.",
        ),
        Table(
            "Agreement between readers",
            ("question", "Krippendorff's alpha"),
            tuple((q, agreement(a)) for q, a in result.alpha.items()),
            "Ordinal; 1 is full agreement and 0 is chance. Readers who guess do not agree.",
        ),
    )


def _attention(r: ReaderResult) -> tuple[str, ...]:
    return (
        r.reader,
        "–" if r.controls is None else number(r.controls),
        "–" if r.same_side is None else share(r.same_side),
        agreement(r.kappa),
        f"{r.median_seconds:.0f}",
    )


def agreement(a: Agreement) -> str:
    """A coefficient with its interval, or why there is none."""
    if a.estimate is None:
        return "not defined"
    spread = (
        f" ({a.interval.low:.2f} to {a.interval.high:.2f})"
        if a.interval
        else f" (n {a.n}, no spread)"
    )
    return f"{a.estimate:.2f}{spread}".replace("-", "−")


def number(i: Interval) -> str:
    """``0.52 (0.41 to 0.63)``."""
    return f"{i.estimate:.2f} ({i.low:.2f} to {i.high:.2f})"


def signed(i: Interval) -> str:
    """``−0.40 (−0.62 to −0.18)``, with signs."""
    return f"{i.estimate:+.2f} ({i.low:+.2f} to {i.high:+.2f})".replace("-", "−")


def share(i: Interval) -> str:
    """``52 % (41 to 63)``."""
    return f"{100 * i.estimate:.0f} % ({100 * i.low:.0f} to {100 * i.high:.0f})"


def percent(level: float) -> str:
    """``95 %``."""
    return f"{100 * level:g} %"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
