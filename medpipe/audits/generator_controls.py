"""How often the audits of generators find a planted fault, and how often they cry wolf: measured on generators that are made up.

**Method.** A world is a population of small pictures of several classes, each with a few modes, which are places and sizes of a blob.
Training and held-out pictures are drawn from it; a generator is any function that makes pictures from them; the clean twin draws fresh
ones. Features are principal components of held-out pixels, classes are told by the nearest mean, with a share of misread calls. Evidence
is built as an experiment builds it, and the audits look at it. *Found* counts `undermines`; *cleared* counts evidence on which every look
is clean.

**Limits.** Made-up pictures are simpler than images of patients: the rates tell what the audits do, not what a generator of MRI does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medpipe.audits import collapse, memorisation
from medpipe.audits.generators import Splits
from medpipe.audits.image_copies import ORIENTATIONS
from medpipe.evidence import Observations
from medpipe.evidence.generated import GENERATED, HELD_OUT, TRAINING, squared_distances

Array = NDArray[np.float64]
SIDE, CLASSES, MODES = 12, ("a", "b", "c", "d"), 12
"""Pixels a side, classes, and modes of all classes together."""
COMPONENTS, MISREAD = 24, 0.05


@dataclass(frozen=True, eq=False)
class World:
    """Real pictures of one repetition, trained on and held out: pixels float64 ``(N, h, w)``, modes int64 ``(N,)``; ``draw`` makes more."""

    training: Array
    training_modes: NDArray[np.int64]
    held_out: Array
    held_out_modes: NDArray[np.int64]
    draw: Callable[[np.random.Generator, int, Sequence[int]], tuple[Array, NDArray[np.int64]]]
    size: int


Generator = Callable[[np.random.Generator, World], Array]


def pictures(rng: np.random.Generator, count: int, among: Sequence[int] = range(MODES)) -> tuple[Array, NDArray[np.int64]]:
    """Pictures float64 ``(count, SIDE, SIDE)`` of modes drawn among some, and their modes; mode m is of class m modulo 4."""
    modes = rng.choice(np.asarray(among), count)
    angle = 2 * np.pi * modes / MODES
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    middle = [0.3 * f(angle) + rng.normal(0, 0.02, count) for f in (np.cos, np.sin)]
    width = 0.10 + 0.04 * (modes % len(CLASSES)) * rng.uniform(0.9, 1.1, count)
    blob = np.exp(-((x - middle[0][:, None, None]) ** 2 + (y - middle[1][:, None, None]) ** 2) / (2 * width[:, None, None] ** 2))
    texture = gaussian_filter(rng.normal(0, 1, (count, SIDE, SIDE)), (0, 1.5, 1.5), mode="nearest")
    return np.asarray(blob + 0.9 * texture, np.float64), modes


def world(rng: np.random.Generator, size: int) -> World:
    """``size`` pictures trained on and as many held out."""
    training, held_out = pictures(rng, size), pictures(rng, size)
    return World(*training, *held_out, pictures, size)


def replay(share: float, change: Callable[[np.random.Generator, Array], Array]) -> Generator:
    """A generator that makes a share of its pictures from training pictures, changed, and draws the others fresh."""

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
        return fresh[rng.integers(0, count, w.size)] + rng.normal(0, 0.02, (w.size, *fresh.shape[1:]))

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
    return np.asarray(pixels + 0.3 * pixels.std(axis=(1, 2), keepdims=True) * rng.normal(0, 1, pixels.shape), np.float64)


def blended(_: np.random.Generator, pixels: Array) -> Array:
    """Each with a third of another one."""
    return 0.67 * pixels + 0.33 * np.roll(pixels, 1, axis=0)


COLLAPSED: Mapping[str, Generator] = {
    "one image": few_pictures(1), **{f"{k} of {MODES} modes": some_modes(k) for k in (1, 2, 4, 6, 8, 10, 11)},
    "30 images": few_pictures(30), "100 images": few_pictures(100)}
REPLAYED: Mapping[str, Generator] = {
    f"{100 * share:.0f} % {name}": replay(share, change) for share in (1.0, 0.1, 0.05)
    for name, change in (("exact", exact), ("flipped", flipped), ("noised", noised), ("blended", blended))}
CLEAN: Mapping[str, Generator] = {"clean twin": some_modes(MODES)}


def evidence(rng: np.random.Generator, w: World, generated: Array) -> dict[str, Observations]:
    """The splits that an experiment would keep of these pictures."""
    sides = {GENERATED: generated, TRAINING: w.training, HELD_OUT: w.held_out}
    features = _features(w.held_out, list(sides.values()))
    centres = np.stack([features[2][w.held_out_modes == m].mean(axis=0) for m in np.unique(w.held_out_modes)])
    of_centre = np.unique(w.held_out_modes) % len(CLASSES)
    called = np.concatenate([of_centre[squared_distances(f, centres).argmin(axis=1)] for f in features])
    wrong = rng.random(len(called)) < MISREAD
    called[wrong] = (called[wrong] + rng.integers(1, len(CLASSES), wrong.sum())) % len(CLASSES)
    origin = np.repeat(list(sides), [len(s) for s in sides.values()])
    labels = [np.full(len(generated), ""), *(np.array(CLASSES)[m % len(CLASSES)] for m in (w.training_modes, w.held_out_modes))]
    ids = _ids(origin)
    seen = origin == TRAINING
    return {
        "quality": Observations({"sample_id": ids, "origin": origin, "features": np.concatenate(features), "y_pred": called,
                                 "label": np.concatenate(labels)}, CLASSES),
        "seen": Observations({"sample_id": ids[seen], "label": labels[1]}),
        "memory": _memory(w, generated, features), "pairs": _pairs(rng, generated, w.training), "membership": _membership(w, generated)}


def _ids(origin: NDArray[np.str_]) -> NDArray[np.str_]:
    return np.array([f"{o}/{i:05d}" for i, o in enumerate(origin)])


def _features(basis: Array, sides: Sequence[Array]) -> list[Array]:
    """Principal components of each side, from those of the basis."""
    flat = basis.reshape(len(basis), -1)
    middle = flat.mean(axis=0)
    _, vectors = np.linalg.eigh((flat - middle).T @ (flat - middle))
    return [(s.reshape(len(s), -1) - middle) @ vectors[:, -COMPONENTS:] for s in sides]


def _standard(pixels: Array) -> Array:
    centred = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-12), np.float64)


def likest(pixels: Array, others: Array, *, itself: bool = False) -> tuple[Array, NDArray[np.int64]]:
    """Of each picture the best correlation with any other over eight orientations, and which; ``itself``: others are the same, in order."""
    flat, compared = (_standard(p).astype(np.float32) for p in (pixels, others))
    best = np.full((len(pixels), len(others)), -1.0, np.float32)
    for turn in ORIENTATIONS.values():
        turned = np.ascontiguousarray(turn(compared)).reshape(len(others), -1)
        np.maximum(best, flat.reshape(len(pixels), -1) @ turned.T, out=best)
    if itself:
        np.fill_diagonal(best, -1.0)
    return best.max(axis=1), best.argmax(axis=1)


def _memory(w: World, generated: Array, features: Sequence[Array]) -> Observations:
    made, training, held_out = features
    towards = [likest(generated, w.training), likest(w.held_out, w.training)]
    away = [likest(generated, w.held_out), likest(w.held_out, w.held_out, itself=True)]
    own = squared_distances(held_out, held_out)
    np.fill_diagonal(own, np.inf)
    distance = {"feature_training": [squared_distances(f, training) for f in (made, held_out)],
                "feature_held_out": [squared_distances(made, held_out), own]}
    origin = np.repeat([GENERATED, HELD_OUT], [len(generated), len(w.held_out)])
    return Observations({
        "sample_id": _ids(origin), "origin": origin,
        **{name: np.concatenate([v for v, _ in both]) for name, both in (("nearest_training", towards), ("nearest_held_out", away))},
        "nearest_training_id": np.array([f"{TRAINING}/{i:05d}" for _, which in towards for i in which]),
        "nearest_held_out_id": np.array([f"{HELD_OUT}/{i:05d}" for _, which in away for i in which]),
        **{name: np.sqrt(np.concatenate([d.min(axis=1) for d in both])) for name, both in distance.items()}})


def _pairs(rng: np.random.Generator, generated: Array, training: Array) -> Observations:
    likeness = [_ssim(s[order[0::2][:len(s) // 2]], s[order[1::2][:len(s) // 2]]) for s in (generated, training)
                for order in (rng.permutation(len(s)),)]
    origin = np.repeat([GENERATED, TRAINING], [len(v) for v in likeness])
    return Observations({"sample_id": _ids(origin), "origin": origin, "ms_ssim": np.concatenate(likeness)})


def _ssim(first: Array, second: Array) -> Array:
    """Structural similarity (Wang et al. 2004) at one scale, which is all that so small pictures have: ``(N,)``."""
    def local(a: Array) -> Array:
        return np.asarray(gaussian_filter(a, (0, 1.5, 1.5), mode="nearest"), np.float64)

    spread = float(first.max() - first.min()) or 1.0
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    a, b = local(first), local(second)
    variance, covariance = local(first**2) - a**2 + local(second**2) - b**2, local(first * second) - a * b
    return np.asarray(((2 * a * b + c1) * (2 * covariance + c2) / ((a**2 + b**2 + c1) * (variance + c2))).mean(axis=(1, 2)))


def _membership(w: World, generated: Array) -> Observations:
    """The attack by the nearest generated picture; the score of a discriminator is that of one which knows nothing."""
    sides = [s.reshape(len(s), -1) for s in (w.training, w.held_out)]
    nearest = np.concatenate([-np.sqrt(squared_distances(s, generated.reshape(len(generated), -1)).min(axis=1)) for s in sides])
    origin = np.repeat([TRAINING, HELD_OUT], [len(s) for s in sides])
    return Observations({"sample_id": _ids(origin), "origin": origin, "generator": nearest,
                         "discriminator": np.concatenate([s.mean(axis=1) for s in sides])})


@dataclass(frozen=True)
class Rate:
    """Of ``repetitions`` generators of one kind, how many an audit found guilty (``undermines``), and how many it cleared (all clean)."""

    fault: str
    audit: str
    found: int
    cleared: int
    repetitions: int
    looks: Mapping[str, int]


def rates(kinds: Mapping[str, Generator], repetitions: int = 100, size: int = 300, seed: int = 0,
          make_world: Callable[[np.random.Generator, int], World] = world) -> Iterator[Rate]:
    """The rates of each kind of generator and audit; ``looks`` counts by look how often it found. Every kind meets the same worlds."""
    for name, generator in kinds.items():
        worst: dict[str, list[set[str]]] = {collapse.THREAT: [], memorisation.THREAT: []}
        looks: dict[str, dict[str, int]] = {audit: {} for audit in worst}
        for repetition in range(repetitions):
            rng = np.random.default_rng([seed, repetition])
            w = make_world(rng, size)
            splits: Splits = evidence(rng, w, generator(rng, w))
            for audit in (collapse, memorisation):
                seen = list(audit.seen_in(splits))
                worst[audit.THREAT].append({f.severity for f in seen})
                for f in seen:
                    counts = looks[audit.THREAT]
                    counts[f.id.partition(":")[2]] = counts.get(f.id.partition(":")[2], 0) + (f.severity == "undermines")
        for audit_name, severities in worst.items():
            yield Rate(name, audit_name, sum("undermines" in s for s in severities), sum(s == {"clean"} for s in severities), repetitions,
                       looks[audit_name])
