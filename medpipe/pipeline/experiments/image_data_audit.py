"""What the images themselves say about any accuracy measured on them, before a network is trained.

Between training and each evaluation split: copies (stored again, mirrored, turned, cropped), and slices so alike that they are likely of
one patient. Within each split: copies that carry another label. Every flag is kept by sample, so that a model's accuracy can be taken
with and without the samples flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.image_copies import COPY, NEIGHBOUR, Pair
from medpipe.audits.shares import share
from medpipe.pipeline.config import Section, parse, stand_in
from medpipe.pipeline.data.image_clusters import pairs
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.settings import Data
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "image_data_audit"
Flags = NDArray[np.bool_]


class ImageDataAudit(Section):
    """The parameters of the experiment."""

    data: Data


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Scalars ``<split>_<flag>_share`` with interval, count and n; observations with a flag (0 or 1) for each audit and sample."""
    written = parse(ImageDataAudit, config, NAME)
    data = with_clusters(load_images(written.data.source))
    splits = splits_of(data, written.data)
    context.progress(0, 2, "comparing every image with every other")
    found = pairs(data)
    place = _places(data)
    trained = np.zeros(sum(len(part) for part in data.parts.values()), bool)
    trained[place(splits["training"])] = True
    label = np.concatenate([part.label for part in data.parts.values()])
    every = {"label_contradicted": _with_another_label(found, label)}
    across = {"image_copy": _met(found, trained, COPY), "image_neighbour": _met(found, trained, NEIGHBOUR)}
    context.progress(1, 2, "counting")
    scalars, observations, notes = dict[str, float](), {}, list(stand_in(written.data.source, data.source))
    column = cluster_of(data)
    for name, subset in splits.items():
        flags = {flag: values[place(subset)] for flag, values in (every if name == "training" else {**across, **every}).items()}
        observations[name] = subset.observe(data.classes, column, **{flag: values.astype(np.uint8) for flag, values in flags.items()})
        ids, cluster = (values[subset.index].tolist() for values in (subset.part.sample_id, subset.part.groups[column]))
        for flag, values in flags.items():
            seen = share(flag, values, ids, cluster)
            scalars |= seen.scalars(name)
            notes += [_example(name, flag, seen.samples[0], found, data)] if seen.count else []
    context.progress(2, 2, "images looked at")
    resolved = {"data": {**written.data.model_dump(exclude_unset=True), "source": data.source}}
    return ExperimentResult(resolved, observations, scalars, data_digests=_digests(data, written), notes=notes)


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data that `run` would use now."""
    written = parse(ImageDataAudit, config, NAME)
    return _digests(load_images(written.data.source), written)


def _digests(data: ImageData, written: ImageDataAudit) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(written.data.groups)}


def _places(data: ImageData) -> Any:
    """A function from a subset to the numbers of its images as `pairs` counts them: through the parts in their order."""
    known = {sample: i for i, sample in enumerate(np.concatenate([part.sample_id for part in data.parts.values()]).tolist())}
    return lambda subset: np.array([known[sample] for sample in subset.part.sample_id[subset.index].tolist()])


def _met(found: Sequence[Pair], trained: Flags, least: float) -> Flags:
    """Whether each image is alike to an image that is trained on, bool ``(N,)``."""
    met = np.zeros(len(trained), bool)
    for pair in found:
        if pair.score >= least:
            met[pair.first] |= trained[pair.second]
            met[pair.second] |= trained[pair.first]
    return met


def _with_another_label(found: Sequence[Pair], label: NDArray[np.int64]) -> Flags:
    """Whether each image has a copy anywhere that carries another label, bool ``(N,)``."""
    contradicted = np.zeros(len(label), bool)
    for pair in found:
        if pair.score >= COPY and label[pair.first] != label[pair.second]:
            contradicted[[pair.first, pair.second]] = True
    return contradicted


def _example(split: str, flag: str, sample: str, found: Sequence[Pair], data: ImageData) -> str:
    """A sentence for the reader that names an image flagged and the image that it is most alike to."""
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    label = np.concatenate([part.label for part in data.parts.values()])
    at = int(np.flatnonzero(ids == sample)[0])
    wanted = [p for p in found if at in (p.first, p.second) and (flag != "label_contradicted" or label[p.first] != label[p.second])]
    best = max(wanted, key=lambda p: p.score)
    other = best.second if best.first == at else best.first
    return f"{split}, {flag}: such as {sample}, which is {ids[other]} {best.how} (correlation {best.score:.4f})"
