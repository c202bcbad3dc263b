"""Keeping the form that won: what is certified is the file that is kept, read again and asked
again.
"""

from __future__ import annotations

import pickle
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from medpipe.audits.backend_timing import Parity, calls
from medpipe.errors import DataError
from medpipe.pipeline.deployment.backend_builder import opened
from medpipe.pipeline.deployment.backends import FAILURES, first_line, logits_of
from medpipe.pipeline.deployment.bench import BenchRequest, Choice, Measured, parity_of
from medpipe.pipeline.deployment.machine_state import conditions
from medpipe.pipeline.deployment.model_files import digest_of
from medpipe.pipeline.prediction import probabilities


def keep(
    m: Measured, network: nn.Module, asked: BenchRequest, out: Path, batch: int
) -> tuple[list[Path], Parity]:
    """Copy the files of a form into ``out`` and let what is read from there answer the images
    again. Raises `DataError` where its answers are not eager's; then nothing is kept.
    """
    assert m.built.exported is not None
    out.mkdir(parents=True, exist_ok=True)
    kept = [Path(shutil.copyfile(path, out / path.name)) for path in m.built.exported.paths]
    side, said = asked.images.shape[-1], ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # exporters announce their own deprecation on every call
            again = probabilities(
                logits_of(opened(m.built.rung, kept, network)(batch, side), asked.images, batch)
            )
            with torch.inference_mode():
                wanted = probabilities(
                    logits_of(
                        lambda images: network(torch.from_numpy(images)).numpy(),
                        asked.images,
                        batch,
                    )
                )
        found = parity_of(m.built, again, wanted, asked)
        flipped = calls(found.flipped)
        said = (
            "" if found.severity == "clean" else f"{flipped} of {found.flipped.n} called otherwise"
        )
    except (*FAILURES, pickle.PickleError) as error:
        said = first_line(error)
    if said:
        for path in kept:
            path.unlink()
        raise DataError(
            f"export: expected the kept {m.built.rung.slug}, read again, to answer as eager does,"
            f" got {said}; nothing is kept"
        )
    return kept, found


def certificate(
    choice: Choice,
    files: Sequence[Path],
    found: Parity,
    network: str,
    weights: str,
    asked: BenchRequest,
    batch: int,
) -> dict[str, Any]:
    """What a kept form was measured to be: its digest, the parity of the kept file, its speed,
    whether that could be ranked, and the conditions.
    """
    m = choice.best
    fitted = (
        "torch.jit.load, then torch.jit.optimize_for_inference"
        if m.built.rung.name == "frozen"
        else ""
    )
    return {
        "version": 2,
        "network": network,
        "weights": weights,
        "form": m.built.rung.slug,
        "made_by": m.built.version,
        **({"opened_by": fitted} if fitted else {}),
        "side": asked.images.shape[-1],
        "batch": batch,
        "files": {f.name: digest_of(f) for f in files},
        "parity": {
            "images": asked.told,
            "n": found.flipped.n,
            "flipped": calls(found.flipped),
            "flipped_high": found.flipped.high,
            "accuracy_lost": found.lost.estimate,
            "accuracy_lost_low": found.lost.low,
            "accuracy_lost_high": found.lost.high,
            "largest_difference_of_probabilities": found.difference,
        },
        "speed": {
            "times_as_fast_as_eager": m.times.estimate,
            "low": m.times.low,
            "high": m.times.high,
            "rounds": m.times.n,
            "median_seconds": float(np.median(m.seconds)),
            "method": m.times.method,
            "fastest": choice.ranked,
            "not_ranked": list(choice.unranked),
        },
        "conditions": list(conditions()),
    }
