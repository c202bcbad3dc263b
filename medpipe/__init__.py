"""medpipe: hold the published claims of a medical AI to evidence, and report what holds.

Making evidence and judging evidence are two programs that meet only in a folder of files, the
bundle::

    specs ── load_specs ──► claims ── make_plan ──► runs ── medpipe run ──► Bundle ── judge_bundle
    ──► verdicts ──► signed report

Load a folder of specifications::

    specs = medpipe.load_specs(Path("specs"))

Judge the evidence in a bundle again, without torch::

    specs, verdicts =
    medpipe.judge_bundle(medpipe.Bundle.open(Path("reports/medical-ai-pipeline-reduced")))

Look at what a model did with each sample::

    medpipe.Bundle.open(folder).get(key).observations["validation"]["y_prob"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medpipe.evidence import Bundle, Evidence, Observations
    from medpipe.judging import Outcome, Verdict, judge_bundle
    from medpipe.running import ExperimentResult, RunContext, declare_read
    from medpipe.running.plan import make_plan
    from medpipe.specs import Claim, Specs, load_specs

__version__ = "0.1.0"

_ROOMS = {
    "Claim": "claims",
    "Specs": "claims",
    "load_specs": "claims",
    "Bundle": "evidence",
    "Evidence": "evidence",
    "Observations": "evidence",
    "Outcome": "judging",
    "Verdict": "judging",
    "judge_bundle": "judging",
    "ExperimentResult": "running",
    "RunContext": "running",
    "declare_read": "running",
    "make_plan": "running.plan",
}

__all__ = [
    "Bundle",
    "Claim",
    "Evidence",
    "ExperimentResult",
    "Observations",
    "Outcome",
    "RunContext",
    "Specs",
    "Verdict",
    "declare_read",
    "judge_bundle",
    "load_specs",
    "make_plan",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that ``import medpipe`` costs nothing."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'medpipe' has no attribute {name!r}")
    return getattr(import_module(f"medpipe.{_ROOMS[name]}"), name)
