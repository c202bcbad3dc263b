"""Made-up evidence of a ladder: forms with a stated speed and stated wrong answers, timed with
noise that lasts over rounds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.backend_timing import deployment
from medpipe.evidence import Evidence, Observations, Provenance, Run

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
BLOCK = 10


def slow(
    rounds: int, draw: np.random.Generator, spread: float = 0.1, memory: float = 0.5
) -> NDArray[np.float64]:
    """What slows a machine down, float64 ``(rounds,)`` around 0, one round after the other alike
    (first-order autoregression).
    """
    noise = np.zeros(rounds)
    for k in range(rounds):
        noise[k] = memory * (noise[k - 1] if k else 0) + spread * draw.standard_normal()
    return noise


def timed(seconds: NDArray[np.float64], base: NDArray[np.float64]) -> Observations:
    """The split ``speed_<slug>``."""
    rounds = len(seconds)
    return Observations(
        {
            "sample_id": np.array([f"{k:04d}" for k in range(rounds)]),
            "seconds": seconds,
            "ratio": base / seconds,
            "block": np.array([f"{k // BLOCK:04d}" for k in range(rounds)]),
        },
        (),
        "block",
    )


def answered(n: int, flips: int, draw: np.random.Generator, right: float = 0.9) -> Observations:
    """The split ``parity_<slug>``: ``flips`` of ``n`` answers differ from the reference."""
    true = draw.integers(0, 4, n)
    reference = np.where(draw.random(n) < right, true, (true + 1) % 4)
    called = reference.copy()
    called[draw.permutation(n)[:flips]] += 1
    return Observations(
        {
            "sample_id": np.array([f"image {i}" for i in range(n)]),
            "y_true": true,
            "y_pred": called % 4,
            "reference_pred": reference,
            "difference": np.full(n, 1e-6 if not flips else 0.2, np.float32),
        },
        CLASSES,
    )


def at_batches(o: Observations) -> Observations:
    """The split ``timed_parity_<slug>``: what was answered one by one; in batches of 8 nothing is
    called otherwise.
    """
    both = {name: np.concatenate([o[name], o[name]]) for name in o.arrays if name != "y_pred"}
    ids = np.array([f"{name}/b{batch}" for batch in (1, 8) for name in o["sample_id"].tolist()])
    return Observations(
        {
            **both,
            "sample_id": ids,
            "y_pred": np.concatenate([o["y_pred"], o["reference_pred"]]),
            "batch": np.repeat([1, 8], len(o)),
        },
        o.classes,
    )


def ladder_evidence(
    times: Mapping[str, float],
    flips: Mapping[str, int] | None = None,
    *,
    flips_timed: Mapping[str, int] | None = None,
    rounds: int = 60,
    n: int = 1000,
    seed: int = 0,
    exact: tuple[str, ...] = (),
    absent: str = "tensorrt",
    base_s: float = 0.1,
    flops: float = 4e8,
    peak: float = 1e10,
) -> Evidence:
    """A run of ``deployment_ladder``: ``times`` as fast by slug, with ``eager_no_grad`` the
    baseline; ``flips`` of ``n`` answers by slug to the evaluation set, and ``flips_timed`` of 64 by
    the forms that were timed.
    """
    draw = np.random.default_rng(seed)
    shared = slow(rounds, draw)
    seconds = {
        slug: base_s / speed * np.exp(shared + 0.03 * draw.standard_normal(rounds))
        for slug, speed in times.items()
    }
    again = seconds["eager"] * np.exp(0.03 * draw.standard_normal(rounds))
    seen = {f"speed_{slug}": timed(s, seconds["eager_no_grad"]) for slug, s in seconds.items()}
    seen["same_again"] = timed(again, seconds["eager"])
    seen |= {
        f"parity_{slug}": answered(n, (flips or {}).get(slug, 0), draw)
        for slug in times
        if slug != "eager"
    }
    seen |= {
        f"timed_parity_{slug}": at_batches(answered(64, (flips_timed or {}).get(slug, 0), draw))
        for slug in times
        if slug != "eager"
    }
    slugs = [*times, absent]
    precisions = [next((p for p in ("int8", "bf16") if p in s), "fp32") for s in slugs]
    seen["ladder"] = Observations(
        {
            "sample_id": np.array(slugs),
            "slug": np.array(slugs),
            "precision": np.array(precisions),
            "state": np.array(["not_installed" if s == absent else "built" for s in slugs]),
            "reason": np.array(["needs tensorrt" if s == absent else "" for s in slugs]),
            "exact": np.array(
                [
                    "yes" if p == "fp32" or s in exact else "no"
                    for s, p in zip(slugs, precisions, strict=True)
                ]
            ),
            "flops": np.full(len(slugs), flops),
            "bytes": np.full(len(slugs), 1e8),
            "size_bytes": np.full(len(slugs), 9e7),
            "export_s": np.full(len(slugs), 1.0),
        }
    )
    seen["device"] = Observations(
        {"sample_id": np.array(["gemm_fp32", "copy"]), "per_second": np.array([peak, 1e10])}
    )
    seen["warmup"] = Observations(
        {
            "sample_id": np.array(list(times)),
            "slug": np.array(list(times)),
            "stable": np.full(len(times), "yes"),
        }
    )
    found = {"remembers": 0.0, "does_not_wait": 0.0, "tracks_gradients": 0.0, "first_answer_s": 0.5}
    scalars = {f"{name}_{s}": value for name, value in found.items() for s in times} | {
        "eval_n": float(n)
    }
    return Evidence(
        Run("deployment_ladder", {}, seed),
        {"data": {"source": "real"}},
        Provenance("sha256:0", {}, {}),
        seen,
        scalars=scalars,
    )


def severities(e: Evidence) -> dict[str, str]:
    """What the audit says of a run, by look and by form."""
    return {f.id.split(":")[1].split(".")[0]: f.severity for f in deployment([e], [])}


def said(e: Evidence, look: str) -> str:
    """The sentence of one look."""
    (found,) = [f.statement for f in deployment([e], []) if f.id.startswith(look)]
    return found
