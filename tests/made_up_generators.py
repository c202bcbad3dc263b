"""Made-up evidence of generators: features, calls, likenesses and scores of attacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Observations

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
Array = NDArray[np.float64]


def named(origin: str, count: int) -> list[str]:
    return [f"{origin}/{i:05d}" for i in range(count)]


def quality(
    generated: Array,
    held_out: Array,
    training: Array | None = None,
    *,
    called: Any = None,
    labels: Any = None,
) -> Observations:
    """``called``: classes (int) of generated images; ``labels``: of training images. Real ones are
    called what they are.
    """
    training = held_out[:0] if training is None else training
    sides = {"generated": generated, "training": training, "held_out": held_out}
    counts = {origin: len(features) for origin, features in sides.items()}
    own = {
        "generated": np.arange(len(generated)) % 4 if called is None else np.asarray(called),
        "training": np.arange(len(training)) % 4 if labels is None else np.asarray(labels),
        "held_out": np.arange(len(held_out)) % 4,
    }
    pred = np.concatenate(list(own.values())).astype(int)
    origin = np.repeat(list(counts), list(counts.values()))
    return Observations(
        {
            "sample_id": np.concatenate([named(o, n) for o, n in counts.items() if n]),
            "origin": origin,
            "y_pred": pred,
            "features": np.concatenate(list(sides.values())),
            "label": np.where(origin == "generated", "", np.array(CLASSES)[pred]),
        },
        CLASSES,
    )


def memory(generated: tuple[Array, Array], held_out: tuple[Array, Array]) -> Observations:
    """Correlations with the nearest (training, held-out) image; distances of features are one minus
    them.
    """
    training, away = (np.concatenate([generated[k], held_out[k]]) for k in (0, 1))
    counts = (len(generated[0]), len(held_out[0]))
    return Observations(
        {
            "sample_id": np.array(named("generated", counts[0]) + named("held_out", counts[1])),
            "origin": np.repeat(["generated", "held_out"], counts),
            "nearest_training": training,
            "nearest_held_out": away,
            "nearest_training_id": np.array(named("training", sum(counts))),
            "nearest_held_out_id": np.array(named("held_out", sum(counts))),
            "feature_training": 1 - training,
            "feature_held_out": 1 - away,
        }
    )


def scored(
    first: str, first_values: Array, second: str, second_values: Array, *names: str
) -> Observations:
    """Two origins with the same values under each of some names."""
    values = np.concatenate([first_values, second_values])
    counts = (len(first_values), len(second_values))
    return Observations(
        {
            "sample_id": np.array(named(first, counts[0]) + named(second, counts[1])),
            "origin": np.repeat([first, second], counts),
            **dict.fromkeys(names, values),
        }
    )
