"""Evidence: what one run saw, and everything that could have changed it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medpipe.documents import canonical_json
from medpipe.evidence.observations import Observations


@dataclass(frozen=True)
class Run:
    """One thing to do: an experiment with its parameters as written, and a seed."""

    experiment: str
    parameters: Mapping[str, Any]
    seed: int

    @property
    def key(self) -> str:
        """The run's identity, made only of what is written, so that judging needs no experiment code."""
        written = canonical_json({"experiment": self.experiment, "parameters": self.parameters, "seed": self.seed})
        name = self.experiment.rpartition(":")[2] or self.experiment
        safe = "".join(c if c.isalnum() or c in "_-" else "-" for c in name)
        return f"{safe}-{hashlib.sha256(written).hexdigest()[:12]}-s{self.seed}"


@dataclass(frozen=True)
class Provenance:
    """Where evidence comes from. ``revision`` and ``dirty`` are of the repository that medpipe ran in, None where there is none."""

    code_digest: str
    packages: Mapping[str, str]
    data_digests: Mapping[str, str]
    revision: str | None = None
    dirty: bool | None = None
    python: str = ""
    platform: str = ""
    processor: str = ""
    threads: int = 1
    device: str = "cpu"
    determinism: str = ""
    started: str = ""
    duration_s: float = 0.0

    def same_makings(self, other: Provenance) -> bool:
        """Whether two pieces of evidence were made by the same code, packages and data, and so may be pooled."""
        return (self.code_digest, dict(self.packages), dict(self.data_digests)) == (
            other.code_digest, dict(other.packages), dict(other.data_digests))


@dataclass(frozen=True)
class Failure:
    """Why a run has no observations: ``unavailable`` (data or weights that cannot be had here) or ``failed``."""

    kind: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run saw. A failed run is evidence too: ``failure`` says why, and observations are empty."""

    run: Run
    resolved: Mapping[str, Any]
    provenance: Provenance
    observations: Mapping[str, Observations] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    file_digests: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    failure: Failure | None = None


def record_of(evidence: Evidence, arrays: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The JSON record of evidence; ``arrays`` maps split → array name → stored array."""
    return {
        "version": 1,
        "run": {"experiment": evidence.run.experiment, "parameters": evidence.run.parameters, "seed": evidence.run.seed},
        "resolved": evidence.resolved,
        "provenance": asdict(evidence.provenance),
        "observations": {
            split: {"classes": list(o.classes), "cluster": o.cluster, "arrays": dict(arrays[split])}
            for split, o in evidence.observations.items()},
        "scalars": {k: _finite(v) for k, v in evidence.scalars.items()},
        "history": [{k: _finite(v) for k, v in row.items()} for row in evidence.history],
        "file_digests": dict(evidence.file_digests),
        "notes": list(evidence.notes),
        "failure": None if evidence.failure is None else asdict(evidence.failure),
    }


def evidence_from(record: Mapping[str, Any], observations: Mapping[str, Observations]) -> Evidence:
    """Evidence from its JSON record and its loaded observations."""
    return Evidence(
        run=Run(**record["run"]), resolved=record["resolved"], provenance=Provenance(**record["provenance"]),
        observations=observations, scalars=record["scalars"], history=tuple(record["history"]),
        file_digests=record["file_digests"], notes=tuple(record["notes"]),
        failure=None if record["failure"] is None else Failure(**record["failure"]))


def _finite(value: float | int | None) -> float | int | None:
    """A number as JSON can hold it: a diverged loss becomes null, never a made-up figure."""
    if value is None or isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
