"""Metadata of image files: the traces of collections and export programs.

The size in bytes is not among it: of two files stored alike, the one that shows more is larger.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image, JpegImagePlugin

from medpipe.errors import DataError
from medpipe.pipeline.data.data_files import open_files
from medpipe.pipeline.data.decoding import not_an_image
from medpipe.pipeline.data.folders import find_known, path_of
from medpipe.pipeline.data.image_layout import index_images
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.paths import IMAGE_FOLDERS, find


@dataclass(frozen=True)
class FileMarks:
    """``width`` and ``height`` in pixels; ``format`` and ``mode`` as Pillow names them; ``tables``:
    a digest of the JPEG quantisation tables, and ``sampling`` of colour (4:2:0 and the like),
    ``""`` for another format; ``software``: the program that the file names; ``extras``: the names
    of what else the file carries (comment, EXIF, colour profile, resolution).
    """

    width: int
    height: int
    mode: str
    tables: str
    extras: str
    format: str = ""
    sampling: str = ""
    software: str = ""


def file_marks(data: ImageData) -> Mapping[str, tuple[FileMarks, ...]]:
    """The marks of every image by part, in order. Raises `DataError` for data that was not read
    from files, or a broken header.
    """
    path = path_of(data.source)
    known = IMAGE_FOLDERS if path is None else find_known(data.source, path)
    place = find(data.source, known, None) if data.source in known else None
    if place is None:
        raise DataError(
            f"{data.source}: expected images that lie in files, got pixels made by the package"
        )
    files = open_files(place)
    if data.source not in IMAGE_FOLDERS:
        files = index_images(files).files
    return {
        name: tuple(
            marks_of(content, f"{place}/{path}")
            for path, content in files.read_each(part.sample_id.tolist())
        )
        for name, part in data.parts.items()
    }


def marks_of(content: bytes, where: str) -> FileMarks:
    """The marks of one file; only its header is read. Raises `DataError`."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            tables = getattr(image, "quantization", None)
            extras = sorted(
                str(key)
                for key in image.info
                if key not in ("jfif_version", "jfif_unit", "jfif_density", "jfif")
            )
            digest = hashlib.sha256(repr(tables).encode()).hexdigest()[:8] if tables else ""
            return FileMarks(
                image.width,
                image.height,
                image.mode,
                digest,
                ",".join(extras),
                str(image.format),
                _sampling(image),
                _software(image),
            )
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise not_an_image(content, where) from error


def _sampling(image: Image.Image) -> str:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return ""
    return {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(image), "other")


def _software(image: Image.Image) -> str:
    """What EXIF or a PNG text names as the program that wrote the file."""
    return str(image.info.get("Software") or image.getexif().get(ExifTags.Base.Software, ""))[:100]
