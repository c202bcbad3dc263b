"""What each audit of figures asks, in words for readers who never saw the code: a question, and how
it is answered.
"""

from __future__ import annotations

from typing import Final

QUESTIONS: Final[dict[str, tuple[str, str]]] = {
    "restated": (
        "Is the same thing the same wherever it stands?",
        "Prose, result files, stored output and what the code does are held against each other.",
    ),
    "recomputed": (
        "Do printed gaps, ratios and means follow from their own parts?",
        "Each is computed again from the figures that it was made of, rounding allowed for.",
    ),
    "attainable": (
        "Can a percentage of so many samples be had?",
        "A share of n samples is a whole count divided by n; each printed one is tried.",
    ),
    "scores_together": (
        "Can these scores belong to one classifier?",
        (
            "Accuracy, precision, recall and F1 of one test come from one table of counts; it is"
            " searched for."
        ),
    ),
    "grid_coverage": (
        "Was the whole grid run?",
        "The configurations that are claimed are compared with those that left results.",
    ),
    "architecture": (
        "Does the model have what is said?",
        "The layers as coded are counted, without building them.",
    ),
    "sampling_error": (
        "Is the difference larger than chance?",
        (
            "The sampling error of two published proportions at their n; for the same samples, also"
            " the best case."
        ),
    ),
    "power": (
        "Could this test have shown such a difference?",
        "The smallest difference that the stated n shows in eight of ten repeats.",
    ),
    "run_spread": (
        "Is the difference larger than between two runs of the same configuration?",
        "Repeated runs show how far results move when nothing was changed.",
    ),
    "selection_on_validation": (
        "Was the figure chosen by the data that it is reported on?",
        (
            "The best of several results on one set is too high on that set; by how much at most is"
            " computed."
        ),
    ),
    "unequal_conditions": (
        "Were both parts of a gap measured alike?",
        "The recorded conditions of the two figures are compared.",
    ),
    "two_changes_at_once": (
        "Was only one thing changed?",
        "What differs between two compared systems is listed, less what gets the credit.",
    ),
    "judgement": (
        "Do the words fit the numbers beside them?",
        "Each word is read by a stated definition, and by the rule in the code if it has one.",
    ),
    "ranking": (
        "Is the best one the best?",
        "What is called best is compared with the printed figures, and with other such statements.",
    ),
    "unsupported": (
        "Is there a computation behind it?",
        "Figures and statements that nothing in what was published produced.",
    ),
    "unmeasured_absence": (
        "Was what is said to be absent looked for?",
        "“No X” needs a measure of X.",
    ),
    "credential": (
        "Does the published code hold secrets?",
        "Keys and passwords that stand in what was published.",
    ),
}
"""Audit → (question, how it is answered), in the order in which a report asks them."""


def question(audit: str) -> tuple[str, str]:
    """The question of an audit; its name where somebody else's audit has none here."""
    return QUESTIONS.get(audit, (audit.replace("_", " ").capitalize(), ""))
