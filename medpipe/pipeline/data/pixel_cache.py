"""Decoded pixels kept on disk, so that a data set is decoded once for each size."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from medpipe.errors import DataError
from medpipe.pipeline.data.decoding import decode, strict_images
from medpipe.pipeline.data.files import FileSet
from medpipe.pipeline.data.places import cache_home

Pixels = NDArray[np.uint8]
_BATCH = 128


def cached_pixels(files: FileSet, digests: Mapping[str, str], size: int) -> Pixels:
    """The images named in ``digests`` (path to SHA-256), in that order, as RGB ``(N, size, size, 3)`` uint8.

    Kept under `cache_home`, keyed by paths, contents, size and decoder; the file's name carries the digest of the pixels,
    so a damaged file is noticed, discarded and made again. Where the cache cannot be written it is done without.
    """
    shape = (len(digests), size, size, 3)
    folder = cache_home() / "pixels"
    key = _key(digests, size)
    for path in sorted(folder.glob(f"{key}.*.npy")):
        pixels = _load(path, shape)
        if pixels is not None:
            return pixels
        path.unlink(missing_ok=True)
    pixels = _decode_all(files, digests, shape)
    with suppress(OSError):  # a full or read-only disk costs time at the next call, nothing else
        _save(folder, key, pixels)
    return pixels


def _key(digests: Mapping[str, str], size: int) -> str:
    decoder = f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    lines = "".join(f"{path}\t{digest}\n" for path, digest in digests.items())
    return hashlib.sha256(f"{size}\n{decoder}\n{lines}".encode()).hexdigest()[:24]


def _load(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The pixels in a cache file, mapped rather than read and private to the caller; None where the file is not whole."""
    try:
        pixels = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if pixels.shape != shape or pixels.dtype != np.uint8 or _digest(pixels) != path.name.split(".")[1]:
        return None
    return np.asarray(pixels)


def _digest(pixels: Pixels) -> str:
    return hashlib.sha256(pixels.data).hexdigest()[:24]


def _save(folder: Path, key: str, pixels: Pixels) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f"{key}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, pixels, allow_pickle=False)
        os.replace(name, folder / f"{key}.{_digest(pixels)}.npy")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _decode_all(files: FileSet, digests: Mapping[str, str], shape: tuple[int, ...]) -> Pixels:
    pixels = np.empty(shape, dtype=np.uint8)
    contents = _unchanged(files, digests)
    done = 0
    with strict_images(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while batch := list(islice(contents, _BATCH)):  # bounded, so that the files are never all in memory
            for image in pool.map(lambda item: decode(item[1], f"{files.place}/{item[0]}", shape[1]), batch):
                pixels[done] = image
                done += 1
    return pixels


def _unchanged(files: FileSet, digests: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    for path, content in files.read_each(digests):
        if hashlib.sha256(content).hexdigest() != digests[path]:
            raise DataError(f"{files.place}: expected {path!r} as it was when it was loaded, got other content; load the data set again")
        yield path, content
