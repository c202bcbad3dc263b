"""The published result files, made again from evidence: a comparison of models as CSV, and an
analysis in words.

Every number is computed from the observations and verdicts in the bundle; nothing is typed in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from medpipe.evidence import Evidence
from medpipe.metrics.classification import accuracy
from medpipe.report.baseline_table import baselines
from medpipe.report.figures import gradient_flow, grid_figures
from medpipe.report.labels import as_sentence
from medpipe.report.report_data import ReportData, protocol_title
from medpipe.report.sentences import sentence

COLUMNS = (
    "protocol",
    "title",
    "grade",
    "seeds",
    "parameters",
    "training_accuracy",
    "validation_accuracy",
    "gap",
    "validation_lowest_seed",
    "validation_highest_seed",
    "validation_n",
)


def comparison_csv(case: ReportData, part: str) -> bytes:
    """One row for each protocol of a part with evidence on a validation split; accuracies are means
    over seeds, from 0 to 1.
    """
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for protocol in case.protocols_of(part):
        made = [
            e
            for e in case.made(protocol)
            if "validation" in e.observations and "y_pred" in e.observations["validation"]
        ]
        if made:
            writer.writerow(_row(case, protocol, made))
    return table.getvalue().encode()


def _row(case: ReportData, protocol: str, made: Sequence[Evidence]) -> dict[str, object]:
    validation = [accuracy(e.observations["validation"]) for e in made]
    training = [
        accuracy(e.observations["training_running"])
        for e in made
        if "training_running" in e.observations
    ]
    parameters = made[0].scalars.get("parameters")
    grades = {
        i.verdict.grade
        for i in case.items
        if protocol in {m.run for m in i.claim.measure.parts()} and i.verdict.grade
    }
    return {
        "protocol": protocol,
        "title": protocol_title(case, protocol),
        "grade": " and ".join(sorted(grades)) or "unclaimed",
        "seeds": " ".join(str(e.run.seed) for e in made),
        "parameters": "" if parameters is None else int(parameters),
        "training_accuracy": f"{np.mean(training):.4f}" if training else "",
        "validation_accuracy": f"{np.mean(validation):.4f}",
        "gap": f"{np.mean(training) - np.mean(validation):.4f}" if training else "",
        "validation_lowest_seed": f"{min(validation):.4f}",
        "validation_highest_seed": f"{max(validation):.4f}",
        "validation_n": len(made[0].observations["validation"]),
    }


def analysis_text(case: ReportData, part: str) -> bytes:
    """An analysis of a part in plain words, by paragraph: configurations, claims that were tested,
    gradients, trivial methods.
    """
    title = case.specs.subject.parts[part]
    head = (
        f"{title}\n\nWritten by medpipe from the evidence with the root digest {case.root_digest}."
        f" Grade of evidence: {' and '.join(case.grades) or 'none'}. Runs that deviate from the"
        " published protocol do not decide a claim.\n"
    )
    paragraphs = [
        (name, list(lines))
        for name, lines in (
            ("Configurations side by side", _grids(case, part)),
            ("Claims that were tested", _claims(case, part)),
            ("Gradients", _gradients(case, part)),
            ("Accuracy of trivial methods", _trivial(case, part)),
        )
    ]
    body = "\n".join(
        f"\n{name}\n\n" + "\n".join(lines) + "\n" for name, lines in paragraphs if lines
    )
    return (head + body).encode()


def _grids(case: ReportData, part: str) -> Iterator[str]:
    for figure in grid_figures(
        {p: (protocol_title(case, p), case.made(p)) for p in case.protocols_of(part)}
    ):
        yield f"{figure.answer} {figure.details}"


def _claims(case: ReportData, part: str) -> Iterator[str]:
    return (
        f"{as_sentence(sentence(i))} Outcome: {i.verdict.outcome.value}; validity:"
        f" {i.verdict.validity.value}."
        for i in case.of_part(part)
        if i.verdict.interval is not None
    )


def _gradients(case: ReportData, part: str) -> Iterator[str]:
    for protocol in case.protocols_of(part):
        figure = gradient_flow(protocol_title(case, protocol), case.made(protocol))
        if figure is not None:
            yield f"{protocol_title(case, protocol)}. {figure.answer} {figure.details}"


def _trivial(case: ReportData, part: str) -> Iterator[str]:
    return (
        f"{b['title']}, {b['split']}: {b['accuracy']}, n = {b['n']};"
        f" {b['shares'] or 'no claim to compare it with'}."
        for b in baselines(case, part)
    )
