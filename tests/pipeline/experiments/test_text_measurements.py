"""Baselines, audits of the sentences and gradient flow, on tiny data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.errors import DataError, SpecError
from medpipe.pipeline.experiments import (
    gradient_flow,
    text_baselines,
    text_classification,
    text_data_audit,
)
from medpipe.pipeline.splits import Subset, sample_rows
from medpipe.running.experiment import RunContext

GRADIENTS = {"distances": [0, 1, 4], "far": 4, "sentences": 6}
BASELINES = [
    {"kind": "majority"},
    {"kind": "position", "inverse_penalty": 1.0},
    {"kind": "tfidf", "inverse_penalty": 4.0, "words": 2, "min_sentences": 1},
]


def context(folder: Path, **more: Any) -> RunContext:
    return RunContext(folder, "cpu", **more)


@pytest.mark.parametrize("model", BASELINES, ids=lambda m: str(m["kind"]))
def test_a_baseline_is_observed_on_the_samples_of_the_classification(
    tmp_path: Path, tiny_text: Any, text_config: dict[str, Any], model: dict[str, Any]
) -> None:
    seen: list[tuple[int, int, str]] = []
    config = {"data": text_config["data"], "model": model}
    baseline = text_baselines.run(config, 1, context(tmp_path, progress=lambda *p: seen.append(p)))
    text_config["training"]["epochs"] = 1
    trained = text_classification.run(text_config, 1, context(tmp_path / "lstm"))
    assert [*baseline.observations] == ["training", "validation", "testing"] and seen[-1][
        0
    ] == seen[-1][1]
    for name, o in baseline.observations.items():
        theirs = trained.observations[{"training": "training_running"}.get(name, name)]
        for column in ("sample_id", "y_true", "abstract_id"):
            assert np.array_equal(o[column], theirs[column])
    assert baseline.resolved == {**config, "data": trained.resolved["data"]}
    assert baseline.data_digests == text_baselines.data_digests(config)
    training = baseline.observations["training"]
    commonest = np.bincount(training["y_true"]).argmax()
    if model["kind"] == "majority":
        assert set(baseline.observations["validation"]["y_pred"].tolist()) == {commonest}
    if model["kind"] == "tfidf":
        assert np.mean(training["y_pred"] == training["y_true"]) > 0.9


def test_position_counts_from_both_ends_of_the_whole_abstract(
    tiny_text: Any, text_config: dict[str, Any]
) -> None:
    part = text_baselines.load_text("tiny").parts[
        "train"
    ]  # abstracts of three sentences, the last of one
    places = text_baselines._places(Subset(part, np.array([69, 0, 5])))
    assert places.tolist() == [[0, 0, 0], [0, 2, 0], [2, 0, 6]]


def test_the_audit_counts_what_it_flags(
    tmp_path: Path, tiny_text: Any, text_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = text_data_audit.load_text("tiny")
    copied = data.parts["train"].sentences[sample_rows(70, 60, 44, 42)[0]]
    test = replace(data.parts["test"], sentences=(*data.parts["test"].sentences[:-1], copied))
    planted = replace(data, parts={**data.parts, "test": test})
    monkeypatch.setattr(text_data_audit, "load_text", lambda source: planted)
    config = {"data": text_config["data"], "audit": {"near": 0.7, "folds": 3}}
    one, other = (text_data_audit.run(config, 1, context(tmp_path)) for _ in range(2))
    assert one.scalars == other.scalars and [*one.observations] == [
        "training",
        "validation",
        "testing",
    ]
    for split, o in one.observations.items():
        audits = ["heading_in_text", "label_suspect", "sentence_reworded", "abstract_reworded"]
        audits += (
            []
            if split == "training"
            else ["sentence_repeated", "sentence_near", "abstract_shared", "abstract_hidden"]
        )
        for audit in audits:
            assert one.scalars[f"{split}_{audit}_count"] == o[audit].sum()
            assert one.scalars[f"{split}_{audit}_n"] == len(o)
            low, share, high = (
                one.scalars[f"{split}_{audit}_share{end}"] for end in ("_low", "", "_high")
            )
            assert low <= share <= high and share == pytest.approx(o[audit].mean())
    assert one.scalars["validation_abstract_shared_count"] == 0
    repeated = one.observations["testing"]["sentence_repeated"]
    assert repeated[-1] == 1 and (repeated <= one.observations["testing"]["sentence_near"]).all()
    said = next(note for note in one.notes if note.startswith("testing, sentence_repeated"))
    assert str(one.observations["testing"]["sample_id"][repeated == 1][0]) in said
    assert one.data_digests == text_data_audit.data_digests(config) == {"tiny": "sha256:tiny-text"}


@pytest.mark.parametrize("padding", ["masked", "unmasked"])
def test_gradients_are_measured_before_during_and_after(
    tmp_path: Path, tiny_text: Any, text_config: dict[str, Any], padding: str
) -> None:
    text_config["model"]["padding"] = padding
    config = {**text_config, "gradients": GRADIENTS}
    result, again = (gradient_flow.run(config, 3, context(tmp_path / name)) for name in "ab")
    seen = result.observations["gradients"]
    assert (
        len(seen) == 6
        and seen.cluster == "abstract_id"
        and seen["gradient_norm_trained"].shape == (6, 3)
    )
    for when in ("initial", "trained"):
        norms = seen[f"gradient_norm_{when}"]
        assert np.array_equal(norms, again.observations["gradients"][f"gradient_norm_{when}"])
        assert result.scalars[f"gradient_ratio_{when}"] == pytest.approx(
            np.median(norms[:, 2] / norms[:, 1])
        )
        assert result.scalars[f"embedding_gradient_norm_{when}"] > 0
    assert result.scalars["gradient_ratio_initial"] != result.scalars["gradient_ratio_trained"]
    best = result.history[int(result.scalars["reported_epoch"]) - 1]
    assert best["gradient_ratio_epoch"] == pytest.approx(result.scalars["gradient_ratio_trained"])
    assert result.resolved[
        "gradients"
    ] == GRADIENTS and result.data_digests == gradient_flow.data_digests(config)
    plain = text_classification.run(text_config, 3, context(tmp_path / "plain"))
    trained = (r.observations["validation"]["y_prob"] for r in (plain, result))
    assert np.array_equal(*trained), "measuring changes nothing"
    assert [*result.observations] == ["validation", "gradients"]


def test_gradients_of_a_transformer(
    tmp_path: Path, tiny_text: Any, tiny_bert: Path, text_config: dict[str, Any]
) -> None:
    text_config["model"] = {"kind": "transformer", "checkpoint": str(tiny_bert), "length": 12}
    text_config["training"] |= {"epochs": 1, "pool_batches": 2, "accumulate": 2}
    result = gradient_flow.run(
        {**text_config, "gradients": GRADIENTS}, 1, context(tmp_path / "run")
    )
    norms = result.observations["gradients"]["gradient_norm_initial"]
    assert np.isfinite(norms).all() and (norms > 0).all()
    assert {
        *(
            f"{layer}_gradient_norm_initial"
            for layer in ("embedding", "layer_0", "pooler", "classifier")
        ),
        "head_to_embedding_gradient_ratio_trained",
    } <= set(result.scalars)


def test_too_few_long_sentences_are_refused(
    tmp_path: Path, tiny_text: Any, text_config: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=r"more than 30 words, got 0; set gradients\.far"):
        gradient_flow.run(
            {**text_config, "gradients": {"distances": [1, 30], "far": 30, "sentences": 5}},
            1,
            context(tmp_path),
        )
    with pytest.raises(SpecError, match="distances should hold 1 and far"):
        gradient_flow.run(
            {**text_config, "gradients": {"distances": [0, 30], "far": 30, "sentences": 5}},
            1,
            context(tmp_path),
        )
