"""What may happen to a marked image, and the trials that tests and the benchmark count."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medpipe.marking.key import Key
from medpipe.marking.watermark import Detection, detect, mark, psnr

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels], Pixels]


def jpeg(quality: int, **options: object) -> Change:
    """Save as JPEG and read again; grey stays grey."""

    def change(image: Pixels) -> Pixels:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality, **options)
        with Image.open(io.BytesIO(stream.getvalue())) as again:
            return np.asarray(again)

    return change


def resized(size: int) -> Change:
    """To another size and back, bilinear."""

    def change(image: Pixels) -> Pixels:
        there = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(there.resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR))

    return change


def turned(image: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(image).rotate(5, Image.Resampling.BILINEAR))


def brighter(image: Pixels) -> Pixels:
    return np.clip(np.rint(1.2 * image.astype(np.float64)), 0, 255).astype(np.uint8)


KEPT: dict[str, Change] = {
    "as it is": lambda x: x,
    "JPEG 90": jpeg(90),
    "JPEG 80": jpeg(80),
    "JPEG 75": jpeg(75),
    "JPEG 60": jpeg(60),
}
"""What the mark is promised to survive from 64 pixels."""

OTHER: dict[str, Change] = {
    "JPEG 50": jpeg(50),
    "JPEG 40": jpeg(40),
    "JPEG 60 twice": lambda x: jpeg(60)(jpeg(60)(x)),
    "1.2 times as bright": brighter,
    "right and bottom eighth cropped": lambda x: x[: x.shape[0] * 7 // 8, : x.shape[1] * 7 // 8],
    "one column at the left cropped": lambda x: x[:, 1:],
    "four columns at the left cropped": lambda x: x[:, 4:],
    "mirrored": lambda x: x[:, ::-1],
    "a quarter turn": lambda x: np.rot90(x),
    "turned by 5 degrees": turned,
    "to 3/4 of the size and back": lambda x: resized(x.shape[0] * 3 // 4)(x),
    "to twice the size and back": lambda x: resized(2 * x.shape[0])(x),
}
"""What it may or may not survive."""


def key_of(rng: np.random.Generator) -> Key:
    """A key drawn by the seeded generator, so that trials can be made again; real keys come from
    `medpipe.marking.key.new_key`.
    """
    return Key(rng.bytes(32))


def marked_trials(
    images: Iterable[Pixels], changes: dict[str, Change], rng: np.random.Generator
) -> tuple[dict[str, list[Detection]], list[float]]:
    """Mark each image with a key of its own; what is found after each change, and each PSNR."""
    found: dict[str, list[Detection]] = {name: [] for name in changes}
    kept = []
    for image in images:
        key = key_of(rng)
        marked = mark(image, key)
        kept.append(psnr(image, marked))
        for name, change in changes.items():
            found[name].append(detect(np.ascontiguousarray(change(marked)), key))
    return found, kept


def unmarked_trials(
    images: Iterable[Pixels], keys: int, rng: np.random.Generator
) -> list[Detection]:
    """Look in each image for ``keys`` fresh keys: no key is used twice, so given the images the
    trials are independent.
    """
    return [detect(image, key_of(rng)) for image in images for _ in range(keys)]
