"""The evidence of one run: its results and everything that could have changed them."""

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
        """The run's identity, made only of what is written, so that judging needs no experiment
        code.
        """
        written = canonical_json(
            {"experiment": self.experiment, "parameters": self.parameters, "seed": self.seed}
        )
        name = self.experiment.rpartition(":")[2] or self.experiment
        safe = "".join(c if c.isalnum() or c in "_-" else "-" for c in name)
        return f"{safe}-{hashlib.sha256(written).hexdigest()[:12]}-s{self.seed}"


@dataclass(frozen=True)
class Inputs:
    """What a run read besides medpipe's own code. Names are portable: a root such as ``project``
    and a path below it.

    - ``files``: SHA-256 of each file as it was when it was first opened; None for one that was not
      there;
    - ``folders``: of each folder that was listed, the ``digest`` of its names ``without`` those
      that the run made itself;
    - ``modules``: digest of the code, without comments, of each imported file that belongs to no
      installed package;
    - ``distributions``: version of each installed distribution that was imported;
    - ``unseen``: ways in which the run may have read what is not recorded here.
    """

    files: Mapping[str, str | None] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    unseen: Sequence[str] = ()

    def agree_with(self, other: Inputs) -> bool:
        """Whether no file, module or distribution that both runs read differs between them."""
        pairs = (
            (self.files, other.files),
            (self.modules, other.modules),
            (self.distributions, other.distributions),
        )
        return all(
            mine[name] is None or theirs[name] is None or mine[name] == theirs[name]
            for mine, theirs in pairs
            for name in mine.keys() & theirs.keys()
        )


@dataclass(frozen=True)
class Provenance:
    """Where evidence comes from. ``revision`` and ``dirty`` are of the repository that medpipe ran
    in, None where there is none.

    ``inputs`` is None in records of version 1, which did not note what a run read.
    """

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
    inputs: Inputs | None = None

    def same_makings(self, other: Provenance) -> bool:
        """Whether two pieces of evidence were made by the same code, packages and data, and so may
        be pooled.
        """
        alike = self.inputs is None or other.inputs is None or self.inputs.agree_with(other.inputs)
        return alike and (self.code_digest, dict(self.packages), dict(self.data_digests)) == (
            other.code_digest,
            dict(other.packages),
            dict(other.data_digests),
        )


@dataclass(frozen=True)
class Failure:
    """Why a run has no observations: ``unavailable`` (data or weights that cannot be had here) or
    ``failed``.
    """

    kind: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run saw. A failed run is evidence too: ``failure`` says why, and observations are
    empty.
    """

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
    provenance = asdict(evidence.provenance)
    if evidence.provenance.inputs is None:
        del provenance["inputs"]
    return {
        "version": 2 if "inputs" in provenance else 1,
        "run": {
            "experiment": evidence.run.experiment,
            "parameters": evidence.run.parameters,
            "seed": evidence.run.seed,
        },
        "resolved": evidence.resolved,
        "provenance": provenance,
        "observations": {
            split: {"classes": list(o.classes), "cluster": o.cluster, "arrays": dict(arrays[split])}
            for split, o in evidence.observations.items()
        },
        "scalars": {k: _finite(v) for k, v in evidence.scalars.items()},
        "history": [{k: _finite(v) for k, v in row.items()} for row in evidence.history],
        "file_digests": dict(evidence.file_digests),
        "notes": list(evidence.notes),
        "failure": None if evidence.failure is None else asdict(evidence.failure),
    }


def evidence_from(record: Mapping[str, Any], observations: Mapping[str, Observations]) -> Evidence:
    """Evidence from its JSON record, of version 1 or 2, and its loaded observations."""
    provenance = dict(record["provenance"])
    if record["version"] == 2:
        provenance["inputs"] = Inputs(**provenance["inputs"])
    return Evidence(
        run=Run(**record["run"]),
        resolved=record["resolved"],
        provenance=Provenance(**provenance),
        observations=observations,
        scalars=record["scalars"],
        history=tuple(record["history"]),
        file_digests=record["file_digests"],
        notes=tuple(record["notes"]),
        failure=None if record["failure"] is None else Failure(**record["failure"]),
    )


def _finite(value: float | int | None) -> float | int | None:
    """A number as JSON can hold it: a diverged loss becomes null, never a made-up figure."""
    if value is None or isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
