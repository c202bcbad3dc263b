"""Metrics of generated images: are they like real ones, are they as varied, and are they copies?

Each is a `ByContribution` over one split of a generator's evidence
(`medpipe.metrics.generator_splits`). Real images are the held-out ones, which the generator did not
see, where the split has any; else those trained on. Features are those of the audit network, not of
Inception: values compare only with values from the same network and the same n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from medpipe.evidence.observations import Observations
from medpipe.metrics import distributions, neighbours
from medpipe.metrics import generator_splits as read
from medpipe.metrics.contributing import ByContribution
from medpipe.metrics.contributions import Contributed, area_under_curve
from medpipe.metrics.generator_splits import GENERATED, HELD_OUT, TRAINING, Rows

Array = NDArray[np.float64]
Both = tuple[Contributed, tuple[Rows, ...]]


def _of(
    compared: Callable[[Array, Array], Contributed], *, generated_first: bool = True
) -> Callable[[Observations], Both]:
    """A comparison of the features of real and of generated images; which of them its influences
    begin with.
    """

    def of(o: Observations) -> Both:
        real, made = read.rows(o, read.reference(o), GENERATED)
        found = compared(read.measured(o, "features", real), read.measured(o, "features", made))
        return found, (made, real) if generated_first else (real, made)

    return of


def _classes_covered(o: Observations) -> Both:
    """Classes surely made; at most those that are neither surely lost nor, never shown, surely
    absent.
    """
    found = read.class_counts(o)
    (made,) = read.rows(o, GENERATED)
    covered = int(found.made.sum())
    return Contributed(
        covered, (np.zeros(found.n),), (covered, int((~(found.lost | found.absent)).sum()))
    ), (made,)


def _class_share_distance(o: Observations) -> Both:
    """Half the sum of absolute differences: the largest over sets of classes of how much more one
    side has of them than the other.

    The largest of many is found too large by chance, so the lower end allows for every set at once
    (Scheffé, at 97 %), and the interval reaches up to the estimate at least.
    """
    made, seen = read.rows(o, GENERATED, TRAINING)
    called = np.eye(len(o.classes))[o["y_pred"][made].astype(np.int64)]
    labelled = (o["label"][seen][:, None] == np.array(o.classes)[None]).astype(np.float64)
    gap = called.mean(axis=0) - labelled.mean(axis=0)
    more = (gap > 0).astype(np.float64)
    found = Contributed(float(np.abs(gap).sum() / 2), (called @ more, -labelled @ more))
    reach = math.sqrt(float(chdtri(max(len(o.classes) - 1, 1), 0.03))) * found.standard_error
    return replace(found, least=(max(found.value - reach, 0.0), found.value)), (made, seen)


def _copying(memory: Observations) -> Both:
    """The U statistic in units of its standard error without copying; its influences are those of
    the area under the curve.
    """
    made, held_out = read.rows(memory, GENERATED, HELD_OUT)
    distances = [1 - read.measured(memory, "nearest_training", part) for part in (made, held_out)]
    area = area_under_curve(*distances)
    n, m = (len(d) for d in distances)
    scale = math.sqrt(12 * n * m / (n + m + 1))
    least = (
        None
        if area.least is None
        else (scale * (area.least[0] - 0.5), scale * (area.least[1] - 0.5))
    )
    return Contributed(scale * (area.value - 0.5), tuple(scale * s for s in area.strata), least), (
        made,
        held_out,
    )


SHARE = (0.0, 1.0)
kid = ByContribution(
    "KID",
    "unbiased squared MMD, kernel (x·y / D + 1)³",
    _of(distributions.kernel_distance, generated_first=False),
)
fid = ByContribution(
    "FID",
    "|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½), biased upwards at this n",
    _of(distributions.frechet_distance, generated_first=False),
    (0.0, math.inf),
)
improved_precision = ByContribution(
    "precision",
    "share of generated within reach of a real one, k = 3",
    _of(neighbours.precision),
    SHARE,
)
improved_recall = ByContribution(
    "recall",
    "share of real within reach of a generated one, k = 3",
    _of(neighbours.recall, generated_first=False),
    SHARE,
)
density = ByContribution(
    "density",
    "mean number of real ones that reach a generated one, over k = 5",
    _of(neighbours.density),
    (0.0, math.inf),
)
coverage = ByContribution(
    "coverage",
    "share of real that reach a generated one, k = 5",
    _of(neighbours.coverage, generated_first=False),
    SHARE,
)
classes_covered = ByContribution(
    "classes covered",
    "classes surely above 1 % and above misreading",
    _classes_covered,
    (0.0, math.inf),
)
class_share_distance = ByContribution(
    "distance of class shares",
    "half the sum of |share called - share labelled in training|",
    _class_share_distance,
    SHARE,
)
ms_ssim_excess = ByContribution(
    "MS-SSIM excess",
    "mean of generated pairs - mean of training pairs",
    read.likeness_excess,
    (-2.0, 2.0),
)
membership_auc_discriminator = ByContribution(
    "membership AUC, discriminator",
    "chance that a training image scores above a held-out one",
    lambda o: read.membership(o, "discriminator"),
    SHARE,
)
membership_auc_generator = ByContribution(
    "membership AUC, generator",
    "chance that a training image scores above a held-out one",
    lambda o: read.membership(o, "generator"),
    SHARE,
)
memorised_share = ByContribution(
    "memorised share",
    "(p - q) / (1 - q): nearer to training in pixels, generated p, held-out q",
    read.memorised,
    (-1.0, 1.0),
)
memorised_share_features = ByContribution(
    "memorised share by features",
    "(p - q) / (1 - q): nearer to training, generated p, held-out q",
    lambda o: read.memorised(o, "features"),
    (-1.0, 1.0),
)
copied_share = ByContribution(
    "copied share",
    "share of generated that correlate 0.99 or more with a training image compared with",
    read.copied,
    SHARE,
)
data_copying_z = ByContribution(
    "data-copying index",
    "Mann-Whitney z: distance to training of generated against held-out; below 0 copies",
    _copying,
)
"""C_T of Meehan, Chaudhuri and Dasgupta (2020) over one cell, distances in pixels: below -1.64
data-copying, above 1.64 underfitting.
"""
