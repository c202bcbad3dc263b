"""The folders for data sets and for the files that medpipe caches."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from medpipe.errors import DataError, UnavailableError

TEXT_FOLDERS = {
    "pubmed-rct-20k": (
        "pubmed-rct-20k",
        "PubMed_20k_RCT_numbers_replaced_with_at_sign",
        "pubmed-rct/PubMed_20k_RCT_numbers_replaced_with_at_sign",
    ),
    "structured-abstracts": ("structured-abstracts",),
}
"""Text data sets and the folders (or zip files of that name) in which each may lie, the first found
is taken.
"""

IMAGE_FOLDERS = {"brain-tumor-mri-dataset": ("brain-tumor-mri-dataset",)}
"""Image data sets, likewise."""

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
"""Endings of the archives that a data set may lie in."""

DEMONSTRATION = "demonstration"
"""The source that the package makes itself."""

FETCHABLE = ("brain-tumor-mri-dataset", "pubmed-rct-20k")
"""The data sets that ``medpipe data fetch`` can get."""


def data_home() -> Path:
    """The folder that holds data sets: ``MEDPIPE_DATA`` if set, else the folder ``medpipe`` of the
    user's cache.
    """
    named = os.environ.get("MEDPIPE_DATA")
    return Path(named).expanduser() if named else _user_cache()


def cache_home() -> Path:
    """The folder for decoded images and the like: ``MEDPIPE_CACHE`` if set, else the user's cache;
    never the data folder.
    """
    named = os.environ.get("MEDPIPE_CACHE")
    return Path(named).expanduser() if named else _user_cache()


def find(name: str, known: Mapping[str, tuple[str, ...]], folder: Path | None) -> Path | None:
    """The folder or zip file that holds the data set ``name``, or None where there is none. Raises
    `DataError`.
    """
    for path in candidates(name, known, folder):
        try:
            if path.is_dir() or path.is_file():
                return path
        except OSError as error:
            raise DataError(
                f"{path}: expected a folder that may be looked into, got: {error.strerror or error}"
            ) from error
    return None


def candidates(name: str, known: Mapping[str, tuple[str, ...]], folder: Path | None) -> list[Path]:
    """Every place where the data set ``name`` may lie, in the order in which they are tried."""
    home = data_home() if folder is None else Path(folder)
    return [home / (place + ending) for place in known[name] for ending in ("", *ARCHIVES)]


def unavailable(
    names: Sequence[str], known: Mapping[str, tuple[str, ...]], folder: Path | None
) -> UnavailableError:
    """The error for data sets of which none was found: where it was looked, and what to do."""
    looked = ", ".join(str(path) for name in names for path in candidates(name, known, folder))
    fetch = [f"'medpipe data fetch {name}'" for name in names if name in FETCHABLE]
    step = f"run {' or '.join(fetch)}, or set" if fetch else "set"
    return UnavailableError(
        f"expected the data set {' or '.join(names)}, found none of {looked}; "
        f"{step} MEDPIPE_DATA to the folder that holds it"
    )


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "medpipe"
