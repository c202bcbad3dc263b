"""Metrics, estimates and the decision rule: from evidence to a verdict on three axes."""

from medpipe.judging.judge import judge, judge_bundle, stored_verdicts
from medpipe.judging.verdict import Outcome, Validity, Verdict, not_measured

__all__ = [
    "Outcome",
    "Validity",
    "Verdict",
    "judge",
    "judge_bundle",
    "not_measured",
    "stored_verdicts",
]
