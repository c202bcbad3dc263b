"""The contract between `running` and an experiment.

An experiment is a function ``run(config, seed, context) -> ExperimentResult``. ``config`` is a
nested mapping, the parameters as written in protocol and profile; unknown keys are refused. Stored
evidence is used again only if every file that the run opened is unchanged. If its module also has
``data_digests(config) -> dict[str, str]``, these must be equal too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from medpipe.evidence.observations import Observations

Progress = Callable[[int, int, str], None]
"""``progress(done, total, message)``: done and total in the experiment's own steps over the whole
run.
"""


READ_EVENT = "medpipe.read"


def declare_read(path: str | os.PathLike[str]) -> None:
    """Tell medpipe of a file or folder that native code is about to read (``cv2.imread``, HDF5,
    safetensors).

    What Python itself opens needs no such call. Outside a run this does nothing.
    """
    sys.audit(READ_EVENT, os.fspath(path))


def no_progress(done: int, total: int, message: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class RunContext:
    """What an experiment may use of the machine.

    ``work_dir`` is the run's own folder for checkpoints and weights; it survives a kill, and holds
    nothing else. ``device`` is ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    work_dir: Path
    device: str = "auto"
    progress: Progress = no_progress


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """What an experiment saw.

    - ``resolved``: the config as it was really used (same keys; "first that exists" replaced by the
      one taken);
    - ``observations``: by split, such as ``training_running``, ``validation``, ``testing``;
    - ``scalars``: single measurements with the unit in the name (``parameters``, ``training_s``);
    - ``history``: one row of numbers per epoch;
    - ``data_digests``: digest by data set; ``files``: weights and the like, bound by digest and
      left in ``work_dir``;
    - ``notes``: sentences for the reader about what was met on the way.
    """

    resolved: Mapping[str, Any]
    observations: Mapping[str, Observations] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    data_digests: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()
    device: str = "cpu"


class Experiment(Protocol):
    """A function that makes evidence."""

    def __call__(
        self, config: Mapping[str, Any], seed: int, context: RunContext
    ) -> ExperimentResult: ...
