"""A second, independent look across a split: does an evaluation image show what a training image
shows?

**Purpose.** The search that groups images (`duplicates`) cannot prove its own completeness. A split
that rests on its groups is called free of leakage only after this method has looked across it.

**Method.** Shares neither features nor code with the search. The subject is cut out of each image
by its bounding box. Its low frequencies (DCT, 12 by 12, in eight orientations) name the
`CANDIDATES` nearest training images. Each is registered densely by an affine transform (ECC,
Evangelidis and Psarakis 2008) on its gradient magnitude, and the score is the correlation of
gradient magnitudes where the two overlap.

**Threshold.** `ALIKE` is set on images of different known patients, of which `FALSE_ALARMS` are
flagged. A split passes if the share flagged is not surely above that rate.

**Limits.** The rate of false alarms is that of brain MRI; other images may be more alike by nature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.features import ORIENTATIONS, Grey, in_threads
from medpipe.audits.proportions import Share, share
from medpipe.errors import DataError
from medpipe.metrics.intervals import Interval, wilson

CANDIDATES = 3
ALIKE = 0.90
FALSE_ALARMS = (14, 800)
"""Images flagged, of images that have no training image of their patient; see `docs/leakage.md`."""
_SIDE, _COARSE, _LOW = 96, 48, 12
_ROWS, _ROUNDS = 512, 30
_FAINT = 0.08
"""Of an image's range: what is darker is background."""
Floats = NDArray[np.float32]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nearest:
    """Of each evaluation image the training image ``other`` int64 ``(M,)`` that it resembles most
    (-1 for none) and the ``score`` float64 ``(M,)``, from -1 to 1.
    """

    other: Index
    score: NDArray[np.float64]

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Whether each evaluation image resembles a training image by more than patients do."""
        return self.score >= ALIKE


@dataclass(frozen=True)
class SplitCheck:
    """``found``: the share of evaluation images flagged; ``expected``: that of different
    patients.
    """

    found: Share
    expected: Interval

    @property
    def passes(self) -> bool:
        """Whether no more is found than by chance."""
        return self.found.interval.low <= self.expected.high


def check_split(
    nearest: Nearest, sample_id: Sequence[str], cluster: Sequence[str] | None = None
) -> SplitCheck:
    """The share of evaluation images that resemble a training image, beside the rate of false
    alarms.
    """
    count, n = FALSE_ALARMS
    return SplitCheck(share("second_method", nearest.flagged, sample_id, cluster), wilson(count, n))


def look_across(images: Grey, training: Index, evaluation: Index) -> Nearest:
    """The nearest training image of each evaluation image; both are places in grey images uint8
    ``(N, h, h)``. Raises `DataError` where a side is empty.
    """
    if not len(training) or not len(evaluation):
        raise DataError(
            "split check: expected images on both sides of the split, got none on one of them"
        )
    needed = np.unique(np.concatenate([training, evaluation]))
    place = np.full(len(images), -1, np.int64)
    place[needed] = np.arange(len(needed))
    cut = list(in_threads(lambda i: _subject(images[i]), needed.tolist()))
    other, how = _candidates(
        np.stack([_coarse(c) for c in cut]), place[training], place[evaluation]
    )

    def one(row: int) -> tuple[int, float]:
        scores = [
            _registered(cut[place[evaluation[row]]], ORIENTATIONS[name](cut[there]))
            for there, name in zip(other[row].tolist(), how[row], strict=True)
        ]
        best = int(np.argmax(scores))
        return int(needed[other[row][best]]), scores[best]

    found = list(in_threads(one, range(len(evaluation))))
    return Nearest(
        np.array([f[0] for f in found], np.int64), np.array([f[1] for f in found], np.float64)
    )


def _subject(image: Grey) -> Grey:
    """The bounding box of what is not background, resized to a square of 96 pixels."""
    import cv2

    blurred = cv2.GaussianBlur(image, (0, 0), 2).astype(np.float32)
    low, high = np.percentile(blurred, (1, 99))
    is_bright = blurred > low + _FAINT * (high - low)
    rows, columns = (np.flatnonzero(is_bright.mean(axis=axis) > 0.02) for axis in (1, 0))
    if len(rows) > 16 and len(columns) > 16:
        image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _coarse(image: Grey) -> Floats:
    """The gradient magnitude at 48 pixels."""
    import cv2

    return np.asarray(
        cv2.resize(_gradient(image), (_COARSE, _COARSE), interpolation=cv2.INTER_AREA), np.float32
    )


def _gradient(image: Grey) -> Floats:
    """The square root of the gradient's magnitude: a change of contrast scales all of it alike."""
    import cv2

    smooth = cv2.GaussianBlur(np.ascontiguousarray(image, np.float32), (0, 0), 1)
    along = [cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
    return np.asarray(np.sqrt(np.hypot(*along)), np.float32)


def _low(images: Floats) -> Floats:
    """Low frequencies of images ``(n, 48, 48)`` as rows of length 1, the mean left out."""
    from scipy.fft import dctn

    found = np.asarray(
        dctn(images, axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW], np.float32
    ).reshape(len(images), -1)[:, 1:]
    return np.asarray(found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-6), np.float32)


def _candidates(
    coarse: Floats, training: Index, evaluation: Index
) -> tuple[Index, list[list[str]]]:
    """The most alike training images of each evaluation image, and in which orientation."""
    names, here = list(ORIENTATIONS), _low(coarse[evaluation])
    turned = [_low(np.ascontiguousarray(turn(coarse[training]))) for turn in ORIENTATIONS.values()]
    count = min(CANDIDATES, len(training))
    found, how = np.zeros((len(evaluation), count), np.int64), []
    for start in range(0, len(here), _ROWS):
        scores = np.stack([here[start : start + _ROWS] @ t.T for t in turned])
        best = scores.max(axis=0)
        nearest = np.argsort(-best, axis=1, kind="stable")[:, :count]
        found[start : start + _ROWS] = training[nearest]
        by = np.take_along_axis(scores, nearest[None], 2).argmax(axis=0)
        how += [[names[k] for k in row] for row in by.tolist()]
    return found, how


def _registered(one: Grey, other: Grey) -> float:
    """The correlation of gradients after an affine registration; -1 where it fails."""
    import cv2

    here, there = _gradient(one), _gradient(other)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ROUNDS, 1e-4)
    size = (_SIDE, _SIDE)
    try:
        _, warp = cv2.findTransformECC(
            here,
            there,
            np.eye(2, 3, dtype=np.float32),
            cv2.MOTION_AFFINE,
            stop,
            np.ones(size, np.uint8),
            3,
        )
    except cv2.error:  # it does not converge where nothing is alike
        return -1.0
    moved = cv2.warpAffine(there, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    both = cv2.warpAffine(np.ones(size, np.float32), warp, size, flags=cv2.WARP_INVERSE_MAP) > 0.99
    if both.mean() < 0.5:
        return -1.0
    return float(np.corrcoef(here[both], np.asarray(moved)[both])[0, 1])
