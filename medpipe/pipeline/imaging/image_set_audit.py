"""Run all audits of an image set, without training a network, and collect them in one document.

Between the part that is trained on and every other: copies, likely slices of one patient, groups of
a table on both sides. Within the set: copies, labels that a copy contradicts, sources that files
betray, and what baselines reach that are blind to the subject.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from medpipe.audits.images.duplicates import Match
from medpipe.audits.images.groups import Groups
from medpipe.audits.proportions import Share, share
from medpipe.audits.shortcuts import BLIND, above_commonest
from medpipe.evidence.observations import Observations
from medpipe.formatting import listed, plural
from medpipe.pipeline.data.image_groups import grey as grey_planes
from medpipe.pipeline.data.image_groups import groups
from medpipe.pipeline.data.image_sets import SIDE, ImageSet
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.imaging.baselines import (
    Blurred,
    Border,
    File,
    Majority,
    Model,
    Nearest,
    classifier,
    features,
)
from medpipe.pipeline.imaging.image_outliers import ImageOutlier, oddities
from medpipe.pipeline.imaging.image_set_assessment import ShortcutBaseline, weigh
from medpipe.pipeline.imaging.leaked_images import (
    MOST_EXAMPLES,
    Layout,
    Relation,
    group_of_each,
    not_compared,
    relations,
    shown,
    training_part,
)
from medpipe.pipeline.imaging.shown_groups import ShownGroup, distinct_slices, shown_groups
from medpipe.pipeline.imaging.split_audit import SplitAudit, audit_split, with_known
from medpipe.progress import tell

HELD_OUT = "held out"
"""The part that baselines are scored on where a set has none: a fifth of the clusters, held out."""

FOLDS, SEED = 5, 0
MODELS: Mapping[str, Model] = {
    "the commonest class": Majority(kind="majority"),
    "file metadata alone, no pixels": File(kind="file"),
    "the outermost sixteenth on each side": Border(kind="border", width=2),
    "8 by 8 grey pixels": Blurred(kind="blurred", side=8),
    "the nearest image in 32 by 32 pixels": Nearest(kind="nearest", side=32),
}
BEARS_ON = {
    "contradicted": (
        "any accuracy on images of which a copy carries another label: at most one label of each"
        " pair is correct"
    ),
    "oddities": "any accuracy in which these images, or these labels, are counted",
    "sources": "any accuracy that is to hold for images of another collection",
}
"""What is found of the whole set → the accuracies that it touches."""


@dataclass(frozen=True)
class ImageAudit:
    """All that was seen. ``verdict`` is inflated, confounded or both, with ``reasons``; open, as
    long as anything is ``undecided``; or clean. ``bears_on``: `BEARS_ON`; relations and baselines
    have their own. ``grouped``: the images whose group a table names, None where none was given.
    ``layout`` and ``notes``: how folders and tables were read. ``slices``: distinct slices by
    class; ``shared``: slices that stand in several classes; ``split``: of the table given, if any.
    """

    source: str
    digest: str
    layout: str
    notes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    problems: tuple[tuple[str, str], ...]
    trained_on: str
    grouped: int | None
    relations: tuple[Relation, ...]
    copies: int
    clusters: int
    contradicted: tuple[tuple[str, str, str, float], ...]
    oddities: tuple[ImageOutlier, ...]
    baselines: tuple[ShortcutBaseline, ...]
    sources: tuple[Mapping[str, Any], ...]
    verdict: str
    reasons: tuple[str, ...]
    undecided: tuple[str, ...]
    bears_on: Mapping[str, str]
    groups: tuple[ShownGroup, ...]
    slices: Mapping[str, int]
    shared: int
    split: tuple[SplitAudit, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"version": 2, **asdict(self)}


def audit_images(
    images: ImageSet,
    table: Mapping[str, str] | None = None,
    train: str = "",
    split: Mapping[str, str] | None = None,
) -> ImageAudit:
    """Look at a set. ``table``: the group (patient) of images by path, else those of the set
    itself; ``train``: the part that is trained on, where its name does not say; ``split``: the part
    of images by path, to be checked for leakage.

    Raises `DataError` where a table is about other images, or no part is called ``train``.
    """
    data = images.data
    trained_on = training_part(tuple(data.parts), train)
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    label = np.concatenate([part.label for part in data.parts.values()])
    known = group_of_each(table or images.group_of() or None, ids)
    tell(0, 5, "decoding")
    grey = np.concatenate([part.planes(SIDE).planes for part in data.parts.values()])
    tell(1, 5, "comparing images")
    found = groups(data)
    tell(2, 5, "comparing images")
    cluster = _named(ids, found.patient)
    together = _named(ids, with_known(found.patient, known))
    layout = Layout(
        ids,
        np.repeat(list(data.parts), [len(part) for part in data.parts.values()]),
        cluster,
        trained_on,
    )
    related = tuple(relations(layout, found, known))
    copies = [link for link in found.links if link.is_copy]
    contradicted = [p for p in copies if label[p.first] != label[p.second]]
    places = dict(_split(data, layout))
    too_few = _too_few(data, label, together, places[""])
    tell(3, 5, "trying baselines")
    baselines = (
        () if too_few else tuple(_baselines(images, dict(_scored(label, together, places)), layout))
    )
    tell(4, 5, "comparing images")
    cause = next((note for note in images.notes if "other way round" in note), "")
    weighed = weigh(
        related,
        _share(contradicted, layout),
        baselines,
        (*not_compared(layout, known), *_untrained(data, layout), *too_few),
        cause,
    )
    counts = {
        name: {kind: int((part.label == k).sum()) for k, kind in enumerate(data.classes)}
        for name, part in data.parts.items()
    }
    return ImageAudit(
        data.source,
        data.digest,
        images.layout,
        images.notes,
        counts,
        problems=tuple((p.path, p.what) for p in images.problems),
        trained_on=trained_on,
        grouped=None if known is None else int((known != "").sum()),
        relations=related,
        copies=len(copies),
        clusters=len(np.unique(cluster)),
        contradicted=tuple(shown(p, ids) for p in contradicted[:MOST_EXAMPLES]),
        oddities=oddities(images, grey, cluster, together),
        baselines=baselines,
        sources=tuple(_sources(images)),
        bears_on=BEARS_ON,
        verdict=weighed.verdict,
        reasons=weighed.reasons,
        undecided=weighed.undecided,
        groups=shown_groups(data, found, grey_planes(data)),
        slices=distinct_slices(data, found),
        shared=int(sum(len(np.unique(label[found.slice == s])) > 1 for s in _repeated(found))),
        split=(
            ()
            if split is None
            else audit_split(data, found, split, train if train in split.values() else "", known)
        ),
    )


def pictures_of(images: ImageSet, found: ImageAudit) -> dict[str, bytes]:
    """The images that ``found`` names as examples, as PNG of 128 pixels by path."""
    named = {path for r in found.relations for e in r.examples for path in e[:2]} | {
        path for e in found.contradicted for path in e[:2]
    }
    named |= {path for o in found.oddities for path, _ in o.examples} | {
        path for g in found.groups for path, _ in g.images
    }
    pictures = {}
    for part in images.data.parts.values():
        for i in np.flatnonzero(np.isin(part.sample_id, sorted(named))).tolist():
            stored = io.BytesIO()
            Image.fromarray(part.planes(SIDE)[i][0]).save(stored, "PNG")
            pictures[str(part.sample_id[i])] = stored.getvalue()
    return pictures


def _repeated(found: Groups) -> list[int]:
    """The numbers of slices that several images show."""
    number, count = np.unique(found.slice, return_counts=True)
    return [int(n) for n in number[count > 1]]


def _named(ids: NDArray[np.str_], number: NDArray[np.int64]) -> NDArray[np.str_]:
    """The groups, each named after the first of its images."""
    return ids[np.unique(number, return_index=True)[1]][np.unique(number, return_inverse=True)[1]]


def _share(contradicted: list[Match], layout: Layout) -> Share:
    flags = np.zeros(len(layout.ids), bool)
    flags[[i for p in contradicted for i in (p.first, p.second)]] = True
    return share("contradicted", flags, layout.ids.tolist(), layout.cluster.tolist())


def _untrained(data: ImageData, layout: Layout) -> Iterator[str]:
    """A sentence where the part trained on lacks a class that others have."""
    if layout.trained_on and len(data.parts) > 1:
        lacking = [
            kind
            for k, kind in enumerate(data.classes)
            if not (data.parts[layout.trained_on].label == k).any()
        ]
        if lacking:
            yield (
                f"{layout.trained_on}: no image of {listed(lacking)}, so that other parts report on"
                " what was never trained on"
            )


def _split(data: ImageData, layout: Layout) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Places of the images that baselines learn from (under ``""``) and of each part that they are
    scored on, if there is any.
    """
    if not layout.trained_on or len(data.parts) == 1:
        yield "", np.arange(len(layout.ids))
        return
    yield "", np.flatnonzero(layout.part_of == layout.trained_on)
    for part in data.parts:
        if part != layout.trained_on:
            yield part, np.flatnonzero(layout.part_of == part)


def _too_few(
    data: ImageData, label: NDArray[np.int64], cluster: NDArray[np.str_], learnt: NDArray[np.int64]
) -> tuple[str, ...]:
    """The sentence that says why no baseline can be tried, if so: a class has too few images that
    are no copies of each other.
    """
    found = {
        kind: len(np.unique(cluster[learnt][label[learnt] == k]))
        for k, kind in enumerate(data.classes)
    }
    few = [f"class {kind} has {plural(n, 'image')}" for kind, n in found.items() if n < FOLDS]
    return (
        (
            (
                "what tells the class without a network was not tried: of images to learn from,"
                f" copies counted once, {listed(few)}, and {FOLDS} are needed"
            ),
        )
        if few
        else ()
    )


def _scored(
    label: NDArray[np.int64],
    cluster: NDArray[np.str_],
    places: Mapping[str, NDArray[np.int64]],
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The same places; where there is no part to score on, a fifth of the clusters is held out."""
    if len(places) > 1:
        yield from places.items()
        return
    learnt, scored = next(
        StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED).split(label, label, cluster)
    )
    yield from (("", learnt), (HELD_OUT, scored))


def _baselines(
    images: ImageSet, places: Mapping[str, NDArray[np.int64]], layout: Layout
) -> Iterator[ShortcutBaseline]:
    data = images.data
    label = np.concatenate([part.label for part in data.parts.values()])
    for name, model in MODELS.items():
        seen = np.concatenate(list(features(data, model, lambda: images.marks).values()))
        fitted = classifier(model, SEED).fit(seen[places[""]], label[places[""]])
        for part, index in places.items():
            if part:
                called = fitted.predict(seen[index])
                o = Observations(
                    {
                        "sample_id": layout.ids[index],
                        "y_true": label[index],
                        "y_pred": called,
                        "cluster": layout.cluster[index],
                    },
                    data.classes,
                    "cluster",
                )
                yield ShortcutBaseline(
                    part,
                    name,
                    float(np.mean(called == label[index])),
                    above_commonest(o),
                    model.kind in BLIND,
                    _touched(part, model.kind in BLIND),
                )


def _touched(part: str, is_blind: bool) -> str:
    where = "on images of this set split at random" if part == HELD_OUT else f"reported on “{part}”"
    return (
        f"any accuracy {where} that is to come from the subject"
        if is_blind
        else f"any gain over simple methods {where}"
    )


def _sources(images: ImageSet) -> Iterator[dict[str, Any]]:
    """The commonest kinds of file (mode, JPEG tables, square or not), with the images of each class
    among them.
    """
    kinds: dict[tuple[str, str, str], Counter[str]] = {}
    for name, marks in images.marks.items():
        for m, k in zip(marks, images.data.parts[name].label.tolist(), strict=True):
            size = f"{m.width} by {m.height}" if m.width == m.height else "not square"
            kinds.setdefault((m.mode, m.tables or "no JPEG", size), Counter())[
                images.data.classes[k]
            ] += 1
    for (mode, tables, size), count in sorted(kinds.items(), key=lambda item: -item[1].total())[
        :MOST_EXAMPLES
    ]:
        yield {
            "mode": mode,
            "tables": tables,
            "size": size,
            "images": count.total(),
            "classes": dict(sorted(count.items())),
        }
