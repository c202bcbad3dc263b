"""The verdicts and the numbers behind them, on simulated readers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from made_up_readers import key, readings
from numpy.typing import NDArray

from medpipe.reader_study.answers import collect
from medpipe.reader_study.ratings import rate
from medpipe.reader_study.scoring import Result, score
from medpipe.reader_study.study import Study

LARGE = key(160)


def scored(study: Study, readers: int, seed: int = 0, **how: Any) -> Result:
    return score(collect(study, readings(study, readers, seed, **how)))


def test_perfect_readers() -> None:
    found = scored(key(), 3, sees=30)
    assert found.verdict == "told apart" and found.area.estimate == found.accuracy.estimate == 1
    assert 0.8 < found.area.low < 1 and 0.8 < found.accuracy.low < 1, (
        "30 images of each cannot show that nobody ever errs"
    )
    assert all(
        r.sensitivity.estimate == r.specificity.estimate == 1 and r.told_apart
        for r in found.readers
    )
    assert found.needed == ()


def test_readers_who_see_it_the_wrong_way_round_tell_apart_too() -> None:
    found = scored(key(), 3, sees=-3)
    assert (
        found.verdict == "told apart"
        and found.area.high < 0.5
        and "taken for the real ones" in found.reason
    )


def test_one_sharp_reader_among_guessing_ones_is_named() -> None:
    study = LARGE
    documents = readings(study, 5, 2)
    documents[3] = ("R4", {**readings(study, 1, 3, sees=3.0)[0][1], "reader": "R4"})
    found = score(collect(study, documents))
    assert found.verdict == "told apart" and "R4 alone" in found.reason
    assert [r.reader for r in found.readers if r.told_apart] == ["R4"]


def test_guessing_by_many_is_shown_and_by_few_is_not() -> None:
    shown, open_ = scored(LARGE, 8, 1), scored(key(), 2, 0)
    assert (
        shown.verdict == "not told apart"
        and shown.equivalence.shown
        and (shown.equivalence.p or 1) < 0.05
    )
    assert (
        open_.verdict == "inconclusive"
        and not open_.equivalence.shown
        and (open_.equivalence.p or 0) > 0.05
    )
    assert "nor to guess" in open_.reason
    assert dict(open_.needed).keys() == {2, 3, 5, 10}


def test_a_sure_difference_within_the_margin_is_no_guessing() -> None:
    """Five readers on 1,600 images, none of whom told apart alone: the area is surely above 0.5 and
    surely below 0.6.
    """
    found = scored(key(1600), 5, 3, sees=0.1)
    assert (
        not any(r.told_apart for r in found.readers)
        and 0.5 < found.area.low < found.area.high < 0.6
    )
    assert (
        found.verdict == "told apart within the margin"
        and "leaves 0.5 out" in found.reason
        and found.needed == ()
    )


def test_without_an_effect_of_attention_guessing_is_not_shown() -> None:
    asleep = scored(LARGE, 8, 1, wakeful=False)
    assert (
        asleep.equivalence.shown
        and asleep.verdict == "inconclusive"
        and "did not recognise the distorted controls" in asleep.reason
    )
    unchecked = scored(key(160, controls=0), 8, 1)
    assert unchecked.verdict == "inconclusive" and "there were no controls" in unchecked.reason
    assert all(r.controls is None for r in unchecked.readers)


def test_a_reader_who_always_gives_one_answer_shows_nothing() -> None:
    documents = readings(LARGE, 8, 1)
    for _, data in documents:
        for item in data["items"]:
            item["confidence"] = 3
    found = score(collect(LARGE, documents))
    assert found.verdict == "inconclusive" and found.area.estimate == 0.5 and found.area.low < 0.45


def test_ratings_stand_beside_those_of_real_images() -> None:
    found = scored(LARGE, 6, 4, prefers=0.8)
    realism, plausibility = found.ratings
    assert (realism.question, plausibility.question) == ("realism", "plausibility")
    for r in found.ratings:
        assert r.difference.estimate == pytest.approx(r.synthetic.estimate - r.real.estimate)
        assert r.difference.high < 0 and r.higher.high < 0.5 and max(r.p) < 0.05
        assert 1 <= r.synthetic.low < r.synthetic.estimate < r.real.estimate < r.real.high <= 5
    assert (realism.real.n, realism.synthetic.n, realism.difference.n) == (80, 80, 160)


def test_equal_ratings_are_not_exact() -> None:
    documents = readings(key(), 3, 0)
    for _, data in documents:
        for item in data["items"]:
            item["realism"] = 5
    rating = score(collect(key(), documents)).ratings[0]
    assert rating.synthetic.estimate == rating.synthetic.high == 5 and rating.synthetic.low < 4.9
    assert (
        rating.difference.estimate == 0
        and rating.difference.low < -0.2
        and rating.difference.high > 0.2
    )
    assert rating.p == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("prefers", [0.0, 0.5])
def test_intervals_of_rating_differences_hold_the_truth(prefers: float) -> None:
    rng, held = np.random.default_rng(5), 0

    def ratings(readers: int, images: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        synthetic = np.arange(images) % 2 == 0
        taste, look = (
            rng.normal(size=(readers, 1)),
            rng.normal(size=images),
        )  # a reader's strictness, and what all see in an image
        felt = (
            3.5
            + 0.3 * taste
            + 0.5 * look
            - prefers * synthetic
            + 0.8 * rng.normal(size=(readers, images))
        )
        return np.clip(np.rint(felt), 1, 5).astype(np.int64), synthetic

    truth = rate("realism", *ratings(400, 4000), 0.95).difference.estimate
    for _ in range(300):
        interval = rate("realism", *ratings(3, 60), 0.95).difference
        held += interval.low <= truth <= interval.high
    assert held / 300 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 300)
    assert held < 300, "an interval that always holds says nothing"


def test_agreement_of_readers_who_see_and_who_guess() -> None:
    seeing, guessing = scored(LARGE, 4, 0, sees=3), scored(LARGE, 4, 0)
    assert (
        (seeing.alpha["confidence"].estimate or 0)
        > 0.4
        > 0.1
        > abs(guessing.alpha["confidence"].estimate or 1)
    )
    for reader in seeing.readers:
        assert reader.same_side is not None and reader.same_side.n == 10
        assert reader.kappa.estimate is not None and reader.kappa.estimate > 0.6


def test_one_reader_is_scored_and_said_to_be_one() -> None:
    found = scored(key(), 1)
    assert (
        "one reader, so it says nothing of other readers" in found.area.method
        and not found.readers[0].told_apart
    )
    assert found.alpha["realism"].estimate is None


def test_json_holds_all_but_the_secret() -> None:
    data = scored(key(), 2).to_json()
    text = json.dumps(data, allow_nan=False)
    assert data["version"] == 1 and data["study"]["commitment"] == key().commitment
    assert data["area"].keys() == {"low", "estimate", "high", "n", "method", "confidence"}
    assert "nonce" not in text and "seed" not in text and "source" not in text
    assert len(data["readers"]) == 2 and data["readers"][0]["kappa"]["n"] == 10


def test_the_same_answers_give_the_same_result() -> None:
    assert scored(key(), 3).to_json() == scored(key(), 3).to_json()
