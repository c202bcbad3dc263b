"""Made-up reader studies: keys without pictures, folders of pictures, and simulated readers who see
more or less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medpipe.reader_study.answers import QUESTIONS, Reading
from medpipe.reader_study.study import Shown, Study

ZERO = "0" * 64


def key(images: int = 60, *, controls: int = 6, repeats: int = 10, margin: float = 0.1) -> Study:
    """A key in which every other image is synthetic; controls and repeats stand at the end."""
    items = [
        Shown(f"{k + 1:03d}", "synthetic" if k % 2 else "real", f"{k}.png", ZERO, ZERO)
        for k in range(images)
    ]
    items += [
        Shown(f"{images + k + 1:03d}", "control", f"c{k}.png", ZERO, ZERO) for k in range(controls)
    ]
    items += [
        Shown(f"{len(items) + k + 1:03d}", items[k].origin, f"{k}.png", ZERO, ZERO, f"{k + 1:03d}")
        for k in range(repeats)
    ]
    return Study("0" * 12, "Made up", margin, 0.95, 64, False, "crop", "seed", ZERO, tuple(items))


def answers(
    study: Study,
    reader: str,
    rng: np.random.Generator,
    *,
    sees: float = 0.0,
    wakeful: bool = True,
    prefers: float = 0.0,
    commitment: str = "",
) -> dict[str, Any]:
    """One reader's file of answers. ``sees``: how far synthetic images look from real ones, in
    spreads of either; ``prefers``: how much lower they are rated. A reader who is not wakeful
    answers to everything, controls too, without looking.
    """
    felt: dict[str, float] = {}
    items = []
    for shown in study.items:
        shift = {"real": 0.0, "synthetic": sees, "control": 8.0 if wakeful else 0.0}[shown.origin]
        first = felt.get(shown.repeat_of or "")
        felt[shown.id] = rng.normal() + shift if first is None else first + 0.3 * rng.normal()
        rating = 3.5 - (prefers if shown.origin == "synthetic" else 0.0) + rng.normal()
        items.append(
            {
                "id": shown.id,
                "confidence": steps(3.5 + 1.5 * (felt[shown.id] - sees / 2), 6),
                "realism": steps(rating, 5),
                "plausibility": steps(rating + 0.5 * rng.normal(), 5),
                "comment": "",
                "seconds": 12.5,
            }
        )
    return {
        "version": 1,
        "study": study.id,
        "commitment": commitment or study.commitment,
        "reader": reader,
        "items": items,
    }


def laid_out(study: Study, readers: int, seed: int, **how: Any) -> Reading:
    """The same as scoring takes it, without the checks of files, for many repeats."""
    items = [data["items"] for _, data in readings(study, readers, seed, **how)]
    found = {q: np.array([[i[q] for i in row] for row in items]) for q in QUESTIONS}
    names, seconds = (
        tuple(f"R{k + 1}" for k in range(readers)),
        np.full((readers, len(study.items)), 12.5),
    )
    return Reading(study, names, found, seconds, (), ("",) * readers)


def steps(value: float, most: int) -> int:
    """The nearest answer from 1 to ``most``."""
    return min(max(round(value), 1), most)


def readings(study: Study, readers: int, seed: int, **how: Any) -> list[tuple[str, dict[str, Any]]]:
    """Documents of several alike readers, each with a name for messages."""
    rng, commitment = np.random.default_rng(seed), study.commitment
    return [
        (f"R{k + 1}", answers(study, f"R{k + 1}", rng, commitment=commitment, **how))
        for k in range(readers)
    ]


def folders(
    place: Path, *, real: int = 40, synthetic: int = 30, seed: int = 0
) -> tuple[Path, Path]:
    """Two folders of pictures that differ in everything but in kind: size, format, mode, metadata,
    time stamp, name; needs Pillow.

    Synthetic ones are smooth, so that they compress better.
    """
    from PIL import Image, PngImagePlugin

    rng = np.random.default_rng(seed)
    for k in range(real):
        path = place / "real" / f"class-{k % 2}" / f"patient-{k:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x010F] = "Scanner of a real hospital"
        Image.fromarray(rng.integers(0, 256, (70 + k, 64, 3), dtype=np.uint8)).save(
            path, quality=95, exif=exif, comment="a real one"
        )
    for k in range(synthetic):
        path = place / "synthetic" / f"{k:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        marks = PngImagePlugin.PngInfo()
        marks.add_text("Software", "a synthetic generator")
        ramp = np.linspace(rng.uniform(0, 100), rng.uniform(150, 255), 48)
        Image.fromarray(np.add.outer(ramp / 2, ramp / 2).astype(np.uint8)).save(path, pnginfo=marks)
    return place / "real", place / "synthetic"
