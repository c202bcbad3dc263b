"""What an image's class can be told from without looking at the brain, or without a network: file
metadata, border, a few pixels.

Observed on the same splits, with the same sample ids, as `mri_classification` with the same
``data``. An accuracy that file metadata or the border alone reach says that the classes come from
different collections; a network may have learnt no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from medpipe.audits.shortcuts import METADATA_NOTE
from medpipe.pipeline.config import Section, parse, stand_in
from medpipe.pipeline.data.image_files import file_marks
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.imaging.baselines import File, Model, classifier, features
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.imaging_settings import Data
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "image_baselines"


class ImageBaselines(Section):
    """The parameters of the experiment."""

    data: Data
    model: Annotated[Model, Field(discriminator="kind")]


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Fit on the training split, observe every split."""
    written = parse(ImageBaselines, config, NAME)
    data = with_clusters(load_images(written.data.source))
    splits = splits_of(data, written.data)
    context.progress(0, 2, f"reading images for the {written.model.kind} baseline")
    seen = features(data, written.model, lambda: file_marks(data))
    part_of = {
        name: next((p for p in data.parts if p.lower() == name), written.data.part)
        for name in splits
    }
    part_of |= dict.fromkeys(("training", "validation"), written.data.part)
    context.progress(1, 2, f"fitting the {written.model.kind} baseline")
    model = classifier(written.model, seed)
    model.fit(seen[written.data.part][splits["training"].index], splits["training"].label)
    observations = {}
    for name, subset in splits.items():
        probable = np.zeros((len(subset), len(data.classes)))
        probable[:, model.classes_] = model.predict_proba(seen[part_of[name]][subset.index])
        observations[name] = subset.observe(
            data.classes, cluster_of(data), y_pred=probable.argmax(axis=1), y_prob=probable
        )
    context.progress(2, 2, "done")
    resolved = {
        **written.model_dump(exclude_unset=True),
        "data": {**written.data.model_dump(exclude_unset=True), "source": data.source},
    }
    return ExperimentResult(
        resolved,
        observations,
        {"samples_train": len(splits["training"])},
        data_digests=_digests(data, written),
        notes=[
            *stand_in(written.data.source, data.source),
            *([METADATA_NOTE] if isinstance(written.model, File) else []),
        ],
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data that `run` would use now."""
    written = parse(ImageBaselines, config, NAME)
    return _digests(load_images(written.data.source), written)


def _digests(data: ImageData, written: ImageBaselines) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(written.data.groups)}
