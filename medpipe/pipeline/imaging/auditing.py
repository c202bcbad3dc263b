"""Everything that images and their files say about an accuracy measured on them, as one document, without training a network.

Between the part that is trained on and every other: copies, likely slices of one patient, groups of a table on both sides. Within the
set: copies, labels that a copy contradicts, sources that files betray, and what baselines reach that are blind to the subject.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from medpipe.audits.image_copies import COPY, SIDE, Pair, alike, groups
from medpipe.audits.image_tones import retoned
from medpipe.audits.observed import LARGE as MANY
from medpipe.audits.observed import SMALL as FEW
from medpipe.audits.shares import Share, share
from medpipe.audits.shortcuts import BLIND, LARGE, above_commonest
from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.phrases import plural
from medpipe.pipeline.data.image_sets import ImageSet
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.imaging.baselines import Blurred, Border, File, Majority, Model, Nearest, classifier, features
from medpipe.pipeline.imaging.oddities import Oddity, oddities
from medpipe.statistics import Interval

TRAINING = ("training", "train")
HELD_OUT = "held out"
"""The part that baselines are scored on where a set has none: a fifth of the clusters, held out."""

FOLDS, SEED = 5, 0
MOST_EXAMPLES = 12
MODELS: Mapping[str, Model] = {
    "the commonest class": Majority(kind="majority"), "file marks alone, no pixel read": File(kind="file"),
    "the outermost sixteenth on each side": Border(kind="border", width=2), "8 by 8 grey pixels": Blurred(kind="blurred", side=8),
    "the nearest image in 32 by 32 pixels": Nearest(kind="nearest", side=32)}


@dataclass(frozen=True)
class Relation:
    """Images of a part that have a relative in the part trained on; ``examples`` name one image and its relative each.

    ``is_sure``: copies, or groups that a table names, of what is trained on. Likeness of slices is calibrated on brain MRI alone.
    """

    part: str
    kind: str
    found: Share
    examples: tuple[tuple[str, str, str, float], ...]
    is_sure: bool


@dataclass(frozen=True)
class Blindness:
    """What a baseline reaches on a part: ``right`` and the commonest class's share of ``n``, and the difference with its interval."""

    part: str
    model: str
    right: float
    above: Interval
    is_blind: bool


@dataclass(frozen=True)
class ImageAudit:
    """All that was seen. ``verdict`` is clean, inflated, confounded or both, with ``reasons``."""

    source: str
    digest: str
    counts: Mapping[str, Mapping[str, int]]
    problems: tuple[tuple[str, str], ...]
    trained_on: str
    relations: tuple[Relation, ...]
    copies: int
    clusters: int
    contradicted: tuple[tuple[str, str, str, float], ...]
    oddities: tuple[Oddity, ...]
    baselines: tuple[Blindness, ...]
    sources: tuple[Mapping[str, Any], ...]
    verdict: str
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"version": 1, **asdict(self)}


def audit_images(images: ImageSet, table: Mapping[str, str] | None = None) -> ImageAudit:
    """Look at a set. ``table``: the group (patient) of images by path. Raises `DataError` where a table is about other images."""
    data = images.data
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    label = np.concatenate([part.label for part in data.parts.values()])
    part_of = np.repeat(list(data.parts), [len(part) for part in data.parts.values()])
    grey = np.concatenate([part.planes(SIDE).planes for part in data.parts.values()])
    copies, near = _pairs(grey)
    number = groups(len(ids), copies, -1)
    cluster = ids[np.unique(number, return_index=True)[1]][number]
    trained_on = next((name for name in data.parts if name.lower() in TRAINING), "")
    relations = tuple(_relations(ids, part_of, cluster, copies, near, trained_on, _known(table, ids)))
    contradicted = tuple(_shown(p, ids) for p in copies if label[p.first] != label[p.second])
    baselines = tuple(_baselines(images, dict(_split(data, cluster, part_of, trained_on)), cluster))
    verdict, reasons = _verdict(relations, contradicted, baselines)
    counts = {name: {kind: int((part.label == k).sum()) for k, kind in enumerate(data.classes)} for name, part in data.parts.items()}
    return ImageAudit(data.source, data.digest, counts, tuple((p.path, p.what) for p in images.problems), trained_on, relations,
                      len(copies), len(np.unique(cluster)), contradicted[:MOST_EXAMPLES], oddities(images, grey, cluster), baselines,
                      tuple(_sources(images)), verdict, reasons)


def pictures_of(images: ImageSet, found: ImageAudit) -> dict[str, bytes]:
    """The images that ``found`` names as examples, as PNG of 128 pixels by path."""
    named = {path for r in found.relations for e in r.examples for path in e[:2]} | {path for e in found.contradicted for path in e[:2]}
    named |= {path for o in found.oddities for path, _ in o.examples}
    pictures = {}
    for part in images.data.parts.values():
        for i in np.flatnonzero(np.isin(part.sample_id, sorted(named))).tolist():
            stored = io.BytesIO()
            Image.fromarray(part.planes(SIDE)[i][0]).save(stored, "PNG")
            pictures[str(part.sample_id[i])] = stored.getvalue()
    return pictures


def _pairs(grey: NDArray[np.uint8]) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Copies, those under another tone last, and all pairs that are likely of one patient, copies among them."""
    near = alike(grey)
    same = tuple(p for p in near if p.score >= COPY)
    toned = tuple(replace(p, how=f"{p.how}, in another tone") for p in retoned(grey, {(p.first, p.second) for p in same}))
    return same + toned, near + toned


def _known(table: Mapping[str, str] | None, ids: NDArray[np.str_]) -> NDArray[np.str_] | None:
    if table is None:
        return None
    if not table.keys() & set(ids.tolist()):
        raise DataError(f"table: expected paths of images such as {ids[0]!r} in the column image, got others, {next(iter(table))!r} first")
    return np.array([table.get(i, "") for i in ids.tolist()])


def _relations(ids: NDArray[np.str_], part_of: NDArray[np.str_], cluster: NDArray[np.str_], copies: Sequence[Pair],
               near: Sequence[Pair], trained_on: str, known: NDArray[np.str_] | None) -> Iterator[Relation]:
    trained = part_of == trained_on
    for part in dict.fromkeys(part_of.tolist()):
        here = part_of == part
        other = trained if trained_on and part != trained_on else here
        where = "trained on" if trained_on and part != trained_on else f"in {part} itself"
        for kind, pairs in ((f"copies of images {where}", copies), (f"likely slices of patients {where}", near)):
            met = [p for p in pairs if (here[p.first] and other[p.second]) or (here[p.second] and other[p.first])]
            flags = np.zeros(len(ids), bool)
            for p in met:
                flags[p.first] |= here[p.first] and other[p.second]
                flags[p.second] |= here[p.second] and other[p.first]
            examples = tuple(_shown(p, ids) for p in _spread(met, cluster))
            found = share(kind, flags[here], ids[here].tolist(), cluster[here].tolist())
            yield Relation(part, kind, found, examples, pairs is copies and where == "trained on")
        if known is not None and trained_on and part != trained_on and (known[here] != "").any():
            flags = np.isin(known, known[trained & (known != "")]) & here
            kind = "of a group of the table that is trained on"
            yield Relation(part, kind, share(kind, flags[here], ids[here].tolist(), known[here].tolist()), (), True)


def _spread(pairs: Sequence[Pair], cluster: NDArray[np.str_]) -> list[Pair]:
    """One pair a cluster, so that examples are not all of one image."""
    first: dict[str, Pair] = {}
    for p in pairs:
        first.setdefault(str(cluster[p.first]), p)
    return list(first.values())[:MOST_EXAMPLES]


def _shown(pair: Pair, ids: NDArray[np.str_]) -> tuple[str, str, str, float]:
    return str(ids[pair.first]), str(ids[pair.second]), pair.how, round(pair.score, 4)


def _split(data: ImageData, cluster: NDArray[np.str_], part_of: NDArray[np.str_],
           trained_on: str) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Places of the images that baselines learn from (under ``""``) and of each part that they are scored on."""
    if trained_on and len(data.parts) > 1:
        yield "", np.flatnonzero(part_of == trained_on)
        for part in data.parts:
            if part != trained_on:
                yield part, np.flatnonzero(part_of == part)
        return
    label = np.concatenate([part.label for part in data.parts.values()])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    learnt, scored = next(folds.split(label, label, cluster))
    yield from (("", learnt), (HELD_OUT, scored))


def _baselines(images: ImageSet, places: Mapping[str, NDArray[np.int64]], cluster: NDArray[np.str_]) -> Iterator[Blindness]:
    data = images.data
    label = np.concatenate([part.label for part in data.parts.values()])
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    for name, model in MODELS.items():
        seen = np.concatenate(list(features(data, model, lambda: images.marks).values()))
        fitted = classifier(model, SEED).fit(seen[places[""]], label[places[""]])
        for part, index in places.items():
            if part:
                called = fitted.predict(seen[index])
                o = Observations({"sample_id": ids[index], "y_true": label[index], "y_pred": called, "cluster": cluster[index]},
                                 data.classes, "cluster")
                yield Blindness(part, name, float(np.mean(called == label[index])), above_commonest(o), model.kind in BLIND)


def _sources(images: ImageSet) -> Iterator[dict[str, Any]]:
    """The commonest kinds of file (mode, JPEG tables, square or not), with the images of each class among them."""
    kinds: dict[tuple[str, str, str], Counter[str]] = {}
    for name, marks in images.marks.items():
        for m, k in zip(marks, images.data.parts[name].label.tolist(), strict=True):
            size = f"{m.width} by {m.height}" if m.width == m.height else "not square"
            kinds.setdefault((m.mode, m.tables or "no JPEG", size), Counter())[images.data.classes[k]] += 1
    for (mode, tables, size), count in sorted(kinds.items(), key=lambda item: -item[1].total())[:MOST_EXAMPLES]:
        yield {"mode": mode, "tables": tables, "size": size, "images": count.total(), "classes": dict(sorted(count.items()))}


def _verdict(relations: Sequence[Relation], contradicted: Sequence[Any], baselines: Sequence[Blindness]) -> tuple[str, tuple[str, ...]]:
    reasons, words = [], []
    for r in relations:
        if r.is_sure and r.found.interval.low >= FEW:
            reasons.append(f"{r.part}: {r.found.count:,} of {r.found.interval.n:,} images are {r.kind}"
                           + (", so many that they can carry an accuracy" if r.found.interval.low >= MANY else ""))
            words.append("inflated")
    for b in baselines:
        if b.is_blind and b.above.low >= LARGE:
            reasons.append(f"{b.part}: {b.model} tells {100 * b.right:.1f} % right, {100 * b.above.estimate:.0f} points above the "
                           "commonest class")
            words.append("confounded")
    if contradicted:
        reasons.append(f"copies that carry two labels: {plural(len(contradicted), 'pair')}")
    return " and ".join(dict.fromkeys(words)) or "clean", tuple(reasons)
