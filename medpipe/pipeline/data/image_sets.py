"""Read any folder or archive of images for an audit; list the files that cannot be read.

Parts, classes and patients are told as `medpipe.pipeline.data.image_layout` says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.features import SIDE as SEARCH_SIDE
from medpipe.errors import DataError
from medpipe.pipeline.data.data_files import open_files
from medpipe.pipeline.data.decoding import decode, resize_grey, strict_images
from medpipe.pipeline.data.image_files import FileMarks, marks_of
from medpipe.pipeline.data.image_layout import ImageIndex, LabelledImage, index_images
from medpipe.pipeline.data.images import ImageData, ImagePart, digest_of, groups_by_part
from medpipe.pipeline.data.paths import data_home
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.data.synthetic import Listings, manifests_around, read_listings, refuse

SIDE = 128
"""Pixels a side of the grey images that everything but the search for relatives looks at."""
_BATCH = 128
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Problem:
    """A file that could not be used: its path in the set, and what is wrong with it in one
    sentence.
    """

    path: str
    what: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """``data``: the images that could be read, grey at 128 and 160 pixels, other sizes made from
    these; by part ``marks`` of their files and ``colour``, float64 ``(N,)``: the mean difference
    between the largest and the smallest of an image's channels, in grey levels. ``layout`` is how
    the folders were read, ``notes`` are sentences on it; ``group``: what the images of a group
    share (``patient``, ``lesion``), "" where no group is known.
    """

    data: ImageData
    marks: Mapping[str, tuple[FileMarks, ...]]
    colour: Mapping[str, NDArray[np.float64]]
    problems: tuple[Problem, ...]
    layout: str
    notes: tuple[str, ...]
    group: str

    def group_of(self) -> dict[str, str]:
        """The known group of each image by its path."""
        named = (f"{self.group}_id", self.group)
        return {
            path: group
            for part in self.data.parts.values()
            for name in named
            if name in part.groups
            for path, group in zip(part.sample_id.tolist(), part.groups[name].tolist(), strict=True)
            if group
        }


@dataclass(frozen=True, eq=False)
class _Read:
    image: LabelledImage
    digest: str
    marks: FileMarks
    grey: Mapping[int, NDArray[np.uint8]]
    colour: float
    synthetic: str | None


def read_image_set(
    place: Path, told: Told = lambda done, total: None, layout: str = ""
) -> ImageSet:
    """Read every image once. ``told(done, total)`` is called as files are read; ``layout``: as
    `index_images` takes it.

    Raises `DataError` where there is no such folder, fewer than two classes with a readable image,
    or an image that a manifest lists as synthetic (`medpipe.pipeline.data.synthetic`).
    """
    if not place.exists():
        raise DataError(f"{place}: expected a folder, zip file or tar file of images, found none")
    index = index_images(open_files(place), layout)
    listings = read_listings(index.files, manifests_around(data_home()))
    problems = [Problem(*problem) for problem in index.problems]
    read: list[_Read] = []
    for done, (path, found) in enumerate(_each(index, listings), 1):
        if isinstance(found, _Read):
            read.append(found)
        else:
            problems.append(Problem(path, found))
        told(done, len(index.images))
    refuse(place, [(r.image.path, r.synthetic) for r in read if r.synthetic is not None])
    by_part = _by_part(place, read)
    data = _arranged(place, index, by_part)
    problems += _without_images(index, data)
    return ImageSet(
        data,
        {name: tuple(r.marks for r in found) for name, found in by_part.items()},
        {name: np.array([r.colour for r in found]) for name, found in by_part.items()},
        tuple(sorted(problems, key=lambda p: p.path)),
        index.layout,
        index.notes,
        index.group,
    )


def _each(index: ImageIndex, listings: Listings) -> Iterator[tuple[str, _Read | str]]:
    """Each path with what was read, or the sentence that says why it was not; batches bound the
    memory.
    """
    image_of = {image.path: image for image in index.images}
    contents = index.files.read_each(image_of)
    with strict_images(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while batch := list(islice(contents, _BATCH)):
            yield from pool.map(
                lambda item: (item[0], _read(image_of[item[0]], item[1], listings)), batch
            )


def _read(image: LabelledImage, content: bytes, listings: Listings) -> _Read | str:
    try:
        rgb = decode(content, "file", SIDE)
        grey = {SIDE: _grey(rgb), SEARCH_SIDE: _grey(decode(content, "file", SEARCH_SIDE))}
        colour = float((rgb.max(axis=2) - rgb.min(axis=2)).mean())
        digest = hashlib.sha256(content).hexdigest()
        return _Read(
            image, digest, marks_of(content, "file"), grey, colour, listings.find(content, digest)
        )
    except DataError as error:
        return str(error).removeprefix("file: ")


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(rgb.mean(axis=2, dtype=np.float32)), np.uint8)


def _by_part(place: Path, read: list[_Read]) -> dict[str, list[_Read]]:
    classes = sorted({r.image.label for r in read})
    if len(classes) < 2:
        raise DataError(
            f"{place}: expected readable images of at least two classes, got "
            f"{f'{classes[0]} alone' if classes else 'none'}; give the folder above the classes"
        )
    by_part: dict[str, list[_Read]] = {}
    for r in sorted(read, key=lambda r: (r.image.part, r.image.path)):
        by_part.setdefault(r.image.part, []).append(r)
    return by_part


def _arranged(place: Path, index: ImageIndex, by_part: Mapping[str, list[_Read]]) -> ImageData:
    classes = tuple(sorted({r.image.label for found in by_part.values() for r in found}))
    digests = {r.image.path: r.digest for found in by_part.values() for r in found}
    groups = groups_by_part(index, digests)
    parts = {name: _part(found, classes, groups.get(name, {})) for name, found in by_part.items()}
    return ImageData(str(place), classes, parts, digest_of(index, digests))


def _part(
    read: list[_Read], classes: tuple[str, ...], groups: Mapping[str, NDArray[np.str_]]
) -> ImagePart:
    label = np.array([classes.index(r.image.label) for r in read], dtype=np.int64)
    grey = {side: np.stack([r.grey[side] for r in read]) for side in (SIDE, SEARCH_SIDE)}

    def planes(size: int) -> Planes:
        return Planes(
            np.ones(len(read), dtype=np.uint8),
            grey[size] if size in grey else resize_grey(grey[SIDE], size),
        )

    return ImagePart(
        label,
        np.array([r.image.path for r in read]),
        {"bytes": np.array([r.digest for r in read]), **groups},
        planes,
    )


def _without_images(index: ImageIndex, data: ImageData) -> Iterator[Problem]:
    """Classes that one part has and another has not, and other folders that hold no image that
    could be read.
    """
    read = {
        path.rpartition("/")[0] for part in data.parts.values() for path in part.sample_id.tolist()
    }
    bare = {*index.files.empty, *(i.path.rpartition("/")[0] for i in index.images)} - read - {""}
    for name, part in data.parts.items():
        for k, kind in enumerate(data.classes):
            if not (part.label == k).any():
                bare -= {f"{name}/{kind}", f"{kind}/{name}"}
                yield Problem(
                    f"{name}/{kind}",
                    "expected readable images of this class, as another part has, got none",
                )
    yield from (
        Problem(folder, "expected readable images in this folder, got none")
        for folder in sorted(bare)
    )
