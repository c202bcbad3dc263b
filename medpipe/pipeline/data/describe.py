"""Which data sets are here, for ``medpipe data``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medpipe.errors import DataError
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.data.paths import DEMONSTRATION, IMAGE_FOLDERS, TEXT_FOLDERS, find
from medpipe.pipeline.data.text import TextData, load_text


def status(folder: Path | None = None) -> list[dict[str, Any]]:
    """One row for each known data set; files are read and hashed, no image is decoded (a few
    seconds).

    Keys: ``name``; ``kind`` (``"text"`` or ``"images"``); ``found``; ``place`` (str, None where not
    found or made by the package); ``digest`` (None where there is none); ``reason`` (why not, None
    where all is well); ``counts`` (samples by part). A data set that is there but broken is found,
    without digest, with the reason.
    """
    rows = [_row(name, "text", TEXT_FOLDERS, folder) for name in (*TEXT_FOLDERS, DEMONSTRATION)]
    return rows + [
        _row(name, "images", IMAGE_FOLDERS, folder) for name in (*IMAGE_FOLDERS, DEMONSTRATION)
    ]


def _row(
    name: str, kind: str, known: Mapping[str, tuple[str, ...]], folder: Path | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "found": name == DEMONSTRATION,
        "place": None,
        "digest": None,
        "reason": None,
        "counts": {},
    }
    try:
        place = None if name == DEMONSTRATION else find(name, known, folder)
        if place is not None:
            row |= {"found": True, "place": str(place)}
        data: TextData | ImageData = (
            load_text(name, folder) if kind == "text" else load_images(name, folder)
        )
    except DataError as error:
        return row | {"reason": str(error)}
    return row | {
        "digest": data.digest,
        "counts": {part: len(samples) for part, samples in data.parts.items()},
    }
