"""What a generator made, and how its training went: losses and scores, samples, growth,
interpolation, the likest training images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.evidence import Evidence
from medpipe.formatting import plural
from medpipe.report.figures.curves import (
    FOOT,
    HEIGHT,
    PANELS,
    TOP,
    Style,
    evidence_keys,
    panel,
    series,
)
from medpipe.report.figures.prediction_gallery import png
from medpipe.report.figures.svg import ACCENT, INK, MUTED, SECOND, WIDE, Drawing, Figure, text_width

Pixels = NDArray[np.uint8]
LOSSES: tuple[Style, ...] = (
    ("generator_loss", "generator", ACCENT, None),
    ("discriminator_loss", "discriminator", SECOND, "4 2"),
)
SCORES: tuple[Style, ...] = (
    ("real_score", "real, seen", ACCENT, None),
    ("held_out_score", "real, held out", INK, "1 2"),
    ("fake_score", "generated", SECOND, "4 2"),
)
SAMPLES, OVER_TIME, INTERPOLATION, WORST = "samples", "over_time", "interpolation", "worst"
SIZE, LINE, GAP, HEAD = 8.0, 10.0, 3.0, 52.0
MOST_ROWS = 6


def synthesis_figures(title: str, runs: Sequence[Evidence]) -> list[Figure]:
    """All figures of a protocol that trained a generator; none where it did not. Pictures are of
    the first run.
    """
    curves = gan_curves(title, runs)
    pictures = (
        [make(title, runs[0]) for make in (samples, over_time, interpolation, worst)]
        if runs
        else []
    )
    return [f for f in (curves, *pictures) if f is not None]


def gan_curves(title: str, runs: Sequence[Evidence]) -> Figure | None:
    """Losses, and the discriminator's mean score of real, held-out and generated images, by epoch;
    None without two epochs of each.
    """
    tables = {name: series(runs, name) for name, *_ in (*LOSSES, *SCORES)}
    if not all(np.isfinite(t).any() and t.shape[1] >= 2 for t in tables.values()):
        return None
    drawing = Drawing(WIDE, TOP + HEIGHT + FOOT)
    panel(drawing, PANELS[0], LOSSES, {n: tables[n] for n, *_ in LOSSES}, "loss (cross-entropy)")
    panel(
        drawing,
        PANELS[1],
        SCORES,
        {n: tables[n] for n, *_ in SCORES},
        "discriminator’s score (0 generated, 1 real)",
    )
    first, last = (
        {n: f"{float(np.nanmean(t[:, k])):.2f}" for n, t in tables.items()} for k in (0, -1)
    )
    answer = (
        f"Losses go from generator {first['generator_loss']}, discriminator"
        f" {first['discriminator_loss']} in the first epoch to {last['generator_loss']},"
        f" {last['discriminator_loss']} in the last; there the discriminator scores real images"
        f" that it saw {last['real_score']}, held-out ones {last['held_out_score']}, generated ones"
        f" {last['fake_score']}."
    )
    details = (
        f"{plural(len(runs), 'run')}, seeds {', '.join(str(e.run.seed) for e in runs)}; thick lines"
        " are means, thin lines single runs; no interval: the curves describe these trainings."
    )
    return Figure(
        drawing.svg(), f"{title}. {answer} {details}", answer, details, evidence_keys(runs)
    )


def samples(title: str, run: Evidence) -> Figure | None:
    """The images generated first, with what the audit network calls them."""
    o, quality = run.observations.get(SAMPLES), run.observations.get("quality")
    if o is None or quality is None:
        return None
    place = {name: i for i, name in enumerate(quality["sample_id"].tolist())}
    rows = [place[name] for name in o["sample_id"].tolist()]
    called, sure = quality["y_pred"][rows].tolist(), quality["y_prob"][rows].max(axis=1).tolist()
    words = [f"{quality.classes[k]}, {100 * p:.0f} %" for k, p in zip(called, sure, strict=True)]
    share = ", ".join(f"{name} {called.count(i)}" for i, name in enumerate(quality.classes))
    answer = (
        f"{plural(len(o), 'generated image')}, drawn by lot, not chosen. The audit network calls"
        f" them: {share}."
    )
    details = (
        f"Seed {run.run.seed}; below each image the class that the audit network calls, with its"
        " stated probability."
    )
    return _figure(title, run, _sheet(o["pixels"], 10, words), answer, details)


def over_time(title: str, run: Evidence) -> Figure | None:
    """The same latent points after some epochs, a row for each epoch."""
    o = run.observations.get(OVER_TIME)
    if o is None:
        return None
    epochs = np.unique(o["epoch"])
    shown = epochs[
        np.unique(np.linspace(0, len(epochs) - 1, min(MOST_ROWS, len(epochs))).round().astype(int))
    ]
    rows = [(f"epoch {e}", list(o["pixels"][o["epoch"] == e])) for e in shown.tolist()]
    answer = (
        f"The same {len(rows[0][1])} latent points after {plural(len(shown), 'epoch')} of training."
    )
    return _figure(
        title, run, _rows(rows), answer, f"Seed {run.run.seed}; a column is one latent point."
    )


def interpolation(title: str, run: Evidence) -> Figure | None:
    """Steps between pairs of latent points, a row for each pair."""
    o = run.observations.get(INTERPOLATION)
    if o is None:
        return None
    rows = []
    for way in np.unique(o["way"]).tolist():
        here = np.flatnonzero(o["way"] == way)
        rows.append((f"walk {way + 1}", list(o["pixels"][here[np.argsort(o["step"][here])]])))
    answer = (
        f"{plural(len(rows), 'walk')} between two latent points in {len(rows[0][1])} steps; a jump"
        " between two steps would hint at memorised images."
    )
    return _figure(
        title,
        run,
        _rows(rows),
        answer,
        f"Seed {run.run.seed}; latent points and steps are drawn by lot and equally far apart.",
    )


def worst(title: str, run: Evidence) -> Figure | None:
    """The generated images most alike to a training image, each beside it."""
    o = run.observations.get(WORST)
    if o is None:
        return None
    between = np.full((len(o), o["pixels"].shape[1], 2), 255, np.uint8)
    pairs = np.concatenate([o["pixels"], between, o["training_pixels"]], axis=2)
    like = o["likeness"].astype(np.float64)
    said = [f"correlation {value:.3f}" for value in like]
    answer = (
        f"The {plural(len(o), 'generated image')} most alike to a training image, each with it on"
        f" the right: the likest pair has a correlation of {like.max():.3f}."
    )
    ids = "; ".join(
        f"{a} beside {b}" for a, b in zip(o["sample_id"], o["training_id"], strict=True)
    )
    details = (
        f"Seed {run.run.seed}; of all generated images compared, in eight orientations. Copies in"
        " the data are alike by 0.99 or more."
    )
    return _figure(title, run, _sheet(pairs, 5, said), answer, details, ids)


def _figure(
    title: str, run: Evidence, svg: str, answer: str, details: str, more: str = ""
) -> Figure:
    return Figure(
        svg,
        " ".join(w for w in (f"{title}.", answer, more, details) if w),
        answer,
        details,
        evidence_keys([run]),
    )


def _sheet(pictures: Sequence[Pixels] | Pixels, columns: int, words: Sequence[str]) -> str:
    cell = WIDE / columns
    width = cell - 2 * GAP
    height = width * pictures[0].shape[0] / pictures[0].shape[1]
    row = height + LINE + GAP
    drawing = Drawing(WIDE, row * -(-len(pictures) // columns))
    size = (SIZE - 1) * min(
        1, width / max(text_width(w, SIZE - 1) for w in words)
    )  # no caption runs into the next one
    for k, picture in enumerate(pictures):
        x, y = cell * (k % columns), row * (k // columns)
        drawing.picture((x, y), width, height, png(picture))
        drawing.text((x, y + height + LINE - 2), words[k], size=size)
    return drawing.svg()


def _rows(rows: Sequence[tuple[str, Sequence[Pixels]]]) -> str:
    columns = max(len(pictures) for _, pictures in rows)
    side = (WIDE - HEAD) / columns
    drawing = Drawing(WIDE, side * len(rows))
    for r, (word, pictures) in enumerate(rows):
        drawing.text((0, side * (r + 0.5) + 3), word, size=SIZE, colour=MUTED)
        for c, picture in enumerate(pictures):
            drawing.picture((HEAD + side * c, side * r), side - GAP, side - GAP, png(picture))
    return drawing.svg()
