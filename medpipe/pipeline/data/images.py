"""Labelled brain MRI slices: the Kaggle set, zipped or unpacked, or the drawn demonstration set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError, UnknownNameError
from medpipe.pipeline.data import phantom_cache, phantoms
from medpipe.pipeline.data.data_files import FileSet, Stamp, open_files
from medpipe.pipeline.data.decoding import resize_grey, strict_images
from medpipe.pipeline.data.folders import find_known, path_of
from medpipe.pipeline.data.image_layout import ENDINGS, ImageIndex, LabelledImage, index_images
from medpipe.pipeline.data.paths import DEMONSTRATION, IMAGE_FOLDERS, data_home, find, unavailable
from medpipe.pipeline.data.phantoms import MRI_CLASSES
from medpipe.pipeline.data.pixel_cache import cached_planes
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.data.synthetic import (
    manifests_around,
    read_listings,
    refuse,
    without_manifest,
)

__all__ = ["MRI_CLASSES", "ImageData", "ImagePart", "load_images"]

PARTS = ("Training", "Testing")


@dataclass(frozen=True, eq=False)
class ImagePart:
    """N images in the order of their paths.

    ``label``: int64 ``(N,)``, indices into the classes. ``sample_id``: str ``(N,)``, the relative
    path such as ``"Training/glioma/Tr-gl_0010.jpg"``. ``groups``: str arrays ``(N,)``; for the
    demonstration ``patient_id``, ``sex``, ``age_band``, ``scanner``, ``site``; none is known for
    the Kaggle set; for a folder of one's own those of `groups_by_part`.
    """

    label: NDArray[np.int64]
    sample_id: NDArray[np.str_]
    groups: Mapping[str, NDArray[np.str_]]
    _planes: Callable[[int], Planes] = field(repr=False)

    def __len__(self) -> int:
        return len(self.label)

    def planes(self, size: int) -> Planes:
        """All images, resized to ``size`` by ``size`` (bilinear with antialiasing).

        Real images are decoded once, kept under `cache_home` and mapped. Raises `DataError` naming
        the file that cannot be read.
        """
        if not 1 <= size <= 1024:
            raise DataError(f"images: expected a size of 1 to 1024 pixels, got {size}")
        return self._planes(size)

    def pixels(self, size: int) -> NDArray[np.uint8]:
        """The same as RGB, in memory: uint8 ``(N, size, size, 3)``. Raises `DataError` as `planes`
        does.
        """
        return self.planes(size).rgb(range(len(self)))


@dataclass(frozen=True, eq=False)
class ImageData:
    """An image data set in parts: ``Training`` and ``Testing``, or those of a folder of one's own.

    ``digest`` is ``"sha256:<hex>"`` over the sorted relative paths and the SHA-256 of each file, so
    it does not depend on whether the files were zipped. Shared between callers: copy before writing
    into an array.
    """

    source: str
    classes: tuple[str, ...]
    parts: Mapping[str, ImagePart]
    digest: str


def load_images(source: str | Sequence[str], folder: Path | None = None) -> ImageData:
    """Load an image data set; files are read and hashed, not yet decoded.

    ``source``: ``"brain-tumor-mri-dataset"``, ``"demonstration"``, or ``"folder:<path>"`` for
    images of one's own, in a folder or an archive, absolute or below the data home, as
    `medpipe.pipeline.data.image_layout` reads them; of several the first that exists is taken.
    ``folder``: where to look; else `data_home`.

    Raises `UnavailableError` where none exists, `DataError` where the one taken is broken or holds
    an image that a manifest lists as synthetic (`medpipe.pipeline.data.synthetic`),
    `UnknownNameError`.
    """
    names = [source] if isinstance(source, str) else list(source)
    known: dict[str, tuple[str, ...]] = dict(IMAGE_FOLDERS)
    for name in names:
        path = path_of(name)
        if path is not None:
            known |= find_known(name, path)
        elif name not in known and name != DEMONSTRATION:
            raise UnknownNameError(
                "image data set", name, [*IMAGE_FOLDERS, DEMONSTRATION, "folder:<path>"]
            )
    for name in names:
        if name == DEMONSTRATION:
            return _demonstration()
        place = find(name, known, folder)
        if place is not None:
            files = open_files(place)
            return _read(
                name,
                files.place,
                files.stamp,
                manifests_around(data_home() if folder is None else folder),
            )
    raise unavailable(names, known, folder)


def sort_by_part(files: FileSet) -> dict[str, list[str]]:
    """The image files of each part of the Kaggle set, in sorted order, nothing read yet.

    Raises `DataError` for a file outside ``<part>/<class>/``, one that is no image by its name, or
    a class without images.
    """
    found: dict[str, list[str]] = {part: [] for part in PARTS}
    seen = set()
    for name in files.names:
        steps = name.split("/")
        if (
            len(steps) != 3
            or steps[0] not in PARTS
            or steps[1] not in MRI_CLASSES
            or not name.lower().endswith(ENDINGS)
        ):
            raise DataError(
                f"{files.place}: expected images (.jpg or .png) in {' and '.join(PARTS)}, in the"
                f" folders {', '.join(MRI_CLASSES)}, got {name!r}; restore the layout of the"
                " data set"
            )
        found[steps[0]].append(name)
        seen.add((steps[0], steps[1]))
    absent = [
        f"{part}/{kind}" for part in PARTS for kind in MRI_CLASSES if (part, kind) not in seen
    ]
    if absent:
        raise DataError(
            f"{files.place}: expected images in each class of each part, got none in"
            f" {', '.join(absent)}; get the data set again"
        )
    return found


def digest_of(index: ImageIndex, digests: Mapping[str, str]) -> str:
    """``ImageData.digest``: over the images by path, and the tables that say what they are."""
    tables = {name: hashlib.sha256(index.files.read(name)).hexdigest() for name in index.tables}
    lines = "".join(f"{path}\t{digest}\n" for path, digest in sorted({**digests, **tables}.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def groups_by_part(
    index: ImageIndex, among: Collection[str]
) -> dict[str, dict[str, NDArray[np.str_]]]:
    """The groups of each part's images ``among`` all, in the order of their paths: ``patient_id``
    or ``lesion_id`` where each is known, else ``patient`` or ``lesion``, "" where it is unknown.
    """
    images = [image for image in index.images if image.path in among]
    if not any(image.group for image in images):
        return {}
    name = f"{index.group}_id" if all(image.group for image in images) else index.group
    found: dict[str, list[str]] = {}
    for image in sorted(images, key=lambda image: image.path):
        found.setdefault(image.part, []).append(image.group)
    return {part: {name: np.array(groups)} for part, groups in found.items()}


@lru_cache(maxsize=2)
def _read(name: str, place: Path, stamp: Stamp, manifests: Stamp) -> ImageData:
    """Hash the files in ``place``; the stamps make a changed file be read again."""
    index = (
        _known_index(open_files(place)) if name in IMAGE_FOLDERS else _own_index(open_files(place))
    )
    files, listings = index.files, read_listings(index.files, manifests)
    digests, synthetic = {}, []
    with strict_images():
        for path, content in files.read_each([image.path for image in index.images]):
            digests[path] = hashlib.sha256(content).hexdigest()
            if (where := listings.find(content, digests[path])) is not None:
                synthetic.append((path, where))
    refuse(place, synthetic)
    classes = MRI_CLASSES if name in IMAGE_FOLDERS else index.classes
    groups = groups_by_part(index, digests)
    parts = {}
    for part in dict.fromkeys(image.part for image in index.images):
        label = {
            image.path: classes.index(image.label) for image in index.images if image.part == part
        }
        parts[part] = _real_part(
            files, {path: digests[path] for path in label}, label, groups.get(part, {})
        )
    return ImageData(name, classes, parts, digest_of(index, digests))


def _known_index(files: FileSet) -> ImageIndex:
    """A data set that medpipe knows, whose layout it knows, too."""
    by_part = sort_by_part(without_manifest(files))
    images = tuple(
        LabelledImage(path, part, path.split("/")[1], "")
        for part, paths in by_part.items()
        for path in paths
    )
    return ImageIndex(files, "<part>/<class>/<image>", images, "", (), (), ())


def _own_index(files: FileSet) -> ImageIndex:
    """Images of one's own. Raises `DataError` for a file that has no place, or fewer than two
    classes.
    """
    index = index_images(files)
    if index.problems:
        name, what = index.problems[0]
        raise DataError(
            f"{files.place}: expected nothing but the images of a data set, got {name!r}, of which "
            f"audit-data would say: {what}; move it elsewhere"
        )
    if len(index.classes) < 2:
        raise DataError(
            f"{files.place}: expected images of at least two classes as {index.layout}, "
            f"got {', '.join(index.classes)}"
        )
    images = tuple(sorted(index.images, key=lambda image: (image.part, image.path)))
    return replace(index, images=images)


def _real_part(
    files: FileSet,
    digests: Mapping[str, str],
    label: Mapping[str, int],
    groups: Mapping[str, NDArray[np.str_]],
) -> ImagePart:
    numbers = np.array([label[path] for path in digests], dtype=np.int64)
    return ImagePart(
        numbers, np.array(list(digests)), groups, lambda size: cached_planes(files, digests, size)
    )


@lru_cache(maxsize=1)
def _demonstration() -> ImageData:
    sha = hashlib.sha256()
    parts = {}
    for part in PARTS:
        made = phantom_cache.slices(part)
        order = sorted(range(len(made.names)), key=lambda i: made.names[i])
        planes, people = made.pixels[order], [made.people[i] for i in order]
        groups = {
            column: np.array([getattr(person, column) for person in people])
            for column in phantoms.Person._fields
        }
        for i, person, plane in zip(order, people, planes, strict=True):
            sha.update(
                "\t".join((made.names[i], made.labels[i], *person)).encode()
                + b"\n"
                + plane.tobytes()
            )
        label = np.array([MRI_CLASSES.index(made.labels[i]) for i in order], dtype=np.int64)
        parts[part] = ImagePart(
            label, np.array([made.names[i] for i in order]), groups, _grey_at(planes)
        )
    return ImageData(DEMONSTRATION, MRI_CLASSES, parts, f"sha256:{sha.hexdigest()}")


def _grey_at(planes: NDArray[np.uint8]) -> Callable[[int], Planes]:
    return lambda size: Planes(np.ones(len(planes), dtype=np.uint8), resize_grey(planes, size))
