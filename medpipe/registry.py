"""Names for things that are loaded late: experiments, metrics and audits.

A name is either registered here as the string ``"package.module:attribute"``, registered by another package as an entry
point of the group ``medpipe.<kind>s``, or is itself such a string. Only strings are kept, so that naming an experiment
does not import torch; `resolve` alone imports.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from medpipe.errors import MissingDependency, SpecError, UnknownNameError

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
        "architecture": "medpipe.audits.architecture:architecture",
        "sampling_error": "medpipe.audits.sampling:sampling_error",
        "power": "medpipe.audits.sampling:power",
        "run_spread": "medpipe.audits.sampling:run_spread",
        "selection_on_validation": "medpipe.audits.selection:selection_on_validation",
        "unequal_conditions": "medpipe.audits.conditions:unequal_conditions",
        "two_changes_at_once": "medpipe.audits.conditions:two_changes_at_once",
        "judgement": "medpipe.audits.judgements:judgement",
        "ranking": "medpipe.audits.judgements:ranking",
        "unsupported": "medpipe.audits.support:unsupported",
        "unmeasured_absence": "medpipe.audits.support:unmeasured_absence",
        "credential": "medpipe.audits.support:credential",
    },
    "metric": {
        name: f"medpipe.judging.metrics.classification:{name}"
        for name in ("accuracy", "f1", "macro_f1", "macro_precision", "macro_recall", "precision", "sensitivity", "specificity",
                     "weighted_f1", "weighted_precision", "weighted_recall")
    } | {
        name: f"medpipe.judging.metrics.calibration:{name}"
        for name in ("accuracy_at_90_percent_coverage", "area_under_risk_coverage", "brier_score", "expected_calibration_error")
    } | {
        name: f"medpipe.judging.metrics.deployment:{name}"
        for name in ("accuracy_loss", "flipped_share", "median_seconds", "p95_seconds", "speed_ratio")
    } | {
        name: f"medpipe.judging.metrics.generation:{name}"
        for name in ("class_share_distance", "classes_covered", "copied_share", "coverage", "data_copying_z", "density", "fid",
                     "improved_precision", "improved_recall", "kid", "membership_auc_discriminator", "membership_auc_generator",
                     "memorised_share", "memorised_share_features", "ms_ssim_excess")
    },
}


def names(kind: str) -> dict[str, str]:
    """All names of a kind (``"experiment"``, ``"metric"``, ``"audit"``) and what each stands for."""
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


def resolve(kind: str, name: str) -> Any:
    """Import what a name stands for. Raises `UnknownNameError`, `MissingDependency`, or `SpecError` where the import leads nowhere."""
    path = target(kind, name)
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module_name}.".startswith(f"{error.name}."):  # something that the module needs is absent
            raise MissingDependency(error.name, "train", f"the {kind} {name!r}") from error
        raise SpecError(f"{kind} {name!r}", "an importable 'package.module:attribute'", f"no module {module_name!r}") from error
    if not hasattr(module, attribute):
        raise SpecError(f"{kind} {name!r}", f"an attribute {attribute!r} of {module_name}", "none of that name")
    return getattr(module, attribute)
