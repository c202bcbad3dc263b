"""Observations, provenance, findings, the ledger of attempts, and the bundle that holds them."""

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
