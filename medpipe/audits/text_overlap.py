"""Does evaluation meet what was trained on? Repeated sentences, near-copies, and abstracts on both
sides.

Two methods that share no feature look across a split. `nearest` compares runs of words in their
order: it finds copies, small edits, replaced numbers and cut sentences. `reworded` compares rare
words, whatever their order: it finds paraphrases, and it checks a split that the first method found
clean. How often the second method is wrong is measured on training sentences against other
abstracts of the training data, which cannot leak.

Each function takes plain sequences; `shares.share` turns flags into a proportion with its n and
interval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

Flags = NDArray[np.bool_]
Similarity = NDArray[np.float64]
Index = NDArray[np.int64]
SHINGLE = 3
"""Words in a shingle."""

NEAR = 0.7
"""The resemblance from which two sentences count as nearly the same: in a sentence of 26 words,
about two of them are replaced.
"""

CUT_SHINGLES = 8
"""A sentence is a cut copy only if it shares at least so many shingles: ten words in a row, or more
in pieces.
"""

CONTENT_WORDS = 6
"""`reworded` compares texts with at least so many different rare words; a shorter sentence is often
alike by chance.
"""

COMMON = 0.02
"""A word that stands in more than this proportion of the training texts is not rare."""

REWORDED = 0.7
"""The cosine similarity of rare words from which two texts count as reworded."""

_CHUNK = 512
_NO_WORD = re.compile(r"[^\w@]+")
_NUMBER = re.compile(r"\b\d+\b")


def normalised(sentence: str) -> str:
    """Lower case, without punctuation and spacing, each number as ``@``: what a reader would call
    the same sentence.
    """
    return _NO_WORD.sub(" ", _NUMBER.sub("@", sentence.lower())).strip()


def repeated(training: Sequence[str], evaluation: Sequence[str]) -> Flags:
    """Whether each evaluation sentence stands among the training sentences, after `normalised`:
    bool ``(E,)``.
    """
    _need(training, evaluation)
    known = {normalised(sentence) for sentence in training}
    return np.array([normalised(sentence) in known for sentence in evaluation])


def nearest(training: Sequence[str], evaluation: Sequence[str]) -> tuple[Similarity, Index]:
    """The resemblance (0 to 1) of each evaluation sentence with its nearest training sentence, and
    which that is.

    Resemblance is that of Broder (1997), computed exactly: shared shingles of three words, divided
    by all shingles of the two. Where at least `CUT_SHINGLES` are shared it is his containment
    instead, divided by those of the shorter sentence, which finds a sentence that was cut. A
    sentence with fewer than three words resembles only itself, which `repeated` finds. Both arrays
    have shape ``(E,)``. Raises `DataError` where a side is empty.
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
        shared = (asked[start : start + _CHUNK] @ known.T).tocsr()
        mine = own[start + np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))]
        theirs = sizes[shared.indices]
        resemblance = shared.data / (mine + theirs - shared.data)
        containment = shared.data / np.minimum(mine, theirs)
        shared.data = np.where(shared.data >= CUT_SHINGLES, containment, resemblance)
        score[start : start + _CHUNK] = shared.max(axis=1).toarray().ravel()
        place[start : start + _CHUNK] = np.asarray(shared.argmax(axis=1)).ravel()
    return score, place


def reworded(
    training: Sequence[str],
    training_group: Sequence[str],
    evaluation: Sequence[str],
    evaluation_group: Sequence[str],
) -> tuple[Similarity, Index]:
    """The similarity (0 to 1) of each evaluation text with the training text most like it in rare
    words, and which that is.

    It is the cosine of TF-IDF vectors without the words that stand in more than `COMMON` of the
    training texts. Texts of the same group are not compared, nor texts with fewer than
    `CONTENT_WORDS` rare words, whose similarity is 0. Both arrays have shape ``(E,)``. Raises
    `DataError` where a side is empty.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    _need(training, evaluation)
    common = max(COMMON, 2 / len(training))
    words = TfidfVectorizer(
        token_pattern=r"[^\W\d_]\w{2,}", max_df=common, sublinear_tf=True, dtype=np.float32
    )
    try:
        known = words.fit_transform(training)
    except ValueError:  # no word is rare enough
        return np.zeros(len(evaluation)), np.zeros(len(evaluation), np.int64)
    asked = words.transform(evaluation)
    group, other = np.asarray(training_group), np.asarray(evaluation_group)
    too_short, by_word = np.diff(known.indptr) < CONTENT_WORDS, known.T.tocsr()
    score, place = np.zeros(len(evaluation)), np.zeros(len(evaluation), np.int64)
    for start in range(0, len(evaluation), _CHUNK):
        rows = slice(start, start + _CHUNK)
        similarity = (asked[rows] @ by_word).toarray()
        similarity[(other[rows, None] == group) & (group != "")] = 0
        similarity[:, too_short] = 0
        score[rows], place[rows] = similarity.max(axis=1), similarity.argmax(axis=1)
    return np.where(np.diff(asked.indptr) < CONTENT_WORDS, 0, score), place


def reworded_flags(
    training: Sequence[str],
    training_group: Sequence[str],
    evaluation: Sequence[str],
    evaluation_group: Sequence[str],
) -> tuple[Flags, Flags]:
    """Whether each evaluation sentence, and whether its whole group, is a reworded one of another
    training group: ``(E,)`` each.
    """
    sentence = reworded(training, training_group, evaluation, evaluation_group)[0] >= REWORDED
    names, texts, _ = _joined(training, training_group)
    asked, asked_texts, of_row = _joined(evaluation, evaluation_group)
    return sentence, (reworded(texts, names, asked_texts, asked)[0] >= REWORDED)[of_row]


def shared_groups(training: Sequence[str], evaluation: Sequence[str]) -> Flags:
    """Whether the group (abstract, patient) of each evaluation sample is one of the training's:
    bool ``(E,)``. The empty id is none.
    """
    _need(training, evaluation)
    known = set(training) - {""}
    return np.array([group in known for group in evaluation])


def hidden_groups(
    score: NDArray[np.float64],
    place: NDArray[np.int64],
    training_group: Sequence[str],
    evaluation_group: Sequence[str],
    *,
    near: float = NEAR,
) -> Flags:
    """Whether the group of each evaluation sample is a training group under another id: bool
    ``(E,)``.

    So it is where at least half of its samples, and at least two, are nearly the same as samples of
    one and the same training group; ``score`` and ``place`` are from `nearest`.
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
    return [" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)]


def _joined(sentences: Sequence[str], group: Sequence[str]) -> tuple[list[str], list[str], Index]:
    """The groups, the text of each, and which group each sentence is of. A sentence without a group
    is one of its own.
    """
    own = [g or f"sentence {i}" for i, g in enumerate(group)]
    names, of_row = np.unique(np.asarray(own), return_inverse=True)
    parts: list[list[str]] = [[] for _ in names]
    for i, sentence in zip(of_row.tolist(), sentences, strict=True):
        parts[i].append(sentence)
    return names.tolist(), [" ".join(p) for p in parts], of_row


def _need(training: Sequence[str], evaluation: Sequence[str]) -> None:
    if not len(training) or not len(evaluation):
        raise DataError(
            f"overlap: expected training and evaluation samples, got {len(training)} and"
            f" {len(evaluation)}"
        )
