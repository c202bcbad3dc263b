"""How often the audits of generators find a planted fault, and how often they cry wolf: measured on
generators that are made up.

**Method.** A world is a population of small pictures of several classes, each with a few modes,
which are places and sizes of a blob. Training and held-out pictures are drawn from it; a generator
is any function that makes pictures from them; the clean twin draws fresh ones. Features are
principal components of held-out pixels, classes are told by the nearest mean, with a share of
misread calls. Evidence is built as an experiment builds it, and the audits look at it. *Found*
counts `undermines`; *cleared* counts evidence on which every look is clean.

**Limits.** Made-up pictures are simpler than images of patients: the rates tell what the audits do,
not what a generator of MRI does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits import collapse, memorisation
from medpipe.audits.generator_fixtures import MODES, World, evidence, world
from medpipe.audits.images.features import ORIENTATIONS
from medpipe.evidence.finding import Finding

Array = NDArray[np.float64]
Generator = Callable[[np.random.Generator, World], Array]


def replay(share: float, change: Callable[[np.random.Generator, Array], Array]) -> Generator:
    """A generator that makes a share of its pictures from training pictures, changed, and draws the
    others fresh.
    """

    def make(rng: np.random.Generator, w: World) -> Array:
        count = round(share * w.size)
        copied = change(rng, w.training[rng.permutation(w.size)[:count]])
        return np.concatenate([copied, w.draw(rng, w.size - count, range(MODES))[0]])

    return make


def some_modes(count: int) -> Generator:
    """A generator that makes some of the modes alone."""

    def make(rng: np.random.Generator, w: World) -> Array:
        return w.draw(rng, w.size, range(count))[0]

    return make


def few_pictures(count: int) -> Generator:
    """A generator that makes some fresh pictures over and over, with a little noise."""

    def make(rng: np.random.Generator, w: World) -> Array:
        fresh = w.draw(rng, count, range(MODES))[0]
        return fresh[rng.integers(0, count, w.size)] + rng.normal(
            0, 0.02, (w.size, *fresh.shape[1:])
        )

    return make


def exact(_: np.random.Generator, pixels: Array) -> Array:
    """As it is."""
    return pixels


def flipped(rng: np.random.Generator, pixels: Array) -> Array:
    """Each in one of the eight orientations."""
    turns = list(ORIENTATIONS.values())
    return np.stack([turns[rng.integers(len(turns))](p) for p in pixels])


def noised(rng: np.random.Generator, pixels: Array) -> Array:
    """With noise of three tenths of the spread of its pixels."""
    return np.asarray(
        pixels + 0.3 * pixels.std(axis=(1, 2), keepdims=True) * rng.normal(0, 1, pixels.shape),
        np.float64,
    )


def blended(_: np.random.Generator, pixels: Array) -> Array:
    """Each with a third of another one."""
    return 0.67 * pixels + 0.33 * np.roll(pixels, 1, axis=0)


COLLAPSED: Mapping[str, Generator] = {
    "one image": few_pictures(1),
    **{f"{k} of {MODES} modes": some_modes(k) for k in (1, 2, 4, 6, 8, 10, 11)},
    "30 images": few_pictures(30),
    "100 images": few_pictures(100),
}
REPLAYED: Mapping[str, Generator] = {
    f"{100 * share:.0f} % {name}": replay(share, change)
    for share in (1.0, 0.1, 0.05)
    for name, change in (
        ("exact", exact),
        ("flipped", flipped),
        ("noised", noised),
        ("blended", blended),
    )
}
CLEAN: Mapping[str, Generator] = {"clean twin": some_modes(MODES)}


@dataclass(frozen=True)
class Rate:
    """Of ``repetitions`` generators of one kind, how many an audit found guilty (``undermines``),
    and how many it cleared (all clean).
    """

    fault: str
    audit: str
    found: int
    cleared: int
    repetitions: int
    looks: Mapping[str, int]


def rates(
    kinds: Mapping[str, Generator],
    repetitions: int = 100,
    size: int = 300,
    seed: int = 0,
    make_world: Callable[[np.random.Generator, int], World] = world,
) -> Iterator[Rate]:
    """The rates of each kind of generator and audit; ``looks`` counts by look how often it found.
    Every kind meets the same worlds.
    """
    for name, generator in kinds.items():
        seen: dict[str, list[list[Finding]]] = {collapse.THREAT: [], memorisation.THREAT: []}
        for repetition in range(repetitions):
            rng = np.random.default_rng([seed, repetition])
            w = make_world(rng, size)
            splits = evidence(rng, w, generator(rng, w))
            for audit in (collapse, memorisation):
                seen[audit.THREAT].append(list(audit.seen_in(splits)))
        yield from (_rate(name, threat, findings) for threat, findings in seen.items())


def _rate(fault: str, audit: str, seen: Sequence[Sequence[Finding]]) -> Rate:
    severities = [{f.severity for f in findings} for findings in seen]
    looks = Counter(
        f.id.partition(":")[2] for findings in seen for f in findings if f.severity == "undermines"
    )
    return Rate(
        fault,
        audit,
        sum("undermines" in s for s in severities),
        sum(s == {"clean"} for s in severities),
        len(seen),
        looks,
    )
