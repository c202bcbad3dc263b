"""The drawing of one phantom slice: a head, seen from below as radiologists show it, at a level
from skull base to vertex.

Coordinates run from -1 to 1 over the picture, ``u`` to the right and ``v`` downwards (front of the
head above). Brightness is that of a T1-weighted picture after contrast medium, 0 to about 1. It is
a drawing, not a simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

SIZE = 96
_AXIS = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
U, V = np.meshgrid(_AXIS, _AXIS)
CSF, GREY, WHITE, BONE, SCALP = 0.14, 0.40, 0.58, 0.07, 0.80
_RIM = 0.14
"""From the skin to the brain's surface."""

_DEEP_GREY = (
    ((0.24, -0.02), (0.065, 0.14), 0.25),
    ((0.11, 0.08), (0.085, 0.12), 0.2),
    ((0.15, -0.19), (0.05, 0.09), -0.2),
)
"""Putamen, thalamus and caudate of one side: centre, radii, turn."""


@dataclass(frozen=True)
class Head:
    """What is the same in every slice of one person."""

    width: float
    length: float
    egg: float
    ventricles: float
    sulci: float
    myelin: float
    folds: tuple[Plane, Plane]
    texture: Plane
    tilt: float


@dataclass(frozen=True)
class Lesion:
    """A tumour: class, centre ``(u, v)``, radius, look, brightness, and an outline that wobbles by
    angle.
    """

    kind: str
    centre: tuple[float, float]
    radius: float
    look: str
    brightness: float
    wobble: tuple[float, ...] = field(default=(0.0,) * 6)


def rise(x: Plane, edge: float | Plane, width: float = 0.012) -> Plane:
    """A ramp from 0 to 1 where ``x`` passes ``edge``, about four ``width`` wide."""
    return np.asarray(np.clip((x - edge) / (4 * width) + 0.5, 0, 1), dtype=np.float64)


def smooth_noise(rng: np.random.Generator, cells: int) -> Plane:
    """A smooth random plane with about ``cells`` bumps along an edge, mean 0 and deviation 1."""
    knots = np.linspace(-1.1, 1.1, cells + 3)
    kernel = np.exp(-0.5 * ((_AXIS[:, None] - knots) / (1.6 / cells)) ** 2)
    plane = kernel @ rng.standard_normal((cells + 3, cells + 3)) @ kernel.T
    return np.asarray((plane - plane.mean()) / plane.std(), dtype=np.float64)


def _mix(picture: Plane, mask: Plane, value: float | Plane) -> Plane:
    return picture + mask * (value - picture)


def _blob(
    u: Plane,
    v: Plane,
    at: tuple[float, float],
    radii: tuple[float, float],
    turn: float = 0.0,
    soft: float = 0.015,
) -> Plane:
    """A filled ellipse with a soft edge; ``turn`` in radians."""
    du, dv = u - at[0], v - at[1]
    a, b = du * np.cos(turn) + dv * np.sin(turn), dv * np.cos(turn) - du * np.sin(turn)
    distance = (1 - np.sqrt((a / radii[0]) ** 2 + (b / radii[1]) ** 2 + 1e-9)) * min(radii)
    return rise(distance, 0.0, soft)


def _pair(
    u: Plane, v: Plane, at: tuple[float, float], radii: tuple[float, float], turn: float = 0.0
) -> Plane:
    """The same ellipse on both sides of the midline."""
    return np.maximum(_blob(u, v, at, radii, turn), _blob(u, v, (-at[0], at[1]), radii, -turn))


def draw(head: Head, level: float, lesion: Lesion | None) -> Plane:
    """The slice at ``level`` (0 skull base, 1 vertex), with a lesion or without: float64 ``(SIZE,
    SIZE)``, before any scanner.
    """
    u = U * np.cos(head.tilt) + V * np.sin(head.tilt)
    v = V * np.cos(head.tilt) - U * np.sin(head.tilt)
    depth = _depth(head, level, u, v)
    inner_u, inner_v = _pushed(u, v, lesion)
    picture = _brain(head, level, inner_u, inner_v, depth - _RIM)
    if level < 0.3:
        picture = _skull_base(head, level, inner_u, inner_v, depth - _RIM, picture)
    if lesion is not None:
        picture = _tumour(head, lesion, u, v, depth, picture)
    picture = _mix(picture, 1 - rise(depth, _RIM), CSF)
    picture = _mix(
        picture, 1 - rise(depth, 0.115), BONE + 0.12 * np.exp(-(((depth - 0.09) / 0.012) ** 2))
    )
    picture = _mix(picture, 1 - rise(depth, 0.06), SCALP * (0.85 + 0.08 * head.texture))
    if level < 0.14:
        picture = _face(u, v, picture, level)
    return picture * rise(depth, 0.0, 0.01)


def _depth(head: Head, level: float, u: Plane, v: Plane) -> Plane:
    """Distance below the skin, about, in picture units."""
    scale = np.sqrt(1 - 0.55 * max(level - 0.45, 0) ** 2 / 0.3)
    width = head.width * scale * (1 + head.egg * v)
    length = head.length * scale
    radius = (np.abs(u / width) ** 2.2 + np.abs(v / length) ** 2.2) ** (1 / 2.2)
    return np.asarray((1 - radius) * min(head.width, head.length) * scale, dtype=np.float64)


def _pushed(u: Plane, v: Plane, lesion: Lesion | None) -> tuple[Plane, Plane]:
    """Coordinates of the anatomy where a lesion pushes it aside."""
    if lesion is None or lesion.look == "diffuse":
        return u, v
    du, dv = u - lesion.centre[0], v - lesion.centre[1]
    distance = np.sqrt(du**2 + dv**2) + 1e-6
    shift = 0.45 * lesion.radius * np.exp(-((distance / (2.4 * lesion.radius)) ** 2))
    return u - shift * du / distance, v - shift * dv / distance


def _brain(head: Head, level: float, u: Plane, v: Plane, inside: Plane) -> Plane:
    """Folded cortex around white matter, the fissure, deep grey matter and ventricles."""
    fold = np.abs(np.cos(4 * level) * head.folds[0] + np.sin(4 * level) * head.folds[1])
    white = WHITE - (WHITE - GREY) * (1 - head.myelin)
    sulcus_depth = 0.10 + 0.08 * head.sulci + 0.05 * level
    cortex = np.maximum(1 - rise(fold, 0.45, 0.08), 1 - rise(inside, 0.05, 0.015)) * (
        1 - rise(inside, sulcus_depth + 0.06, 0.03)
    )
    picture = _mix(np.full_like(u, white), cortex, GREY)
    picture = _mix(
        picture,
        (1 - rise(fold, 0.08 + 0.10 * head.sulci, 0.04)) * (1 - rise(inside, sulcus_depth, 0.03)),
        CSF + 0.08,
    )
    middle = float(np.exp(-(((level - 0.47) / 0.2) ** 2)))
    if level > 0.22:
        size = head.ventricles * middle
        for at, radii, turn in _DEEP_GREY:
            picture = _mix(picture, 0.9 * middle * _pair(u, v, at, radii, turn), GREY)
        if size > 0.25:
            picture = _mix(
                picture, _pair(u, v, (0.085, -0.19), (0.042 * size, 0.15 * size), -0.35), CSF
            )
            picture = _mix(
                picture, _pair(u, v, (0.15, 0.25), (0.045 * size, 0.17 * size), -0.5), CSF
            )
            picture = _mix(picture, _pair(u, v, (0.15, 0.22), (0.014, 0.03)), 0.62)
            picture = _mix(picture, _blob(u, v, (0.0, 0.04), (0.02 * size, 0.10)), CSF)
    ends = rise(np.abs(v + 0.02), 0.34 - 0.5 * max(level - 0.5, 0), 0.03)
    cleft = np.exp(-(((u + 0.008 * head.texture) / (0.014 + 0.008 * head.sulci)) ** 2)) * ends
    return _mix(picture, np.asarray(0.85 * cleft), CSF + 0.04)


def _skull_base(
    head: Head, level: float, u: Plane, v: Plane, inside: Plane, picture: Plane
) -> Plane:
    """Brain stem, cerebellum, temporal lobes, cisterns and the normal pituitary."""
    low = min(1.0, (0.3 - level) / 0.12)
    folia = GREY + 0.07 * np.sin(34 * np.sqrt(u**2 + (v - 0.16) ** 2) + 0.8 * head.folds[0])
    back = low * _blob(u, v, (0.0, 0.46), (0.47, 0.30), soft=0.02)
    picture = _mix(picture, back, folia)
    picture = _mix(picture, back * _blob(u, v, (0.0, 0.50), (0.05, 0.16)), GREY - 0.04)
    edge = np.exp(-((np.abs(v - 0.20 - 0.35 * np.abs(u)) / 0.022) ** 2)) * rise(np.abs(u), 0.14)
    picture = _mix(picture, low * 0.6 * edge, CSF - 0.02)
    sylvian = np.exp(-((np.abs(v + 0.26 - 0.25 * np.abs(u)) / 0.025) ** 2)) * rise(np.abs(u), 0.12)
    picture = _mix(picture, low * 0.7 * sylvian, CSF)
    picture = _mix(picture, low * _blob(u, v, (0.0, -0.09), (0.15, 0.10), soft=0.02), CSF + 0.02)
    picture = _mix(picture, low * _blob(u, v, (0.0, 0.14), (0.17, 0.15)), CSF + 0.04)
    picture = _mix(picture, low * _blob(u, v, (0.0, 0.15), (0.14, 0.125)), WHITE - 0.06)
    picture = _mix(picture, low * _blob(u, v, (0.0, 0.31), (0.045, 0.03)), CSF)
    picture = _mix(
        picture, low * _pair(u, v, (0.13, -0.12), (0.022, 0.03)), 0.75
    )  # carotid arteries, filled with contrast
    return _mix(picture, low * _blob(u, v, (0.0, -0.12), (0.05, 0.032)), 0.62)


def _face(u: Plane, v: Plane, picture: Plane, level: float) -> Plane:
    """Eyes in their fat and the air between them, in the lowest slices."""
    share = min(1.0, (0.14 - level) / 0.08)
    picture = _mix(picture, share * _pair(u, v, (0.27, -0.60), (0.15, 0.14)), 0.72)
    picture = _mix(picture, share * _pair(u, v, (0.27, -0.63), (0.105, 0.10)), 0.22)
    return _mix(picture, share * _blob(u, v, (0.0, -0.62), (0.09, 0.16)), 0.03)


def _tumour(head: Head, lesion: Lesion, u: Plane, v: Plane, depth: Plane, picture: Plane) -> Plane:
    du, dv = u - lesion.centre[0], v - lesion.centre[1]
    angle = np.arctan2(dv, du)
    outline = 1 + sum(
        w * np.cos((k + 1) * angle + 1.9 * k) / (1 + 0.4 * k) for k, w in enumerate(lesion.wobble)
    )
    reach = np.sqrt(du**2 + dv**2) / lesion.radius / outline
    soft = 0.012 / lesion.radius
    spread = 1 - rise(reach + 0.18 * head.texture, 1.55, 0.12)
    if lesion.look in ("ring", "patchy", "oedema"):
        picture = _mix(picture, 0.75 * spread * rise(depth, _RIM), GREY - 0.12)
    if lesion.look == "diffuse":
        return _mix(
            picture, (1 - rise(reach + 0.12 * head.texture, 1.0, 0.15)) * 0.85, lesion.brightness
        )
    body = 1 - rise(reach, 1.0, soft)
    if lesion.look in ("solid", "oedema") and lesion.kind == "meningioma":
        picture = _mix(
            picture, 1 - rise(reach, 1.12, soft), CSF + 0.1
        )  # a cleft of fluid parts it from the brain
        tail = np.exp(-(((depth - _RIM) / 0.016) ** 2)) * np.exp(-((reach / 1.9) ** 4))
        picture = _mix(picture, np.asarray(tail), lesion.brightness)
    if lesion.look == "snowman":
        second = _blob(
            u,
            v,
            (lesion.centre[0] + 0.2 * lesion.radius, lesion.centre[1] - 1.05 * lesion.radius),
            (0.7 * lesion.radius,) * 2,
        )
        body = np.maximum(body, second)
    fill = lesion.brightness * (1 + (0.10 if lesion.look == "patchy" else 0.03) * head.texture)
    picture = _mix(picture, body, fill)
    if lesion.look in ("ring", "cyst"):
        picture = _mix(picture, 1 - rise(reach + 0.10 * head.texture, 0.62, 0.06), CSF + 0.08)
    return picture
