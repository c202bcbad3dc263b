"""Anybody's classifier in every form, measured as the ladder measures the published one; the form that wins, with its certificate."""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medpipe.audits.deployment import Parity, parity
from medpipe.errors import DataError, SpecError
from medpipe.evidence.observations import Observations
from medpipe.evidence.rounds import geometric, hurried
from medpipe.pipeline.deployment.building import build
from medpipe.pipeline.deployment.guards import cached_answer, does_not_wait
from medpipe.pipeline.deployment.latency import Configuration, measure, nothing
from medpipe.pipeline.deployment.latency import Measured as Timed
from medpipe.pipeline.deployment.observing import BLOCK, REFERENCE
from medpipe.pipeline.deployment.roofline import wait
from medpipe.pipeline.deployment.rungs import FAILURES, Built, Device, Images, Source, first_line, ladder, logits_of
from medpipe.pipeline.prediction import probabilities
from medpipe.statistics import Interval

CALIBRATED = 64
LEAST = 8
"""So few images are too few to keep some for int8 and compare answers on the rest."""
CLOSE = 1e-3
"""Largest difference of probabilities of a form in fp32 that is rounding."""
SEED = 0
Probable = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """Images float32 ``(N, 3, H, H)`` that all forms answer; ``label``: their classes int64 ``(N,)`` where they are known;
    ``calibration``: others, that set the ranges of int8; ``told``: what they are.
    """

    images: Images
    label: NDArray[np.int64] | None
    calibration: Images
    told: str


@dataclass(frozen=True, eq=False)
class Measured:
    """One form: seconds by round, how many times as fast as eager, its answers beside eager's, and what spoils it.

    ``one_class``: eager calls all images alike, which says nothing of whether two forms call alike.
    """

    built: Built
    seconds: NDArray[np.float64]
    times: Interval
    parity: Parity
    one_class: bool
    warnings: tuple[str, ...]

    @property
    def answers(self) -> str:
        """``the same`` where the form may stand for eager, by the rule of the audit; ``differ`` where it surely may not, else ``open``."""
        if self.parity.severity == "undermines" or (self.parity.exact and self.parity.difference > CLOSE):
            return "differ"
        return "open" if self.one_class or self.parity.severity != "clean" else "the same"

    @property
    def same(self) -> bool:
        """Whether it may stand for eager: its answers are the same, and nothing spoilt its timing."""
        return self.answers == "the same" and not self.warnings


def network_of(name: str) -> tuple[nn.Module, str]:
    """``torchvision:<name>`` or ``timm:<name>`` with new weights, or a TorchScript file; and what its weights are. Raises `SpecError`."""
    kind, _, which = name.partition(":")
    if kind in ("torchvision", "timm") and which:
        try:
            made = importlib.import_module("torchvision.models" if kind == "torchvision" else "timm")
            make = made.get_model if kind == "torchvision" else made.create_model
            torch.manual_seed(SEED)
            network: nn.Module = make(which)
        except ModuleNotFoundError:
            raise SpecError("--models", f"{kind} installed", "it is not; run: pip install " + kind) from None
        except (ValueError, RuntimeError, OSError) as error:  # OSError: a part of it would have to be downloaded
            expected = f"a model that {kind} has and makes without a download"
            raise SpecError("--models", expected, f"{which!r} ({first_line(error)})") from None
        return network.eval(), f"new weights, drawn with seed {SEED}: it has learnt nothing"
    path = Path(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the end of TorchScript at every call
            jit: Any = torch.jit  # has no types
            loaded: nn.Module = jit.load(str(path), map_location="cpu")
    except (OSError, RuntimeError, ValueError) as error:
        raise SpecError("--models", "torchvision:NAME, timm:NAME or a TorchScript file", f"{name!r} ({first_line(error)})") from None
    return loaded.eval(), f"those in the file, {digest_of(path)}"


def asked_of(images: Images, label: NDArray[np.int64], told: str) -> Asked:
    """Some images of each class by turns, drawn at random, are kept for int8; answers are compared on the others. Raises `DataError`."""
    if len(images) < LEAST:
        raise DataError(f"--images: expected at least {LEAST} images, some of them to calibrate int8 with, got {len(images)}; add some")
    order = np.random.default_rng(SEED).permutation(len(images))
    turn = np.empty(len(images), np.int64)  # the how manieth of its class an image is
    for kind in np.unique(label):
        of_kind = order[label[order] == kind]
        turn[of_kind] = np.arange(len(of_kind))
    chosen = order[np.argsort(turn[order], kind="stable")][:min(CALIBRATED, len(images) // 4)]
    rest = np.setdiff1d(np.arange(len(images)), chosen)
    return Asked(images[rest], label[rest], images[chosen], f"{len(rest)} {told}, {len(chosen)} others for int8")


def bench(network: nn.Module, folder: Path, asked: Asked, *, batch: int, rounds: int, named: Sequence[str] | None,
          progress: Callable[[str], None]) -> tuple[list[Measured], list[Built]]:
    """Every form that is built, the fastest first, and those that are not. The very form that is timed answers the images.

    Raises `DataError` where the network is no classifier of such images, `SpecError` for a form that the ladder does not know.
    """
    cudnn: Any = torch.backends.cudnn  # these attributes are made at run time
    cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # the reference is fp32
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    rungs, side = ladder(device), asked.images.shape[-1]
    unknown = sorted(set(named or ()) - {r.slug for r in rungs})
    if unknown:
        raise SpecError("--rungs", f"some of {', '.join(r.slug for r in rungs)}", ", ".join(unknown))
    _classifies(network, side)
    source = Source(network, asked.calibration, folder)
    built: list[Built] = []
    answers: dict[str, Any] = {}
    for rung in rungs:
        if named is None or rung.slug in named or rung.name == REFERENCE:
            progress(f"building {rung.slug}")
            made = build(rung, source)
            try:
                answers |= {} if made.exported is None else {rung.slug: made.exported.at(batch, side)}
                built.append(made)
            except FAILURES as error:
                built.append(Built(rung, "failed", first_line(error)))
    return _measured(built, answers, asked, batch=batch, rounds=rounds, progress=progress)


def _classifies(network: nn.Module, side: int) -> None:
    """Raises `DataError` where two images do not get logits of at least two classes each."""
    try:
        with torch.inference_mode():
            found = network(torch.zeros(2, 3, side, side))
    except FAILURES as error:
        raise DataError(f"--models: expected a network that answers images of 3 x {side} x {side} pixels, got {first_line(error)}; see "
                        "whether --size is what it takes") from None
    got = f"shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
    if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != 2 or found.shape[1] < 2:
        raise DataError(f"--models: expected logits of at least two classes for each of 2 images, shape (2, C), got {got}; give the "
                        "network an output for every class")


def _measured(built: Sequence[Built], answers: dict[str, Any], asked: Asked, *, batch: int, rounds: int,
              progress: Callable[[str], None]) -> tuple[list[Measured], list[Built]]:
    """Answers of all forms, then their times; a form that cannot answer is among those that are not built."""
    probable: dict[str, Probable] = {}
    failed: dict[str, str] = {}
    for slug, answer in answers.items():
        progress(f"answers of {slug}")
        try:
            probable[slug] = probabilities(logits_of(answer, asked.images, batch))
        except FAILURES as error:
            failed[slug] = first_line(error)
    reference = next((b.rung.slug for b in built if b.rung.name == REFERENCE and b.rung.slug in probable), None)
    if reference is None:
        raise DataError(f"bench: expected the form {REFERENCE}, which others are held against, got none; see whether the network answers "
                        f"batches of {batch}")
    there = [b for b in built if b.rung.slug in probable]
    absent = [b if b.exported is None else Built(b.rung, "failed", failed[b.rung.slug]) for b in built if b not in there]
    draw = np.random.default_rng(SEED)
    inputs = [draw.standard_normal((batch, *asked.images.shape[1:])).astype(np.float32) for _ in range(8)]
    ready = [Configuration(b.rung.slug, answers[b.rung.slug], inputs) for b in there]
    told = {b.rung.slug: _guarded(c, b.rung.device) for b, c in zip(there, ready, strict=True)}
    found = measure(ready, rounds=rounds, seed=SEED, progress=lambda done, of: progress(f"timing, round {done} of {of}"))
    wanted, spoilt = probable[reference], _spoilt(found, told)
    block = np.array([f"{k // BLOCK:04d}" for k in range(rounds)])
    results = [Measured(b, found.of(slug), geometric(np.log(found.of(reference)) - np.log(found.of(slug)), block),
                        parity_of(b, probable[slug], wanted, asked), bool(np.ptp(wanted.argmax(axis=1)) == 0), spoilt[slug])
               for b in there for slug in [b.rung.slug]]
    return sorted(results, key=lambda m: -m.times.estimate), absent


def _guarded(c: Configuration, device: str) -> list[str]:
    """What the guards say of a form that is ready."""
    told = (cached_answer(c.call, c.inputs[:3]), does_not_wait(c.call, nothing, partial(wait, torch.device(device)), c.inputs[0]))
    return [t for t in told if t]


def _spoilt(found: Timed, told: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """By form, what spoils its timing."""
    short = hurried({slug: found.of(slug) for slug in told})
    for slug, said in told.items():
        said += [] if found.warm_ups[slug].stable else ["its warm-up did not become stable"]
        said += ["its warm-up was too short"] if slug in short else []
    return {slug: tuple(said) for slug, said in told.items()}


def parity_of(built: Built, probable: Probable, wanted: Probable, asked: Asked) -> Parity:
    """Answers of a form ``(N, C)`` beside eager's, by the rule of the audit. Accuracy lost is of the images' classes where the network has
    as many as there are, in the order of the folders; else each call of eager is taken to be right.
    """
    called, reference = probable.argmax(axis=1), wanted.argmax(axis=1)
    known = asked.label is not None and len(np.unique(asked.label)) == wanted.shape[1]
    o = Observations({"sample_id": np.arange(len(wanted)).astype(np.str_), "y_pred": called, "reference_pred": reference,
                      "y_true": np.asarray(asked.label if known else reference),
                      "difference": np.abs(probable - wanted).max(axis=1), "batch": np.zeros(len(wanted), np.int64)},
                     tuple(str(k) for k in range(wanted.shape[1])))
    return parity(o, o, exact=built.rung.exact)


def digest_of(path: Path) -> str:
    """``sha256:<hex>`` of a file."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
