"""Marked copies of synthetic images, with their manifest; files that cannot be marked are named,
the others done.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medpipe.errors import DataError
from medpipe.marking.content_credentials import ContentSigner, sign_content
from medpipe.marking.key import Key
from medpipe.marking.manifest import NAME, SyntheticImage, SyntheticManifest, listed, write_manifest
from medpipe.marking.watermark import detect, mark
from medpipe.pipeline.data.data_files import MAX_FILE_BYTES
from medpipe.pipeline.data.decoding import pixels, strict_images
from medpipe.pipeline.data.image_files import marks_of

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class MarkedCopies:
    """``manifest`` as it was written to ``path``; ``weak``: names of copies in which the mark is
    not found, for they are small or flat; ``count`` of the files marked; ``problems``: a sentence
    for each file that was not.
    """

    manifest: SyntheticManifest
    path: Path
    weak: tuple[str, ...]
    count: int
    problems: tuple[str, ...]


def read_image_file(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
    """The bytes of an image file and its RGB pixels, uint8 ``(H, W, 3)``. Use within
    `strict_images`. Raises `DataError`.
    """
    try:
        if path.is_dir() or path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(
                f"{path}: expected an image file of at most {MAX_FILE_BYTES} bytes, got a folder or"
                " a larger file"
            )
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable image file, got: {error.strerror or error}"
        ) from error
    if not content:
        raise DataError(f"{path}: expected a JPEG or PNG image, got an empty file")
    return content, pixels(content, str(path))


def write_marked(
    files: Sequence[Path],
    out: Path,
    key: Key,
    *,
    manifest: Path | None = None,
    run: str | None = None,
    signer: ContentSigner | None = None,
    told: Told = lambda done, total: None,
) -> MarkedCopies:
    """Write a marked PNG of each file into the new or empty folder ``out``, and their manifest
    there or to ``manifest``.

    8-bit grey and RGB only: anything else would have to be converted; such a file is among the
    problems, and the others are marked. The files themselves are listed, too: they are as synthetic
    as their copies. ``signer`` adds a C2PA manifest to each copy. Nothing is written if no file can
    be used. Raises `DataError`, `SpecError` for ``manifest``, `SignatureError`,
    `MissingDependency`.
    """
    names = _names(files)
    target = manifest or out / NAME
    draft = _draft(out, target)
    try:
        entries, weak, problems = [], [], []
        with strict_images():
            for done, (path, name) in enumerate(zip(files, names, strict=True), 1):
                try:
                    copied, found = _copy(path, draft / name, key, signer)
                    entries += copied
                    weak += [] if found else [name]
                except DataError as error:
                    problems.append(str(error))
                told(done, len(files))
        if not entries:
            raise DataError(
                problems[0]
                if len(problems) == 1
                else f"none of {len(problems):,} files could be marked; the first: {problems[0]}"
            )
        made = SyntheticManifest(tuple(entries), run, key.id)
        _publish(draft, out, target, made)
    except OSError as error:
        raise DataError(
            f"{out}: expected a folder that can be written, got: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return MarkedCopies(made, target, tuple(weak), len(files) - len(problems), tuple(problems))


def _publish(draft: Path, out: Path, target: Path, made: SyntheticManifest) -> None:
    """Write the manifest, then let the images appear in one step: they are never there without
    it.
    """
    place, folder = target.resolve(), out.resolve()
    draft.chmod(0o755)
    if place.is_relative_to(folder):
        write_manifest(draft / place.relative_to(folder), made)
        draft.rename(out)
        return
    write_manifest(target, made)
    try:
        draft.rename(out)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _copy(
    path: Path, copy: Path, key: Key, signer: ContentSigner | None
) -> tuple[list[SyntheticImage], bool]:
    """Write one copy; the entries of the file and the copy, and whether the mark is found in it."""
    content, image = read_image_file(path)
    mode = marks_of(content, str(path)).mode
    if mode not in ("L", "RGB"):
        raise DataError(
            f"{path}: expected 8-bit grey or RGB pixels to mark, got Pillow's mode {mode!r};"
            " convert it first"
        )
    image = image[..., 0] if mode == "L" else image
    marked = mark(image, key)
    stream = io.BytesIO()
    Image.fromarray(marked).save(stream, "PNG")
    png = stream.getvalue() if signer is None else sign_content(stream.getvalue(), signer)
    copy.write_bytes(png)
    entries = [
        listed(copy.name, png, marked, marked=True),
        listed(_printable(path.name), content, image, marked=False),
    ]
    return entries, detect(marked, key).marked


def _names(files: Sequence[Path]) -> list[str]:
    names = [_printable(f"{path.stem}.png") for path in files]
    twice = [
        name for name, count in Counter(name.casefold() for name in names).items() if count > 1
    ]
    if twice or not names:
        raise DataError(
            "expected image files whose names differ before the ending, got"
            f" {f'{twice[0]!r} twice' if twice else 'none'}"
        )
    return names


def _printable(name: str) -> str:
    if not name.isprintable() or len(name) > 200:
        raise DataError(
            f"{name[:40]!r}: expected a printable file name of at most 200 characters, got another;"
            " rename the file"
        )
    return name


def _draft(out: Path, target: Path) -> Path:
    """A folder beside ``out``, where nothing may be yet."""
    try:
        if target.exists():
            raise DataError(
                f"{target}: expected a new manifest, got a file that is there already; give another"
                " --manifest"
            )
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError(
                f"{out}: expected a new or empty folder, got one that holds files; give another"
                " --out"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=out.parent, prefix=".tmp-marked-"))
    except OSError as error:
        raise DataError(
            f"{out}: expected a folder that can be written, got: {error.strerror or error}"
        ) from error
