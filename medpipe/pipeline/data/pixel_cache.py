"""Decoded pixels kept on disk, so that a data set is decoded once for each size.

A file holds the planes of all images, then a byte for each image that counts its planes (see
`Planes`). It is mapped, not read: what of it is in memory can be dropped by the system at any time.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from PIL import features

from medpipe.errors import DataError
from medpipe.pipeline.data.data_files import FileSet
from medpipe.pipeline.data.decoding import decode, strict_images
from medpipe.pipeline.data.paths import cache_home
from medpipe.pipeline.data.planes import Pixels, Planes, split

_BATCH = 128


def cached_planes(files: FileSet, digests: Mapping[str, str], size: int) -> Planes:
    """The images named in ``digests`` (path to SHA-256), in that order, ``size`` by ``size``.

    Kept under `cache_home`, keyed by paths, contents, size and decoder; the file's name carries the
    digest of its content, so a damaged file is noticed, discarded and made again. Where the cache
    cannot be written it is done without, in memory.
    """
    folder = cache_home() / "pixels"
    key = _key(digests, size)
    for path in sorted(folder.glob(f"{key}.*.planes")):
        planes = _load(path, len(digests), size)
        if planes is not None:
            return planes
        path.unlink(missing_ok=True)
    with suppress(
        OSError
    ):  # a full or read-only disk costs memory, and time at the next call, nothing else
        return _arranged(_mapped(_save(folder, key, files, digests, size)), len(digests), size)
    held = io.BytesIO()
    _write(held, files, digests, size)
    return _arranged(np.frombuffer(held.getbuffer(), dtype=np.uint8), len(digests), size)


def _key(digests: Mapping[str, str], size: int) -> str:
    decoder = f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    lines = "".join(f"{path}\t{digest}\n" for path, digest in digests.items())
    return hashlib.sha256(f"{size}\n{decoder}\n{lines}".encode()).hexdigest()[:24]


def _load(path: Path, count: int, size: int) -> Planes | None:
    """The images in a cache file; None where the file is not whole."""
    try:
        if path.stat().st_size < count or _digest(path) != path.name.split(".")[1]:
            return None
        return _arranged(_mapped(path), count, size)
    except (OSError, ValueError):
        return None


def _mapped(path: Path) -> Pixels:
    """The bytes of a file, private to the caller: what is written into them stays out of the
    file.
    """
    return np.asarray(np.memmap(path, dtype=np.uint8, mode="c"))


def _arranged(content: Pixels, count: int, size: int) -> Planes:
    return Planes(content[-count:], content[:-count].reshape(-1, size, size))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:24]


def _save(folder: Path, key: str, files: FileSet, digests: Mapping[str, str], size: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f"{key}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            _write(stream, files, digests, size)
        return Path(name).rename(folder / f"{key}.{_digest(Path(name))}.planes")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write(stream: BinaryIO, files: FileSet, digests: Mapping[str, str], size: int) -> None:
    """Decode all images into a file, batch by batch, so that neither the files nor the pixels are
    ever all in memory.
    """
    contents, channels = _unchanged(files, digests), bytearray()
    with strict_images(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while batch := list(islice(contents, _BATCH)):
            for image in pool.map(
                lambda item: decode(item[1], f"{files.place}/{item[0]}", size), batch
            ):
                planes = split(image)
                channels.append(len(planes))
                stream.write(planes.data)
    stream.write(channels)


def _unchanged(files: FileSet, digests: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    for path, content in files.read_each(digests):
        if hashlib.sha256(content).hexdigest() != digests[path]:
            raise DataError(
                f"{files.place}: expected {path!r} as it was when it was loaded, got other content;"
                " load the data set again"
            )
        yield path, content
