"""Made-up evidence of a ladder: forms with a stated speed and stated wrong answers, timed with noise that lasts over rounds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence, Observations, Provenance, Run

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
BLOCK = 10


def slow(rounds: int, draw: np.random.Generator, spread: float = 0.1, memory: float = 0.5) -> NDArray[np.float64]:
    """What slows a machine down, float64 ``(rounds,)`` around 0, one round after the other alike (first-order autoregression)."""
    noise = np.zeros(rounds)
    for k in range(rounds):
        noise[k] = memory * (noise[k - 1] if k else 0) + spread * draw.standard_normal()
    return noise


def timed(seconds: NDArray[np.float64], base: NDArray[np.float64]) -> Observations:
    """The split ``speed_<slug>``."""
    rounds = len(seconds)
    return Observations({"sample_id": np.array([f"{k:04d}" for k in range(rounds)]), "seconds": seconds, "ratio": base / seconds,
                         "block": np.array([f"{k // BLOCK:04d}" for k in range(rounds)])}, (), "block")


def answered(n: int, flips: int, draw: np.random.Generator, right: float = 0.9) -> Observations:
    """The split ``parity_<slug>``: ``flips`` of ``n`` answers differ from the reference."""
    true = draw.integers(0, 4, n)
    reference = np.where(draw.random(n) < right, true, (true + 1) % 4)
    called = reference.copy()
    called[draw.permutation(n)[:flips]] += 1
    return Observations({"sample_id": np.array([f"image {i}" for i in range(n)]), "y_true": true, "y_pred": called % 4,
                         "reference_pred": reference, "difference": np.full(n, 1e-6 if not flips else 0.2, np.float32)}, CLASSES)


def ladder_evidence(times: Mapping[str, float], flips: Mapping[str, int] | None = None, *, rounds: int = 60, n: int = 1000, seed: int = 0,
                    unstable: tuple[str, ...] = (), remembers: tuple[str, ...] = (), exact: tuple[str, ...] = (), absent: str = "tensorrt",
                    base_s: float = 0.1, flops: float = 4e8, peak: float = 1e10) -> Evidence:
    """A run of ``deployment_ladder``: ``times`` as fast by slug, with ``eager_grad`` the baseline; ``flips`` of ``n`` answers by slug."""
    draw = np.random.default_rng(seed)
    shared = slow(rounds, draw)
    seconds = {slug: base_s / speed * np.exp(shared + 0.03 * draw.standard_normal(rounds)) for slug, speed in times.items()}
    again = seconds["eager"] * np.exp(0.03 * draw.standard_normal(rounds))
    seen = {f"speed_{slug}": timed(s, seconds["eager_grad"]) for slug, s in seconds.items()}
    seen["same_again"] = timed(again, seconds["eager"])
    seen |= {f"parity_{slug}": answered(n, (flips or {}).get(slug, 0), draw) for slug in times if slug != "eager"}
    slugs = [*times, absent]
    seen["ladder"] = Observations({
        "sample_id": np.array(slugs), "slug": np.array(slugs), "precision": np.array(["int8" if "int8" in s else "fp32" for s in slugs]),
        "state": np.array(["not_installed" if s == absent else "built" for s in slugs]),
        "reason": np.array(["needs tensorrt" if s == absent else "" for s in slugs]),
        "exact": np.array(["no" if "int8" in s and s not in exact else "yes" for s in slugs]), "flops": np.full(len(slugs), flops),
        "bytes": np.full(len(slugs), 1e8), "size_bytes": np.full(len(slugs), 9e7), "export_s": np.full(len(slugs), 1.0)})
    seen["device"] = Observations({"sample_id": np.array(["gemm_fp32", "copy"]), "per_second": np.array([peak, 1e10])})
    seen["warmup"] = Observations({"sample_id": np.array(list(times)), "slug": np.array(list(times)),
                                   "stable": np.array(["no" if s in unstable else "yes" for s in times])})
    scalars = {f"remembers_{s}": float(s in remembers) for s in times} | {f"first_answer_s_{s}": 0.5 for s in times} | {"eval_n": float(n)}
    return Evidence(Run("deployment_ladder", {}, seed), {"data": {"source": "real"}}, Provenance("sha256:0", {}, {}), seen, scalars=scalars)
