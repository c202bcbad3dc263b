"""Reading keys and answers strictly: every fault is one sentence that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_readers import answers, key, readings

from medpipe.errors import SpecError
from medpipe.reader_study.answers import collect, read_answers
from medpipe.reader_study.study import Study, read_key

STUDY = key(8, controls=2, repeats=2)


def document(**change: Any) -> dict[str, Any]:
    return {**answers(STUDY, "R1", np.random.default_rng(0)), **change}


def without_first(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "items": data["items"][1:]}


def with_item(**change: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda data: {**data, "items": [{**data["items"][0], **change}, *data["items"][1:]]}


def test_answers_are_laid_out_in_the_order_of_the_key() -> None:
    shuffled = document()
    shuffled["items"] = shuffled["items"][::-1]
    reading = collect(STUDY, [("a", shuffled)])
    assert reading.answers["realism"][0].tolist() == [i["realism"] for i in document()["items"]]
    assert reading.columns("real", "synthetic").tolist() == list(range(8)) and reading.columns(
        "control"
    ).tolist() == [8, 9]
    assert [c.tolist() for c in reading.twice()] == [[0, 1], [10, 11]]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda d: {**d, "version": 2}, "version: expected format version 1, got 2"),
        (lambda d: {**d, "name": "Dr X"}, "the unknown key 'name'"),
        (lambda d: {k: v for k, v in d.items() if k != "reader"}, "the key 'reader', got none"),
        (
            lambda d: {**d, "study": "1" * 12},
            "answers to the study 000000000000 of the key, got answers to 111111111111",
        ),
        (
            lambda d: {**d, "commitment": "1" * 64},
            "the key is not the one that the page was made with",
        ),
        (lambda d: {**d, "reader": "Dr X"}, "reader: expected pattern"),
        (
            without_first,
            "an answer to each of 12 images, got none to 1, the first '001'; open the page again",
        ),
        (with_item(id="077"), "the unknown image '077'"),
        (with_item(id="002"), "every image answered once, got an image twice"),
        (with_item(confidence=7), r"items\[0\]\.confidence: expected maximum 6, got 7"),
        (with_item(realism=None), r"items\[0\]\.realism"),
        (with_item(realism=2.5), r"items\[0\]\.realism"),
        (with_item(seconds=-1), r"items\[0\]\.seconds"),
        (with_item(origin="real"), "the unknown key 'origin'"),
        (lambda d: [d], 'expected type "object"'),
    ],
)
def test_faults_in_answers(broken: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        collect(STUDY, [("answers-R1.json", broken(document()))])
    assert str(caught.value).startswith("answers-R1.json") and "\n" not in str(caught.value)


def test_a_reader_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="every reader once, got 'R1' twice"):
        collect(STUDY, [("a", document()), ("b", document())])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "well-formed JSON"),
        (b"\xff", "UTF-8 text"),
        (b'{"a": 1, "a": 2}', "every key once"),
        (b'{"a": NaN}', "a finite number"),
        (b"[" * 100_000, "at most 32 levels"),
        (None, "a readable file"),
    ],
)
def test_faults_in_files(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "answers.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=words):
        read_answers(STUDY, [path])


def test_no_files() -> None:
    with pytest.raises(SpecError, match="at least one file of answers, got none"):
        read_answers(STUDY, [])


def test_files_are_read_with_their_digests(tmp_path: Path) -> None:
    paths = []
    for name, data in readings(STUDY, 2, 0):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(data), encoding="utf-8")
    reading = read_answers(STUDY, paths)
    assert (
        reading.readers == ("R1", "R2")
        and len({*reading.digests}) == 2
        and all(len(d) == 64 for d in reading.digests)
    )


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda d: {**d, "version": 0}, "format version 1"),
        (lambda d: {**d, "extra": 1}, "the unknown key 'extra'"),
        (lambda d: {**d, "margin": 0.5}, "margin"),
        (lambda d: {**d, "items": d["items"][:8:2] * 2}, "every id once"),
        (
            lambda d: {**d, "items": [*d["items"][:8:2], {**d["items"][1], "origin": "control"}]},
            "at least two synthetic images",
        ),
        (
            lambda d: {**d, "items": [*d["items"][:8], {**d["items"][10], "repeat_of": "099"}]},
            "a first showing of the same origin, got '099'",
        ),
        (
            lambda d: {**d, "items": [*d["items"][:8], {**d["items"][10], "repeat_of": "002"}]},
            "a first showing of the same origin, got '002'",
        ),
    ],
)
def test_faults_in_keys(tmp_path: Path, broken: Callable[[Any], Any], words: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(broken(STUDY.to_json())), encoding="utf-8")
    with pytest.raises(SpecError, match=words):
        read_key(path)


def test_a_key_comes_back() -> None:
    assert Study.from_json(json.loads(json.dumps(STUDY.to_json())), "x") == STUDY
