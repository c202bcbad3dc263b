"""What the evidence of a generator says: how its splits are read, and the estimates that metrics
and audits both go by.

Splits: ``quality`` (generated and real images with the features and calls of an audit network),
``memory`` (how near each generated and each held-out image lies to training and to held-out
images), ``pairs`` (likeness of random pairs), ``membership`` (scores of attacks on real images),
``seen`` (labels of all images trained on), ``worst`` (the generated images most like any image
trained on, with their ``likeness``). ``origin`` tells rows apart: `GENERATED`, `TRAINING`,
`HELD_OUT`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError
from medpipe.evidence.observations import Observations
from medpipe.metrics.contributions import Contributed, area_under_curve, difference, excess, mean
from medpipe.metrics.intervals import Interval, clopper_pearson, newcombe

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]
GENERATED, TRAINING, HELD_OUT = "generated", "training", "held_out"
COPY = 0.99
"""Correlation from which an image is a copy of another, as the audit of image copies measured it on
real MRI.
"""
LOST = 0.25
"""What is made less than a quarter as often as it was shown is lost."""
LEAST_SHARE = 0.01
"""A class with a smaller share of the generated images does not count as made."""
ATTACKS = ("discriminator", "generator")


def rows(o: Observations, *origins: str) -> tuple[Rows, ...]:
    """The rows bool ``(N,)`` of each origin. Raises `DataError` where there are none."""
    column = o["origin"]
    for origin in origins:
        if not (column == origin).any():
            raise DataError(
                f"generated images: expected rows of origin {origin!r}, got"
                f" {', '.join(sorted(set(column.tolist())))}"
            )
    return tuple(column == origin for origin in origins)


def reference(o: Observations) -> str:
    """The real sample that generated images are held against: `HELD_OUT` where there is one, else
    `TRAINING`.
    """
    return HELD_OUT if (o["origin"] == HELD_OUT).any() else TRAINING


def measured(o: Observations, name: str, chosen: Rows) -> Array:
    """A measurement float64 of some rows. Raises `DataError` where one is not finite."""
    values = np.asarray(o[name][chosen], np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"generated images: expected finite values of {name!r}, got others")
    return values


def squared_distances(first: Array, second: Array) -> Array:
    """Squared Euclidean distances ``(N, M)``; what is no more than rounding is 0."""
    lengths = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None]
    squared = lengths - 2 * first @ second.T
    squared[squared < 1e-12 * lengths] = 0.0
    return np.asarray(squared, np.float64)


def memorised(memory: Observations, what: str = "pixels") -> tuple[Contributed, tuple[Rows, Rows]]:
    """The share of generated images that are nearer to training than to as many held-out images for
    having been copied from those.

    Where only some of the images trained on were compared with (`compared`), memories of the others
    are no part of it.

    With p the share of generated images whose nearest training image is nearer than their nearest
    held-out one (ties count half), it is (p - q) / (1 - q): copies are always nearer to training,
    everything else in a share q: one half, or what held-out images show if that is more. Below 0 by
    chance. ``what``: ``pixels`` (correlation, best over eight orientations) or ``features``
    (distance).

    Images with the same nearest real image are taken as one in the error: a generator of one image
    shows one image, not a thousand. Conditional on the images compared with.
    """
    chosen = rows(memory, GENERATED, HELD_OUT)
    made, held_out = ((np.sign(nearness(memory, part, what)) + 1) / 2 for part in chosen)
    found = excess(
        made, held_out, groups=(nearest_real(memory, chosen[0]), nearest_real(memory, chosen[1]))
    )
    return found, (chosen[0], chosen[1])


def nearest_real(memory: Observations, chosen: Rows) -> NDArray[np.str_]:
    """The id of the training or held-out image that each of some rows is most like, in pixels."""
    towards = nearness(memory, chosen) > 0
    return np.where(
        towards, memory["nearest_training_id"][chosen], memory["nearest_held_out_id"][chosen]
    )


def nearness(memory: Observations, chosen: Rows, what: str = "pixels") -> Array:
    """How much nearer to training than to held-out images some rows lie: a difference of
    correlations, or of distances of ``features``.
    """
    names, sign = (
        (("nearest_training", "nearest_held_out"), 1)
        if what == "pixels"
        else (("feature_training", "feature_held_out"), -1)
    )
    towards, away = (measured(memory, name, chosen) for name in names)
    return sign * (towards - away)


@dataclass(frozen=True)
class Compared:
    """How many training images ``n`` generated ones were compared with, of how many that the
    generator saw, ``of`` (at least ``n``).
    """

    n: int
    of: int

    @property
    def times(self) -> float:
        """By how much a share of those compared with is more where all that were seen are treated
        alike: 1 or above.
        """
        return self.of / self.n

    def __str__(self) -> str:
        return (
            f"the {self.n:,} of {self.of:,} training images compared"
            if self.n < self.of
            else f"all {self.of:,} training images"
        )


def compared(memory: Observations, seen: Observations | None) -> Compared:
    """With how many images trained on ``memory`` compares: as many as with held-out ones, each of
    which has a row.

    ``seen`` has a row for each image trained on; without it, those compared are taken for all.
    """
    (held_out,) = rows(memory, HELD_OUT)
    n = int(held_out.sum())
    return Compared(n, n if seen is None else max(n, len(seen)))


def copied(memory: Observations) -> tuple[Contributed, tuple[Rows]]:
    """The share of generated images that correlate at `COPY` or more, in pixels, with one of the
    training images compared with.
    """
    chosen = rows(memory, GENERATED)
    return mean((measured(memory, "nearest_training", chosen[0]) >= COPY).astype(np.float64)), (
        chosen[0],
    )


def membership(o: Observations, attack: str) -> tuple[Contributed, tuple[Rows, Rows]]:
    """The chance that an attack scores an image trained on above one that was not: 0.5 is
    chance.
    """
    chosen = rows(o, TRAINING, HELD_OUT)
    return area_under_curve(*(measured(o, attack, part) for part in chosen)), (chosen[0], chosen[1])


def likeness_excess(pairs: Observations) -> tuple[Contributed, tuple[Rows, Rows]]:
    """Mean MS-SSIM of pairs of generated images minus that of pairs of training images."""
    chosen = rows(pairs, GENERATED, TRAINING)
    return difference(*(measured(pairs, "ms_ssim", part) for part in chosen)), (
        chosen[0],
        chosen[1],
    )


@dataclass(frozen=True)
class ClassCounts:
    """Generated images by class as the audit network calls them, int64 ``(C,)``; bool ``(C,)``:
    surely ``made``; surely ``lost`` of those shown; of those never shown surely ``absent``.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    made: Rows
    lost: Rows
    absent: Rows

    @property
    def n(self) -> int:
        """Generated images."""
        return int(self.counts.sum())


def class_counts(quality: Observations, confidence: float = 0.95) -> ClassCounts:
    """Which classes are surely made, and which surely lost, all of them at once at this confidence
    (Bonferroni).

    A class is *made* where Clopper and Pearson's lower bound of its share lies above `LEAST_SHARE`
    and, for each other class, Newcombe's lower bound of its share minus the share of real held-out
    images of that class which the network takes for it lies above 0: a generator that makes one
    class alone is called others as often as the network errs. It is *lost* where the upper bound
    lies below `LOST` times what its share of the training images would give: that share times the
    lower bound of the network's recall. A class that no training image has is *absent* as `_absent`
    says. A network that cannot tell classes shows none of these.
    """
    (made_of,) = rows(quality, GENERATED)
    count = len(quality.classes)
    counts = np.bincount(quality["y_pred"][made_of].astype(np.int64), minlength=count)
    n = int(counts.sum())
    read, wanted = _calls_of_real(quality), _shares_shown(quality)
    made, lost, absent = (np.zeros(count, bool) for _ in range(3))
    confidence = 1 - (1 - confidence) / count
    for c in range(count):
        share = clopper_pearson(int(counts[c]), n, confidence)
        against = [
            newcombe(share.estimate, n, wrong[c] / wrong.sum(), int(wrong.sum()), confidence)
            for other, wrong in enumerate(read)
            if other != c and wrong.sum()
        ]
        made[c] = share.low > LEAST_SHARE and all(d.low > 0 for d in against)
        recall = (
            clopper_pearson(int(read[c, c]), int(read[c].sum()), confidence).low
            if read[c].any()
            else 0.0
        )
        lost[c] = share.high < LOST * wanted[c] * recall
        absent[c] = not wanted[c] and not made[c] and _absent(share, np.delete(read, c, axis=0), c)
    return ClassCounts(quality.classes, counts, made, lost, absent)


def _absent(share: Interval, read: NDArray[np.int64], c: int) -> bool:
    """Whether a class never shown surely has less than `LEAST_SHARE` of the generated images, by
    its ``share`` of their calls.

    Either that is less by itself, or what it is above the share of real held-out images of other
    classes, together, that the network takes for it (Newcombe): ``read`` holds their calls, and the
    generator is taken to make these classes in their proportions.
    """
    n = int(read.sum())
    return share.high < LEAST_SHARE or (
        n > 0
        and newcombe(share.estimate, share.n, float(read[:, c].sum() / n), n, share.confidence).high
        < LEAST_SHARE
    )


def _shares_shown(quality: Observations) -> Array:
    """The share ``(C,)`` of each class among the images trained on; among held-out ones where none
    of those are there.
    """
    real = quality["origin"] == (TRAINING if (quality["origin"] == TRAINING).any() else HELD_OUT)
    counts = np.array([(quality["label"][real] == c).sum() for c in quality.classes], np.float64)
    return np.asarray(counts / max(counts.sum(), 1.0), np.float64)


def _calls_of_real(quality: Observations) -> NDArray[np.int64]:
    """Calls of real images that the generator did not see, int64 ``(C, C)``: rows the true
    class.
    """
    count = len(quality.classes)
    held_out = (quality["origin"] == HELD_OUT) & np.isin(quality["label"], quality.classes)
    true = np.array([quality.classes.index(str(v)) for v in quality["label"][held_out]], np.int64)
    called = quality["y_pred"][held_out].astype(np.int64)
    return np.bincount(true * count + called, minlength=count * count).reshape(count, count)
