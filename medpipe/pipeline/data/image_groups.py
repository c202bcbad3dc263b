"""Group related images of a data set across its parts, and cache the result."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images import candidates, duplicates, features, geometry, template
from medpipe.audits.images.duplicates import Match, find_matches
from medpipe.audits.images.features import SIDE
from medpipe.audits.images.geometry import Transform
from medpipe.audits.images.groups import Groups, group
from medpipe.evidence.files import write_atomically
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.paths import cache_home

VERSION = 1


@lru_cache(maxsize=2)
def groups(data: ImageData) -> Groups:
    """The groups of all images, numbered through the parts in their order."""
    return group(sum(len(part) for part in data.parts.values()), matches(data))


def clusters(data: ImageData) -> Mapping[str, NDArray[np.str_]]:
    """The group of each image, by part, str ``(N,)``: named after the first of its images; an image
    without relatives is alone.
    """
    ids = np.concatenate([part.sample_id for part in data.parts.values()])
    number = groups(data).patient
    named = ids[np.unique(number, return_index=True)[1]][number]
    ends = np.cumsum([len(part) for part in data.parts.values()])[:-1]
    return dict(zip(data.parts, np.split(named, ends), strict=True))


def matches(data: ImageData) -> tuple[Match, ...]:
    """All related pairs of images; kept under `cache_home`."""
    path = cache_home() / "related_images" / f"{_key(data)}.json"
    kept = _read(path)
    if kept is None:
        kept = find_matches(grey(data), digests(data))
        with suppress(
            OSError
        ):  # a full or read-only disk costs time at the next call, nothing else
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps([asdict(match) for match in kept]).encode())
    return kept


def grey(data: ImageData, side: int = SIDE) -> NDArray[np.uint8]:
    """All images as grey planes uint8 ``(N, side, side)``, the mean of their channels."""
    return np.concatenate([np.stack(list(_grey(data, name, side))) for name in data.parts])


def digests(data: ImageData) -> list[str]:
    """The digest of each image's file, where the data knows it; else none at all."""
    if not all("bytes" in part.groups for part in data.parts.values()):
        return []
    return [digest for part in data.parts.values() for digest in part.groups["bytes"].tolist()]


def _grey(data: ImageData, name: str, side: int) -> Iterator[NDArray[np.uint8]]:
    planes = data.parts[name].planes(side)
    for place in range(len(planes)):
        image = planes[place]
        yield (
            image[0]
            if len(image) == 1
            else np.rint(image.mean(axis=0, dtype=np.float32)).astype(np.uint8)
        )


def _key(data: ImageData) -> str:
    """Changes with the data and with the code of the search."""
    code = [
        inspect.getsource(module)
        for module in (candidates, duplicates, features, geometry, template)
    ]
    told = [str(VERSION), data.digest, *data.parts, *code]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]


def _read(path: Path) -> tuple[Match, ...] | None:
    try:
        return tuple(_match(row) for row in json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _match(row: dict[str, object]) -> Match:
    by = dict(row["transform"])  # type: ignore[call-overload]
    return Match(**{**row, "transform": Transform(**{**by, "shift": tuple(by["shift"])})})  # type: ignore[arg-type]
