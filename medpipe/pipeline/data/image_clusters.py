"""Clusters of copies in an image data set, across its parts: looked for once and kept."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.audits import image_copies
from medpipe.audits.image_copies import SIDE, Pair, alike, groups
from medpipe.evidence.files import write_atomically
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.places import cache_home


def clusters(data: ImageData) -> Mapping[str, NDArray[np.str_]]:
    """The cluster of copies of each image, by part, str ``(N,)``: named after the first of its images; alone where it has no copy."""
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    label = groups(len(ids), pairs(data))
    _, first = np.unique(label, return_index=True)
    named = ids[first][label]
    ends = np.cumsum([len(part) for part in data.parts.values()])[:-1]
    return dict(zip(data.parts, np.split(named, ends), strict=True))


def pairs(data: ImageData) -> tuple[Pair, ...]:
    """All pairs of images that are alike, numbered through the parts in their order; kept under `cache_home`."""
    path = cache_home() / "copies" / f"{_key(data)}.json"
    kept = _read(path)
    if kept is None:
        kept = alike(np.concatenate([grey(data, part) for part in data.parts]))
        with suppress(OSError):  # a full or read-only disk costs time at the next call, nothing else
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps([[p.first, p.second, p.score, p.how] for p in kept]).encode())
    return kept


def grey(data: ImageData, part: str) -> NDArray[np.uint8]:
    """The images of a part as grey planes uint8 ``(N, 128, 128)``, the mean of their channels."""
    return np.asarray(np.rint(data.parts[part].pixels(SIDE).mean(axis=3, dtype=np.float32)), dtype=np.uint8)


def _key(data: ImageData) -> str:
    """Changes with the data and with what looks for copies."""
    told = [data.digest, *data.parts, inspect.getsource(image_copies)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]


def _read(path: Path) -> tuple[Pair, ...] | None:
    try:
        return tuple(Pair(int(a), int(b), float(score), str(how)) for a, b, score, how in json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
