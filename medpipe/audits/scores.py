"""Accuracy, precision, recall, specificity and F1 that can, or cannot, belong together.

**Purpose.** Scores of one classifier on one set come from one confusion matrix of whole counts; most made-up or miscopied
combinations have none.

**Method.** Two classes: every count of true and false positives (`medpipe.audits.two_classes`); where none gives the scores,
``mlscorecheck`` is asked, too. More classes, scores averaged over them: where accuracy (or weighted recall) fixes the number of
errors and there are few ways to spread them over true and predicted classes, every way is tried, exactly; otherwise only what holds
for every confusion matrix (`medpipe.audits.averages`).

**Limits.** The number of samples of each class must be known. A classifier that never predicts a class has precision 0 there, as
most libraries have it. What fits only an F1 made of the averaged precision and recall, or only figures that were cut off instead of
rounded, is called suspicious. Scores that were averaged over folds or runs first belong to no single matrix and must not be given as
one set.

**Example.** 1,130 of 1,143 right in four classes of 264, 268, 319 and 292: weighted precision 0.9887 and F1 0.9886 are
possible, F1 0.9896 is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from medpipe.audits.averages import Answer, averaged
from medpipe.audits.intervals import Range, printed_range, rough_range
from medpipe.audits.seen import Seen, ids
from medpipe.audits.two_classes import MOST_POSITIVES, matrices, second_opinion
from medpipe.claims.figures import Figures, Scores
from medpipe.claims.printed import Printed
from medpipe.phrases import capital, listed

READINGS = {"harmonic": "It could be had only if F1 was made of the averaged precision and recall, not averaged over the classes.",
            "cut": "It could be had only if digits were cut off instead of rounded."}


def scores_together(figures: Figures) -> Iterator[Seen]:
    """One result for each set of scores that can be examined."""
    for s in figures.scores:
        quantities = [figures.quantity(q) for q in s.named().values()]
        printed = {name: figures.quantity(q).numbers()[0][1] for name, q in s.named().items()}
        answer = _answer(s, {name: printed_range(p) for name, p in printed.items()}) if len(printed) > 1 else None
        if answer is None:
            continue
        texts = listed(f"{name} {p.text}" for name, p in printed.items())
        first = [p.id for q in quantities for p in q.printed[:1]]
        seen = partial(Seen, "scores_together", s.id, arithmetic=answer.shown, rests_on=ids(*quantities), bears_on=(s.id, *first))
        if answer.possible:
            fits = f"can belong to one confusion matrix of {s.n:,} samples" if answer.proved else "do not contradict each other"
            yield seen("clean", f"{capital(s.what)}: {texts} {fits}.")
            continue
        said = f"{capital(s.what)}: {texts} cannot belong together: no confusion matrix of {s.n:,} samples gives them."
        innocent = _innocent(s, printed)
        if innocent is None:
            yield seen("refutes", f"{said} At least one is wrong.")
        else:
            yield seen("narrows", f"{said} {READINGS[innocent]}", certain=False)


def _answer(s: Scores, ranges: Mapping[str, Range], *, harmonic: bool = False) -> Answer | None:
    return _binary(s, ranges) if s.average == "binary" else averaged(s, ranges, harmonic=harmonic)


def _innocent(s: Scores, printed: Mapping[str, Printed]) -> str | None:
    """Which of `READINGS` makes impossible scores possible; None where none does."""
    as_printed = {name: printed_range(p) for name, p in printed.items()}
    if s.average != "binary" and (answer := _answer(s, as_printed, harmonic=True)) and answer.possible:
        return "harmonic"
    cut = _answer(s, {name: rough_range(p) for name, p in printed.items()})
    return "cut" if cut is None or cut.possible else None


def _binary(s: Scores, ranges: Mapping[str, Range]) -> Answer | None:
    """Whether two classes allow the scores; None where the number of positives is not known, or is too large to try them all."""
    if s.positive is None or s.positive not in s.classes or s.classes[s.positive] > MOST_POSITIVES:
        return None
    positives = s.classes[s.positive]
    negatives = s.n - positives
    ways, one = matrices(positives, negatives, ranges)
    shown = f"{positives:,} positives, {negatives:,} negatives: {ways:,} confusion matrices fit"
    if one is not None:
        return Answer(True, f"{shown}, such as {one[0]:,} true and {one[1]:,} false positives")
    other = second_opinion(positives, negatives, ranges)
    asked = {None: "", False: ", nor does mlscorecheck find any", True: "; mlscorecheck, less strict, finds some"}[other]
    return Answer(False, shown + asked)
