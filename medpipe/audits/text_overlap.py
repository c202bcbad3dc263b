"""Does evaluation meet what was trained on? Repeated sentences, nearly repeated ones, and abstracts on both sides.

Each function takes plain sequences and gives one flag a sample of the evaluation; `shares.share` turns flags into a number with its n
and interval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

Flags = NDArray[np.bool_]
SHINGLE = 3
"""Words in a shingle."""

NEAR = 0.7
"""The resemblance from which two sentences count as nearly the same: in a sentence of 26 words, about two of them are replaced."""

_CHUNK = 1024
_NO_WORD = re.compile(r"[^\w@]+")


def normalised(sentence: str) -> str:
    """Lower case, punctuation and spacing gone: what a reader would call the same sentence."""
    return _NO_WORD.sub(" ", sentence.lower()).strip()


def repeated(training: Sequence[str], evaluation: Sequence[str]) -> Flags:
    """Whether each evaluation sentence stands among the training sentences, after `normalised`: bool ``(E,)``."""
    _need(training, evaluation)
    known = {normalised(sentence) for sentence in training}
    return np.array([normalised(sentence) in known for sentence in evaluation])


def nearest(training: Sequence[str], evaluation: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The resemblance (0 to 1) of each evaluation sentence with its nearest training sentence, and which that is: each ``(E,)``.

    Resemblance is that of Broder (1997): shared shingles of three words by all shingles of the two, computed exactly and not estimated
    by MinHash. A sentence with fewer than three words resembles nothing but itself, which `repeated` finds. Equal ones score 1.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second to import

    _need(training, evaluation)
    shingles = CountVectorizer(analyzer=_shingles, binary=True, dtype=np.float32)
    try:
        known = shingles.fit_transform(training)
    except ValueError:  # no training sentence has three words
        return np.zeros(len(evaluation)), np.zeros(len(evaluation), np.int64)
    sizes = np.asarray(known.sum(axis=1)).ravel()
    asked = shingles.transform(evaluation)
    own = np.array([len(set(_shingles(sentence))) for sentence in evaluation], np.float32)
    score, place = np.zeros(len(evaluation)), np.zeros(len(evaluation), np.int64)
    for start in range(0, len(evaluation), _CHUNK):
        shared = (asked[start:start + _CHUNK] @ known.T).tocsr()
        row = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
        shared.data /= own[start + row] + sizes[shared.indices] - shared.data
        score[start:start + _CHUNK] = shared.max(axis=1).toarray().ravel()
        place[start:start + _CHUNK] = np.asarray(shared.argmax(axis=1)).ravel()
    return score, place


def shared_groups(training: Sequence[str], evaluation: Sequence[str]) -> Flags:
    """Whether the group (abstract, patient) of each evaluation sample is one of the training's: bool ``(E,)``. The empty id is none."""
    _need(training, evaluation)
    known = set(training) - {""}
    return np.array([group in known for group in evaluation])


def hidden_groups(score: NDArray[np.float64], place: NDArray[np.int64], training_group: Sequence[str], evaluation_group: Sequence[str], *,
                  near: float = NEAR) -> Flags:
    """Whether the group of each evaluation sample is a training group under another id: bool ``(E,)``.

    So it is where at least half of its samples, and at least two, are nearly the same as samples of one and the same training group;
    ``score`` and ``place`` are from `nearest`.
    """
    names, of_row = np.unique(np.asarray(evaluation_group), return_inverse=True)
    known, of_known = np.unique(np.asarray(training_group), return_inverse=True)
    meets = np.where(score >= near, of_known[place], -1)
    hidden = np.zeros(len(names), bool)
    for group in np.unique(of_row[meets >= 0]):
        met = meets[of_row == group]
        most = int(np.bincount(met[met >= 0], minlength=len(known)).max())
        hidden[group] = most >= max(2, len(met) / 2)
    return np.asarray(hidden[of_row])


def _shingles(sentence: str) -> list[str]:
    words = normalised(sentence).split()
    return [" ".join(words[i:i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)]


def _need(training: Sequence[str], evaluation: Sequence[str]) -> None:
    if not len(training) or not len(evaluation):
        raise DataError(f"overlap: expected training and evaluation samples, got {len(training)} and {len(evaluation)}")
