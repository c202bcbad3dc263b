"""How often altered copies of real sentences and abstracts are found, by kind and strength;
docs/text.md prints the table.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
import pytest
import text_faults as faults

from medpipe.audits import text_overlap as overlap
from medpipe.errors import UnavailableError
from medpipe.pipeline.data.text import load_text

pytestmark = pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")

TRAINING, SENTENCES, ABSTRACTS = 8000, 200, 40
"""Training sentences looked through, and how many sentences and abstracts of each kind and strength
are planted.
"""
FOUND = {
    ("words replaced", 0.1): 0.80,
    ("words replaced", 0.25): 0.50,
    ("words replaced", 0.4): 0.15,
    ("halves change places", 1.0): 0.85,
    ("cut off", 0.25): 0.85,
    ("cut off", 0.5): 0.45,
    ("cut off", 0.65): 0.10,
    ("numbers replaced", 1.0): 0.99,
}
OF_ABSTRACTS = {("words replaced", 0.4): 0.4, ("cut off", 0.65): 0.75}
"""At least so many of the planted sentences and abstracts are found; of abstracts altered in other
ways 95 %.
"""
say = logging.getLogger(__name__).info
"""`pytest --log-cli-level=INFO` shows what docs/text.md prints: found by the first method, the
second, either.
"""


@pytest.fixture(scope="module")
def training() -> tuple[list[str], list[str]]:
    try:
        part = load_text("structured-abstracts").parts["train"]
    except UnavailableError as error:
        pytest.skip(str(error))
    return list(part.sentences[:TRAINING]), [str(g) for g in part.groups["abstract_id"][:TRAINING]]


def _planted(sentences: list[str], rows: Any) -> list[str]:
    """The sentences of ``rows`` altered in every way, kind after kind in the order of `FOUND`."""
    vocabulary = np.array([w for s in sentences[:3000] for w in s.split() if w.isalpha()])
    draw = np.random.default_rng(7)
    return [
        faults.ALTERATIONS[kind][0](sentences[i], draw, strength, vocabulary)
        for kind, strength in FOUND
        for i in rows
    ]


def test_altered_sentences_are_found(training: Any) -> None:
    sentences, groups = training
    rows = np.random.default_rng(1).choice(len(sentences), SENTENCES, replace=False)
    planted = _planted(sentences, rows)
    first = overlap.repeated(sentences, planted)
    first |= overlap.nearest(sentences, planted)[0] >= overlap.NEAR
    none = ["planted"] * len(planted)
    second = overlap.reworded(sentences, groups, planted, none)[0] >= overlap.REWORDED
    by_kind = [f.reshape(len(FOUND), -1).mean(axis=1) for f in (first, second, first | second)]
    for (kind, strength), least, *found in zip(FOUND, FOUND.values(), *by_kind, strict=True):
        say(f"sentences, {kind}, {strength}: " + ", ".join(f"{f:.3f}" for f in found))
        assert found[2] >= least, (kind, strength)


def test_altered_abstracts_are_found(training: Any) -> None:
    sentences, groups = training
    names, of_row = np.unique(groups, return_inverse=True)
    chosen = np.random.default_rng(2).choice(len(names), ABSTRACTS, replace=False)
    rows = np.flatnonzero(np.isin(of_row, chosen))
    planted = _planted(sentences, rows)
    other = [f"planted {k} {of_row[i]}" for k in range(len(FOUND)) for i in rows]
    score, place = overlap.nearest(sentences, planted)
    first = overlap.hidden_groups(score, place, groups, other)
    second = overlap.reworded_flags(sentences, groups, planted, other)[1]
    for k, (kind, strength) in enumerate(FOUND):
        here = slice(k * len(rows), (k + 1) * len(rows))
        either = (first, second, first | second)
        found = [np.unique(np.asarray(other)[here][f[here]]).size / ABSTRACTS for f in either]
        say(f"abstracts, {kind}, {strength}: " + ", ".join(f"{f:.3f}" for f in found))
        assert found[2] >= OF_ABSTRACTS.get((kind, strength), 0.95), (kind, strength)


def test_the_second_method_rarely_flags_anything_by_chance(training: Any) -> None:
    sentences, groups = training
    sentence, abstract = overlap.reworded_flags(sentences, groups, sentences, groups)
    alone = np.unique(np.asarray(groups)[abstract]).size
    say(
        f"by chance: {sentence.sum()} of {len(sentences)} sentences, {alone} of {len(set(groups))}"
        " abstracts"
    )
    assert sentence.mean() < 0.005 and alone / len(set(groups)) < 0.005
