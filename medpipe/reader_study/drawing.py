"""From two pools of images to a study: what is drawn, in which order it is shown, and that nothing
but the picture is left to tell.

**Order.** All that is shown is shuffled by a generator that is seeded by the seed together with the
content of every file of both pools: who has not got the images cannot work the order out, even from
a seed as plain as 1. Repeats are drawn without regard to origin, so that neither the place in the
order nor being shown twice says anything of it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medpipe.errors import DataError
from medpipe.reader_study.shown_images import Fit, Pixels, Pool, bent, decoded, encoded, fitted
from medpipe.reader_study.study import Origin, Shown, Study
from medpipe.reader_study.unblinding import Cue, cues

LARGEST, SMALLEST = 512, 16
FEWEST = 4
"""Images of each origin without which no interval is worth making."""


@dataclass(frozen=True)
class StudyConfig:
    """What a study shall be. ``share`` is of synthetic images among ``images``; ``controls`` and
    ``repeats`` come on top.

    ``size``: pixels a side, or None for the smallest side of all images drawn (at most 512), so
    that none is enlarged.
    """

    images: int = 60
    share: float = 0.5
    repeats: int = 10
    controls: int = 6
    size: int | None = None
    fit: Fit = "crop"
    colour: bool = False
    margin: float = 0.1
    confidence: float = 0.95
    title: str = "Real or synthetic?"
    seed: str | None = None

    def counts(self) -> tuple[int, int]:
        """How many real and how many synthetic images. Raises `DataError` for a wish that cannot be
        met.
        """
        if not 0 < self.share < 1:  # which is so of NaN, too
            raise DataError(
                "reader study: expected a share of synthetic images above 0 and below 1, got"
                f" {self.share:g}"
            )
        synthetic = round(self.images * self.share)
        side = LARGEST if self.size is None else self.size
        faults = [
            (
                min(synthetic, self.images - synthetic) < FEWEST,
                f"at least {FEWEST} images of each origin",
                f"{self.images - synthetic} real and {synthetic} synthetic; raise --n",
            ),
            (
                not 0 <= self.repeats <= self.images // 2,
                f"at most half of the {self.images} images shown twice",
                f"{self.repeats}",
            ),
            (
                not 0 <= self.controls <= self.images,
                f"at most {self.images} controls",
                f"{self.controls}",
            ),
            (not 0 < self.margin < 0.5, "a margin above 0 and below 0.5", f"{self.margin:g}"),
            (
                not 0.8 <= self.confidence < 1,
                "a confidence from 0.8 to below 1",
                f"{self.confidence:g}",
            ),
            (
                not SMALLEST <= side <= 2 * LARGEST,
                f"a size from {SMALLEST} to {2 * LARGEST}",
                f"{side}",
            ),
            (
                not 1 <= len(self.title.strip()) <= 200,
                "a title of 1 to 200 letters",
                f"{len(self.title.strip())}",
            ),
        ]
        for wrong, expected, got in faults:
            if wrong:
                raise DataError(f"reader study: expected {expected}, got {got}")
        return self.images - synthetic, synthetic


@dataclass(frozen=True)
class Drawn:
    """A study with its pictures in the order shown (PNG), and what a person planning it should
    know.
    """

    study: Study
    pictures: tuple[bytes, ...]
    sides: dict[str, tuple[int, int]]
    enlarged: int
    cues: tuple[Cue, ...]


class _File(NamedTuple):
    origin: Origin
    source: str
    digest: str
    pixels: Pixels


def draw(real: Pool, synthetic: Pool, wish: StudyConfig) -> Drawn:
    """A study of images drawn from two pools. Raises `DataError` for too few, damaged, or common
    images, and `MissingDependency`.
    """
    n_real, n_synthetic = wish.counts()
    seed = secrets.token_hex(16) if wish.seed is None else wish.seed
    rng = np.random.default_rng(_entropy(seed, real, synthetic))
    reals = _take(real, n_real + wish.controls, "real", rng, wish)
    synthetics = _take(synthetic, n_synthetic, "synthetic", rng, wish)
    _nothing_in_common(reals, synthetics)
    sides = {"real": _sides(reals), "synthetic": _sides(synthetics)}
    size = wish.size or min(LARGEST, sides["real"][0], sides["synthetic"][0])
    if size < SMALLEST:
        raise DataError(
            f"reader study: expected images of at least {SMALLEST} pixels a side, got {size}; give"
            " larger ones, or --size"
        )
    files = [*reals[:n_real], *synthetics, *(f._replace(origin="control") for f in reals[n_real:])]
    pixels = [fitted(f.pixels, size, wish.fit) for f in files]
    looks = cues(
        np.stack(pixels[: wish.images]),
        np.array([f.origin == "synthetic" for f in files[: wish.images]]),
    )
    pixels = [
        bent(p, rng.uniform(0, 6)) if f.origin == "control" else p
        for p, f in zip(pixels, files, strict=True)
    ]
    order = _order(len(files), wish.images, wish.repeats, rng)
    items, pictures = _shown(files, [encoded(p) for p in pixels], order)
    study = Study(
        secrets.token_hex(6),
        wish.title.strip(),
        wish.margin,
        wish.confidence,
        size,
        wish.colour,
        wish.fit,
        seed,
        secrets.token_hex(32),
        items,
    )
    enlarged = sum(min(f.pixels.shape[:2]) < size for f in files)
    return Drawn(study, pictures, sides, enlarged, looks)


def _entropy(seed: str, real: Pool, synthetic: Pool) -> int:
    """The seed and every file's content in one number."""
    digest = hashlib.sha256(seed.encode())
    for pool in (real, synthetic):
        for name in pool.names:
            digest.update(hashlib.sha256(pool.read(name)).digest())
    return int.from_bytes(digest.digest(), "big")


def _take(
    pool: Pool, count: int, origin: Origin, rng: np.random.Generator, wish: StudyConfig
) -> list[_File]:
    """``count`` different pictures at random."""
    found: list[_File] = []
    known: set[bytes] = set()
    for k in rng.permutation(len(pool.names)):
        if len(found) == count:
            break
        name = pool.names[k]
        content = pool.read(name)
        pixels = decoded(content, f"{pool}/{name}", colour=wish.colour)
        fingerprint = _fingerprint(pixels)
        if fingerprint not in known:
            known.add(fingerprint)
            found.append(_File(origin, name, hashlib.sha256(content).hexdigest(), pixels))
    if len(found) < count:
        raise DataError(
            f"{pool}: expected at least {count} different {origin} images (controls included), got"
            f" {len(found)}; lower --n or --controls, or give more images"
        )
    return found


def _fingerprint(pixels: Pixels) -> bytes:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()


def _nothing_in_common(reals: list[_File], synthetics: list[_File]) -> None:
    known = {_fingerprint(f.pixels): f for f in reals}
    for f in synthetics:
        twin = known.get(_fingerprint(f.pixels))
        if twin is not None:
            raise DataError(
                f"reader study: expected synthetic images that are no real ones, got {f.source},"
                f" which is {twin.source} pixel by pixel; the folders were mixed up, or the"
                " generator copies what it was trained on"
            )


def _sides(files: list[_File]) -> tuple[int, int]:
    """Smallest and largest of the short sides."""
    short = [min(f.pixels.shape[:2]) for f in files]
    return min(short), max(short)


def _order(files: int, images: int, repeats: int, rng: np.random.Generator) -> list[int]:
    """Indices into ``files`` in the order shown. What is shown twice stands first in the first half
    and again after a gap.
    """
    shuffled = [int(k) for k in rng.permutation(files)]
    twice = [k for k in shuffled if k < images][:repeats]
    once = [k for k in shuffled if k not in set(twice)]
    half = max(0, (files + repeats) // 2 - repeats)
    gap = min(len(once) - min(half, len(once)), max(4, images // 10))
    mixed = [int(k) for k in rng.permutation([*twice, *once[:half]])]
    later = [int(k) for k in rng.permutation([*twice, *once[half + gap :]])]
    return [*mixed, *once[half : half + gap], *later]


def _shown(
    files: list[_File], encoded_files: list[bytes], order: list[int]
) -> tuple[tuple[Shown, ...], tuple[bytes, ...]]:
    first: dict[int, str] = {}
    items = []
    for place, k in enumerate(order):
        f, name = files[k], f"{place + 1:03d}"
        shown = hashlib.sha256(encoded_files[k]).hexdigest()
        items.append(Shown(name, f.origin, f.source, f.digest, shown, first.get(k)))
        first.setdefault(k, name)
    return tuple(items), tuple(encoded_files[k] for k in order)
