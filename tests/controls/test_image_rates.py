"""A mark that gives the class away, a mislabelled block, a shifted source: each is found at a
stated rate, and the clean twin passes.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2", reason="the training extra is not installed")

import cv2
from scipy.stats import fisher_exact

from medpipe.audits.shortcuts import LARGE, above_commonest
from medpipe.audits.sources import SMALL
from medpipe.evidence.observations import Observations
from medpipe.metrics.intervals import wilson
from medpipe.pipeline.data.image_sets import SIDE
from medpipe.pipeline.data.images import ImagePart
from medpipe.pipeline.data.phantoms import Phantoms, make
from medpipe.pipeline.data.planes import Planes
from medpipe.pipeline.imaging.baselines import Border, classifier
from medpipe.pipeline.imaging.image_collections import told_within
from medpipe.pipeline.imaging.image_outliers import doubtful
from medpipe.pipeline.splits import Subset

Grey = NDArray[np.uint8]
Labels = NDArray[np.int64]


@pytest.fixture(scope="module")
def made() -> Phantoms:
    return make("Training")


def people(made: Phantoms) -> NDArray[np.str_]:
    return np.array([p.patient_id for p in made.people])


def blind(pixels: Grey, label: Labels, person: NDArray[np.str_], rng: np.random.Generator) -> bool:
    """Whether the border, trained on half of the people, is surely far above the commonest class
    among the others.
    """
    small = np.stack([cv2.resize(p, (32, 32), interpolation=cv2.INTER_AREA) for p in pixels])
    outside = np.ones((32, 32), bool)
    outside[2:-2, 2:-2] = False
    learnt = np.isin(person, rng.permutation(np.unique(person))[::2])
    model = Border(kind="border", width=2)
    called = (
        classifier(model, 0)
        .fit(small[learnt][:, outside], label[learnt])
        .predict(small[~learnt][:, outside])
    )
    seen = {
        "sample_id": np.array([f"i{k}" for k in np.flatnonzero(~learnt)]),
        "y_true": label[~learnt],
        "y_pred": called,
    }
    return (
        above_commonest(
            Observations({**seen, "cluster": person[~learnt]}, ("no", "yes"), "cluster")
        ).low
        >= LARGE
    )


def test_a_watermark_of_a_class_is_found_by_the_border(made: Phantoms) -> None:
    person, draws, found = people(made), 20, {True: 0, False: 0}
    label = (np.array(made.labels) == "glioma").astype(np.int64) | (
        np.array(made.labels) == "meningioma"
    )
    for seed in range(draws):
        for planted in found:
            rng = np.random.default_rng([seed, 3])
            pixels, marked = (
                made.pixels.copy(),
                (label == 1 if planted else rng.random(len(label)) < 0.5),
            )
            x, width, grey = (
                int(rng.integers(0, 60)),
                int(rng.integers(12, 30)),
                int(rng.integers(120, 256)),
            )
            pixels[marked, 2:5, x : x + width] = grey
            found[planted] += blind(pixels, label, person, rng)
    assert wilson(found[True], draws).low >= 0.8 and found[False] == 0, found


def test_a_mislabelled_block_stands_out_and_its_labels_are_called_doubtful(made: Phantoms) -> None:
    """Sixteen files in a row carry the other class: more of them are doubtful than of the rest
    (Fisher's exact test, p < 0.01).
    """
    kinds, size, draws = np.array(made.labels), 16, 20
    chosen = np.flatnonzero((kinds == "pituitary") | (kinds == "notumor"))
    label, person = (kinds[chosen] == "notumor").astype(np.int64), people(made)[chosen]
    grey = np.stack([cv2.resize(p, (SIDE, SIDE)) for p in made.pixels[chosen]])
    clean = doubtful(grey, label, person).class_of >= 0
    found, false, named, amiss = 0, 0, [], []
    for seed in range(draws):
        rng = np.random.default_rng([seed, 4])
        block = np.zeros(len(chosen), bool)
        start = int(rng.integers(0, len(chosen) // 2 - size)) + (
            len(chosen) // 2 if rng.random() < 0.5 else 0
        )
        block[start : start + size] = True
        doubted = doubtful(grey, np.where(block, 1 - label, label), person).class_of >= 0
        found, false = found + stands_out(doubted, block), false + stands_out(clean, block)
        named.append(doubted[block].mean())
        amiss.append(doubted[~block].mean())
    assert wilson(found, draws).low >= 0.65, found
    assert false <= 1 and clean.mean() <= 0.1 and np.mean(amiss) <= 0.1 and np.mean(named) >= 0.5, (
        false,
        clean.mean(),
        named,
        amiss,
    )


def stands_out(doubted: NDArray[np.bool_], block: NDArray[np.bool_]) -> bool:
    table = [
        [int((doubted & side).sum()), int((~doubted & side).sum())] for side in (block, ~block)
    ]
    return bool(fisher_exact(table, alternative="greater").pvalue < 0.01)


def above(made: Phantoms, seed: int, *, shifted: bool) -> bool:
    """Whether a source, half of the people with another gain and field of view, is read from 8 by 8
    pixels within a class.
    """
    rng, person = np.random.default_rng([seed, 5]), people(made)
    names = np.unique(person)
    other = np.isin(person, rng.permutation(names)[::2])
    pixels = made.pixels.copy()
    if shifted:
        gain, cut = rng.uniform(0.6, 0.8), int(rng.integers(4, 9))
        for k in np.flatnonzero(other):
            pixels[k] = np.rint(
                gain
                * cv2.resize(pixels[k, cut:-cut, cut:-cut], (96, 96), interpolation=cv2.INTER_AREA)
            )
    features = np.stack(
        [cv2.resize(p, (8, 8), interpolation=cv2.INTER_AREA).ravel() for p in pixels]
    ).astype(np.float32)
    ids = np.array([f"i{k}" for k in range(len(person))])
    part = ImagePart(
        np.zeros(len(person), np.int64), ids, {"cluster": person}, lambda size: Planes.of([])
    )
    told = told_within(
        0,
        features,
        Subset(part, np.arange(len(person))),
        np.where(other, "one", "two"),
        person,
        20,
        0,
    )
    assert told is not None
    at, truth, called, kept = told
    return (
        above_commonest(
            Observations(
                {"sample_id": ids[at], "y_true": truth, "y_pred": called, "cluster": person[at]},
                kept,
                "cluster",
            )
        ).low
        > SMALL
    )


def test_a_shifted_source_is_found(made: Phantoms) -> None:
    found = {
        shifted: sum(above(made, seed, shifted=shifted) for seed in range(20))
        for shifted in (True, False)
    }
    assert wilson(found[True], 20).low >= 0.8, found
    assert found[False] <= 1, found
