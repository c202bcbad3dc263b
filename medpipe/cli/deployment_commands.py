"""The commands that measure anybody's classifier in every form, and keep the form that wins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.codes import check_output_folder

if TYPE_CHECKING:
    from medpipe.pipeline.deployment.backends import Built
    from medpipe.pipeline.deployment.bench import BenchRequest, Choice, Measured

ModelOption = Annotated[
    str, typer.Option("--models", help="torchvision:NAME, timm:NAME or a TorchScript file.")
]
SideOption = Annotated[int, typer.Option("--size", min=8, max=1024, help="Pixels a side.")]
BatchOption = Annotated[int, typer.Option("--batch", min=1, max=1024, help="Images in a call.")]
RoundsOption = Annotated[
    int | None,
    typer.Option(
        "--rounds",
        min=20,
        help="Rounds in which all backends take turns (default: 60, with --quick 20).",
    ),
]
BackendsOption = Annotated[
    str | None, typer.Option("--backends", "--rungs", help="Only these backends, comma-separated.")
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick", help="Fewer backends, rounds and images: a first result within a minute."
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images", help="Folder of part/class/image to compare predictions (bench default: noise)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutOption = Annotated[
    Path, typer.Option("--out", help="Folder for the exported model and certificate.json.")
]
NOISE = 256
ROUNDS, MOST_WARM_UP_S = 60, 10.0
QUICK = ("eager", "script", "frozen", "onnxruntime", "openvino")
"""The forms that are built and warmed up in seconds."""
QUICK_ROUNDS, QUICK_WARM_UP_S, QUICK_IMAGES = 20, 2.0, 32


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(bench)
    app.command()(export)


@dataclass(frozen=True)
class BenchOptions:
    """What is measured of a network, and how thoroughly."""

    models: str
    size: int
    batch: int
    rounds: int
    named: Sequence[str] | None
    images: Path | None
    quick: bool


@dataclass(frozen=True)
class Result:
    """A network, what its weights are, the images that it answered, and its forms: measured, and
    not built."""

    network: Any
    weights: str
    asked: BenchRequest
    found: list[Measured]
    absent: list[Built]


def bench(
    models: ModelOption,
    size: SideOption = 224,
    batch: BatchOption = 1,
    rounds: RoundsOption = None,
    backends: BackendsOption = None,
    images: ImagesOption = None,
    quick: QuickOption = False,
    as_json: JsonOption = False,
) -> None:
    """Time a classifier on every backend, side by side, and compare the predictions."""
    from medpipe.cli.show import say_json, talk_on_stderr

    if as_json:
        talk_on_stderr()
    wish = _wish(models, size, batch, rounds, backends, images, quick)
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(wish, Path(folder))
    if as_json:
        say_json(
            {
                "weights": result.weights,
                "images": result.asked.told,
                "quick": quick,
                "rounds": wish.rounds,
                "forms": [_row(m) for m in result.found],
                "not_built": {b.rung.slug: b.reason for b in result.absent},
            }
        )
    else:
        _print(result, wish)


def export(
    models: ModelOption,
    out: OutOption,
    size: SideOption = 224,
    batch: BatchOption = 1,
    rounds: RoundsOption = None,
    backends: BackendsOption = None,
    images: ImagesOption = None,
    quick: QuickOption = False,
) -> None:
    """Export the fastest backend with unchanged predictions, with a certificate of parity and speed
    on this machine.
    """
    from medpipe.cli.capture import captured
    from medpipe.documents import pretty_json
    from medpipe.errors import SpecError
    from medpipe.evidence.files import write_atomically
    from medpipe.pipeline.deployment.bench import choose
    from medpipe.pipeline.deployment.certifying import certificate, keep

    if images is None:
        raise SpecError(
            "--images",
            "a folder of part/class/image to compare predictions",
            "none; noise cannot certify parity",
        )
    check_output_folder(out, "--out")
    wish = _wish(models, size, batch, rounds, backends, images, quick)
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(wish, Path(folder))
        _print(result, wish)
        choice = choose(result.found, wish.named)
        with captured():
            files, parity = keep(choice.best, result.network, result.asked, out, batch)
        content = certificate(choice, files, parity, models, result.weights, result.asked, batch)
        write_atomically(out / "certificate.json", pretty_json(content))
    _say_choice(choice, out)


def _say_choice(choice: Choice, out: Path) -> None:
    from medpipe.cli.show import say

    slug, times = choice.best.built.rung.slug, choice.best.times.estimate
    if choice.ranked:
        say(
            f"Exported: {slug}, {times:.2f} times as fast as eager on this machine, to {out} with"
            " certificate.json"
        )
        return
    say(
        f"Exported: {slug}, whose predictions are closest to those of eager, to {out} with"
        " certificate.json. Timing was too unsteady to find the fastest backend; the predictions"
        f" are not affected. {AGAIN}"
    )


AGAIN = "To rank the backends, close other programs or use more --rounds, and run this again."


def _wish(
    models: str,
    size: int,
    batch: int,
    rounds: int | None,
    backends: str | None,
    images: Path | None,
    quick: bool,
) -> BenchOptions:
    named = backends.split(",") if backends else list(QUICK) if quick else None
    return BenchOptions(
        models, size, batch, rounds or (QUICK_ROUNDS if quick else ROUNDS), named, images, quick
    )


def _measure(wish: BenchOptions, folder: Path) -> Result:
    """Build and measure; what libraries write meanwhile goes to a log, which is named where a form
    was not built."""
    from medpipe.cli.capture import captured
    from medpipe.cli.show import transfer

    with captured() as log, transfer(f"measuring {wish.models}") as progress:
        progress(0, 0, "reading the network")
        from medpipe.pipeline.deployment.bench import bench as measure_all
        from medpipe.pipeline.deployment.model_files import channels_of, network_of

        network, weights = network_of(wish.models)
        asked = _asked(wish, channels_of(network, wish.size))
        found, absent = measure_all(
            network,
            folder,
            asked,
            batch=wish.batch,
            rounds=wish.rounds,
            named=wish.named,
            progress=progress,
            most_warm_up_s=QUICK_WARM_UP_S if wish.quick else MOST_WARM_UP_S,
        )
        log.wanted = any(b.state == "failed" for b in absent)
    return Result(network, weights, asked, found, absent)


def _asked(wish: BenchOptions, channels: int) -> BenchRequest:
    """The images that the forms shall answer: noise, or those of a folder in the channels that the
    network takes."""
    import numpy as np

    from medpipe.pipeline.deployment.bench import CALIBRATED, BenchRequest, asked_of

    if wish.images is None:
        count = QUICK_IMAGES if wish.quick else NOISE
        shape = (count + CALIBRATED, channels, wish.size, wish.size)
        noise = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        return BenchRequest(
            noise[CALIBRATED:], None, noise[:CALIBRATED], f"{count} images of noise"
        )
    from medpipe.pipeline.augmentation import normalise
    from medpipe.pipeline.data.images import load_images

    parts = load_images(f"folder:{wish.images.resolve()}").parts.values()
    rgb = np.concatenate([part.planes(wish.size).rgb(list(range(len(part)))) for part in parts])
    pixels = np.ascontiguousarray(normalise(rgb).numpy(), np.float32)
    grey = channels == 1
    asked = asked_of(
        np.ascontiguousarray(pixels.mean(axis=1, keepdims=True)) if grey else pixels,
        np.concatenate([part.label for part in parts]),
        f"{'grey images' if grey else 'images'} of {wish.images.name}",
    )
    return asked.some(QUICK_IMAGES) if wish.quick else asked


def _row(m: Measured) -> dict[str, Any]:
    import numpy as np

    from medpipe.audits.backend_timing import calls

    median, p95 = (1000 * float(np.quantile(m.seconds, q)) for q in (0.5, 0.95))
    p = m.parity
    return {
        "form": m.built.rung.slug,
        "median_ms": median,
        "p95_ms": p95,
        "times_as_fast": m.times.estimate,
        "low": m.times.low,
        "high": m.times.high,
        "flipped": calls(p.flipped),
        "n": p.flipped.n,
        "accuracy_lost": p.lost.estimate,
        "accuracy_lost_high": p.lost.high,
        "largest_difference": p.difference,
        "answers": m.answers,
        "same_answers": m.answers == "the same",
        "one_class": m.one_class,
        "steady_timing": not m.timing_faults,
        "warnings": [*([m.remembered] if m.remembered else []), *m.timing_faults],
    }


def _print(result: Result, wish: BenchOptions) -> None:
    from medpipe.cli.show import say, show_table

    rows = [
        [
            row["form"],
            f"{row['median_ms']:.2f}",
            f"{row['p95_ms']:.2f}",
            f"{row['times_as_fast']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
            f"{row['flipped']} of {row['n']}",
            "; ".join([row["answers"], *row["warnings"]]),
        ]
        for row in map(_row, result.found)
    ]
    show_table(
        ["backend", "ms, p50", "p95", "speed ratio to eager", "changed", "predictions"], rows
    )
    say(f"weights: {result.weights}; predictions were compared on {result.asked.told}")
    if wish.quick:
        say(
            f"Quick and less precise: {wish.rounds} rounds of {', '.join(wish.named or ())}. "
            f"Without --quick, medpipe measures all backends in {ROUNDS} rounds on more images."
        )
    if any(m.one_class for m in result.found):
        say(
            "eager predicts the same class for all images, so the comparison of predictions is not "
            "conclusive; use --images with images of several classes"
        )
    if any(m.timing_faults for m in result.found):
        say(f"Timing was too unsteady to rank every backend. {AGAIN}")
    for b in result.absent:
        say(f"not built: {b.rung.slug} ({b.reason})")
