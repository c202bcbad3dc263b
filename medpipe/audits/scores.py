"""Accuracy, precision, recall, specificity and F1 that can, or cannot, belong together.

**Purpose.** Scores of one classifier on one set come from one confusion matrix of whole counts;
most made-up or miscopied combinations have none.

**Method.** Two classes: every count of true and false positives (`medpipe.audits.two_classes`);
where none gives the scores, ``mlscorecheck`` is asked, too. More classes, scores averaged over
them: where accuracy (or weighted recall) fixes the number of errors and there are few ways to
spread them over true and predicted classes, every way is tried, exactly; otherwise only what holds
for every confusion matrix (`medpipe.audits.averages`).

Where the number of samples is not known, or does not help, the relations of
`medpipe.audits.readings` are used. A row of a results table may be read in several ways
(`Reading`). Only scores that no reading makes possible are refuted; otherwise the result names the
readings that do.

**Limits.** A classifier that never predicts a class has precision 0 or 1 there, as most libraries
have it. Classes that were left out of an average, and an area under another curve than that of the
printed sensitivity and specificity, are not allowed for. Figure records state one confusion matrix:
means over folds or runs must not be given there as one set.

**Example.** 1,130 of 1,143 right in four classes of 264, 268, 319 and 292: weighted precision
0.9887 and F1 0.9886 are possible, F1 0.9896 is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

from medpipe.audits.averages import Answer, averaged
from medpipe.audits.readings import AVERAGES, COUNTED, Reading, contradiction, related
from medpipe.audits.result import AuditResult, ids
from medpipe.audits.rounding import Range, counts, printed_range, rough_range
from medpipe.audits.two_classes import MOST_POSITIVES, NAMES, matrices, second_opinion
from medpipe.formatting import capital, listed
from medpipe.specs.figures import Figures, Quantity, Scores
from medpipe.specs.printed_values import Printed, read_printed

LINEAR = ("accuracy", "recall", "specificity")
"""Scores of two classes whose mean over runs on the same samples is one count of all runs."""


def scores_together(figures: Figures) -> Iterator[AuditResult]:
    """One result for each set of scores that can be examined."""
    for s in figures.scores:
        quantities = [figures.quantity(q) for q in s.named().values()]
        printed = {name: figures.quantity(q).numbers()[0][1] for name, q in s.named().items()}
        scaled = _other_scale(figures, s)
        usual, *others = _readings(s, scaled=scaled is not None)
        answer = _answer(s, _ranges(printed, usual), usual) if len(printed) > 1 else None
        if answer is None:
            continue
        texts = listed(f"{name.replace('_', ' ')} {p.text}" for name, p in printed.items())
        first = [p.id for q in quantities for p in q.printed[:1]]
        seen = partial(
            AuditResult,
            "scores_together",
            s.id,
            arithmetic=answer.shown,
            rests_on=ids(*quantities),
            bears_on=(s.id, *first),
        )
        if answer.possible:
            fits = (
                f"can belong to one confusion matrix of {s.n:,} samples"
                if answer.proved
                else "do not contradict each other"
            )
            yield seen("clean", f"{capital(s.what)}: {texts} {fits}.")
            continue
        possible = _possible(s, usual, others, printed, scaled or printed)
        if s.average is None and not s.classes and any(not (r.cut or r.scale) for r in possible):
            yield seen(
                "clean", f"{capital(s.what)}: {texts} do not contradict each other.", arithmetic=""
            )
            continue
        said = (
            f"{capital(s.what)}: {texts} cannot belong together: {_nothing_gives_them(s, usual)}."
        )
        if possible:
            yield seen(
                "narrows",
                f"{said} They are possible only if {_only_if(possible, usual)}.",
                certain=False,
            )
        else:
            yield seen("refutes", f"{said} At least one is wrong.")


def _readings(s: Scores, *, scaled: bool) -> list[Reading]:
    """Every reading that the record leaves open, the usual one first, then those that depart least
    from it."""
    counted: Sequence[str] = COUNTED
    if s.runs is not None or s.folds is not None:
        counted = ("folds",) if (s.folds or 1) > 1 else ("runs",) if (s.runs or 1) > 1 else ("one",)
    many = len(s.classes) > 2
    averages: Sequence[str] = (s.average,) if s.average else AVERAGES[1:] if many else AVERAGES
    two: Sequence[bool] = (True, False) if s.average is None else (False, True)
    if s.classes or s.average == "binary":
        two = (not many,)
    every = [
        Reading(*choice)
        for choice in product(
            counted, averages, two, (False, True), (False, True)[: 1 + scaled], (False, True)
        )
    ]
    every = [r for r in every if not r.harmonic or (r.average != "binary" and r.counted == "one")]
    return sorted(every, key=lambda r: len(r.clauses(every[0])))


def _ranges(printed: Mapping[str, Printed], reading: Reading) -> dict[str, Range]:
    return {name: (rough_range if reading.cut else printed_range)(p) for name, p in printed.items()}


def _other_scale(figures: Figures, s: Scores) -> dict[str, Printed] | None:
    """The scores with the other scale where a cell leaves that open; None where none does."""
    quantities = {name: figures.quantity(q) for name, q in s.named().items()}

    def other(q: Quantity) -> Printed:
        return q.numbers()[0][1] if q.other_scale is None else read_printed(q.other_scale, q.id)

    return (
        {name: other(q) for name, q in quantities.items()}
        if any(q.other_scale for q in quantities.values())
        else None
    )


def _answer(s: Scores, ranges: Mapping[str, Range], reading: Reading) -> Answer | None:
    """Whether a reading allows the scores; None where there is nothing to go by."""
    answer = _counted(s, ranges, reading)
    if answer is not None and not answer.possible:
        return answer
    wrong = contradiction(ranges, reading)
    if wrong is not None:
        return Answer(False, wrong)
    if answer is None and related(ranges, reading):
        return Answer(True, "", proved=False)
    return answer


def _counted(s: Scores, ranges: Mapping[str, Range], reading: Reading) -> Answer | None:
    """The same, by the counts that the numbers of samples leave."""
    counted = {name: r for name, r in ranges.items() if name in NAMES}
    if s.n is None or not counted or reading.counted == "folds":
        return None
    if reading.counted == "one":
        record = replace(s, average=reading.average)
        return (
            _binary(record, counted)
            if reading.average == "binary"
            else averaged(record, counted, harmonic=reading.harmonic)
        )
    runs = s.runs or 1
    if runs == 1:
        return None  # over how many runs is not said
    if reading.average == "binary" and s.positive is not None:
        classes = {name: size * runs for name, size in s.classes.items()}
        return _binary(
            replace(s, n=s.n * runs, classes=classes),
            {name: r for name, r in counted.items() if name in LINEAR},
        )
    if "accuracy" in counted and not counts(counted["accuracy"], s.n * runs):
        return Answer(False, f"no count of {s.n * runs:,} gives the accuracy")
    return None


def _possible(
    s: Scores,
    usual: Reading,
    others: Sequence[Reading],
    printed: Mapping[str, Printed],
    scaled: Mapping[str, Printed],
) -> list[Reading]:
    """Of all other readings that allow the scores, those that depart least from the usual one."""
    found: list[Reading] = []
    fewest = 0
    for reading in others:
        departs = len(reading.clauses(usual))
        if found and departs > fewest:
            break
        ranges = _ranges(scaled if reading.scale else printed, reading)
        if contradiction(ranges, reading) is None:  # quick, and rules out most
            answer = _answer(s, ranges, reading)
            if answer is None or answer.possible:
                found, fewest = [*found, reading], departs
    return found


def _only_if(possible: Sequence[Reading], usual: Reading) -> str:
    """The readings as one clause; a mean over runs or folds once where both are possible."""
    clauses = list(dict.fromkeys(" and ".join(r.clauses(usual)) for r in possible))
    runs, folds = "the scores are means over runs", "the scores are means over folds"
    if runs in clauses and folds in clauses:
        clauses = [f"{folds} or runs" if c == folds else c for c in clauses if c != runs]
    return ", or if ".join(clauses)


def _nothing_gives_them(s: Scores, usual: Reading) -> str:
    if usual.counted == "one":
        return (
            f"no confusion matrix of {s.n:,} samples gives them"
            if s.n
            else "no confusion matrix gives them"
        )
    times = (s.folds if usual.counted == "folds" else s.runs) or 1
    return f"no mean over {times} {usual.counted} gives them"


def _binary(s: Scores, ranges: Mapping[str, Range]) -> Answer | None:
    """Whether two classes allow the scores; None where the number of positives is not known, or is
    too large to try them all."""
    positives = s.classes.get(s.positive or "")
    if s.n is None or positives is None or positives > MOST_POSITIVES:
        return None
    negatives = s.n - positives
    ways, one = matrices(positives, negatives, ranges)
    shown = f"{positives:,} positives, {negatives:,} negatives: {ways:,} confusion matrices fit"
    if one is not None:
        return Answer(True, f"{shown}, such as {one[0]:,} true and {one[1]:,} false positives")
    other = second_opinion(positives, negatives, ranges)
    asked = {
        None: "",
        False: ", nor does mlscorecheck find any",
        True: "; mlscorecheck, less strict, finds some",
    }[other]
    return Answer(False, shown + asked)
