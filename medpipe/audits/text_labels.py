"""Do labels of sentences mean what they say? Headings that give them away, labels that look wrong,
and how the classes are balanced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medpipe.errors import DataError

Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]
PERMUTATIONS = 200


def headings(sentences: Sequence[str], label: Labels, classes: Sequence[str]) -> Flags:
    """Whether each sentence begins with the heading of its own section (``methods :``), bool
    ``(N,)``.

    The heading is the class's name in lower case, with or without a final s, followed by a colon, a
    dash or a full stop, or alone: "results show that" is a sentence, "results : the" is a heading.
    """
    patterns = [
        re.compile(rf"\W*{re.escape(name.lower().removesuffix('s'))}s?\s*([:.\-–—]|$)")
        for name in classes
    ]
    return np.array(
        [
            bool(patterns[c].match(sentence.lower()))
            for sentence, c in zip(sentences, label.tolist(), strict=True)
        ],
        bool,
    )


def first_word_information(
    sentences: Sequence[str], label: Labels, *, seed: int = 0
) -> tuple[float, float]:
    """What the first word tells of the label, as a share of the label's entropy (0 to 1), and what
    chance alone would show.

    The second is the largest of `PERMUTATIONS` values for shuffled labels. First words tell
    something in honest data too ("to evaluate"); a value near 1 says that the label stands in the
    text. Raises `DataError` for fewer than two classes.
    """
    from sklearn.metrics import mutual_info_score

    _, words = np.unique(
        np.array([(sentence.lower().split() or [""])[0] for sentence in sentences]),
        return_inverse=True,
    )
    shares = np.bincount(label) / len(label)
    entropy = -float(sum(p * np.log(p) for p in shares if p > 0))
    if entropy == 0:
        raise DataError("label leakage: expected at least two classes, got one")
    draw = np.random.default_rng(seed)
    chance = max(
        float(mutual_info_score(words, draw.permutation(label))) for _ in range(PERMUTATIONS)
    )
    return float(mutual_info_score(words, label)) / entropy, chance / entropy


def held_out_probabilities(
    sentences: Sequence[str], label: Labels, group: Sequence[str], *, folds: int = 5, seed: int = 0
) -> NDArray[np.float64]:
    """Probabilities ``(N, C)`` by a linear model on TF-IDF for sentences of groups that it was not
    fitted on.

    Raises `DataError` where there are fewer groups than folds.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline

    if len(set(group)) < folds:
        raise DataError(
            f"label noise: expected at least {folds} groups of samples, got {len(set(group))}"
        )
    text = np.array(sentences, dtype=object)
    probable = np.zeros((len(label), int(label.max()) + 1))
    for fit, ask in GroupKFold(folds, shuffle=True, random_state=seed).split(
        text, label, np.asarray(group)
    ):
        model = make_pipeline(
            TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            LogisticRegression(C=4.0, max_iter=300),
        )
        model.fit(text[fit], label[fit])
        probable[np.ix_(ask, model.classes_)] = model.predict_proba(text[ask])
    return probable


def suspect_labels(label: Labels, probable: NDArray[np.float64]) -> Flags:
    """Whether each label is off the diagonal of the confident joint, bool ``(N,)``: confident
    learning (Northcutt, Jiang, Chuang 2021).

    A sample counts as of class j where its probability of j reaches the mean probability of j among
    those labelled j; of several such classes the most probable counts. It is suspect where that
    class is not its label. ``probable`` ``(N, C)`` must be held out.
    """
    present = np.unique(label)
    threshold = np.full(probable.shape[1], np.inf)
    threshold[present] = [probable[label == c, c].mean() for c in present]
    confident = np.where(probable >= threshold, probable, -1.0)
    likely = confident.argmax(axis=1)
    return np.asarray((confident.max(axis=1) >= 0) & (likely != label))


def class_shares(label: Labels, classes: int) -> NDArray[np.float64]:
    """The share of each class, ``(C,)``. Raises `DataError` for no samples."""
    if not len(label):
        raise DataError("class balance: expected samples, got none")
    return np.asarray(np.bincount(label, minlength=classes) / len(label))


def imbalance(training: Labels, evaluation: Labels, classes: int) -> float:
    """Total variation distance (0 to 1) between the classes' shares in training and in
    evaluation.
    """
    return 0.5 * float(
        np.abs(class_shares(training, classes) - class_shares(evaluation, classes)).sum()
    )
