"""Predictions with their images: some drawn by lot, and the errors of which the network was
surest.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.gallery_choice import DRAWN, SPLIT, choose_gallery, most_confident_errors
from medpipe.audits.saliency_checks import stored_checks
from medpipe.errors import MissingDependency
from medpipe.evidence import Evidence, Observations
from medpipe.formatting import plural
from medpipe.report.figures.curves import evidence_keys
from medpipe.report.figures.svg import INK, SECOND, WIDE, Drawing, Figure, fitted, text_width

NEEDED = ("y_true", "y_pred", "y_prob")
GAP, LINE, SIZE = 8.0, 10.0, 8.0
COLUMNS = {False: (5, 6), True: (5, 4)}
"""Images in a row, of those drawn and of errors; with a map of saliency each is shown twice."""
TINT = (213, 94, 0)
DENSEST = 0.65
"""Opacity of the tint where a map is largest: what lies beneath stays visible."""


def gallery_figures(title: str, run: Evidence) -> list[Figure]:
    """The ten drawn by lot, then the most confident errors if there are any; none without a split
    ``gallery`` that holds images.

    A map of saliency is laid over them only where it fails no sanity check.
    """
    o = run.observations.get(SPLIT)
    if o is None or any(name not in o for name in (*NEEDED, "pixels")):
        return []
    source = _source(run, o)
    o, about = _checked(run, o)
    rule = _rule(run, source) + about
    shown = np.arange(min(DRAWN, len(o)))
    errors = most_confident_errors(o["y_true"], o["y_pred"], o["y_prob"])
    found = [_figure(title, run, o, shown, _drawn(o, shown, source is not None), rule, 0)]
    return found + (
        [_figure(title, run, o, errors, _failed(o, errors, source), rule, 1)] if len(errors) else []
    )


def _checked(run: Evidence, o: Observations) -> tuple[Observations, str]:
    """The gallery without its maps where they fail a check, and what to say of them."""
    if "saliency" not in o:
        return o, ""
    outcomes = [check.outcome for check in stored_checks(run)]
    if "fail" in outcomes:
        without = Observations(
            {name: a for name, a in o.arrays.items() if name != "saliency"}, o.classes, o.cluster
        )
        return (
            without,
            (
                f" No map is shown: it fails {outcomes.count('fail')} of"
                f" {plural(len(outcomes), 'check')}."
            ),
        )
    passed = (
        f"it passes {outcomes.count('pass')} of {plural(len(outcomes), 'check')}"
        if outcomes
        else "no sanity check was made of it"
    )
    return o, f" The second picture is tinted where the map of saliency is large; {passed}."


def _source(run: Evidence, gallery: Observations) -> tuple[str, Observations] | None:
    """The split from which the rule and the run's seed choose this very gallery; None where there
    is none.
    """
    for split, o in run.observations.items():
        if split != SPLIT and all(name in o for name in NEEDED):
            chosen = choose_gallery(o["y_true"], o["y_pred"], o["y_prob"], run.run.seed)
            if np.array_equal(o["sample_id"][chosen], gallery["sample_id"]):
                return split, o
    return None


def _drawn(o: Observations, index: NDArray[np.int64], by_lot: bool) -> str:
    right = int((o["y_true"][index] == o["y_pred"][index]).sum())
    return (
        f"{plural(len(index), 'prediction')}{' drawn by lot' if by_lot else ''}: {right} right,"
        f" {len(index) - right} wrong."
    )


def _failed(
    o: Observations, index: NDArray[np.int64], source: tuple[str, Observations] | None
) -> str:
    least = float(o["y_prob"][index, o["y_pred"][index]].min())
    total = (
        len(index) if source is None else int((source[1]["y_true"] != source[1]["y_pred"]).sum())
    )
    which = (
        f"The most confident {len(index)} of {total:,} errors"
        if total > len(index)
        else f"All {plural(total, 'error')}"
    )
    which = which if source is not None else plural(len(index), "error")
    return (
        f"{which}: the wrong class was called with a stated probability of {100 * least:.0f} % or"
        " more."
    )


def _rule(run: Evidence, source: tuple[str, Observations] | None) -> str:
    if source is None:
        return (
            "How these images were chosen is not known: no split of the run gives them by the rule."
        )
    split, o = source
    return (
        f"Chosen from the {plural(len(o), 'sample')} of split “{split}” by rule, which was "
        f"checked: {DRAWN} by lot with seed {run.run.seed}, "
        "and the errors of highest stated probability; single cases, so there is no interval."
    )


def _figure(
    title: str,
    run: Evidence,
    o: Observations,
    index: NDArray[np.int64],
    answer: str,
    rule: str,
    kind: int,
) -> Figure:
    columns = COLUMNS["saliency" in o][kind]
    cases = "; ".join(f"{o['sample_id'][i]}: {', '.join(_words(o, int(i)))}" for i in index)
    return Figure(
        _sheet(o, index, columns),
        f"{title}. {answer} {cases}. {rule}",
        answer,
        rule,
        evidence_keys([run]),
    )


def _words(o: Observations, i: int) -> tuple[str, str, str]:
    """Right or wrong, the true class, the class called with its stated probability."""
    true, called = int(o["y_true"][i]), int(o["y_pred"][i])
    return (
        "✓ right" if true == called else "✗ wrong",
        f"truly {o.classes[true]}",
        f"called {o.classes[called]}, {100 * float(o['y_prob'][i, called]):.0f} %",
    )


def _sheet(o: Observations, index: NDArray[np.int64], columns: int) -> str:
    pictures = [_pictures(o, int(i)) for i in index]
    cell = WIDE / columns
    width = (cell - GAP) / len(pictures[0])
    height = width * o["pixels"].shape[1] / o["pixels"].shape[2]
    row = height + 3 * LINE + GAP
    drawing = Drawing(WIDE, row * -(-len(index) // columns))
    for k, i in enumerate(index):
        x, y = cell * (k % columns), row * (k // columns)
        for n, picture in enumerate(pictures[k]):
            drawing.picture((x + n * width, y), width - 1, height, png(picture))
        words = _words(o, int(i))
        for n, line in enumerate(words):
            colour = SECOND if line.endswith("wrong") and n == 0 else INK
            drawing.text(
                (x, y + height + LINE * (n + 1) - 1),
                _cut(line, cell - 4),
                size=SIZE,
                bold=n == 0,
                colour=colour,
            )
    return drawing.svg()


def _cut(line: str, width: float) -> str:
    """A line in a width; of a long name what fits, and the number behind it whole."""
    name, comma, number = line.rpartition(", ") if line.endswith(" %") else (line, "", "")
    return fitted(name, SIZE, width - text_width(comma + number, SIZE)) + comma + number


def _pictures(o: Observations, i: int) -> Sequence[NDArray[np.uint8]]:
    """The image, and the image under its saliency where there is one."""
    grey: NDArray[np.uint8] = o["pixels"][i]
    if "saliency" not in o:
        return (grey,)
    opacity = DENSEST * np.clip(o["saliency"][i].astype(np.float64), 0, 1)[..., None]
    tinted = (1 - opacity) * grey[..., None] + opacity * np.array(TINT)
    return grey, np.rint(tinted).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An image ``(h, w)`` or ``(h, w, 3)`` as PNG."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("pillow", "report", "drawing a gallery") from error
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
