"""The commands that measure anybody's classifier in every form, and keep the form that wins."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.codes import check_output_folder

if TYPE_CHECKING:
    from medpipe.pipeline.deployment.bench import Asked, Measured
    from medpipe.pipeline.deployment.rungs import Built

ModelOption = Annotated[str, typer.Option("--models", help="torchvision:NAME, timm:NAME or a TorchScript file.")]
SideOption = Annotated[int, typer.Option("--size", min=33, max=1024, help="Pixels a side.")]
BatchOption = Annotated[int, typer.Option("--batch", min=1, max=1024, help="Images in a call.")]
RoundsOption = Annotated[int, typer.Option("--rounds", min=20, help="Rounds in which all forms take turns.")]
RungsOption = Annotated[str | None, typer.Option("--rungs", help="Only these forms, separated by commas.")]
ImagesOption = Annotated[Path | None, typer.Option("--images", help="Folder of part/class/image to compare answers on; bench takes noise.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder to write the form and certificate.json to.")]
NOISE = 256


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(bench)
    app.command()(export)


def bench(models: ModelOption, size: SideOption = 224, batch: BatchOption = 1, rounds: RoundsOption = 60, rungs: RungsOption = None,
          images: ImagesOption = None, as_json: JsonOption = False) -> None:
    """Time a classifier in every form side by side, and say whether each form gives the same answers."""
    from medpipe.cli.show import talk_on_stderr

    if as_json:
        talk_on_stderr()
    with tempfile.TemporaryDirectory() as folder:
        network, weights, asked = _read(models, size, images)
        found, absent = _measure(network, asked, batch, rounds, rungs, Path(folder))
        if as_json:
            typer.echo(json.dumps({"weights": weights, "images": asked.told, "forms": [_row(m) for m in found],
                                   "not_built": {b.rung.slug: b.reason for b in absent}}, indent=1))
        else:
            _print(found, absent, weights, asked.told)


def export(models: ModelOption, out: OutOption, size: SideOption = 224, batch: BatchOption = 1, rounds: RoundsOption = 60,
           rungs: RungsOption = None, images: ImagesOption = None) -> None:
    """Keep the fastest form that gives the same answers, with a certificate of its parity and speed on this machine."""
    from medpipe.cli.show import say
    from medpipe.documents import pretty_json
    from medpipe.errors import DataError, SpecError
    from medpipe.evidence.files import write_atomically
    from medpipe.pipeline.deployment.certifying import certificate, keep

    if images is None:
        raise SpecError("--images", "a folder of part/class/image to compare answers on", "none, and noise certifies nothing")
    check_output_folder(out, "--out")
    with tempfile.TemporaryDirectory() as folder:
        network, weights, asked = _read(models, size, images)
        found, absent = _measure(network, asked, batch, rounds, rungs, Path(folder))
        _print(found, absent, weights, asked.told)
        best = next((m for m in found if m.same and m.built.exported is not None and m.built.exported.paths), None)
        if best is None:
            raise DataError("export: expected a form that gives the answers of eager and can be kept as a file, got none; see the table")
        files, parity = keep(best, network, asked, out, batch)
        write_atomically(out / "certificate.json", pretty_json(certificate(best, files, parity, models, weights, asked, batch)))
    say(f"Kept: {best.built.rung.slug}, {best.times.estimate:.2f} times as fast as eager here, in {out} with certificate.json")


def _read(models: str, size: int, images: Path | None) -> tuple[Any, str, Asked]:
    """The network, what its weights are, and the images that its forms shall answer."""
    from medpipe.pipeline.deployment.bench import network_of

    network, weights = network_of(models)
    return network, weights, _asked(images, size)


def _measure(network: Any, asked: Asked, batch: int, rounds: int, rungs: str | None,
             folder: Path) -> tuple[list[Measured], list[Built]]:
    from medpipe.cli.show import transfer
    from medpipe.pipeline.deployment.bench import bench as measure_all

    with transfer("measuring") as progress:
        named = rungs.split(",") if rungs else None
        return measure_all(network, folder, asked, batch=batch, rounds=rounds, named=named, progress=lambda what: progress(0, 1, what))


def _asked(images: Path | None, size: int) -> Asked:
    import numpy as np

    from medpipe.pipeline.deployment.bench import CALIBRATED, Asked, asked_of

    if images is None:
        noise = np.random.default_rng(1).standard_normal((NOISE + CALIBRATED, 3, size, size)).astype(np.float32)
        return Asked(noise[CALIBRATED:], None, noise[:CALIBRATED], f"{NOISE} images of noise")
    from medpipe.pipeline.augmentation import normalise
    from medpipe.pipeline.data.images import load_images

    parts = load_images(f"folder:{images.resolve()}").parts.values()
    rgb = np.concatenate([part.planes(size).rgb(list(range(len(part)))) for part in parts])
    pixels = np.ascontiguousarray(normalise(rgb).numpy(), np.float32)
    return asked_of(pixels, np.concatenate([part.label for part in parts]), f"images of {images.name}")


def _row(m: Measured) -> dict[str, Any]:
    import numpy as np

    from medpipe.audits.deployment import calls

    median, p95 = (1000 * float(np.quantile(m.seconds, q)) for q in (0.5, 0.95))
    p = m.parity
    return {"form": m.built.rung.slug, "median_ms": median, "p95_ms": p95, "times_as_fast": m.times.estimate,
            "low": m.times.low, "high": m.times.high, "flipped": calls(p.flipped), "n": p.flipped.n,
            "accuracy_lost": p.lost.estimate, "accuracy_lost_high": p.lost.high, "largest_difference": p.difference,
            "answers": m.answers, "same_answers": m.same, "one_class": m.one_class, "warnings": list(m.warnings)}


def _print(found: list[Measured], absent: list[Built], weights: str, images: str) -> None:
    from rich.table import Table

    from medpipe.cli.show import console, say

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("form", "ms, p50", "p95", "times as fast as eager", "flipped", "answers"):
        shown.add_column(name)
    for row in map(_row, found):
        shown.add_row(row["form"], f"{row['median_ms']:.2f}", f"{row['p95_ms']:.2f}",
                      f"{row['times_as_fast']:.2f} ({row['low']:.2f} to {row['high']:.2f})", f"{row['flipped']} of {row['n']}",
                      "; ".join([row["answers"], *row["warnings"]]))
    console.print(shown)
    say(f"weights: {weights}; answers were compared on {images}")
    if any(m.one_class for m in found):
        say("all images get one class from eager: whether forms call alike stays open; give images of several classes by --images")
    for b in absent:
        say(f"not built: {b.rung.slug} ({b.reason})")
