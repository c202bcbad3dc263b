"""The ladder of deployed forms: how many times as fast each is, and how far each stays from the
limit of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medpipe.audits.backend_timing import (
    BASELINE,
    EXPERIMENT,
    REFERENCE,
    parities,
    shares_of_limits,
    speed,
    winner,
)
from medpipe.evidence import Evidence
from medpipe.formatting import listed, plural
from medpipe.report.figures.curves import evidence_keys
from medpipe.report.figures.svg import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SECOND,
    WIDE,
    Drawing,
    Figure,
    Scale,
)

LABEL, LEFT, RIGHT, TIMES = 0.0, 150.0, 348.0, 360.0
ROW, HEAD, FOOT = 15.0, 16.0, 26.0
HEIGHT, MARGIN = 190.0, 34.0
BESIDE = 8.5
"""Points between two names beside the roofline."""
SPEED = "speed_"


def deployment_figures(title: str, runs: Sequence[Evidence]) -> list[Figure]:
    """Ladder and roofline of the first run of a protocol that timed forms; none of others."""
    if not runs or runs[0].run.experiment != EXPERIMENT or runs[0].failure is not None:
        return []
    return [ladder(title, runs[0]), roofline(title, runs[0])]


def timed(e: Evidence) -> list[str]:
    """Slugs of the forms that were timed, the slowest first."""
    slugs = [s.removeprefix(SPEED) for s in e.observations if s.startswith(SPEED)]
    return sorted(slugs, key=lambda s: speed(e.observations[SPEED + s]).estimate)


def ladder(title: str, e: Evidence) -> Figure:
    """Each timed form as a row, the fastest last: how many times as fast as the baseline, with
    interval, on a logarithmic axis.
    """
    slugs, passed = timed(e), {s: p.severity for s, p in parities(e).items()} | {REFERENCE: "clean"}
    found = {s: speed(e.observations[SPEED + s]) for s in slugs}
    edges = [math.log10(v) for i in found.values() for v in (i.low, i.high)]
    scale = Scale(min(*edges, -0.05) - 0.03, max(edges) + 0.06, LEFT, RIGHT)
    drawing = Drawing(WIDE, HEAD + ROW * len(slugs) + FOOT)
    bottom = HEAD + ROW * len(slugs)
    drawing.text((LABEL, HEAD - 6), "form", colour=MUTED)
    drawing.text((TIMES, HEAD - 6), "times as fast (interval), answers", colour=MUTED)
    for value in (0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64):
        if scale.low <= math.log10(value) <= scale.high:
            x = scale(math.log10(value))
            drawing.line((x, HEAD), (x, bottom + 3), GRID if value != 1 else INK, 0.4)
            drawing.text((x, bottom + 11), f"{value:g}", colour=MUTED, anchor="middle", size=7.5)
    axis = f"times as fast as {BASELINE}, the plain model as published"
    drawing.text(((LEFT + RIGHT) / 2, bottom + 21), axis, colour=MUTED, anchor="middle", size=7.5)
    for k, slug in enumerate(slugs):
        i, y = found[slug], HEAD + ROW * (k + 0.5)
        good = passed.get(slug) == "clean"
        colour = ACCENT if good else SECOND
        low, centre, high = (scale(math.log10(v)) for v in (i.low, i.estimate, i.high))
        drawing.text((LABEL, y + 2.7), slug)
        drawing.line((low, y), (high, y), colour, 1.6)
        drawing.disc((centre, y), 2.6, colour if good else "#ffffff", colour)
        words = {"clean": "the same", "narrows": "open", "undermines": "differ"}[
            passed.get(slug, "narrows")
        ]
        drawing.text(
            (TIMES, y + 2.7),
            f"{i.estimate:.2f} ({i.low:.2f} to {i.high:.2f}), {words}",
            colour=INK if good else SECOND,
        )
    best = winner(e)
    answer = (
        "No form passes."
        if best is None
        else (
            f"{best[0]} is the fastest form that gives the answers of the reference,"
            f" {best[1].estimate:.1f} times as fast as {BASELINE}."
        )
    )
    details = (
        f"Geometric means over {plural(found[slugs[0]].n, 'round')} in which all forms took turns,"
        " one image at a time, host to host; bars are 95 % intervals over blocks of rounds. A ring"
        " stands for a form whose answers differ or may: it cannot win."
    )
    return Figure(
        drawing.svg(), f"{title}. {answer} {details}", answer, details, evidence_keys([e])
    )


def roofline(title: str, e: Evidence) -> Figure:
    """Operations a second over operations a byte, both logarithmic, under the peaks that this
    machine was measured to reach.
    """
    o, device = e.observations["ladder"], e.observations["device"]
    peak = dict(zip(device["sample_id"].tolist(), device["per_second"].tolist(), strict=True))
    points = {}
    for slug, flops, moved in zip(
        o["slug"].tolist(), o["flops"].tolist(), o["bytes"].tolist(), strict=True
    ):
        if SPEED + slug in e.observations:
            points[slug] = (
                flops / moved,
                flops / float(np.median(e.observations[SPEED + slug]["seconds"])),
            )
    top, (shares, unlike) = (
        max(peak[name] for name in peak if name.startswith("gemm")),
        shares_of_limits(e),
    )
    x, y = _axes(points, peak["copy"], top)
    drawing = Drawing(WIDE, HEIGHT + MARGIN)
    named: list[tuple[float, float, str, str]] = []
    for name, limit in peak.items():
        if name.startswith("gemm"):
            knee = limit / peak["copy"]
            path = [
                (v, min(limit, v * peak["copy"]))
                for v in (10**x.low, max(knee, 10**x.low), 10**x.high)
            ]
            drawing.path(
                [(x(math.log10(a)), y(math.log10(b))) for a, b in path],
                MUTED,
                1.0,
                None if name == "gemm_fp32" else "4 2",
            )
            named.append(
                (y(math.log10(limit)), x.end, f"{name.removeprefix('gemm_')} matrix product", MUTED)
            )
    for slug, (a, b) in points.items():
        at = (x(math.log10(a)), y(math.log10(b)))
        drawing.disc(at, 2.2, ACCENT)
        named.append(
            (at[1], at[0], f"{slug}, {100 * shares[slug]:.0f} %" if slug in shares else slug, INK)
        )
    named.sort()
    for (up, across, words, colour), beside in zip(
        named, _apart([n[0] for n in named], HEIGHT), strict=True
    ):
        drawing.text((x.end + 14, beside + 2.5), words, size=7, colour=colour)
        drawing.line((across, up), (x.end + 12, beside), GRID, 0.4)
    for scale, axis in ((x, "x"), (y, "y")):
        for power in range(math.ceil(scale.low), math.floor(scale.high) + 1):
            at = (scale(power), HEIGHT + 9) if axis == "x" else (LEFT - 96, scale(power) + 2.7)
            drawing.text(
                at, f"1e{power}", size=7.5, colour=MUTED, anchor="middle" if axis == "x" else "end"
            )
    drawing.text(
        ((x.start + x.end) / 2, HEIGHT + 22),
        "operations for each byte moved",
        size=7.5,
        colour=MUTED,
        anchor="middle",
    )
    drawing.text((0, 8), "operations a second", size=7.5, colour=MUTED)
    nearest = max(shares, key=lambda s: shares[s])
    answer = (
        f"{nearest} comes nearest to its limit: {100 * shares[nearest]:.0f} % of the operations a"
        " second of a matrix product of its precision."
    )
    missing = (
        f" No limit was measured for the precision of {listed(unlike)}: they have no share."
        if unlike
        else ""
    )
    details = (
        f"Operations are counted of the network as written ({o['flops'][0] / 1e9:.2f} billion an"
        " image), bytes are the least that must move (weights once, what goes in and out of each"
        " layer once); limits were measured on this machine. A form that leaves operations out can"
        f" lie above a limit.{missing}"
    )
    return Figure(
        drawing.svg(), f"{title}. {answer} {details}", answer, details, evidence_keys([e])
    )


def _apart(wanted: Sequence[float], lowest: float) -> list[float]:
    """Places near those wanted, which are in order, `BESIDE` apart (closer where there are too
    many) and none below ``lowest``.
    """
    gap = min(BESIDE, lowest / len(wanted))
    places: list[float] = []
    for want in wanted:
        places.append(max(want, places[-1] + gap) if places else want)
    for k in range(len(places)):  # what ran out at the foot is pushed up again
        places[-1 - k] = min(places[-1 - k], lowest - k * gap)
    return places


def _axes(points: dict[str, tuple[float, float]], copied: float, top: float) -> tuple[Scale, Scale]:
    across = [math.log10(a) for a, _ in points.values()] + [math.log10(top / copied)]
    up = [math.log10(b) for _, b in points.values()] + [math.log10(top)]
    return (
        Scale(min(across) - 0.3, max(across) + 0.3, LEFT - 90, RIGHT - 30),
        Scale(min(up) - 0.2, max(up) + 0.15, HEIGHT, 14.0),
    )
