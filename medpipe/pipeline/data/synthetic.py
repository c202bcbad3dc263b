"""Refuse image files that a manifest of synthetic images lists.

Manifests are looked for in the data set itself (``synthetic-manifest.json`` at its top), in the
folder of data sets, and where the environment variable ``MEDPIPE_SYNTHETIC`` names files (several
joined as in ``PATH``). Files are known by their bytes; a file of a size that is listed is decoded,
too, and known by its pixels. What no manifest lists passes: it is not thereby real.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medpipe.errors import DataError, SpecError
from medpipe.formatting import plural
from medpipe.marking.manifest import (
    NAME,
    SyntheticManifest,
    parse_manifest,
    pixel_digest,
    read_manifest,
)
from medpipe.pipeline.data.data_files import FileSet, Stamp
from medpipe.pipeline.data.decoding import pixels, size_of

VARIABLE = "MEDPIPE_SYNTHETIC"


@dataclass(frozen=True, eq=False)
class Listings:
    """``manifests``: by the place where each lies."""

    manifests: Mapping[str, SyntheticManifest]

    def find(self, content: bytes, digest: str) -> str | None:
        """Which manifest lists a file, and the run, in words; None where none does. Use within
        `strict_images`.
        """
        for place, manifest in self.manifests.items():
            if manifest.find(digest, _pixels(content, manifest)) is not None:
                return place if manifest.run is None else f"{place} (run {manifest.run})"
        return None


def manifests_around(home: Path) -> Stamp:
    """The manifests in ``home`` and in the environment variable: path, size and time of change.
    Raises `DataError` for one named that is not there.
    """
    named = [
        Path(name).expanduser() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name
    ]
    stamps = []
    for path in dict.fromkeys([*([home / NAME] if (home / NAME).is_file() else []), *named]):
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(
                f"{VARIABLE}: expected manifests of synthetic images, got {path}:"
                f" {error.strerror or error}"
            ) from error
        stamps.append((str(path), state.st_size, state.st_mtime_ns))
    return tuple(stamps)


def without_manifest(files: FileSet) -> FileSet:
    """The files of a data set without its manifest of synthetic images."""
    return replace(files, names=tuple(name for name in files.names if name != NAME))


def read_listings(files: FileSet, around: Stamp) -> Listings:
    """The manifest in a data set, and those around it. Raises `DataError` for one that cannot be
    read.
    """
    try:
        own = (
            {f"{files.place}/{NAME}": parse_manifest(files.read(NAME), f"{files.place}/{NAME}")}
            if NAME in files.names
            else {}
        )
        return Listings(own | {place: read_manifest(Path(place)) for place, _, _ in around})
    except SpecError as error:
        raise DataError(str(error)) from error


def refuse(place: Path, found: Sequence[tuple[str, str]]) -> None:
    """Raise `DataError` where ``found``, pairs of a file and what `Listings.find` said, is not
    empty.
    """
    if found:
        name, where = found[0]
        others = f" and {plural(len(found) - 1, 'other file')}" if len(found) > 1 else ""
        raise DataError(
            f"{place}: expected real images, got {name!r}{others}, listed as synthetic in {where};"
            " take them out of it"
        )


def _pixels(content: bytes, manifest: SyntheticManifest) -> str | None:
    """The digest of a file's pixels where the manifest may hold it; None for another size, or a
    file that cannot be decoded.
    """
    try:
        return (
            pixel_digest(pixels(content, "file"))
            if size_of(content, "file") in manifest.sizes
            else None
        )
    except DataError:
        return None  # whoever uses its pixels will say so
