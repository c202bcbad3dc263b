"""What was seen: observations, evidence, and the bundle in which making and judging meet."""

from medpipe.evidence.bundle import Bundle, pack, unpack
from medpipe.evidence.evidence import Evidence, Failure, Inputs, Provenance, Run
from medpipe.evidence.observations import Observations

__all__ = [
    "Bundle",
    "Evidence",
    "Failure",
    "Inputs",
    "Observations",
    "Provenance",
    "Run",
    "pack",
    "unpack",
]
