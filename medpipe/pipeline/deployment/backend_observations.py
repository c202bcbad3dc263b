"""What is observed of the forms: answers to the same images, and times side by side.

Splits: ``parity`` (the reference, eager fp32 in inference mode) and ``parity_<slug>`` with
``reference_pred`` and the largest difference of probabilities ``difference``, over the whole
evaluation set; ``timed_parity_<slug>``, the same over some of its images by the very form that is
timed, at each ``batch`` and at the timed size, for which several forms compile anew; ``latency`` (a
row for each timed call; ``scope`` says from where to where), ``warmup``, ``same_again`` (the
reference twice), and ``speed_<slug>``: by round, ``seconds`` and ``ratio`` to the plain model
without gradients, as it was published, and the group ``block`` of neighbouring rounds.

Scopes: ``end_to_end`` is from a host image to a host answer, ``from_file`` from the bytes of a JPEG
file to a host answer (``decoding`` names the reading of the file alone), ``kernel`` from an input
on the device to logits there, on a GPU by its own events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.pipeline.deployment.backends import (
    FAILURES,
    Answer,
    Built,
    Images,
    first_line,
    logits_of,
)
from medpipe.pipeline.deployment.guards import cached_answer, does_not_wait, tracks_gradients
from medpipe.pipeline.deployment.latency import Configuration, Measured, measure, nothing
from medpipe.pipeline.deployment.machine_state import energy_of
from medpipe.pipeline.deployment.roofline import wait
from medpipe.pipeline.deployment.torch_backends import TorchAnswer, cuda_seconds
from medpipe.pipeline.prediction import probabilities
from medpipe.pipeline.splits import Subset

REFERENCE, BASELINE = "eager", "eager_no_grad"
BATCH = 32
INPUTS = 8
"""Inputs that take turns in timing."""
BLOCK = 10
"""Neighbouring rounds that an interval draws together: what slows a machine lasts longer than one
call.
"""
LEAST_ROUNDS = 10
END_TO_END, FROM_FILE, DECODING, KERNEL = "end_to_end", "from_file", "decoding", "kernel"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Compared:
    """What all forms answer: float32 images of a subset ``(N, 3, H, H)`` with ``side`` H."""

    classes: Sequence[str]
    cluster: str
    subset: Subset
    images: Images
    side: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What is timed: images of ``side`` pixels in ``batches``, the first of which ratios are told
    at, ``rounds`` times; larger batches as many times fewer, at least `LEAST_ROUNDS`. ``files``:
    JPEG files; ``read``: one of them as a batch float32 ``(1, 3, side, side)``; ``checked``: images
    of ``side`` pixels that every timed form answers, at every batch size.
    """

    side: int
    batches: Sequence[int]
    rounds: int
    files: Sequence[bytes]
    read: Callable[[bytes], Images]
    checked: Compared

    def rounds_at(self, place: int) -> int:
        """The rounds of a batch size by its place."""
        return max(
            min(LEAST_ROUNDS, self.rounds), self.rounds * self.batches[0] // self.batches[place]
        )


def compared(
    built: Sequence[Built], asked: Compared, progress: Progress
) -> tuple[list[Built], dict[str, Observations]]:
    """Every form that is built answers the whole set; one that cannot becomes ``failed`` with its
    reason.

    Raises `DataError` where the reference itself is not there.
    """
    results: list[Built] = []
    answered: dict[str, NDArray[np.float64]] = {}
    for done, b in enumerate(built):
        progress(done, len(built), b.rung.slug)
        if b.exported is not None:
            try:
                answered[b.rung.slug] = probabilities(
                    logits_of(b.exported.at(BATCH, asked.side), asked.images, BATCH)
                )
            except FAILURES as error:  # what a runtime raises is evidence about that form
                b = replace(b, state="failed", reason=first_line(error), exported=None)
        results.append(b)
    if REFERENCE not in answered:
        raise DataError(
            f"deployment: expected the form {REFERENCE}, which the others are held against, got"
            " none"
        )
    reference = answered[REFERENCE]
    observations = {
        "parity": asked.subset.observe(
            asked.classes, asked.cluster, y_pred=reference.argmax(axis=1), y_prob=reference
        )
    }
    observations |= {
        f"parity_{slug}": _beside(asked, probable, reference)
        for slug, probable in answered.items()
        if slug != REFERENCE
    }
    return results, observations


def _beside(
    asked: Compared, probable: NDArray[np.float64], reference: NDArray[np.float64]
) -> Observations:
    """Probabilities of a form ``(N, C)`` beside those of the reference."""
    plain = asked.subset.observe(
        asked.classes, asked.cluster, y_pred=probable.argmax(axis=1), y_prob=probable
    )
    return Observations(
        {
            **plain.arrays,
            "reference_pred": reference.argmax(axis=1),
            "difference": np.abs(probable - reference).max(axis=1).astype(np.float32),
        },
        plain.classes,
        plain.cluster,
    )


def timed_observations(
    built: Sequence[Built], plan: Plan, seed: int, progress: Progress
) -> tuple[dict[str, Observations], dict[str, float]]:
    """Times and checked answers of all forms that are built, at each batch size, and times from
    files; ratios are told at the first.
    """
    draw = np.random.default_rng(seed)
    by_slug = {b.rung.slug: b for b in built}
    rows: list[Observations] = []
    warm: list[Observations] = []
    found: dict[str, Observations] = {}
    scalars: dict[str, float] = {}
    answers: list[dict[str, Observations]] = []
    for place, batch in enumerate(plan.batches):
        inputs = [
            draw.standard_normal((batch, 3, plan.side, plan.side)).astype(np.float32)
            for _ in range(INPUTS)
        ]
        ready = _ready(built, batch, plan.side, inputs)
        answers.append(_checked(ready, batch, plan.checked))
        at = {slug: Configuration(slug, r.answer, inputs) for slug, r in ready.items()}
        again = [replace(at[REFERENCE], name=f"{REFERENCE}, again")] if place == 0 else []
        rounds, told = (
            plan.rounds_at(place),
            partial(_told, progress, place, len(plan.batches), batch),
        )
        measured = measure([*at.values(), *again], rounds=rounds, seed=seed + place, progress=told)
        rows.append(_rows(measured, batch, END_TO_END, by_slug))
        warm.append(_warm_ups(measured, batch))
        if place == 0:
            found |= _speeds(measured, rounds)
            scalars |= _scalars(ready, inputs)
            rows.append(_rows(_from_files(ready, plan, seed), 1, FROM_FILE, by_slug))
            rows.append(
                _rows(_on_device(ready, by_slug, plan, inputs, seed), batch, KERNEL, by_slug)
            )
    found |= {f"timed_parity_{slug}": _joined([a[slug] for a in answers]) for slug in answers[0]}
    return {"latency": _joined(rows), "warmup": _joined(warm), **found}, scalars


def _checked(ready: dict[str, _Ready], batch: int, asked: Compared) -> dict[str, Observations]:
    """By slug, answers of the forms that are timed at a batch size beside the reference's at the
    same.
    """
    probable = {
        slug: probabilities(logits_of(r.answer, asked.images, batch)) for slug, r in ready.items()
    }
    found = {}
    for slug in [s for s in probable if s != REFERENCE]:
        o = _beside(asked, probable[slug], probable[REFERENCE])
        ids = np.array([f"{name}/b{batch}" for name in o["sample_id"].tolist()])
        found[slug] = Observations(
            {**o.arrays, "sample_id": ids, "batch": np.full(len(o), batch)}, o.classes, o.cluster
        )
    return found


def _told(progress: Progress, place: int, batches: int, batch: int, done: int, of: int) -> None:
    progress(place * of + done, batches * of, f"batches of {batch}")


@dataclass(frozen=True, eq=False)
class _Ready:
    """What answers; ``first_s`` to its first answer, made ready included; ``spoilt``: by guard,
    whether it found something.
    """

    answer: Answer
    first_s: float
    spoilt: dict[str, bool]


def _ready(
    built: Sequence[Built], batch: int, side: int, inputs: Sequence[Images]
) -> dict[str, _Ready]:
    """By slug."""
    ready = {}
    for b in built:
        if b.exported is not None:
            start = time.perf_counter()
            answer = b.exported.at(batch, side)
            answer(inputs[0])
            ready[b.rung.slug] = _Ready(
                answer, time.perf_counter() - start, _guarded(answer, b.rung.device, inputs)
            )
    return ready


def _guarded(answer: Answer, device: str, inputs: Sequence[Images]) -> dict[str, bool]:
    """What each guard says of a form that is ready."""
    told = {
        "remembers": cached_answer(answer, inputs[:3]),
        "does_not_wait": does_not_wait(
            answer, nothing, partial(wait, torch.device(device)), inputs[0]
        ),
    }
    if isinstance(answer, TorchAnswer):
        told["tracks_gradients"] = tracks_gradients(answer.compute(answer.place(inputs[0])))
    return {name: words is not None for name, words in told.items()}


def _scalars(ready: dict[str, _Ready], inputs: Sequence[Images]) -> dict[str, float]:
    """What is told of each form beside its times; energy where the processor's counter can be
    read.
    """
    found: dict[str, float] = {}
    for slug, r in ready.items():
        of_form = {
            "first_answer_s": r.first_s,
            "energy_j": energy_of(partial(r.answer, inputs[0])),
            **{name: float(found_so) for name, found_so in r.spoilt.items()},
        }
        found |= {f"{name}_{slug}": value for name, value in of_form.items() if np.isfinite(value)}
    return found


def _from_files(ready: dict[str, _Ready], plan: Plan, seed: int) -> Measured:
    """One file at a time, decoded, resized, normalised and answered; and the reading alone."""
    one = {slug: r.answer for slug, r in ready.items()} if plan.batches[0] == 1 else {}
    made = [
        Configuration(slug, partial(_answered, plan.read, answer), plan.files)
        for slug, answer in one.items()
    ]
    return measure(
        [*made, Configuration(DECODING, plan.read, plan.files)],
        rounds=max(LEAST_ROUNDS, plan.rounds // 4),
        seed=seed,
    )


def _on_device(
    ready: dict[str, _Ready],
    built: dict[str, Built],
    plan: Plan,
    inputs: Sequence[Images],
    seed: int,
) -> Measured:
    """Forms that torch runs, from an input that lies on the device to logits there."""
    made = [
        Configuration(
            slug,
            r.answer.compute,
            [r.answer.place(images) for images in inputs],
            seconds=cuda_seconds if built[slug].rung.device == "cuda" else None,
        )
        for slug, r in ready.items()
        if isinstance(r.answer, TorchAnswer)
    ]
    return measure(made, rounds=max(LEAST_ROUNDS, plan.rounds // 4), seed=seed)


def _answered(read: Callable[[bytes], Images], answer: Answer, content: bytes) -> Any:
    return answer(read(content))


def _rows(measured: Measured, batch: int, scope: str, built: dict[str, Built]) -> Observations:
    t = measured.timings
    rung = [built.get(x.name.split(",")[0]) for x in t]
    return Observations(
        {
            "sample_id": np.array([f"{x.name}/{scope}/b{batch}/{x.round:04d}" for x in t]),
            "slug": np.array([x.name for x in t]),
            "device": np.array([r.rung.device if r else "" for r in rung]),
            "scope": np.full(len(t), scope),
            "round": np.array([f"b{batch}/{x.round:04d}" for x in t]),
            "batch": np.full(len(t), batch),
            "position": np.array([x.position for x in t]),
            "seconds": np.array([x.seconds for x in t], np.float64),
        }
    )


def _warm_ups(measured: Measured, batch: int) -> Observations:
    rows = [
        (name, i, s, w.stable)
        for name, w in measured.warm_ups.items()
        for i, s in enumerate(w.seconds)
    ]
    return Observations(
        {
            "sample_id": np.array([f"{name}/b{batch}/{i:04d}" for name, i, _, _ in rows]),
            "slug": np.array([r[0] for r in rows]),
            "batch": np.full(len(rows), batch),
            "call": np.array([r[1] for r in rows]),
            "seconds": np.array([r[2] for r in rows], np.float64),
            "stable": np.array(["yes" if r[3] else "no" for r in rows]),
        }
    )


def _speeds(measured: Measured, rounds: int) -> dict[str, Observations]:
    """``speed_<slug>`` against the baseline, and ``same_again``: the reference against itself."""
    names = list(measured.warm_ups)
    base = measured.of(BASELINE if BASELINE in names else REFERENCE)
    found = {}
    for name in names:
        seconds = measured.of(name)
        against = measured.of(REFERENCE) if "again" in name else base
        split = "same_again" if "again" in name else f"speed_{name}"
        found[split] = Observations(
            {
                "sample_id": np.array([f"{name}/{k:04d}" for k in range(rounds)]),
                "seconds": seconds,
                "ratio": against / seconds,
                "block": np.array([f"{k // BLOCK:04d}" for k in range(rounds)]),
            },
            (),
            "block",
        )
    return found


def _joined(parts: Sequence[Observations]) -> Observations:
    arrays: dict[str, Any] = {
        name: np.concatenate([p[name] for p in parts]) for name in parts[0].arrays
    }
    return Observations(arrays, parts[0].classes, parts[0].cluster)
