"""Anybody's classifier in every form, measured as the ladder measures the published one; the form
that wins, with its certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.audits.backend_timing import Parity, parity
from medpipe.errors import DataError, SpecError
from medpipe.evidence.observations import Observations
from medpipe.formatting import plural
from medpipe.metrics.intervals import Interval
from medpipe.metrics.timing import geometric, insufficient_warm_up
from medpipe.pipeline.deployment.backend_builder import build
from medpipe.pipeline.deployment.backend_observations import BLOCK, REFERENCE
from medpipe.pipeline.deployment.backends import (
    FAILURES,
    Built,
    Device,
    Images,
    Source,
    first_line,
    ladder,
    logits_of,
)
from medpipe.pipeline.deployment.guards import cached_answer, does_not_wait
from medpipe.pipeline.deployment.latency import Configuration, measure, nothing
from medpipe.pipeline.deployment.latency import Measured as Timed
from medpipe.pipeline.deployment.roofline import wait
from medpipe.pipeline.prediction import probabilities

CALIBRATED = 64
LEAST = 8
"""So few images are too few to keep some for int8 and compare answers on the rest."""
CLOSE = 1e-3
"""Largest difference of probabilities of a form in fp32 that is rounding."""
SEED = 0
Probable = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BenchRequest:
    """Images float32 ``(N, C, H, H)`` that all forms answer; ``label``: their classes int64
    ``(N,)`` where they are known; ``calibration``: others, that set the ranges of int8; ``told``:
    what they are.
    """

    images: Images
    label: NDArray[np.int64] | None
    calibration: Images
    told: str

    def some(self, most: int) -> BenchRequest:
        """At most so many of the images to compare answers on, evenly over all."""
        if len(self.images) <= most:
            return self
        kept = np.linspace(0, len(self.images) - 1, most).astype(int)
        label = None if self.label is None else self.label[kept]
        return BenchRequest(self.images[kept], label, self.calibration, f"{most} of {self.told}")


@dataclass(frozen=True, eq=False)
class Measured:
    """One form: seconds by round, how many times as fast as eager, its answers beside eager's, and
    what is wrong with either.

    ``one_class``: eager calls all images alike, which says nothing of whether two forms call
    alike. ``remembered``: why its answers are none; ``timing_faults``: why its times cannot be
    ranked, which says nothing of its answers.
    """

    built: Built
    seconds: NDArray[np.float64]
    times: Interval
    parity: Parity
    one_class: bool
    remembered: str | None
    timing_faults: tuple[str, ...]

    @property
    def answers(self) -> str:
        """``the same`` where the form may stand for eager, by the rule of the audit; ``differ``
        where it surely may not, else ``open``.
        """
        if (
            self.remembered
            or self.parity.severity == "undermines"
            or (self.parity.exact and self.parity.difference > CLOSE)
        ):
            return "differ"
        return "open" if self.one_class or self.parity.severity != "clean" else "the same"


@dataclass(frozen=True, eq=False)
class Choice:
    """The form to keep. ``ranked``: it is the fastest of those with eager's answers; else timing
    was too unsteady to say which is, and ``unranked`` tells why. ``unranked`` also names slower or
    faster forms that were left out of the ranking.
    """

    best: Measured
    ranked: bool
    unranked: tuple[str, ...]


def choose(found: Sequence[Measured], named: Sequence[str] | None) -> Choice:
    """The fastest form with eager's answers whose timing, and eager's, is steady. Where there is
    none, the one whose answers are nearest to eager's, among those ``named`` if any of them will
    do. Raises `DataError` where no form that can be kept gives eager's answers.
    """
    may = [
        m
        for m in found
        if m.answers == "the same" and m.built.exported is not None and m.built.exported.paths
    ]
    if not may:
        raise DataError(
            "export: expected a form that gives the answers of eager and can be kept "
            f"as a file, got none: {_why_none(found)}"
        )
    eager = next(m for m in found if m.built.rung.name == REFERENCE)
    faults = {m.built.rung.slug: m.timing_faults for m in (eager, *may) if m.timing_faults}
    unranked = tuple(f"{slug}: {'; '.join(said)}" for slug, said in faults.items())
    steady = [] if eager.timing_faults else [m for m in may if not m.timing_faults]
    if steady:
        return Choice(max(steady, key=lambda m: m.times.estimate), True, unranked)
    wanted = [m for m in may if named and m.built.rung.slug in named] or may
    return Choice(
        min(wanted, key=lambda m: (m.built.rung.name != REFERENCE, m.parity.difference)),
        False,
        unranked,
    )


def _why_none(found: Sequence[Measured]) -> str:
    """Why no form may stand for eager."""
    if any(m.one_class for m in found):
        return (
            "the network gives all images one class, which shows nothing; give images of "
            "several classes by --images"
        )
    answers = "; ".join(f"{m.built.rung.slug}: {m.remembered or m.answers}" for m in found)
    return f"{answers}; where answers are open, more images by --images decide"


def asked_of(images: Images, label: NDArray[np.int64], told: str) -> BenchRequest:
    """Some images of each class by turns, drawn at random, are kept for int8; answers are compared
    on the others. Raises `DataError`.
    """
    if len(images) < LEAST:
        raise DataError(
            f"--images: expected at least {LEAST} images, some of them to calibrate int8 with, got"
            f" {len(images)}; add some"
        )
    order = np.random.default_rng(SEED).permutation(len(images))
    turn = np.empty(len(images), np.int64)  # the how manieth of its class an image is
    for kind in np.unique(label):
        of_kind = order[label[order] == kind]
        turn[of_kind] = np.arange(len(of_kind))
    chosen = order[np.argsort(turn[order], kind="stable")][: min(CALIBRATED, len(images) // 4)]
    rest = np.setdiff1d(np.arange(len(images)), chosen)
    return BenchRequest(
        images[rest],
        label[rest],
        images[chosen],
        f"{len(rest)} {told}, {plural(len(chosen), 'other')} for int8",
    )


def bench(
    network: nn.Module,
    folder: Path,
    asked: BenchRequest,
    *,
    batch: int,
    rounds: int,
    named: Sequence[str] | None,
    progress: Callable[[int, int, str], None],
    most_warm_up_s: float = 10.0,
) -> tuple[list[Measured], list[Built]]:
    """Every form that is built, the fastest first, and those that are not. The very form that is
    timed answers the images.

    ``progress``: steps that are done, of how many, and what is done now. Raises `SpecError` for a
    form that the ladder does not know.
    """
    cudnn: Any = torch.backends.cudnn  # these attributes are made at run time
    cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # the reference is fp32
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    rungs, side = ladder(device), asked.images.shape[-1]
    unknown = sorted(set(named or ()) - {r.slug for r in rungs})
    if unknown:
        raise SpecError(
            "--backends", f"some of {', '.join(r.slug for r in rungs)}", ", ".join(unknown)
        )
    source = Source(network, asked.calibration, folder)
    wanted = [r for r in rungs if named is None or r.slug in named or r.name == REFERENCE]
    steps = 2 * len(wanted) + rounds
    built: list[Built] = []
    answers: dict[str, Any] = {}
    for done, rung in enumerate(wanted):
        progress(done, steps, f"building {rung.slug}")
        made = build(rung, source)
        try:
            answers |= {} if made.exported is None else {rung.slug: made.exported.at(batch, side)}
            built.append(made)
        except FAILURES as error:
            built.append(Built(rung, "failed", first_line(error)))
    return _measured(
        built,
        answers,
        asked,
        batch=batch,
        rounds=rounds,
        most_warm_up_s=most_warm_up_s,
        progress=lambda done, what: progress(len(wanted) + done, steps, what),
    )


def _measured(
    built: Sequence[Built],
    answers: dict[str, Any],
    asked: BenchRequest,
    *,
    batch: int,
    rounds: int,
    most_warm_up_s: float,
    progress: Callable[[int, str], None],
) -> tuple[list[Measured], list[Built]]:
    """Answers of all forms, then their times; a form that cannot answer is among those that are not
    built.
    """
    probable: dict[str, Probable] = {}
    failed: dict[str, str] = {}
    for done, (slug, answer) in enumerate(answers.items()):
        progress(done, f"answers of {slug}")
        try:
            probable[slug] = probabilities(logits_of(answer, asked.images, batch))
        except FAILURES as error:
            failed[slug] = first_line(error)
    reference = next(
        (b.rung.slug for b in built if b.rung.name == REFERENCE and b.rung.slug in probable), None
    )
    if reference is None:
        raise DataError(
            f"bench: expected the form {REFERENCE}, which others are held against, got none; see"
            f" whether the network answers batches of {batch}"
        )
    there = [b for b in built if b.rung.slug in probable]
    absent = [
        b if b.exported is None else Built(b.rung, "failed", failed[b.rung.slug])
        for b in built
        if b not in there
    ]
    draw = np.random.default_rng(SEED)
    inputs = [
        draw.standard_normal((batch, *asked.images.shape[1:])).astype(np.float32) for _ in range(8)
    ]
    ready = [Configuration(b.rung.slug, answers[b.rung.slug], inputs) for b in there]
    remembered = {
        b.rung.slug: cached_answer(c.call, c.inputs[:3]) for b, c in zip(there, ready, strict=True)
    }
    unwaited = {
        b.rung.slug: _does_not_wait(c, b.rung.device) for b, c in zip(there, ready, strict=True)
    }
    progress(len(built), "warming up")
    found = measure(
        ready,
        rounds=rounds,
        seed=SEED,
        most_warm_up_s=most_warm_up_s,
        progress=lambda done, of: progress(len(built) + done, "timing"),
    )
    wanted, unsteady = probable[reference], _unsteady(found)
    block = np.array([f"{k // BLOCK:04d}" for k in range(rounds)])
    results = [
        Measured(
            b,
            found.of(slug),
            geometric(np.log(found.of(reference)) - np.log(found.of(slug)), block),
            parity_of(b, probable[slug], wanted, asked),
            bool(np.ptp(wanted.argmax(axis=1)) == 0),
            remembered[slug],
            tuple(fault for fault in (unwaited[slug], *unsteady[slug]) if fault),
        )
        for b in there
        for slug in [b.rung.slug]
    ]
    return sorted(results, key=lambda m: -m.times.estimate), absent


def _does_not_wait(c: Configuration, device: str) -> str | None:
    """What stands against the timer of a form; a processor is done when a call returns."""
    return (
        None
        if device == "cpu"
        else does_not_wait(c.call, nothing, partial(wait, torch.device(device)), c.inputs[0])
    )


def _unsteady(found: Timed) -> dict[str, list[str]]:
    """By form, what makes its timing too unsteady to rank it."""
    short = insufficient_warm_up({slug: found.of(slug) for slug in found.warm_ups})
    return {
        slug: [
            *([] if w.stable else ["its warm-up did not become stable"]),
            *(["its warm-up was too short"] if slug in short else []),
        ]
        for slug, w in found.warm_ups.items()
    }


def parity_of(built: Built, probable: Probable, wanted: Probable, asked: BenchRequest) -> Parity:
    """Answers of a form ``(N, C)`` beside eager's, by the rule of the audit. Accuracy lost is of
    the images' classes where the network has as many as there are, in the order of the folders;
    else each call of eager is taken to be right.
    """
    called, reference = probable.argmax(axis=1), wanted.argmax(axis=1)
    known = asked.label is not None and len(np.unique(asked.label)) == wanted.shape[1]
    o = Observations(
        {
            "sample_id": np.arange(len(wanted)).astype(np.str_),
            "y_pred": called,
            "reference_pred": reference,
            "y_true": np.asarray(asked.label if known else reference),
            "difference": np.abs(probable - wanted).max(axis=1),
            "batch": np.zeros(len(wanted), np.int64),
        },
        tuple(str(k) for k in range(wanted.shape[1])),
    )
    return parity(o, o, exact=built.rung.exact)
