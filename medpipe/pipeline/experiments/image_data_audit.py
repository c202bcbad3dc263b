"""What the images themselves say about any accuracy measured on them, before a network is trained.

Between training and each evaluation split: copies (as they are or altered), slices that are likely
of one patient, and what a second, independent method finds. Within each split: copies that carry
another label. Every flag is kept by sample, so that a model's accuracy can be taken with and
without the samples flagged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.duplicates import Match
from medpipe.audits.images.groups import SHEETS, Groups
from medpipe.audits.images.split_check import FALSE_ALARMS, Nearest, look_across
from medpipe.audits.proportions import share
from medpipe.audits.split_leakage import GROUP, SLICE
from medpipe.evidence import Observations
from medpipe.pipeline.config import Section, parse, stand_in
from medpipe.pipeline.data.decoding import resize_grey
from medpipe.pipeline.data.image_groups import grey, groups
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.imaging.grouping import cluster_of, table_digest, with_clusters
from medpipe.pipeline.imaging.imaging_settings import Data
from medpipe.pipeline.imaging.shown_groups import shown_groups
from medpipe.pipeline.imaging.splitting import splits_of
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "image_data_audit"
EACH, THUMBNAIL = 6, 96
"""Images shown of a group, and pixels a side of each."""
Flags = NDArray[np.bool_]


class ImageDataAudit(Section):
    """The parameters of the experiment."""

    data: Data


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Scalars ``<split>_<flag>_share`` with interval, count and n; observations with a flag (0 or
    1) for each audit and sample.
    """
    written = parse(ImageDataAudit, config, NAME)
    data = with_clusters(load_images(written.data.source))
    splits = splits_of(data, written.data)
    context.progress(0, 2, "comparing every image with every other")
    found = groups(data)
    place = _places(data)
    training = place(splits["training"])
    label = np.concatenate([part.label for part in data.parts.values()])
    every = {"label_contradicted": contradicted(found.slice, label)}
    across = {
        "image_copy": np.isin(found.slice, found.slice[training]),
        "image_neighbour": np.isin(found.patient, found.patient[training]),
    }
    pixels = grey(data)
    context.progress(1, 2, "counting")
    scalars, observations, notes = (
        dict[str, float](),
        {},
        list(stand_in(written.data.source, data.source)),
    )
    column = cluster_of(data)
    for name, subset in splits.items():
        here = place(subset)
        flags = {
            flag: values[here]
            for flag, values in (every if name == "training" else {**across, **every}).items()
        }
        nearest = None if name == "training" else look_across(pixels, training, here)
        if nearest is not None:
            flags["second_method"] = nearest.flagged
        observations[name] = subset.observe(
            data.classes,
            column,
            **{SLICE: found.slice[here].astype(str), GROUP: found.patient[here].astype(str)},
            **{flag: values.astype(np.uint8) for flag, values in flags.items()},
        )
        ids, cluster = (
            values[subset.index].tolist()
            for values in (subset.part.sample_id, subset.part.groups[column])
        )
        for flag, values in flags.items():
            seen = share(flag, values, ids, cluster)
            scalars |= seen.scalars(name)
            notes += (
                [_example(name, flag, seen.samples[0], found, data)]
                if seen.count and flag != "second_method"
                else []
            )
        notes += [] if nearest is None else [_resembling(name, nearest, here, data)]
    observations |= sheets(data, found, pixels)
    context.progress(2, 2, "images looked at")
    resolved = {"data": {**written.data.model_dump(exclude_unset=True), "source": data.source}}
    return ExperimentResult(
        resolved, observations, scalars, data_digests=_digests(data, written), notes=notes
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the data that `run` would use now."""
    written = parse(ImageDataAudit, config, NAME)
    return _digests(load_images(written.data.source), written)


def _digests(data: ImageData, written: ImageDataAudit) -> dict[str, str]:
    return {data.source: data.digest, **table_digest(written.data.groups)}


def _places(data: ImageData) -> Any:
    """A function from a subset to the numbers of its images as `pairs` counts them: through the
    parts in their order.
    """
    known = _numbers(data)
    return lambda subset: np.array(
        [known[sample] for sample in subset.part.sample_id[subset.index].tolist()]
    )


def _numbers(data: ImageData) -> dict[str, int]:
    """The number of each image, through the parts in their order."""
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    return {sample: i for i, sample in enumerate(ids.tolist())}


def contradicted(slices: NDArray[np.int64], label: NDArray[np.int64]) -> Flags:
    """Whether each image has a copy anywhere that carries another label, bool ``(N,)``."""
    labels = np.unique(np.column_stack([slices, label]), axis=0)[:, 0]
    several, count = np.unique(labels, return_counts=True)
    return np.isin(slices, several[count > 1])


def sheets(data: ImageData, found: Groups, pixels: NDArray[np.uint8]) -> dict[str, Observations]:
    """The first images of the largest groups, for contact sheets: how each was altered, and its
    pixels; none without groups.
    """
    rows = [
        (group, k, path, altered)
        for k, group in enumerate(shown_groups(data, found, pixels))
        for path, altered in group.images[:EACH]
    ]
    if not rows:
        return {}
    place = _numbers(data)
    columns: dict[str, list[Any]] = {
        "sample_id": [path for _, _, path, _ in rows],
        "altered": [altered for *_, altered in rows],
        "group": [str(k + 1) for _, k, *_ in rows],
        "kind": [g.kind for g, *_ in rows],
        "classes": [", ".join(g.classes) for g, *_ in rows],
        "count": [g.count for g, *_ in rows],
        "slices": [g.slices for g, *_ in rows],
    }
    small = resize_grey(pixels[[place[path] for path in columns["sample_id"]]], THUMBNAIL)
    return {
        SHEETS: Observations(
            {**{name: np.array(values) for name, values in columns.items()}, "pixels": small}
        )
    }


def _example(split: str, flag: str, sample: str, found: Groups, data: ImageData) -> str:
    """A sentence for the reader that names an image flagged and one that it is related to."""
    ids, label = (
        np.concatenate([getattr(part, name) for part in data.parts.values()])
        for name in ("sample_id", "label")
    )
    at = int(np.flatnonzero(ids == sample)[0])

    def wanted(link: Match) -> bool:
        return at in (link.first, link.second) and (
            flag != "label_contradicted" or label[link.first] != label[link.second]
        )

    best = max(
        filter(wanted, found.links), key=lambda link: (link.is_copy, link.score), default=None
    )
    if best is None:
        return f"{split}, {flag}: such as {sample}, related through other images of its group"
    other = best.second if best.first == at else best.first
    return (
        f"{split}, {flag}: such as {sample}, which is {ids[other]} {best.how} ({best.kind},"
        f" correlation {best.score:.4f})"
    )


def _resembling(split: str, nearest: Nearest, here: NDArray[np.int64], data: ImageData) -> str:
    """What the second method found, and the pair that it found most alike."""
    ids, best = (
        np.concatenate([part.sample_id for part in data.parts.values()]),
        int(nearest.score.argmax()),
    )
    count, n = FALSE_ALARMS
    return (
        f"{split}, second_method: {int(nearest.flagged.sum()):,} of {len(here):,} resemble an image"
        f" trained on; of images of other patients {count:,} of {n:,} do. Most alike:"
        f" {ids[here[best]]} and {ids[nearest.other[best]]} ({nearest.score[best]:.3f})"
    )
