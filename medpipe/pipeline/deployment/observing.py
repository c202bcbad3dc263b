"""What is observed of the forms: answers to the same images, and times side by side.

Splits: ``parity`` (the reference, eager fp32 without gradients) and ``parity_<slug>`` with ``reference_pred`` and the largest difference
of probabilities ``difference``; ``latency`` (a row for each timed call), ``warmup``, ``same_again`` (the reference twice), and
``speed_<slug>``: by round, ``seconds`` and ``ratio`` to eager with gradients, and the group ``block`` of neighbouring rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.pipeline.deployment.guards import cached_answer
from medpipe.pipeline.deployment.latency import Configuration, Measured, measure
from medpipe.pipeline.deployment.rungs import FAILURES, Answer, Built, Images, first_line, logits_of
from medpipe.pipeline.prediction import probabilities
from medpipe.pipeline.splits import Subset

REFERENCE, BASELINE = "eager", "eager_grad"
BATCH = 32
INPUTS = 8
"""Inputs that take turns in timing."""
BLOCK = 10
"""Neighbouring rounds that an interval draws together: what slows a machine lasts longer than one call."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Compared:
    """What all forms answer: float32 images of a subset ``(N, 3, H, H)`` with ``side`` H."""

    classes: Sequence[str]
    cluster: str
    subset: Subset
    images: Images
    side: int


def compared(built: Sequence[Built], asked: Compared, progress: Progress) -> tuple[list[Built], dict[str, Observations]]:
    """Every form that is built answers the whole set; one that cannot becomes ``failed`` with its reason.

    Raises `DataError` where the reference itself is not there.
    """
    results: list[Built] = []
    answered: dict[str, NDArray[np.float64]] = {}
    for done, b in enumerate(built):
        progress(done, len(built), b.rung.slug)
        if b.exported is not None:
            try:
                answered[b.rung.slug] = probabilities(logits_of(b.exported.at(BATCH, asked.side), asked.images, BATCH))
            except FAILURES as error:  # what a runtime raises is evidence about that form
                b = replace(b, state="failed", reason=first_line(error), exported=None)
        results.append(b)
    if REFERENCE not in answered:
        raise DataError(f"deployment: expected the form {REFERENCE}, which the others are held against, got none")
    reference = answered[REFERENCE]
    observations = {"parity": asked.subset.observe(asked.classes, asked.cluster, y_pred=reference.argmax(axis=1), y_prob=reference)}
    for slug, probable in answered.items():
        if slug != REFERENCE:
            plain = asked.subset.observe(asked.classes, asked.cluster, y_pred=probable.argmax(axis=1), y_prob=probable)
            observations[f"parity_{slug}"] = Observations(
                {**plain.arrays, "reference_pred": reference.argmax(axis=1),
                 "difference": np.abs(probable - reference).max(axis=1).astype(np.float32)}, plain.classes, plain.cluster)
    return results, observations


def timed_observations(built: Sequence[Built], side: int, batches: Sequence[int], rounds: int, seed: int,
                       progress: Progress) -> tuple[dict[str, Observations], dict[str, float]]:
    """Times of all forms that are built, at each batch size; ratios are told at the first."""
    draw = np.random.default_rng(seed)
    rows: list[Observations] = []
    warm: list[Observations] = []
    found: dict[str, Observations] = {}
    scalars: dict[str, float] = {}
    for place, batch in enumerate(batches):
        inputs = [draw.standard_normal((batch, 3, side, side)).astype(np.float32) for _ in range(INPUTS)]
        ready, first, remembered = _ready(built, batch, side, inputs)
        at = {slug: Configuration(slug, answer, inputs) for slug, answer in ready.items()}
        again = [replace(at[REFERENCE], name=f"{REFERENCE}, again")] if place == 0 else []
        told = partial(_told, progress, place, len(batches), batch)
        measured = measure([*at.values(), *again], rounds=rounds, seed=seed + place, progress=told)
        rows.append(_rows(measured, batch, {b.rung.slug: b for b in built}))
        warm.append(_warm_ups(measured, batch))
        if place == 0:
            found |= _speeds(measured, rounds)
            scalars |= {f"first_answer_s_{slug}": seconds for slug, seconds in first.items()}
            scalars |= {f"remembers_{slug}": float(slug in remembered) for slug in at}
    return {"latency": _joined(rows), "warmup": _joined(warm), **found}, scalars


def _told(progress: Progress, place: int, batches: int, batch: int, done: int, of: int) -> None:
    progress(place * of + done, batches * of, f"batches of {batch}")


def _ready(built: Sequence[Built], batch: int, side: int, inputs: Sequence[Images]) -> tuple[dict[str, Answer], dict[str, float], set[str]]:
    """What answers, by slug; the time to its first answer, made ready included; and those that remember answers."""
    ready, first, remembered = {}, {}, set()
    for b in built:
        if b.exported is not None:
            start = time.perf_counter()
            answer = b.exported.at(batch, side)
            answer(inputs[0])
            ready[b.rung.slug], first[b.rung.slug] = answer, time.perf_counter() - start
            if cached_answer(answer, inputs[:3]):
                remembered.add(b.rung.slug)
    return ready, first, remembered


def _rows(measured: Measured, batch: int, built: dict[str, Built]) -> Observations:
    t = measured.timings
    rung = [built.get(x.name.split(",")[0]) for x in t]
    return Observations({
        "sample_id": np.array([f"{x.name}/b{batch}/{x.round:04d}" for x in t]), "slug": np.array([x.name for x in t]),
        "device": np.array([r.rung.device if r else "" for r in rung]), "scope": np.full(len(t), "end_to_end"),
        "round": np.array([f"b{batch}/{x.round:04d}" for x in t]), "batch": np.full(len(t), batch),
        "position": np.array([x.position for x in t]), "seconds": np.array([x.seconds for x in t], np.float64)})


def _warm_ups(measured: Measured, batch: int) -> Observations:
    rows = [(name, i, s, w.stable) for name, w in measured.warm_ups.items() for i, s in enumerate(w.seconds)]
    return Observations({"sample_id": np.array([f"{name}/b{batch}/{i:04d}" for name, i, _, _ in rows]),
                         "slug": np.array([r[0] for r in rows]), "batch": np.full(len(rows), batch), "call": np.array([r[1] for r in rows]),
                         "seconds": np.array([r[2] for r in rows], np.float64),
                         "stable": np.array(["yes" if r[3] else "no" for r in rows])})


def _speeds(measured: Measured, rounds: int) -> dict[str, Observations]:
    """``speed_<slug>`` against the baseline, and ``same_again``: the reference against itself."""
    names = list(measured.warm_ups)
    base = measured.of(BASELINE if BASELINE in names else REFERENCE)
    found = {}
    for name in names:
        seconds = measured.of(name)
        against = measured.of(REFERENCE) if "again" in name else base
        split = "same_again" if "again" in name else f"speed_{name}"
        found[split] = Observations({
            "sample_id": np.array([f"{name}/{k:04d}" for k in range(rounds)]), "seconds": seconds, "ratio": against / seconds,
            "block": np.array([f"{k // BLOCK:04d}" for k in range(rounds)])}, (), "block")
    return found


def _joined(parts: Sequence[Observations]) -> Observations:
    arrays: dict[str, Any] = {name: np.concatenate([p[name] for p in parts]) for name in parts[0].arrays}
    return Observations(arrays)
