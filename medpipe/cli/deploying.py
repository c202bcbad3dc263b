"""The commands that measure anybody's classifier in every form, and keep the form that wins."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medpipe.pipeline.deployment.bench import Measured
    from medpipe.pipeline.deployment.rungs import Built

ModelOption = Annotated[str, typer.Option("--models", help="torchvision:NAME, timm:NAME or a TorchScript file.")]
SideOption = Annotated[int, typer.Option("--size", min=33, max=1024, help="Pixels a side.")]
BatchOption = Annotated[int, typer.Option("--batch", min=1, max=1024, help="Images in a call.")]
RoundsOption = Annotated[int, typer.Option("--rounds", min=20, help="Rounds in which all forms take turns.")]
RungsOption = Annotated[str | None, typer.Option("--rungs", help="Only these forms, separated by commas.")]
ImagesOption = Annotated[Path | None, typer.Option("--images", help="Folder of part/class/image to compare answers on; else noise.")]
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
        found, absent, _ = _measure(models, size, batch, rounds, rungs, images, Path(folder))
        if as_json:
            typer.echo(json.dumps({"forms": [_row(m) for m in found], "not_built": {b.rung.slug: b.reason for b in absent}}, indent=1))
        else:
            _print(found, absent)


def export(models: ModelOption, out: OutOption, size: SideOption = 224, batch: BatchOption = 1, rounds: RoundsOption = 60,
           rungs: RungsOption = None, images: ImagesOption = None) -> None:
    """Keep the fastest form that gives the same answers, with a certificate of its parity and speed on this machine."""
    from medpipe.cli.show import say
    from medpipe.documents import pretty_json
    from medpipe.errors import DataError
    from medpipe.evidence.files import write_atomically
    from medpipe.pipeline.deployment.bench import certificate, keep

    with tempfile.TemporaryDirectory() as folder:
        found, absent, told = _measure(models, size, batch, rounds, rungs, images, Path(folder))
        _print(found, absent)
        best = next((m for m in found if m.same and m.built.exported is not None and m.built.exported.paths), None)
        if best is None:
            raise DataError("export: expected a form that gives the answers of eager and can be kept as a file, got none; see the table")
        files = keep(best, out)
        write_atomically(out / "certificate.json", pretty_json(certificate(best, files, models, size, batch, told)))
    say(f"Kept: {best.built.rung.slug}, {best.times.estimate:.2f} times as fast as eager here, in {out} with certificate.json")


def _measure(models: str, size: int, batch: int, rounds: int, rungs: str | None, images: Path | None,
             folder: Path) -> tuple[list[Measured], list[Built], str]:
    from medpipe.cli.show import transfer
    from medpipe.pipeline.deployment.bench import bench as measure_all
    from medpipe.pipeline.deployment.bench import network_of

    network = network_of(models)
    pixels, told = _pixels(images, size)
    with transfer("measuring") as progress:
        named = rungs.split(",") if rungs else None
        found, absent = measure_all(network, folder, side=size, batch=batch, rounds=rounds, named=named, images=pixels,
                                    progress=lambda what: progress(0, 1, what))
    return found, absent, told


def _pixels(images: Path | None, size: int) -> tuple[Any, str]:
    import numpy as np

    if images is None:
        noise = np.random.default_rng(1).standard_normal((NOISE, 3, size, size)).astype(np.float32)
        return noise, f"{NOISE} images of noise"
    from medpipe.pipeline.augmentation import normalise
    from medpipe.pipeline.data.images import load_images

    parts = load_images(f"folder:{images.resolve()}").parts.values()
    rgb = np.concatenate([part.planes(size).rgb(list(range(len(part)))) for part in parts])
    return np.ascontiguousarray(normalise(rgb).numpy(), np.float32), f"{len(rgb)} images of {images.name}"


def _row(m: Measured) -> dict[str, Any]:
    import numpy as np

    median, p95 = (1000 * float(np.quantile(m.seconds, q)) for q in (0.5, 0.95))
    return {"form": m.built.rung.slug, "median_ms": median, "p95_ms": p95, "times_as_fast": m.times.estimate,
            "low": m.times.low, "high": m.times.high, "flipped": m.flipped, "n": m.n,
            "largest_difference": m.difference, "same_answers": m.same, "warnings": list(m.warnings)}


def _print(found: list[Measured], absent: list[Built]) -> None:
    from rich.table import Table

    from medpipe.cli.show import console, say

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("form", "ms, p50", "p95", "times as fast as eager", "flipped", "answers"):
        shown.add_column(name)
    for row in map(_row, found):
        shown.add_row(row["form"], f"{row['median_ms']:.2f}", f"{row['p95_ms']:.2f}",
                      f"{row['times_as_fast']:.2f} ({row['low']:.2f} to {row['high']:.2f})", f"{row['flipped']} of {row['n']}",
                      "; ".join(row["warnings"]) or ("the same" if row["same_answers"] else "differ"))
    console.print(shown)
    for b in absent:
        say(f"not built: {b.rung.slug} ({b.reason})")
