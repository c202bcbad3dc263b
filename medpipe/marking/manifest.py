"""The manifest of synthetic images: digests by which each is known again, as a file and as pixels.

A file that was saved again without loss has another digest but the same pixels, and stays listed. A
changed pixel, a JPEG, another size: no longer listed; for that there is the watermark. Absence from
a manifest proves nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.documents import parse_json, pretty_json, read_file
from medpipe.errors import SpecError
from medpipe.evidence.files import sha256, write_atomically

NAME: Final = "synthetic-manifest.json"
"""What a manifest is called where the loaders look for it: in a data set, or in the folder of data
sets.
"""

MAX_BYTES: Final = 256 * 2**20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-f]{16}")
_MAX_SIDE = 65_535
_MAX_TEXT = 200


@dataclass(frozen=True)
class SyntheticImage:
    """One file: ``name``, ``sha256`` of its bytes, ``pixels`` (`pixel_digest`), ``width`` and
    ``height`` in pixels, and whether it bears the watermark.
    """

    name: str
    sha256: str
    pixels: str
    width: int
    height: int
    marked: bool


@dataclass(frozen=True)
class SyntheticManifest:
    """Images of one generator. ``run``: the run's key, None where it is not known; ``key``:
    `Key.id` of the watermark, None without.
    """

    images: tuple[SyntheticImage, ...]
    run: str | None = None
    key: str | None = None

    def find(self, file_digest: str, pixels: str | None = None) -> SyntheticImage | None:
        """The image with these bytes, or, where ``pixels`` is given, with these pixels."""
        return self._by_bytes.get(file_digest) or (
            None if pixels is None else self._by_pixels.get(pixels)
        )

    @cached_property
    def sizes(self) -> frozenset[tuple[int, int]]:
        """Width and height of what is listed: only a file of such a size needs to be decoded to be
        looked up.
        """
        return frozenset((image.width, image.height) for image in self.images)

    @cached_property
    def _by_bytes(self) -> Mapping[str, SyntheticImage]:
        return {image.sha256: image for image in reversed(self.images)}

    @cached_property
    def _by_pixels(self) -> Mapping[str, SyntheticImage]:
        return {image.pixels: image for image in reversed(self.images)}


def pixel_digest(image: NDArray[np.uint8]) -> str:
    """SHA-256 of pixels, in hex. uint8 ``(H, W)`` or ``(H, W, 3)``; RGB with three equal channels
    counts as grey.
    """
    if image.ndim == 3 and bool((image[..., :1] == image[..., 1:]).all()):
        image = image[..., 0]
    sha = hashlib.sha256("x".join(map(str, image.shape)).encode() + b"\0")
    sha.update(np.ascontiguousarray(image).tobytes())
    return sha.hexdigest()


def listed(name: str, content: bytes, image: NDArray[np.uint8], *, marked: bool) -> SyntheticImage:
    """The entry of a file: its bytes, and the pixels that they decode to."""
    return SyntheticImage(
        name, sha256(content), pixel_digest(image), image.shape[1], image.shape[0], marked
    )


def write_manifest(path: Path, manifest: SyntheticManifest) -> None:
    """Write a manifest, whole or not at all. Raises `SpecError` where it cannot be written."""
    document = {
        "version": 1,
        "run": manifest.run,
        "key": manifest.key,
        "images": [asdict(image) for image in manifest.images],
    }
    try:
        write_atomically(path, pretty_json(document))
    except OSError as error:
        raise SpecError(
            str(path), "a place for a manifest", error.strerror or str(error)
        ) from error


def read_manifest(path: Path) -> SyntheticManifest:
    """Read a manifest file strictly. Raises `SpecError`."""
    return parse_manifest(read_file(path, MAX_BYTES), str(path))


def parse_manifest(content: bytes, where: str) -> SyntheticManifest:
    """A manifest given as bytes; ``where`` names it in messages. Unknown keys and versions are
    refused. Raises `SpecError`.
    """
    data = parse_json(content, where, limit=MAX_BYTES)
    if isinstance(data, dict) and data.get("version") != 1:
        raise SpecError(
            f"{where}: version",
            "format version 1",
            f"{data.get('version')!r}; use the medpipe that wrote it",
        )
    _keys(data, ("images", "key", "run", "version"), where)
    if not isinstance(data["images"], list):
        raise SpecError(f"{where}: images", "a list", _shown(data["images"]))
    run, key = data["run"], data["key"]
    _check(
        run is None or _is_text(run),
        f"{where}: run",
        f"a text of 1 to {_MAX_TEXT} characters or null",
        run,
    )
    _check(
        key is None or (isinstance(key, str) and _KEY.fullmatch(key)),
        f"{where}: key",
        "16 hex digits or null",
        key,
    )
    return SyntheticManifest(tuple(_images(data["images"], where)), run, key)


def _images(entries: Iterable[Any], where: str) -> Iterable[SyntheticImage]:
    for number, entry in enumerate(entries):
        place = f"{where}: images[{number}]"
        _keys(entry, ("height", "marked", "name", "pixels", "sha256", "width"), place)
        _check(
            _is_text(entry["name"]),
            f"{place}.name",
            f"a text of 1 to {_MAX_TEXT} characters",
            entry["name"],
        )
        for key in ("sha256", "pixels"):
            _check(
                isinstance(entry[key], str) and _DIGEST.fullmatch(entry[key]),
                f"{place}.{key}",
                "64 hex digits",
                entry[key],
            )
        for key in ("width", "height"):
            _check(
                type(entry[key]) is int and 1 <= entry[key] <= _MAX_SIDE,
                f"{place}.{key}",
                f"1 to {_MAX_SIDE}",
                entry[key],
            )
        _check(
            isinstance(entry["marked"], bool), f"{place}.marked", "true or false", entry["marked"]
        )
        yield SyntheticImage(**entry)


def _keys(value: Any, wanted: tuple[str, ...], where: str) -> None:
    if not isinstance(value, dict) or set(value) != set(wanted):
        got = ", ".join(map(repr, sorted(value))) if isinstance(value, dict) else _shown(value)
        raise SpecError(where, f"exactly the keys {', '.join(wanted)}", got[:_MAX_TEXT] or "none")


def _check(holds: object, where: str, expected: str, got: Any) -> None:
    if not holds:
        raise SpecError(where, expected, _shown(got))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _MAX_TEXT and value.isprintable()


def _shown(value: Any) -> str:
    return repr(value)[:_MAX_TEXT]
