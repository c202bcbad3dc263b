"""Each audit of sentences finds the fault that was planted, and passes the clean twin."""

from __future__ import annotations

import numpy as np
import pytest
import text_faults as faults

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from medpipe.audits import text_labels, text_overlap
from medpipe.audits.proportions import share

VARIED = faults.clean("train", abstracts=100, shared_words=4000)
TRAINING, CLEAN = faults.clean("train"), faults.clean("dev", seed=1)


def test_a_planted_duplicate_is_found() -> None:
    planted = faults.with_copied_sentence(CLEAN, TRAINING, at=17)
    assert not text_overlap.repeated(TRAINING.sentences, CLEAN.sentences).any()
    found = share(
        "sentence_repeated",
        text_overlap.repeated(TRAINING.sentences, planted.sentences),
        planted.sample_id,
        planted.abstract,
    )
    assert (found.count, found.samples) == (1, (planted.sample_id[17],))
    assert (
        0 <= found.interval.low < found.interval.estimate == 1 / 240 < found.interval.high < 0.09
    )  # 1 of 60 abstracts at most


def test_a_nearly_equal_sentence_is_found() -> None:
    planted = faults.with_edited_sentence(CLEAN, TRAINING, at=3)
    score, place = text_overlap.nearest(TRAINING.sentences, planted.sentences)
    assert np.flatnonzero(score >= text_overlap.NEAR).tolist() == [3]
    assert (
        len(TRAINING.sentences[place[3]].split()) == 19
        and not text_overlap.repeated(TRAINING.sentences, planted.sentences)[3]
    )
    assert text_overlap.nearest(TRAINING.sentences, CLEAN.sentences)[0].max() < text_overlap.NEAR


@pytest.mark.parametrize(("alter", "strength"), [("cut off", 0.3), ("numbers replaced", 1.0)])
def test_a_cut_sentence_and_one_with_other_numbers_are_found(alter: str, strength: float) -> None:
    draw, words = np.random.default_rng(0), np.array(["other"])
    original = (
        "a total of @ patients with @ mg of the drug or placebo were seen again after @ weeks in"
        " two clinics of one town"
    )
    planted = faults.ALTERATIONS[alter][0](original, draw, strength, words)
    assert planted != original
    score, place = text_overlap.nearest([*TRAINING.sentences, original], [planted])
    assert score[0] >= text_overlap.NEAR and place[0] == len(TRAINING.sentences)


def test_a_short_sentence_inside_a_longer_one_is_no_copy() -> None:
    score, _ = text_overlap.nearest(
        ["the patients received aspirin daily for two weeks at home"],
        ["the patients received aspirin"],
    )
    assert score[0] < text_overlap.NEAR


@pytest.mark.parametrize("alter", ["words replaced", "halves change places"])
def test_reworded_copies_are_found_by_the_second_method(alter: str) -> None:
    draw, vocabulary = np.random.default_rng(3), np.array([f"w{i}" for i in range(4000)])
    rows = [i for i, s in enumerate(VARIED.sentences) if len(set(s.split())) >= 14]
    planted = [
        faults.ALTERATIONS[alter][0](VARIED.sentences[i], draw, 0.1, vocabulary) for i in rows
    ]
    score, place = text_overlap.reworded(
        VARIED.sentences, VARIED.abstract, planted, ["planted"] * len(rows)
    )
    assert (
        len(rows) > 50
        and ((score >= text_overlap.REWORDED) & (place == np.array(rows))).mean() > 0.8
    )
    clean = faults.clean("dev", abstracts=100, seed=1, shared_words=4000)
    by_chance, _ = text_overlap.reworded(
        VARIED.sentences, VARIED.abstract, clean.sentences, clean.abstract
    )
    assert (by_chance >= text_overlap.REWORDED).mean() < 0.01


def test_the_second_method_never_compares_a_group_with_itself() -> None:
    sides = VARIED.sentences, VARIED.abstract, VARIED.sentences
    assert not any(flags.any() for flags in text_overlap.reworded_flags(*sides, VARIED.abstract))
    renamed = [f"renamed {name}" for name in VARIED.abstract]
    sentence, abstract = text_overlap.reworded_flags(*sides, renamed)
    assert sentence.mean() > 0.5 and abstract.all()


@pytest.mark.parametrize("renamed", [False, True])
def test_an_abstract_on_both_sides_is_found(renamed: bool) -> None:
    def found(side: faults.Side) -> tuple[list[int], list[int]]:
        score, place = text_overlap.nearest(TRAINING.sentences, side.sentences)
        shared = text_overlap.shared_groups(TRAINING.abstract, side.abstract)
        hidden = text_overlap.hidden_groups(score, place, TRAINING.abstract, side.abstract)
        return np.flatnonzero(shared).tolist(), np.flatnonzero(hidden).tolist()

    last = [236, 237, 238, 239]
    assert found(CLEAN) == ([], [])
    assert found(faults.with_abstract_of_training(CLEAN, TRAINING, renamed=renamed)) == (
        [] if renamed else last,
        last,
    )
    assert found(faults.with_copied_sentence(CLEAN, TRAINING, at=17))[1] == [], (
        "one common sentence does not make an abstract the same"
    )


def test_a_leaked_label_is_found() -> None:
    leaked = faults.with_headings(CLEAN, every=4)
    assert text_labels.headings(leaked.sentences, leaked.label, faults.CLASSES).tolist() == [
        i % 4 == 0 for i in range(240)
    ]
    assert not text_labels.headings(CLEAN.sentences, CLEAN.label, faults.CLASSES).any()
    honest = ["methods that work are rare", "result of @ trials"]
    assert not text_labels.headings(honest, np.array([0, 1]), faults.CLASSES).any(), (
        "a word of the text is no heading"
    )
    everywhere = faults.with_headings(CLEAN, every=1)
    told, chance = text_labels.first_word_information(everywhere.sentences, everywhere.label)
    assert told == pytest.approx(1) and chance < 0.1
    shuffled = np.random.default_rng(0).permutation(CLEAN.label)
    told, chance = text_labels.first_word_information(["w1 a", "w2 b", "w3 c"] * 80, shuffled)
    assert told <= chance


def test_wrong_labels_are_found() -> None:
    side = faults.clean("noise", abstracts=200, seed=2)
    planted, wrong = faults.with_wrong_labels(side, every=12)

    def suspects(label: np.ndarray) -> np.ndarray:
        return text_labels.suspect_labels(
            label, text_labels.held_out_probabilities(side.sentences, label, side.abstract)
        )

    found = suspects(planted.label)
    assert found[wrong].mean() > 0.7 and found[~wrong].mean() < 0.05
    assert suspects(side.label).mean() < 0.02


def test_an_imbalance_is_found() -> None:
    assert text_labels.imbalance(
        np.array([0, 1] * 50), np.array([0] * 90 + [1] * 10), 2
    ) == pytest.approx(0.4)
    assert text_labels.imbalance(TRAINING.label, TRAINING.label[::-1], 2) == 0
