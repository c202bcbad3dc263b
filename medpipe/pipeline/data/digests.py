"""The digest of a data set without its pixels: what tells whether stored evidence was made from the
same data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.data.text import load_text


def text_digest(source: str | Sequence[str], folder: Path | None = None) -> str:
    """``TextData.digest`` of the source that `load_text` would take. Raises as it does."""
    return load_text(source, folder).digest


def image_digest(source: str | Sequence[str], folder: Path | None = None) -> str:
    """``ImageData.digest`` of the source that `load_images` would take; files are hashed, none is
    decoded. Raises as it does.
    """
    return load_images(source, folder).digest
