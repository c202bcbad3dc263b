"""Names of experiments, metrics and audits, and the code behind them, loaded when needed.

A name is registered here as the string ``"package.module:attribute"``, or by an installed package
as an entry point of the group ``medpipe.<kind>s``. Only strings are kept, so that naming an
experiment does not import torch; `resolve` alone imports.

A name with a colon is code that nobody registered. It is loaded only inside `code_from`: by its
file path from the given folder, else from an installed package, and never from the standard
library. Outside, `resolve` raises `CodeNotAllowed`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from medpipe.errors import CodeNotAllowed, MissingDependency, SpecError, UnknownNameError

BUILT_IN: dict[str, dict[str, str]] = {
    "experiment": {
        "architecture": "medpipe.pipeline.experiments.architecture:run",
        "image_baselines": "medpipe.pipeline.experiments.image_baselines:run",
        "image_synthesis": "medpipe.pipeline.experiments.image_synthesis:run",
        "image_data_audit": "medpipe.pipeline.experiments.image_data_audit:run",
        "deployment_ladder": "medpipe.pipeline.experiments.deployment_ladder:run",
        "image_sources": "medpipe.pipeline.experiments.image_sources:run",
        "gradient_flow": "medpipe.pipeline.experiments.gradient_flow:run",
        "mri_classification": "medpipe.pipeline.experiments.mri_classification:run",
        "text_baselines": "medpipe.pipeline.experiments.text_baselines:run",
        "text_classification": "medpipe.pipeline.experiments.text_classification:run",
        "text_data_audit": "medpipe.pipeline.experiments.text_data_audit:run",
    },
    "audit": {
        "recomputed": "medpipe.audits.arithmetic:recomputed",
        "attainable": "medpipe.audits.attainability:attainable",
        "scores_together": "medpipe.audits.scores:scores_together",
        "restated": "medpipe.audits.restatement:restated",
        "printed_interval": "medpipe.audits.printed_intervals:printed_interval",
        "grid_coverage": "medpipe.audits.grid:grid_coverage",
        "architecture": "medpipe.audits.parameter_counts:architecture",
        "sampling_error": "medpipe.audits.sampling_error:sampling_error",
        "power": "medpipe.audits.sampling_error:power",
        "run_spread": "medpipe.audits.sampling_error:run_spread",
        "selection_on_validation": "medpipe.audits.model_selection:selection_on_validation",
        "unequal_conditions": "medpipe.audits.conditions:unequal_conditions",
        "two_changes_at_once": "medpipe.audits.conditions:two_changes_at_once",
        "judgement": "medpipe.audits.judgements:judgement",
        "ranking": "medpipe.audits.judgements:ranking",
        "unsupported": "medpipe.audits.support:unsupported",
        "unmeasured_absence": "medpipe.audits.support:unmeasured_absence",
        "credential": "medpipe.audits.support:credential",
    },
    "metric": (
        {
            name: f"medpipe.metrics.classification:{name}"
            for name in (
                "accuracy",
                "f1",
                "macro_f1",
                "macro_precision",
                "macro_recall",
                "precision",
                "sensitivity",
                "specificity",
                "weighted_f1",
                "weighted_precision",
                "weighted_recall",
            )
        }
        | {
            name: f"medpipe.metrics.calibration:{name}"
            for name in (
                "accuracy_at_90_percent_coverage",
                "area_under_risk_coverage",
                "brier_score",
                "expected_calibration_error",
            )
        }
        | {
            name: f"medpipe.metrics.deployment:{name}"
            for name in (
                "accuracy_loss",
                "flipped_share",
                "median_seconds",
                "p95_seconds",
                "speed_ratio",
            )
        }
        | {
            name: f"medpipe.metrics.generation:{name}"
            for name in (
                "class_share_distance",
                "classes_covered",
                "copied_share",
                "coverage",
                "data_copying_z",
                "density",
                "fid",
                "improved_precision",
                "improved_recall",
                "kid",
                "membership_auc_discriminator",
                "membership_auc_generator",
                "memorised_share",
                "memorised_share_features",
                "ms_ssim_excess",
            )
        }
    ),
}


def names(kind: str) -> dict[str, str]:
    """All names of a kind (``"experiment"``, ``"metric"``, ``"audit"``) and what each stands
    for.
    """
    found = dict(BUILT_IN.get(kind, {}))
    for point in entry_points(group=f"medpipe.{kind}s"):
        found.setdefault(point.name, point.value)
    return found


def target(kind: str, name: str) -> str:
    """The ``"package.module:attribute"`` behind a name. Raises `UnknownNameError`."""
    if ":" in name:
        return name
    if name in BUILT_IN.get(kind, {}):  # before looking at every installed package
        return BUILT_IN[kind][name]
    known = names(kind)
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return known[name]


def is_built_in(kind: str, name: str) -> bool:
    """Whether a name stands for something in medpipe itself."""
    return (name if ":" in name else BUILT_IN.get(kind, {}).get(name, "")).startswith("medpipe.")


@dataclass
class OwnCode:
    """A folder whose code may run, as a finder of its modules; ``names`` limits what may be named,
    None allows any.
    """

    folder: Path
    names: Collection[str] | None
    top_level: set[str] = field(default_factory=set)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module in the folder, unless its name belongs to the standard library or to
        medpipe.
        """
        spec = None if path is not None else self.spec_of(name)
        if spec is not None:
            self.top_level.add(name)
        return spec

    def spec_of(self, name: str) -> ModuleSpec | None:
        """Where a top-level module lies in the folder. A subfolder that is no package must not hide
        an installed one.
        """
        if name in sys.stdlib_module_names or name == "medpipe":
            return None
        spec = PathFinder.find_spec(name, [str(self.folder)])
        return spec if spec is not None and spec.origin is not None else None

    def modules(self) -> dict[str, ModuleType]:
        """What was imported from the folder, by name."""
        return {n: m for n, m in list(sys.modules.items()) if n.partition(".")[0] in self.top_level}

    def files(self) -> dict[str, bytes]:
        """The source of everything that was imported from the folder, by its path in the folder."""
        paths = [Path(m.__file__) for m in self.modules().values() if m.__file__]
        return {
            p.relative_to(self.folder).as_posix(): p.read_bytes()
            for p in sorted(paths)
            if p.suffix == ".py"
        }


_ALLOWED: ContextVar[OwnCode | None] = ContextVar("code that may run", default=None)


@contextmanager
def code_from(folder: Path, names: Collection[str] | None = None) -> Iterator[OwnCode]:
    """Let `resolve` load the code that is named, from ``folder`` first; afterwards nothing of the
    folder stays imported.
    """
    own, outer, without_bytecode = (
        OwnCode(folder.resolve(), names),
        _ALLOWED.get(),
        sys.dont_write_bytecode,
    )
    hidden: Mapping[str, ModuleType] = outer.modules() if outer else {}
    for name in hidden:
        del sys.modules[name]
    token = _ALLOWED.set(own)
    sys.dont_write_bytecode = True  # a bundle holds only what its manifest names
    sys.meta_path.insert(0, own)
    try:
        yield own
    finally:
        _ALLOWED.reset(token)
        sys.dont_write_bytecode = without_bytecode
        sys.meta_path.remove(own)
        for name in own.modules():
            del sys.modules[name]
        sys.modules.update(hidden)


def allowed_code() -> OwnCode | None:
    """The code that may run here, beside what is built in or installed under a registered name."""
    return _ALLOWED.get()


def resolve(kind: str, name: str) -> Any:
    """Import what a name stands for.

    Raises `CodeNotAllowed`, `UnknownNameError`, `MissingDependency`, or `SpecError` where the
    import leads nowhere.
    """
    module_name, _, attribute = target(kind, name).partition(":")
    if ":" in name:
        _require_allowed(kind, name)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module_name}.".startswith(
            f"{error.name}."
        ):  # something that the module needs is absent
            raise MissingDependency(error.name, "train", f"the {kind} {name!r}") from error
        own = _ALLOWED.get()
        where = (
            f" beside the specifications (in {own.folder}) or installed"
            if own and ":" in name
            else ""
        )
        raise SpecError(
            f"{kind} {name!r}",
            f"an importable 'package.module:attribute'{where}",
            f"no module {module_name!r}",
        ) from error
    if not hasattr(module, attribute):
        raise SpecError(
            f"{kind} {name!r}", f"an attribute {attribute!r} of {module_name}", "none of that name"
        )
    return getattr(module, attribute)


def _require_allowed(kind: str, name: str) -> None:
    """Refuse a name that is no name of a module and its attribute, is the standard library's, or
    that nobody allowed.
    """
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise SpecError(f"{kind} {name!r}", "'package.module:attribute'", "something else")
    top = module_name.partition(".")[0]
    if top in sys.stdlib_module_names:
        raise SpecError(
            f"{kind} {name!r}", f"a {kind} of your own", f"the standard library's {module_name!r}"
        )
    own = _ALLOWED.get()
    if own is None or (own.names is not None and name not in own.names):
        raise CodeNotAllowed(kind, name)
    there = sys.modules.get(top)
    spec = own.spec_of(top)
    if (
        there is not None
        and spec is not None
        and getattr(there.__spec__, "origin", None) != spec.origin
    ):
        raise SpecError(
            f"{kind} {name!r}",
            f"a file name that no imported module has, in {own.folder}",
            f"{top!r}, which is {getattr(there, '__file__', None) or 'built in'}; rename the file",
        )
