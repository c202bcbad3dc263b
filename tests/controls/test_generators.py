"""Controls of the audits of generators: planted collapse and planted copies are found, and a clean
twin passes.

On made-up pictures, on demonstration slices of made-up patients, and on features alone. The rates
at full size stand in docs/synthesis_audits.md; here fewer repetitions must agree with them. Seeds
are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pytest
from made_up_generators import quality, scored
from numpy.typing import NDArray

from medpipe.audits import collapse, memorisation
from medpipe.audits import generator_controls as controls
from medpipe.audits.generator_controls import (
    CLEAN,
    COLLAPSED,
    REPLAYED,
    Generator,
    few_pictures,
    replay,
    some_modes,
)
from medpipe.audits.generator_fixtures import MODES, World, evidence, with_others, world
from medpipe.evidence import Observations
from medpipe.evidence.finding import Finding
from medpipe.pipeline.data.phantoms import MRI_CLASSES, Phantoms, make

Array = NDArray[np.float64]
SIZE, TIMES = 300, 20


@lru_cache
def rates_of(kind: str, repetitions: int) -> dict[str, controls.Rate]:
    return {
        r.audit: r
        for r in controls.rates({kind: {**CLEAN, **COLLAPSED, **REPLAYED}[kind]}, repetitions, SIZE)
    }


@pytest.mark.parametrize("audit", ["mode_collapse", "memorisation"])
def test_the_clean_twin_is_accused_at_most_5_times_in_100(audit: str) -> None:
    assert rates_of("clean twin", 100)[audit].found <= 5


@pytest.mark.parametrize("kind", ["one image", "30 images", "100 images"])
def test_a_generator_of_few_images_is_found_and_not_accused_of_copying(kind: str) -> None:
    assert rates_of(kind, TIMES)["mode_collapse"].found == TIMES
    assert rates_of(kind, TIMES)["memorisation"].found <= 2


@pytest.mark.parametrize("kind", ["10 % exact", "10 % flipped", "10 % noised", "100 % blended"])
def test_replayed_training_images_are_found(kind: str) -> None:
    assert rates_of(kind, TIMES)["memorisation"].found >= TIMES - 1


def test_a_copying_generator_is_not_accused_of_collapse() -> None:
    assert rates_of("10 % exact", TIMES)["mode_collapse"].found <= 1


def diluted(generated_from: str, repetition: int) -> dict[str, Observations]:
    """Evidence of a generator that saw five times as many pictures as are compared with, and
    replays 5 % of those that are not, or none.
    """
    rng = np.random.default_rng([7, repetition])
    w = world(rng, SIZE)
    others = w.draw(rng, 4 * SIZE, range(MODES))[0]
    fresh = w.draw(rng, SIZE, range(MODES))[0]
    made = (
        fresh
        if generated_from == "fresh"
        else np.concatenate([others[: SIZE // 20], fresh[SIZE // 20 :]])
    )
    return with_others(evidence(rng, w, made), w, made, others)


def copies_in(splits: dict[str, Observations]) -> Finding:
    return next(f for f in memorisation.seen_in(splits) if f.id.endswith(":copies"))


def test_replayed_images_outside_the_pool_are_found_by_the_worst_pairs_alone() -> None:
    for repetition in range(TIMES):
        splits = diluted("outside", repetition)
        found, without = (
            copies_in(splits),
            copies_in({k: v for k, v in splits.items() if k != "worst"}),
        )
        assert found.severity == "undermines"
        assert (
            "At least 10 of 300 generated images correlate 0.99 or more with one of all 1,500"
            " training images" in found.statement
        )
        assert (
            without.severity == "narrows"
            and "the 300 of 1,500 training images compared" in without.statement
        )


def test_a_clean_twin_with_a_diluted_pool_is_not_accused() -> None:
    assert (
        sum(
            copies_in(diluted("fresh", repetition)).severity == "undermines"
            for repetition in range(100)
        )
        <= 1
    )


def features_of(rng: np.random.Generator, n: int, kinds: int, among: int) -> Array:
    centres = np.random.default_rng(99).normal(0, 4, (among, 16))
    return np.asarray(centres[rng.integers(0, kinds, n)] + rng.normal(0, 1, (n, 16)), np.float64)


@pytest.mark.parametrize("kinds", range(1, 9))
def test_on_features_alone_each_number_of_modes_is_told(kinds: int) -> None:
    """k of 8 modes of one class each as the network calls them, so that no class is missing: up to
    7 are found, 8 are the twin.
    """
    found = 0
    for repetition in range(8):
        rng = np.random.default_rng([kinds, repetition])
        o = quality(
            features_of(rng, 1000, kinds, 8),
            features_of(rng, 1000, 8, 8),
            features_of(rng, 1000, 8, 8),
        )
        found += any(f.severity == "undermines" for f in collapse.seen_in({"quality": o}))
    assert found == (8 if kinds < 8 else 0)


@lru_cache
def slices() -> tuple[Array, NDArray[np.int64], NDArray[np.str_]]:
    """Demonstration slices as 16 x 16 pixels, their classes and patients."""
    parts: list[Phantoms] = [make("Training"), make("Testing")]
    pixels = np.concatenate([p.pixels for p in parts]).astype(np.float64)
    small = pixels.reshape(len(pixels), 16, 6, 16, 6).mean(axis=(2, 4)) / 255
    labels = np.array([MRI_CLASSES.index(label) for p in parts for label in p.labels])
    return small, labels, np.array([person.patient_id for p in parts for person in p.people])


def world_of_slices(rng: np.random.Generator, size: int) -> World:
    """Patients dealt into three: trained on, held out, and those that a clean generator
    resamples.
    """
    pixels, labels, patients = slices()
    names = rng.permutation(np.unique(patients))
    third = [
        rng.permutation(np.flatnonzero(np.isin(patients, names[k::3])))[:size] for k in range(3)
    ]

    def draw(
        chosen: np.random.Generator, count: int, among: Sequence[int]
    ) -> tuple[Array, NDArray[np.int64]]:
        pool = chosen.permutation(third[2][np.isin(labels[third[2]], np.asarray(among))])[:count]
        return pixels[pool], labels[pool]

    return World(pixels[third[0]], labels[third[0]], pixels[third[1]], labels[third[1]], draw, size)


def on_slices(generator: Generator, repetitions: int) -> tuple[int, int]:
    """How often collapse and memorisation are found."""
    found = controls.rates({"slices": generator}, repetitions, 200, make_world=world_of_slices)
    by_audit = {r.audit: r.found for r in found}
    return by_audit["mode_collapse"], by_audit["memorisation"]


def test_slices_of_other_patients_pass() -> None:
    assert (
        max(on_slices(some_modes(MODES), 25)) <= 3
    )  # binomial(25, 0.05) exceeds it 3 times in 100


@pytest.mark.parametrize("count", [1, 20, 60])
def test_few_slices_over_and_over_are_found(count: int) -> None:
    assert on_slices(few_pictures(count), 10)[0] == 10


@pytest.mark.parametrize(
    "change", [controls.exact, controls.flipped, controls.noised, controls.blended]
)
def test_slices_replayed_are_found(change: Callable[[np.random.Generator, Array], Array]) -> None:
    assert on_slices(replay(0.5, change), 10)[1] == 10


def test_a_discriminator_that_knows_its_images_is_found_and_one_that_does_not_is_not() -> None:
    found = {True: 0, False: 0}
    for knows in found:
        for repetition in range(100):
            rng = np.random.default_rng([int(knows), repetition])
            o: Observations = scored(
                "training",
                rng.normal(0.5 * knows, 1, 1000),
                "held_out",
                rng.normal(0, 1, 1000),
                "discriminator",
                "generator",
            )
            found[knows] += any(
                f.severity != "clean"
                for f in memorisation.seen_in({"membership": o})
                if "discriminator" in f.id
            )
    assert found[True] >= 95 and found[False] <= 5
