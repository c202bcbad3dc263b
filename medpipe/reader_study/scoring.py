"""What a reading shows: who told what apart, whether "cannot be told apart" is shown or only not
refuted, and how real images were rated.

**Rule.** The mean area over readers decides, with an interval that takes readers and images as
random.

- *not told apart*: both one-sided tests at 5 % put the area within the margin of 0.5 that was fixed
  with the study (equivalence), the interval holds 0.5, no single reader told apart, and every
  reader recognised the distorted controls, so that guessing is no lack of attention;
- *told apart*: the interval leaves 0.5 out, or one of several readers told apart alone (Mann and
  Whitney's test at 2.5 % over all readers);
- *told apart within the margin*: the interval leaves 0.5 out and no single reader told apart, but
  the area is within the margin by both one-sided tests: a difference that is sure, and smaller than
  the study asked for;
- *inconclusive* otherwise, with the numbers of readers and images that would do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medpipe.formatting import listed
from medpipe.metrics.intervals import Interval, wilson
from medpipe.reader_study.agreement import Agreement, ordinal_alpha, weighted_kappa
from medpipe.reader_study.answers import QUESTIONS, Reading
from medpipe.reader_study.auc import auc, auc_interval, newcombe_auc
from medpipe.reader_study.mrmc import Mean, mean_over_readers
from medpipe.reader_study.ratings import Rating, mann_whitney, rate, share_right
from medpipe.reader_study.sample_size import LEVEL, Components, needed
from medpipe.reader_study.study import CONFIDENCE_STEPS, RATING_STEPS, SIDE, Study

Verdict = Literal["told apart", "told apart within the margin", "not told apart", "inconclusive"]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ReaderResult:
    """One reader: shares with Wilson's interval, the area with DeLong's, and how far second answers
    agreed with first ones.

    ``sensitivity`` is the share of synthetic images called synthetic, ``specificity`` that of
    real ones called real. ``controls`` is the area of distorted controls against real images; None
    without controls. ``same_side`` is None without repeats.
    """

    reader: str
    accuracy: Interval
    sensitivity: Interval
    specificity: Interval
    area: Interval
    told_apart: bool
    controls: Interval | None
    same_side: Interval | None
    kappa: Agreement
    median_seconds: float


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests of the mean area against 0.5 ± ``margin``: ``p`` is the larger one, None
    where no error was seen.
    """

    margin: float
    interval: Interval
    p: float | None
    shown: bool


@dataclass(frozen=True)
class Result:
    """All that was found. ``needed``: (readers, images or None), empty unless inconclusive.
    ``alpha``: by question, over readers.
    """

    study: Study
    real: int
    synthetic: int
    controls: int
    repeats: int
    readers: tuple[ReaderResult, ...]
    accuracy: Interval
    area: Interval
    equivalence: Equivalence
    verdict: Verdict
    reason: str
    needed: tuple[tuple[int, int | None], ...]
    ratings: tuple[Rating, ...]
    alpha: dict[str, Agreement]
    comments: tuple[tuple[str, str, str], ...]
    digests: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything but the key's items, nonce and seed."""
        found = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "study"}
        study = {
            name: getattr(self.study, name)
            for name in ("id", "title", "margin", "confidence", "size", "fit", "commitment")
        }
        return {"version": 1, "study": study, **found}


def _plain(value: Any) -> Any:
    """Dataclasses and tuples as JSON holds them; of an interval what a reader needs."""
    if isinstance(value, Interval):
        return {
            k: getattr(value, k) for k in ("low", "estimate", "high", "n", "method", "confidence")
        }
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def score(reading: Reading) -> Result:
    """The statistics of a reading."""
    study = reading.study
    columns = reading.columns("real", "synthetic")
    synthetic = np.array([study.items[k].origin == "synthetic" for k in columns])
    confidence = reading.answers["confidence"][:, columns].astype(np.float64)
    readers = tuple(
        _reader(reading, row, synthetic, columns) for row in range(len(reading.readers))
    )
    area = _mean_area(confidence, synthetic)
    equivalence = _equivalence(area, study.margin)
    verdict, reason = _verdict(study, area.interval(study.confidence), equivalence, readers)
    components = Components(area.between, area.common, area.error, len(columns))
    wanted = (
        needed(components, (len(readers), 3, 5, 10), study.margin)
        if verdict == "inconclusive" and not equivalence.shown
        else []
    )
    return Result(
        study,
        int((~synthetic).sum()),
        int(synthetic.sum()),
        len(reading.columns("control")),
        len(reading.twice()[0]),
        readers,
        share_right((confidence >= SIDE) == synthetic, synthetic).interval(study.confidence),
        area.interval(study.confidence),
        equivalence,
        verdict,
        reason,
        tuple(wanted),
        tuple(
            rate(q, reading.answers[q][:, columns], synthetic, study.confidence)
            for q in QUESTIONS[1:]
        ),
        {
            q: ordinal_alpha(
                reading.answers[q][:, columns],
                CONFIDENCE_STEPS if q == "confidence" else RATING_STEPS,
            )
            for q in QUESTIONS
        },
        reading.comments,
        reading.digests,
    )


def _mean_area(confidence: NDArray[np.float64], synthetic: Flags) -> Mean:
    areas, covariance = auc(confidence, synthetic)
    m, n = int(synthetic.sum()), int((~synthetic).sum())
    return mean_over_readers(
        areas, covariance, m + n, bounds=(0.0, 1.0), nothing=newcombe_auc(float(areas.mean()), m, n)
    )


def _reader(
    reading: Reading, row: int, synthetic: Flags, columns: NDArray[np.int64]
) -> ReaderResult:
    level = reading.study.confidence
    answers = reading.answers["confidence"][row]
    confidence = answers[columns].astype(np.float64)
    said = confidence >= SIDE
    alone = len(reading.readers) > 1 and mann_whitney(
        confidence[synthetic], confidence[~synthetic]
    ) < LEVEL / 2 / len(reading.readers)
    first, second = reading.twice()
    same = (answers[first] >= SIDE) == (answers[second] >= SIDE)
    return ReaderResult(
        reading.readers[row],
        _share(said == synthetic, level),
        _share(said[synthetic], level),
        _share(~said[~synthetic], level),
        auc_interval(confidence, synthetic, level),
        alone,
        _controls(reading, row),
        _share(same, level) if len(same) else None,
        weighted_kappa(answers[first], answers[second]),
        float(np.median(reading.seconds[row])),
    )


def _share(right: Flags, level: float) -> Interval:
    return wilson(int(right.sum()), len(right), level)


def _controls(reading: Reading, row: int) -> Interval | None:
    bent, real = reading.columns("control"), reading.columns("real")
    if len(bent) < 2:
        return None
    answers = reading.answers["confidence"][row].astype(np.float64)
    flags = np.repeat([True, False], [len(bent), len(real)])
    return auc_interval(
        np.concatenate([answers[bent], answers[real]]), flags, reading.study.confidence
    )


def _equivalence(area: Mean, margin: float) -> Equivalence:
    interval = area.interval(1 - 2 * LEVEL)
    shown = 0.5 - margin < interval.low and interval.high < 0.5 + margin
    p = None if area.silent else max(area.p_above(0.5 - margin), area.p_below(0.5 + margin))
    return Equivalence(margin, interval, p, shown)


def _verdict(
    study: Study, area: Interval, equivalence: Equivalence, readers: tuple[ReaderResult, ...]
) -> tuple[Verdict, str]:
    """The outcome and one sentence on why."""
    apart = [r.reader for r in readers if r.told_apart]
    asleep = [r.reader for r in readers if r.controls is None or r.controls.low <= 0.5]
    low, high = 0.5 - study.margin, 0.5 + study.margin
    together = not area.low <= 0.5 <= area.high
    if together and equivalence.shown and not apart:
        return (
            "told apart within the margin",
            (
                "Readers together told synthetic images from real ones, for the interval of the"
                f" area leaves 0.5 out, but it lies between {low:g} and {high:g} by both one-sided"
                " tests at 5 %: less than the study counts as telling."
            ),
        )
    if apart or together:
        who = listed(
            [
                *(["by the readers together"] if together else []),
                *([f"by {', '.join(apart)} alone"] if apart else []),
            ]
        )
        way = (
            "; synthetic images were taken for the real ones, which shows a difference all the same"
            if area.high < 0.5
            else ""
        )
        return "told apart", f"Synthetic images were told from real ones {who}{way}."
    if not equivalence.shown:
        return (
            "inconclusive",
            (
                "The readers were not shown to tell apart, nor to guess: the area is not shown to"
                f" lie between {low:g} and {high:g}."
            ),
        )
    if asleep:
        why = (
            "there were no controls"
            if readers[0].controls is None
            else f"{', '.join(asleep)} did not recognise the distorted controls"
        )
        return (
            "inconclusive",
            (
                f"The readers guessed, but {why}: that they looked closely enough to see anything"
                " is not shown."
            ),
        )
    return (
        "not told apart",
        (
            f"The area lies between {low:g} and {high:g} by both one-sided tests at 5 %, its"
            " interval holds 0.5, no reader told apart alone, and all recognised the bent"
            " controls."
        ),
    )
