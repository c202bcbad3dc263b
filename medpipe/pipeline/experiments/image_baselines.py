"""What an image's class can be told from without looking at the brain, or without a network: file marks, border, a few pixels.

Observed on the same splits, with the same sample ids, as `mri_classification` with the same ``data``. An accuracy that file marks or the
border alone reach says that the classes come from different collections; a network may have learnt no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medpipe.pipeline.config import Section, parse, stand_in
from medpipe.pipeline.data.image_files import FileMarks, file_marks
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.settings import Data
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "image_baselines"
Features = NDArray[np.float64]


class Majority(Section):
    """The class that most training images have, whatever is seen."""

    kind: Literal["majority"]


class File(Section):
    """Gradient boosting on `FileMarks`: size in pixels and bytes, mode, JPEG tables, what else the file carries. No pixel is read."""

    kind: Literal["file"]


class Border(Section):
    """Gradient boosting on the outermost ``width`` of 32 pixels on each side: of the head, what is cut by the frame at most."""

    kind: Literal["border"]
    width: Annotated[int, Field(ge=1, le=8)]


class Blurred(Section):
    """Gradient boosting on the image as ``side`` by ``side`` grey pixels."""

    kind: Literal["blurred"]
    side: Annotated[int, Field(ge=1, le=32)]


class Nearest(Section):
    """The class of the nearest training image by Euclidean distance of ``side`` by ``side`` grey pixels."""

    kind: Literal["nearest"]
    side: Annotated[int, Field(ge=1, le=128)]


class ImageBaselines(Section):
    """The parameters of the experiment."""

    data: Data
    model: Annotated[Majority | File | Border | Blurred | Nearest, Field(discriminator="kind")]


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Fit on the training split, observe every split."""
    written = parse(ImageBaselines, config, NAME)
    data = with_clusters(load_images(written.data.source))
    splits = splits_of(data, written.data)
    context.progress(0, 2, f"reading images for the {written.model.kind} baseline")
    seen = _features(data, written.model)
    part_of = {name: next((p for p in data.parts if p.lower() == name), written.data.part) for name in splits}
    part_of |= dict.fromkeys(("training", "validation"), written.data.part)
    context.progress(1, 2, f"fitting the {written.model.kind} baseline")
    model = _model(written.model, seed)
    model.fit(seen[written.data.part][splits["training"].index], splits["training"].label)
    observations = {}
    for name, subset in splits.items():
        probable = np.zeros((len(subset), len(data.classes)))
        probable[:, model.classes_] = model.predict_proba(seen[part_of[name]][subset.index])
        observations[name] = subset.observe(data.classes, cluster_of(data), y_pred=probable.argmax(axis=1), y_prob=probable)
    context.progress(2, 2, "done")
    resolved = {**written.model_dump(exclude_unset=True), "data": {**written.data.model_dump(exclude_unset=True), "source": data.source}}
    return ExperimentResult(resolved, observations, {"samples_train": len(splits["training"])}, data_digests=_digests(data, written),
                            notes=list(stand_in(written.data.source, data.source)))


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data that `run` would use now."""
    written = parse(ImageBaselines, config, NAME)
    return _digests(load_images(written.data.source), written)


def _digests(data: ImageData, written: ImageBaselines) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(written.data.groups)}


def _features(data: ImageData, model: Any) -> dict[str, Features]:
    """What the baseline may see of each image, float64 ``(N, F)`` by part."""
    if isinstance(model, File):
        return _encoded(file_marks(data))
    if isinstance(model, Majority):
        return {name: np.zeros((len(part), 1)) for name, part in data.parts.items()}
    side = 32 if isinstance(model, Border) else model.side
    grey = {name: part.pixels(side).mean(axis=3) for name, part in data.parts.items()}
    if isinstance(model, Border):
        outside = np.ones((side, side), bool)
        outside[model.width:-model.width, model.width:-model.width] = False
        return {name: planes[:, outside] for name, planes in grey.items()}
    return {name: planes.reshape(len(planes), -1) for name, planes in grey.items()}


def _encoded(marks: Mapping[str, tuple[FileMarks, ...]]) -> dict[str, Features]:
    """Numbers as they are, words as numbers that mean nothing: trees split them apart all the same."""
    words = [sorted({getattr(m, column) for of_part in marks.values() for m in of_part}) for column in ("mode", "tables", "extras")]
    number = [{word: i for i, word in enumerate(known)} for known in words]
    return {name: np.array([[m.width, m.height, m.size, number[0][m.mode], number[1][m.tables], number[2][m.extras]] for m in of_part],
                           np.float64) for name, of_part in marks.items()}


def _model(written: Any, seed: int) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neighbors import KNeighborsClassifier

    if isinstance(written, Majority):
        return DummyClassifier(strategy="prior")
    if isinstance(written, Nearest):
        return KNeighborsClassifier(1)
    return HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
