"""Anybody's classifier in every form, measured as the ladder measures the published one; the form that wins, with its certificate."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from medpipe.errors import DataError, SpecError
from medpipe.evidence.rounds import geometric, short_warm_up
from medpipe.pipeline.deployment.building import build
from medpipe.pipeline.deployment.conditions import conditions
from medpipe.pipeline.deployment.guards import cached_answer
from medpipe.pipeline.deployment.latency import Configuration, measure
from medpipe.pipeline.deployment.observing import BATCH, BLOCK, REFERENCE
from medpipe.pipeline.deployment.rungs import FAILURES, Built, Device, Images, Source, first_line, ladder, logits_of
from medpipe.pipeline.prediction import probabilities
from medpipe.statistics import Interval

CALIBRATED = 64
CLOSE = 1e-3
"""Largest difference of probabilities of a form in fp32 that is rounding."""
MOST_FLIPPED = 0.01


@dataclass(frozen=True, eq=False)
class Measured:
    """One form: seconds by round, how many times as fast as eager, its calls against eager's on ``n`` images, and what spoils it."""

    built: Built
    seconds: np.ndarray[Any, np.dtype[np.float64]]
    times: Interval
    flipped: int
    n: int
    difference: float
    warnings: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether it may stand for the reference: no other call in fp32, at most one in a hundred otherwise, nothing spoilt."""
        most = 0 if self.built.rung.exact else MOST_FLIPPED * self.n
        return self.flipped <= most and not self.warnings and (not self.built.rung.exact or self.difference <= CLOSE)


def network_of(name: str) -> nn.Module:
    """``torchvision:<name>`` or ``timm:<name>`` with new weights, or a TorchScript file. Raises `SpecError`."""
    kind, _, which = name.partition(":")
    if kind in ("torchvision", "timm") and which:
        try:
            made = importlib.import_module("torchvision.models" if kind == "torchvision" else "timm")
            make = made.get_model if kind == "torchvision" else made.create_model
            network: nn.Module = make(which)
        except ModuleNotFoundError:
            raise SpecError("--models", f"{kind} installed", "it is not; run: pip install " + kind) from None
        except (ValueError, RuntimeError) as error:
            raise SpecError("--models", f"a model that {kind} has", f"{which!r} ({first_line(error)})") from None
        return network.eval()
    path = Path(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the end of TorchScript at every call
            jit: Any = torch.jit  # has no types
            loaded: nn.Module = jit.load(str(path), map_location="cpu")
    except (OSError, RuntimeError, ValueError) as error:
        raise SpecError("--models", "torchvision:NAME, timm:NAME or a TorchScript file", f"{name!r} ({first_line(error)})") from None
    return loaded.eval()


def bench(network: nn.Module, folder: Path, *, side: int, batch: int, rounds: int, named: Sequence[str] | None, images: Images,
          progress: Callable[[str], None]) -> tuple[list[Measured], list[Built]]:
    """Every form that is built, the fastest first, and those that are not. ``images`` float32 ``(N, 3, side, side)`` for parity.

    Raises `DataError` where the network does not answer such images at all, `SpecError` for a form that the ladder does not know.
    """
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    rungs = ladder(device)
    unknown = sorted(set(named or ()) - {r.slug for r in rungs})
    if unknown:
        raise SpecError("--rungs", f"some of {', '.join(r.slug for r in rungs)}", ", ".join(unknown))
    source = Source(network, images[:CALIBRATED], folder)
    built: list[Built] = []
    answers: dict[str, Any] = {}
    for rung in rungs:
        if named is None or rung.slug in named or rung.name == REFERENCE:
            progress(f"building {rung.slug}")
            made = build(rung, source)
            try:
                answers |= {} if made.exported is None else {rung.slug: logits_of(made.exported.at(BATCH, side), images, BATCH)}
                built.append(made)
            except FAILURES as error:
                built.append(Built(rung, "failed", first_line(error)))
    reference = next((b.rung.slug for b in built if b.rung.name == REFERENCE and b.rung.slug in answers), None)
    if reference is None:
        raise DataError(f"bench: expected a network that answers images of 3 x {side} x {side} pixels, got none: {built[0].reason}")
    return _timed([b for b in built if b.rung.slug in answers], answers, reference, side=side, batch=batch, rounds=rounds,
                  progress=progress), [b for b in built if b.rung.slug not in answers]


def _timed(built: Sequence[Built], answers: dict[str, Any], reference: str, *, side: int, batch: int, rounds: int,
           progress: Callable[[str], None]) -> list[Measured]:
    draw = np.random.default_rng(0)
    inputs = [draw.standard_normal((batch, 3, side, side)).astype(np.float32) for _ in range(8)]
    ready = [Configuration(b.rung.slug, b.exported.at(batch, side), inputs) for b in built if b.exported is not None]
    progress("timing")
    found = measure(ready, rounds=rounds, seed=0, progress=lambda done, of: progress(f"timing, round {done} of {of}"))
    block = np.array([f"{k // BLOCK:04d}" for k in range(rounds)])
    wanted = probabilities(answers[reference])
    results = []
    for b, configuration in zip(built, ready, strict=True):
        seconds, seen = found.of(configuration.name), probabilities(answers[configuration.name])
        told = [cached_answer(configuration.call, inputs[:3]), short_warm_up(seconds.tolist()),
                None if found.warm_ups[configuration.name].stable else "its warm-up did not become stable"]
        results.append(Measured(b, seconds, geometric(np.log(found.of(reference)) - np.log(seconds), block),
                                int((seen.argmax(axis=1) != wanted.argmax(axis=1)).sum()), len(wanted), float(np.abs(seen - wanted).max()),
                                tuple(t for t in told if t)))
    return sorted(results, key=lambda m: -m.times.estimate)


def certificate(m: Measured, files: Sequence[Path], network: str, side: int, batch: int, images: str) -> dict[str, Any]:
    """What a kept form was measured to be: its digest, its parity, its speed and the conditions."""
    return {"network": network, "form": m.built.rung.slug, "made_by": m.built.version, "side": side, "batch": batch,
            "files": {f.name: f"sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}" for f in files},
            "parity": {"images": images, "n": m.n, "flipped": m.flipped, "largest_difference_of_probabilities": m.difference},
            "speed": {"times_as_fast_as_eager": m.times.estimate, "low": m.times.low, "high": m.times.high, "rounds": m.times.n,
                      "median_seconds": float(np.median(m.seconds)), "method": m.times.method}, "conditions": list(conditions())}


def keep(m: Measured, out: Path) -> list[Path]:
    """Copy the files of a form into ``out``."""
    assert m.built.exported is not None
    out.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(path, out / path.name)) for path in m.built.exported.paths]
