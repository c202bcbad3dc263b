"""What is known of an image file before its pixels are looked at: the marks that collections and exporting programs leave."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from medpipe.errors import DataError
from medpipe.pipeline.data.files import open_files
from medpipe.pipeline.data.folders import find_known, path_of
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.places import IMAGE_FOLDERS, find


@dataclass(frozen=True)
class FileMarks:
    """``width`` and ``height`` in pixels, ``size`` in bytes, ``mode`` as Pillow names it, ``tables`` a digest of the JPEG quantisation
    tables (``""`` for another format), ``extras`` the names of what else the file carries (comment, EXIF, colour profile, resolution).
    """

    width: int
    height: int
    size: int
    mode: str
    tables: str
    extras: str


def file_marks(data: ImageData) -> Mapping[str, tuple[FileMarks, ...]]:
    """The marks of every image by part, in order. Raises `DataError` for data that was not read from files, or a broken header."""
    path = path_of(data.source)
    known = IMAGE_FOLDERS if path is None else find_known(data.source, path)
    place = find(data.source, known, None) if data.source in known else None
    if place is None:
        raise DataError(f"{data.source}: expected images that lie in files, got pixels made by the package")
    files = open_files(place)
    return {name: tuple(marks_of(content, f"{place}/{path}") for path, content in files.read_each(part.sample_id.tolist()))
            for name, part in data.parts.items()}


def marks_of(content: bytes, where: str) -> FileMarks:
    """The marks of one file; only its header is read. Raises `DataError`."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            tables = getattr(image, "quantization", None)
            extras = sorted(str(key) for key in image.info if key not in ("jfif_version", "jfif_unit", "jfif_density", "jfif"))
            return FileMarks(image.width, image.height, len(content), image.mode,
                             hashlib.sha256(repr(tables).encode()).hexdigest()[:8] if tables else "", ",".join(extras))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{where}: expected a JPEG or PNG image, got something else or a damaged one; get the data set again") from error
