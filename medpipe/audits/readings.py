"""The readings of printed scores, and what holds between the scores under each of them.

A row of a results table may be one confusion matrix, or the mean over runs or over folds of
several; its scores may belong to the positive class or be averages over classes; digits may be
rounded or cut off. `contradiction` needs no number of samples. Its bounds:

- F1 of one class is the harmonic mean of precision P and recall R. Averaged over anything (classes,
  runs, folds) with the same weights, it lies between P + R − 1 and (P + R) / 2: the convex and the
  concave envelope of the harmonic mean on the unit square.
- With two classes the accuracy lies between sensitivity S and specificity Q. Averaged over folds
  with different shares of positives, or over the classes, it lies between S + Q − 1 and S + Q, the
  envelopes of the smaller and of the larger of the two.
- A ROC curve through (1 − Q, S) has an area of S · Q to 1 − (1 − S)(1 − Q); a mean of such areas
  lies between S + Q − 1 and S + Q.
- Balanced accuracy is (S + Q) / 2, Youden's index S + Q − 1; both are linear, so they hold for
  every mean.
- Micro averages are the accuracy, and so is a weighted recall; a macro recall is the balanced
  accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

from medpipe.audits.rounding import Range

AVERAGES = ("binary", "macro", "weighted", "micro")
COUNTED = ("one", "runs", "folds")
"""One confusion matrix; a mean over runs on the same samples; a mean over folds of any sizes and
shares of positives."""
ONE = Fraction(1)
Ends = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Reading:
    """One way to read a row. ``two``: there are two classes; ``harmonic``: F1 was made of the
    averaged precision and recall."""

    counted: str
    average: str
    two: bool = True
    cut: bool = False
    scale: bool = False
    harmonic: bool = False

    def clauses(self, usual: Reading) -> tuple[str, ...]:
        """In what it departs from the usual reading, as clauses of a sentence."""
        words = {
            "counted": f"the scores are means over {self.counted}",
            "average": (
                "the scores belong to one class"
                if self.average == "binary"
                else f"the scores are {self.average} averages over the classes"
            ),
            "two": "there are more than two classes",
            "cut": "digits were cut off instead of rounded",
            "scale": "the sign for per cent is missing or one too many",
            "harmonic": (
                "F1 was made of the averaged precision and recall, not averaged over the classes"
            ),
        }
        return tuple(
            words[f.name] for f in fields(self) if getattr(self, f.name) != getattr(usual, f.name)
        )


def contradiction(ranges: Mapping[str, Range], reading: Reading) -> str | None:
    """The first relation that the scores break under a reading, with its numbers; None where they
    break none."""
    shares = {
        name: _ends(r, -ONE if name == "youden" else Fraction(0)) for name, r in ranges.items()
    }
    for name, (low, high), why in _relations(shares, reading):
        if shares[name][1] < low or high < shares[name][0]:
            return f"{why}: {float(low):.4f} to {float(high):.4f} here"
    return None


def related(ranges: Mapping[str, Range], reading: Reading) -> bool:
    """Whether a reading has a relation between these scores at all."""
    return next(_relations(dict.fromkeys(ranges, (Fraction(0), ONE)), reading), None) is not None


def _ends(r: Range, least: Fraction) -> Ends:
    return max(least, least if r.low is None else r.low), min(
        ONE, ONE if r.high is None else r.high
    )


def _relations(s: Mapping[str, Ends], reading: Reading) -> Iterator[tuple[str, Ends, str]]:
    """(score, what it may be, why) of every relation between printed scores."""
    average, one_matrix = reading.average, reading.counted == "one"
    if {"precision", "recall", "f1"} <= s.keys():
        if average == "binary" and one_matrix:
            pairs = [(s["precision"][i], s["recall"][i]) for i in (0, 1)]
            yield (
                "f1",
                (harmonic(*pairs[0]), harmonic(*pairs[1])),
                "F1 is the harmonic mean of precision and recall",
            )
        else:
            low, high = _envelope(s["precision"], s["recall"])
            yield (
                "f1",
                (low, high / 2),
                "an averaged F1 is at least precision + recall − 1 and at most their mean",
            )
    same = {"weighted": ("recall",), "micro": ("recall", "precision", "f1")}.get(average, ())
    for name in same:
        if name in s and "accuracy" in s:
            yield name, s["accuracy"], f"the {average} average of the {name} is the accuracy"
    if average == "macro" and {"recall", "balanced_accuracy"} <= s.keys():
        yield (
            "balanced_accuracy",
            s["recall"],
            "the balanced accuracy is the macro average of the recall",
        )
    if reading.two and {"recall", "specificity"} <= s.keys():
        yield from _of_two_classes(s, reading)


def _of_two_classes(s: Mapping[str, Ends], reading: Reading) -> Iterator[tuple[str, Ends, str]]:
    recall, specificity, one_class = s["recall"], s["specificity"], reading.average == "binary"
    if reading.average in ("macro", "micro"):
        yield (
            "specificity",
            recall,
            f"with two classes, {reading.average} averages of recall and specificity are the same",
        )
    lows, highs = (recall[0], specificity[0]), (recall[1], specificity[1])
    envelope = _envelope(recall, specificity)
    if "accuracy" in s:
        between = one_class and reading.counted != "folds"
        yield (
            "accuracy",
            (min(lows), max(highs)) if between else envelope,
            (
                "the accuracy lies between sensitivity and specificity"
                if between
                else "a mean accuracy lies between sensitivity + specificity − 1 and their sum"
            ),
        )
    if reading.average == "micro":
        return  # all equal the accuracy, so the single classes cannot be checked
    if "balanced_accuracy" in s:
        yield (
            "balanced_accuracy",
            (sum(lows, Fraction(0)) / 2, sum(highs, Fraction(0)) / 2),
            "the balanced accuracy is the mean of sensitivity and specificity",
        )
    if "youden" in s:
        yield (
            "youden",
            (sum(lows, -ONE), sum(highs, -ONE)),
            "Youden's index is sensitivity + specificity − 1",
        )
    if "auc" in s:
        one = one_class and reading.counted == "one"
        area = (lows[0] * lows[1], 1 - (1 - highs[0]) * (1 - highs[1])) if one else envelope
        yield (
            "auc",
            area,
            "a ROC curve through this sensitivity and specificity has an area in these bounds",
        )


def harmonic(precision: Fraction, recall: Fraction) -> Fraction:
    """Their harmonic mean; 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else Fraction(0)


def _envelope(a: Ends, b: Ends) -> Ends:
    return max(Fraction(0), a[0] + b[0] - 1), a[1] + b[1]
