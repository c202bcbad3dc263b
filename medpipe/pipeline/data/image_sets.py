"""Anybody's images in a folder per class, or a zip file of it, for audits: what can be read is read, what cannot is listed.

``<part>/<class>/<image>`` or ``<class>/<image>``; parts and classes may have any names. In one layout, told from the first level: a folder
that holds images makes it a folder of a class.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.features import SIDE as SEARCH_SIDE
from medpipe.errors import DataError
from medpipe.phrases import plural
from medpipe.pipeline.data.decoding import decode, resize_grey, strict_images
from medpipe.pipeline.data.files import FileSet, open_files
from medpipe.pipeline.data.image_files import FileMarks, marks_of
from medpipe.pipeline.data.images import ImageData, ImagePart
from medpipe.pipeline.data.places import data_home
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.data.synthetic import Listings, manifests_around, read_listings, refuse, without_manifest

WHOLE = "all"
"""The name of the one part of a set without parts."""

ENDINGS = (".jpg", ".jpeg", ".png")
SIDE = 128
"""Pixels a side of the grey images that everything but the search for relatives looks at."""
_BATCH = 128
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Problem:
    """A file that could not be used: its path in the set, and what is wrong with it in one sentence."""

    path: str
    what: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """``data``: the images that could be read, grey at 128 and 160 pixels, other sizes made from these; by part ``marks`` of their files
    and ``colour``, float64 ``(N,)``: the mean difference between the largest and the smallest of an image's channels, in grey levels.
    """

    data: ImageData
    marks: Mapping[str, tuple[FileMarks, ...]]
    colour: Mapping[str, NDArray[np.float64]]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, eq=False)
class _Read:
    path: str
    digest: str
    marks: FileMarks
    grey: Mapping[int, NDArray[np.uint8]]
    colour: float
    synthetic: str | None


def read_image_set(place: Path, told: Told = lambda done, total: None) -> ImageSet:
    """Read every image once. ``told(done, total)`` is called as files are read.

    Raises `DataError` where there is no such folder, fewer than two classes with a readable image, or an image that a manifest lists
    as synthetic (`medpipe.pipeline.data.synthetic`).
    """
    if not place.exists():
        raise DataError(f"{place}: expected a folder or zip file of images, found none")
    every = open_files(place)
    files, listings = without_manifest(every), read_listings(every, manifests_around(data_home()))
    wanted, problems = _sorted_out(files)
    read: list[_Read] = []
    for done, (path, found) in enumerate(_each(files, wanted, listings), 1):
        if isinstance(found, _Read):
            read.append(found)
        else:
            problems.append(Problem(path, found))
        told(done, len(wanted))
    refuse(place, [(r.path, r.synthetic) for r in read if r.synthetic is not None])
    data, by_part = _arranged(place, read)
    problems += _without_images(place, data, {*wanted} - {r.path for r in read})
    return ImageSet(data, {name: tuple(r.marks for r in found) for name, found in by_part.items()},
                    {name: np.array([r.colour for r in found]) for name, found in by_part.items()},
                    tuple(sorted(problems, key=lambda p: p.path)))


def _sorted_out(files: FileSet) -> tuple[list[str], list[Problem]]:
    """The files that look like images in the set's layout, and all others."""
    images = [name for name in files.names if name.lower().endswith(ENDINGS)]
    if not images:
        raise DataError(f"{files.place}: expected images ({', '.join(ENDINGS)}) in a folder per class, found none")
    depths = [name.count("/") for name in images]
    depth = 2 if depths.count(2) >= depths.count(1) else 1
    layout = "<part>/<class>/<image>" if depth == 2 else "<class>/<image>"
    wanted = [name for name in images if name.count("/") == depth]
    if not wanted:
        raise DataError(f"{files.place}: expected images as <part>/<class>/<image> or <class>/<image>, got them "
                        f"{plural(min(depths), 'folder')} deep, such as {images[depths.index(min(depths))]}; give the folder of parts or "
                        "of classes")
    taken = set(wanted)
    said = f"expected images as {layout}, got a file elsewhere or of another kind"
    problems = [Problem(name, said) for name in files.names if name not in taken]
    return wanted, problems


def _each(files: FileSet, wanted: Iterable[str], listings: Listings) -> Iterator[tuple[str, _Read | str]]:
    """Each path with what was read, or the sentence that says why it was not; batches bound the memory."""
    contents = files.read_each(wanted)
    with strict_images(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while batch := list(islice(contents, _BATCH)):
            yield from pool.map(lambda item: (item[0], _read(item[0], item[1], listings)), batch)


def _read(path: str, content: bytes, listings: Listings) -> _Read | str:
    try:
        rgb = decode(content, "file", SIDE)
        grey = {SIDE: _grey(rgb), SEARCH_SIDE: _grey(decode(content, "file", SEARCH_SIDE))}
        colour = float((rgb.max(axis=2) - rgb.min(axis=2)).mean())
        digest = hashlib.sha256(content).hexdigest()
        return _Read(path, digest, marks_of(content, "file"), grey, colour, listings.find(content, digest))
    except DataError as error:
        return str(error).removeprefix("file: ")


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.rint(rgb.mean(axis=2, dtype=np.float32)).astype(np.uint8)


def _arranged(place: Path, read: list[_Read]) -> tuple[ImageData, dict[str, list[_Read]]]:
    read.sort(key=lambda r: r.path)
    classes = tuple(sorted({r.path.split("/")[-2] for r in read}))
    if len(classes) < 2:
        raise DataError(f"{place}: expected readable images in the folders of at least two classes, got {', '.join(classes) or 'none'}")
    by_part: dict[str, list[_Read]] = {}
    for r in read:
        by_part.setdefault(r.path.split("/")[0] if r.path.count("/") == 2 else WHOLE, []).append(r)
    lines = "".join(f"{r.path}\t{r.digest}\n" for r in read)
    parts = {name: _part(found, classes) for name, found in by_part.items()}
    data = ImageData(str(place), classes, parts, f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}")
    return data, by_part


def _part(read: list[_Read], classes: tuple[str, ...]) -> ImagePart:
    label = np.array([classes.index(r.path.split("/")[-2]) for r in read], dtype=np.int64)
    grey = {side: np.stack([r.grey[side] for r in read]) for side in (SIDE, SEARCH_SIDE)}

    def planes(size: int) -> Planes:
        return Planes(np.ones(len(read), dtype=np.uint8), grey[size] if size in grey else resize_grey(grey[SIDE], size))

    return ImagePart(label, np.array([r.path for r in read]), {"bytes": np.array([r.digest for r in read])}, planes)


def _without_images(place: Path, data: ImageData, unreadable: Iterable[str]) -> list[Problem]:
    """Classes that one part has and another has not, and other folders that hold no image that could be read."""
    lacking = {f"{name}/{kind}" for name, part in data.parts.items() for k, kind in enumerate(data.classes) if not (part.label == k).any()}
    read = {path.rpartition("/")[0] for part in data.parts.values() for path in part.sample_id.tolist()}
    bare = {*_empty_folders(place), *(path.rpartition("/")[0] for path in unreadable)} - lacking - read
    return [*(Problem(folder, "expected readable images of this class, as another part has, got none") for folder in sorted(lacking)),
            *(Problem(folder, "expected readable images in this folder, got none") for folder in sorted(bare))]


def _empty_folders(place: Path) -> Iterator[str]:
    """The folders of a folder or zip file below which there is no file nor another folder; hidden ones left out."""
    if place.is_dir():
        found = [(Path(folder).relative_to(place).as_posix(), bool(names or folders)) for folder, folders, names in os.walk(place)]
        bare = [name for name, is_filled in found if not is_filled]
    else:
        with zipfile.ZipFile(place) as archive:
            names = archive.namelist()
        bare = [n.removesuffix("/") for n in names if n.endswith("/") and not any(o != n and o.startswith(n) for o in names)]
    return (name for name in bare if not any(part.startswith((".", "__MACOSX")) for part in name.split("/")))
