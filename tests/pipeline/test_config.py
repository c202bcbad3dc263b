from __future__ import annotations

from typing import Any

import pytest

from medpipe.errors import SpecError
from medpipe.pipeline.config import parse, stand_in
from medpipe.pipeline.experiments.mri_classification import MriClassification
from medpipe.pipeline.experiments.text_classification import TextClassification


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("data.source", 5, "text.data.source"),
        ("data.source", [], "text.data.source"),
        ("data.train_rows", 0, "text.data.train_rows"),
        ("data.train_rows", "60", "text.data.train_rows"),
        ("data.train_rows", True, "text.data.train_rows"),
        ("data.colour", 1, "text.data.colour"),
        ("colour", 1, "text.colour"),
        ("data", None, "text.data"),
        ("model.kind", "gru", "text.model"),
        ("model.dropout", 1.0, "text.model.dropout"),
        ("model.checkpoint", "x", "text.model.checkpoint"),
        ("model.padding", "maybe", "text.model.padding"),
        ("training.learning_rate", float("nan"), "text.training.learning_rate"),
        ("training.learning_rate", "2e-5", "text.training.learning_rate"),
        ("training.patience", 0, "text.training.patience"),
        ("training.schedule", "constant", "text.training.schedule"),
        ("training.reported_epoch", "first", "text.training.reported_epoch"),
    ],
)
def test_what_is_wrong_is_refused_with_its_path(
    text_config: dict[str, Any], path: str, value: Any, where: str
) -> None:
    *parents, key = path.split(".")
    place = text_config
    for step in parents:
        place = place[step]
    place[key] = value
    with pytest.raises(SpecError) as error:
        parse(TextClassification, text_config, "text")
    assert error.value.where == where


@pytest.mark.parametrize("section", ["data", "model", "training"])
def test_every_missing_key_is_refused(
    text_config: dict[str, Any], image_config: dict[str, Any], section: str
) -> None:
    for kind, config in ((TextClassification, text_config), (MriClassification, image_config)):
        for key in list(config[section]):
            value = config[section].pop(key)
            with pytest.raises(SpecError, match=rf"c\.{section}") as error:
                parse(kind, config, "c")
            assert error.value.where == (
                f"c.{section}.{key}" if key != "kind" or kind is MriClassification else "c.model"
            )
            config[section][key] = value
        parse(kind, config, "c")


def test_what_was_parsed_equals_what_was_written(
    text_config: dict[str, Any], image_config: dict[str, Any]
) -> None:
    assert parse(TextClassification, text_config, "c").model_dump(exclude_unset=True) == text_config
    assert (
        parse(MriClassification, image_config, "c").model_dump(exclude_unset=True) == image_config
    )
    text_config["data"]["source"] = ["a", "b"]
    text_config["model"] = {"kind": "transformer", "checkpoint": "some/model", "length": 128}
    assert parse(TextClassification, text_config, "c").model_dump(exclude_unset=True) == text_config


def test_a_document_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^text: expected"):
        parse(TextClassification, [1], "text")  # type: ignore[arg-type]  # what a wrong document gives


def test_a_stand_in_is_named() -> None:
    assert stand_in("a", "a") == stand_in(["a", "b"], "a") == ()
    assert stand_in(["a", "b"], "b") == ("b stands in for a, which was not found",)
