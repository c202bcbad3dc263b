"""Made-up abstracts in random words, clean unless a fault is planted. No two sentences are alike by
chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

CLASSES = ("METHODS", "RESULTS")


@dataclass(frozen=True)
class Side:
    """Sentences of one side of a split: labels, abstracts, ids."""

    sentences: list[str]
    label: np.ndarray
    abstract: list[str]

    @property
    def sample_id(self) -> list[str]:
        return [f"{a}:{i}" for i, a in enumerate(self.abstract)]


def clean(name: str, abstracts: int = 60, seed: int = 0, shared_words: int = 400) -> Side:
    """Four sentences an abstract; four words in ten hint at the class."""
    draw = np.random.default_rng([seed, len(name), ord(name[0])])
    label = draw.integers(0, 2, 4 * abstracts)
    sentences = [
        " ".join(
            (
                f"c{c}w{draw.integers(0, 30)}"
                if draw.random() < 0.4
                else f"w{draw.integers(0, shared_words)}"
            )
            for _ in range(draw.integers(8, 20))
        )
        for c in label
    ]
    return Side(sentences, label, [f"{name}{i // 4}" for i in range(len(label))])


def with_copied_sentence(evaluation: Side, training: Side, at: int) -> Side:
    """One evaluation sentence is a training sentence, set in other letters and spaces."""
    sentences = list(evaluation.sentences)
    sentences[at] = training.sentences[5].upper().replace(" ", "  ") + " ."
    return replace(evaluation, sentences=sentences)


def with_edited_sentence(evaluation: Side, training: Side, at: int) -> Side:
    """One evaluation sentence is a long training sentence with its last word changed."""
    sentences, longest = (
        list(evaluation.sentences),
        max(training.sentences, key=lambda s: len(s.split())),
    )
    sentences[at] = " ".join([*longest.split()[:-1], "edited"])
    return replace(evaluation, sentences=sentences)


def with_abstract_of_training(evaluation: Side, training: Side, *, renamed: bool) -> Side:
    """The last evaluation abstract is the first of training, under its own id or another."""
    return Side(
        [*evaluation.sentences[:-4], *training.sentences[:4]],
        np.concatenate([evaluation.label[:-4], training.label[:4]]),
        [*evaluation.abstract[:-4], *(["renamed"] * 4 if renamed else training.abstract[:4])],
    )


def with_headings(side: Side, every: int) -> Side:
    """Every so many sentences begin with the heading of their section."""
    sentences = [
        f"{CLASSES[c].lower()} : {s}" if i % every == 0 else s
        for i, (s, c) in enumerate(zip(side.sentences, side.label.tolist(), strict=True))
    ]
    return replace(side, sentences=sentences)


def with_wrong_labels(side: Side, every: int) -> tuple[Side, np.ndarray]:
    """Every so many labels are wrong; with the mask of them."""
    wrong = np.arange(len(side.label)) % every == 0
    return replace(side, label=np.where(wrong, 1 - side.label, side.label)), wrong


def replaced(
    sentence: str, draw: np.random.Generator, proportion: float, vocabulary: np.ndarray
) -> str:
    """A paraphrase: each word is replaced by another with probability ``proportion``."""
    return " ".join(
        str(draw.choice(vocabulary)) if draw.random() < proportion else word
        for word in sentence.split()
    )


def turned(sentence: str, draw: np.random.Generator, _: float, __: np.ndarray) -> str:
    """Its two halves change places."""
    words = sentence.split()
    middle = int(len(words) * draw.uniform(0.3, 0.7))
    return " ".join(words[middle:] + words[:middle])


def cut(sentence: str, _: np.random.Generator, proportion: float, __: np.ndarray) -> str:
    """The last ``proportion`` of the words is gone."""
    words = sentence.split()
    return " ".join(words[: max(1, round(len(words) * (1 - proportion)))])


def numbered(sentence: str, draw: np.random.Generator, _: float, __: np.ndarray) -> str:
    """Each ``@``, which stands for a number in PubMed RCT, is a number."""
    return "".join(str(draw.integers(0, 1000)) if letter == "@" else letter for letter in sentence)


ALTERATIONS = {
    "words replaced": (replaced, (0.1, 0.25, 0.4)),
    "halves change places": (turned, (1.0,)),
    "cut off": (cut, (0.25, 0.5, 0.65)),
    "numbers replaced": (numbered, (1.0,)),
}
"""Kind of an altered copy, and the strengths at which it is planted."""
