"""Demonstration images: drawn heads with and without drawn tumours, in the four classes of the
Kaggle set.

They show no patient and simulate no scanner, and no number computed from them is evidence about any
model, method or claim. They exist so that the whole chain can be tried without data. They are the
same on every machine with the same random generator of numpy.

They are meant to be hard enough that a model errs: places and looks of the classes overlap, some
lesions are a few pixels wide, and scanner, site and posture vary without regard to class. Children
are planted to be harder (paler contrast), sex and age go with class as they do in life, and the
slices of one patient resemble each other, so that audits by group and of splits have something to
find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medpipe.pipeline.data.anatomy import (
    CSF,
    GREY,
    SIZE,
    Head,
    Lesion,
    Plane,
    U,
    V,
    draw,
    smooth_noise,
)

MRI_CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
"""The classes, in the order of their indices."""

PATIENTS = {"Training": 30, "Testing": 10}
"""Patients of each class by part; a patient has three to five slices."""

_SEED = 20_240_611
_FEMALE = {"glioma": 0.42, "meningioma": 0.70, "notumor": 0.5, "pituitary": 0.55}
_AGES = {
    "glioma": (0.25, 0.45, 0.30),
    "meningioma": (0.05, 0.45, 0.50),
    "notumor": (0.2, 0.5, 0.3),
    "pituitary": (0.15, 0.60, 0.25),
}
_AGE_BANDS = ("child", "adult", "older")
_HIGH_FIELD = {"A": 0.8, "B": 0.5, "C": 0.2}


class Person(NamedTuple):
    """The group values of one patient."""

    patient_id: str
    sex: str
    age_band: str
    scanner: str
    site: str


@dataclass(frozen=True, eq=False)
class Phantoms:
    """N slices: ``pixels`` uint8 ``(N, 96, 96)`` grey, ``names`` relative paths, ``labels`` class
    names, ``people``.
    """

    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    people: tuple[Person, ...]


def make(part: str) -> Phantoms:
    """The slices of ``"Training"`` or ``"Testing"``, by class, patient and slice; no patient is in
    both.
    """
    pixels, names, labels, people = [], [], [], []
    first = 0 if part == "Training" else PATIENTS["Training"]
    for index, kind in enumerate(MRI_CLASSES):
        for number in range(first, first + PATIENTS[part]):
            rng = np.random.default_rng([_SEED, index, number])
            person = _person(rng, kind, f"P{index * 100 + number:04d}")
            for count, plane in enumerate(_slices(rng, kind, person, 3 + number % 3)):
                pixels.append(plane)
                names.append(f"{part}/{kind}/{person.patient_id}-{count}.png")
                labels.append(kind)
                people.append(person)
    return Phantoms(np.stack(pixels), tuple(names), tuple(labels), tuple(people))


def _person(rng: np.random.Generator, kind: str, patient_id: str) -> Person:
    sex = "female" if rng.random() < _FEMALE[kind] else "male"
    age = _AGE_BANDS[int(np.searchsorted(np.cumsum(_AGES[kind]), rng.random()))]
    site = "ABC"[int(rng.integers(3))]
    return Person(
        patient_id, sex, age, "3.0T" if rng.random() < _HIGH_FIELD[site] else "1.5T", site
    )


def _slices(
    rng: np.random.Generator, kind: str, person: Person, count: int
) -> list[NDArray[np.uint8]]:
    head = _head(rng, person)
    level, lesion = _plan(rng, kind, person)
    bias = smooth_noise(rng, 2)
    planes = []
    for step in np.linspace(-1, 1, count) + rng.uniform(-0.15, 0.15, count):
        here = float(np.clip(level + step * (0.05 if lesion else 0.10), 0.01, 0.97))
        cut = None if lesion is None else _cut(lesion, float(step))
        planes.append(_scan(rng, draw(head, here, cut), person, bias))
    return planes


def _head(rng: np.random.Generator, person: Person) -> Head:
    older, child = person.age_band == "older", person.age_band == "child"
    smaller = 0.95 if child else 0.98 if person.sex == "female" else 1.0
    return Head(
        width=smaller * rng.uniform(0.70, 0.78),
        length=smaller * rng.uniform(0.86, 0.94),
        egg=rng.uniform(0.0, 0.10),
        ventricles=rng.uniform(0.65, 1.0) + (0.45 if older else 0.0),
        sulci=rng.uniform(0.2, 0.6) + (0.4 if older else 0.0),
        myelin=rng.uniform(0.5, 0.7) if child else rng.uniform(0.85, 1.1),
        folds=(smooth_noise(rng, 20), smooth_noise(rng, 20)),
        texture=smooth_noise(rng, 9),
        tilt=rng.normal(0, 0.07),
    )


def _plan(rng: np.random.Generator, kind: str, person: Person) -> tuple[float, Lesion | None]:
    """The level of a patient's slices and the lesion at its widest."""
    if kind == "notumor":
        return (
            0.06 + 0.9 * np.sqrt(rng.random()),
            None,
        )  # more often high: the level alone gives a part of the class away
    wobble = tuple(rng.normal(0, 0.13 if kind == "glioma" else 0.03, 6))
    size = float(np.exp(rng.uniform(np.log(0.09), np.log(0.34))))
    side = -1 if rng.random() < 0.5 else 1
    paler = 0.8 if person.age_band == "child" else 1.0
    if kind == "glioma":
        angle, reach = rng.uniform(0, np.pi), rng.uniform(0.2, 0.45)
        centre = (
            side * reach * 0.85 * float(np.sin(angle)) + side * 0.05,
            reach * float(np.cos(angle)),
        )
        look = ("ring", "ring", "patchy", "patchy", "diffuse", "diffuse", "solid")[
            int(rng.integers(7))
        ]
        bright = (
            GREY - rng.uniform(0.06, 0.14) if look == "diffuse" else paler * rng.uniform(0.75, 1.0)
        )
        return rng.uniform(0.1, 0.85), Lesion(kind, centre, size, look, bright, wobble)
    if kind == "meningioma":
        level, centre = _at_the_dura(rng, side, size)
        look = ("solid", "solid", "solid", "oedema", "plain")[int(rng.integers(5))]
        return level, Lesion(kind, centre, size, look, paler * rng.uniform(0.7, 1.0), wobble)
    centre = (rng.normal(0, 0.025), -0.11 + rng.normal(0, 0.025))
    look = ("solid", "solid", "solid", "snowman", "snowman", "cyst", "micro")[int(rng.integers(7))]
    radius, bright = (
        (rng.uniform(0.025, 0.04), CSF + 0.15)
        if look == "micro"
        else (0.04 + 0.5 * size, paler * rng.uniform(0.65, 0.95))
    )
    return rng.uniform(0.06, 0.22), Lesion(kind, centre, radius, look, bright, wobble)


def _at_the_dura(
    rng: np.random.Generator, side: int, size: float
) -> tuple[float, tuple[float, float]]:
    """A level and a centre on the convexity, at the falx, or beside the sella."""
    where = rng.random()
    if where < 0.55:
        angle, reach = rng.uniform(0.1, np.pi - 0.1), 1 - 0.5 * size
        return rng.uniform(0.25, 0.85), (
            side * 0.60 * reach * float(np.sin(angle)),
            -0.72 * reach * float(np.cos(angle)),
        )
    if where < 0.85:
        return rng.uniform(0.4, 0.9), (
            side * 0.6 * size,
            (-1 if rng.random() < 0.6 else 1) * rng.uniform(0.3, 0.5),
        )
    return rng.uniform(0.08, 0.25), (side * rng.uniform(0.05, 0.35), -0.16 + rng.normal(0, 0.06))


def _cut(lesion: Lesion, step: float) -> Lesion:
    """The lesion in a slice ``step`` (about -1 to 1) from its middle: smaller towards its ends,
    never less than two pixels.
    """
    radius = max(lesion.radius * float(np.sqrt(max(1 - 0.6 * step**2, 0.05))), 2 / SIZE)
    return Lesion(lesion.kind, lesion.centre, radius, lesion.look, lesion.brightness, lesion.wobble)


def _scan(
    rng: np.random.Generator, picture: Plane, person: Person, bias: Plane
) -> NDArray[np.uint8]:
    """What scanner, site and posture make of a slice; none of it depends on the class."""
    high = person.scanner == "3.0T"
    ramp = rng.normal(0, 0.05) * U + rng.normal(0, 0.05) * V
    picture = picture * (1 + (0.13 if high else 0.06) * bias + ramp)
    if person.site == "C":
        picture = np.sign(picture) * np.abs(picture) ** 1.2
    if not high:
        picture = 0.6 * picture + 0.1 * sum(
            np.roll(picture, step, axis) for step in (1, -1) for axis in (0, 1)
        )
    noise = 0.018 if high else 0.035
    picture = np.hypot(
        picture + rng.normal(0, noise, picture.shape), rng.normal(0, noise, picture.shape)
    )
    picture = np.roll(picture, rng.integers(-4, 5, 2), axis=(0, 1))
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    gain = {"A": 1.0, "B": 1.12, "C": 1.05}[person.site] * rng.uniform(0.88, 1.08)
    return np.asarray(np.rint(np.clip(picture * gain * 235, 0, 255)), dtype=np.uint8)
