"""Made-up pictures, and the evidence that an experiment would keep of them: what the controls of
the audits of generators run on.

A picture is a blob in a texture; its mode is the place and size of the blob, its class one of four.
Features are principal components of held-out pixels, classes are told by the nearest mean, with a
share of misread calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medpipe.audits.images.features import ORIENTATIONS
from medpipe.evidence import Observations
from medpipe.metrics.generator_splits import GENERATED, HELD_OUT, TRAINING, squared_distances

Array = NDArray[np.float64]
SIDE, CLASSES, MODES = 12, ("a", "b", "c", "d"), 12
"""Pixels a side, classes, and modes of all classes together."""
COMPONENTS, MISREAD = 24, 0.05


@dataclass(frozen=True, eq=False)
class World:
    """Real pictures of one repetition, trained on and held out: pixels float64 ``(N, h, w)``, modes
    int64 ``(N,)``; ``draw`` makes more.
    """

    training: Array
    training_modes: NDArray[np.int64]
    held_out: Array
    held_out_modes: NDArray[np.int64]
    draw: Callable[[np.random.Generator, int, Sequence[int]], tuple[Array, NDArray[np.int64]]]
    size: int


def pictures(
    rng: np.random.Generator, count: int, among: Sequence[int] = range(MODES)
) -> tuple[Array, NDArray[np.int64]]:
    """Pictures float64 ``(count, SIDE, SIDE)`` of modes drawn among some, and their modes; mode m
    is of class m modulo 4.
    """
    modes = rng.choice(np.asarray(among), count)
    angle = 2 * np.pi * modes / MODES
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    middle = [0.3 * f(angle) + rng.normal(0, 0.02, count) for f in (np.cos, np.sin)]
    width = 0.10 + 0.04 * (modes % len(CLASSES)) * rng.uniform(0.9, 1.1, count)
    blob = np.exp(
        -((x - middle[0][:, None, None]) ** 2 + (y - middle[1][:, None, None]) ** 2)
        / (2 * width[:, None, None] ** 2)
    )
    texture = gaussian_filter(rng.normal(0, 1, (count, SIDE, SIDE)), (0, 1.5, 1.5), mode="nearest")
    return np.asarray(blob + 0.9 * texture, np.float64), modes


def world(rng: np.random.Generator, size: int) -> World:
    """``size`` pictures trained on and as many held out."""
    training, held_out = pictures(rng, size), pictures(rng, size)
    return World(*training, *held_out, pictures, size)


def evidence(rng: np.random.Generator, w: World, generated: Array) -> dict[str, Observations]:
    """The splits that an experiment would keep of these pictures."""
    sides = {GENERATED: generated, TRAINING: w.training, HELD_OUT: w.held_out}
    features = _features(w.held_out, list(sides.values()))
    centres = np.stack(
        [features[2][w.held_out_modes == m].mean(axis=0) for m in np.unique(w.held_out_modes)]
    )
    of_centre = np.unique(w.held_out_modes) % len(CLASSES)
    called = np.concatenate(
        [of_centre[squared_distances(f, centres).argmin(axis=1)] for f in features]
    )
    wrong = rng.random(len(called)) < MISREAD
    called[wrong] = (called[wrong] + rng.integers(1, len(CLASSES), wrong.sum())) % len(CLASSES)
    origin = np.repeat(list(sides), [len(s) for s in sides.values()])
    labels = [
        np.full(len(generated), ""),
        *(np.array(CLASSES)[m % len(CLASSES)] for m in (w.training_modes, w.held_out_modes)),
    ]
    ids = _ids(origin)
    seen = origin == TRAINING
    return {
        "quality": Observations(
            {
                "sample_id": ids,
                "origin": origin,
                "features": np.concatenate(features),
                "y_pred": called,
                "label": np.concatenate(labels),
            },
            CLASSES,
        ),
        "seen": Observations({"sample_id": ids[seen], "label": labels[1]}),
        "memory": _memory(w, generated, features),
        "pairs": _pairs(rng, generated, w.training),
        "membership": _membership(w, generated),
    }


def with_others(
    splits: Mapping[str, Observations], w: World, generated: Array, others: Array
) -> dict[str, Observations]:
    """The same evidence where the generator saw ``others`` as well, with which ``worst`` alone
    compares: its ten likest pairs.
    """
    best, which = likest(generated, np.concatenate([w.training, others]))
    order = np.argsort(-best, kind="stable")[:10]
    ids = _ids(np.full(len(w.training) + len(others), TRAINING))
    label = np.concatenate([splits["seen"]["label"], np.full(len(others), CLASSES[0])])
    return {
        **splits,
        "seen": Observations({"sample_id": ids, "label": label}),
        "worst": Observations(
            {
                "sample_id": np.array([f"{GENERATED}/{i:05d}" for i in order]),
                "training_id": ids[which[order]],
                "likeness": best[order],
            }
        ),
    }


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
    return np.asarray(
        centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-12), np.float64
    )


def likest(
    pixels: Array, others: Array, *, itself: bool = False
) -> tuple[Array, NDArray[np.int64]]:
    """Of each picture the best correlation with any other over eight orientations, and which;
    ``itself``: others are the same, in order.
    """
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
    distance = {
        "feature_training": [squared_distances(f, training) for f in (made, held_out)],
        "feature_held_out": [squared_distances(made, held_out), own],
    }
    origin = np.repeat([GENERATED, HELD_OUT], [len(generated), len(w.held_out)])
    return Observations(
        {
            "sample_id": _ids(origin),
            "origin": origin,
            **{
                name: np.concatenate([v for v, _ in both])
                for name, both in (("nearest_training", towards), ("nearest_held_out", away))
            },
            "nearest_training_id": np.array(
                [f"{TRAINING}/{i:05d}" for _, which in towards for i in which]
            ),
            "nearest_held_out_id": np.array(
                [f"{HELD_OUT}/{i:05d}" for _, which in away for i in which]
            ),
            **{
                name: np.sqrt(np.concatenate([d.min(axis=1) for d in both]))
                for name, both in distance.items()
            },
        }
    )


def _pairs(rng: np.random.Generator, generated: Array, training: Array) -> Observations:
    likeness = [
        _ssim(s[order[0::2][: len(s) // 2]], s[order[1::2][: len(s) // 2]])
        for s in (generated, training)
        for order in (rng.permutation(len(s)),)
    ]
    origin = np.repeat([GENERATED, TRAINING], [len(v) for v in likeness])
    return Observations(
        {"sample_id": _ids(origin), "origin": origin, "ms_ssim": np.concatenate(likeness)}
    )


def _ssim(first: Array, second: Array) -> Array:
    """Structural similarity (Wang et al. 2004) at one scale, which is all that so small pictures
    have: ``(N,)``.
    """

    def local(a: Array) -> Array:
        return np.asarray(gaussian_filter(a, (0, 1.5, 1.5), mode="nearest"), np.float64)

    spread = float(first.max() - first.min()) or 1.0
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    a, b = local(first), local(second)
    variance, covariance = (
        local(first**2) - a**2 + local(second**2) - b**2,
        local(first * second) - a * b,
    )
    return np.asarray(
        ((2 * a * b + c1) * (2 * covariance + c2) / ((a**2 + b**2 + c1) * (variance + c2))).mean(
            axis=(1, 2)
        )
    )


def _membership(w: World, generated: Array) -> Observations:
    """The attack by the nearest generated picture; the score of a discriminator is that of one
    which knows nothing.
    """
    sides = [s.reshape(len(s), -1) for s in (w.training, w.held_out)]
    nearest = np.concatenate(
        [
            -np.sqrt(squared_distances(s, generated.reshape(len(generated), -1)).min(axis=1))
            for s in sides
        ]
    )
    origin = np.repeat([TRAINING, HELD_OUT], [len(s) for s in sides])
    return Observations(
        {
            "sample_id": _ids(origin),
            "origin": origin,
            "generator": nearest,
            "discriminator": np.concatenate([s.mean(axis=1) for s in sides]),
        }
    )
