"""Strict reading: what YAML and JSON let pass and we do not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.documents import MAX_DEPTH, canonical_json, parse_json, parse_yaml, pretty_json
from medpipe.errors import SpecError

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -2.5", {"a": -2.5}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: 2.0e5", {"a": 200000.0}),
        ("a: true", {"a": True}),
        ("a: null", {"a": None}),
        ("a:", {"a": None}),
        ("a: 'NO'", {"a": "NO"}),
        ('a: "0e98079"', {"a": "0e98079"}),
        ("a: [1, b]", {"a": [1, "b"]}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("yes: 1", {"yes": 1}),
        ("- x\n- {y: z}", ["x", {"y": "z"}]),
    ],
)
def test_reads_what_it_looks_like(text: str, value: object) -> None:
    assert parse_yaml(text.encode(), "f") == value


@pytest.mark.parametrize(
    "value",
    [
        "NO",
        "yes",
        "on",
        "Off",
        "True",
        "NULL",
        ".nan",
        ".inf",
        "-.INF",
        "010",
        "0x1f",
        "12:30:45",
        "1_000",
        "2026-11-24",
        "1.",
        ".5",
        "0e98079",
        "1e5",
    ],
)
def test_refuses_values_that_can_be_read_in_two_ways(value: str) -> None:
    with pytest.raises(
        SpecError, match="line 1: expected a value that can be read in one way only"
    ):
        parse_yaml(f"a: {value}".encode(), "f")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a: 1\na: 2", "line 2: expected every key once, got 'a' twice"),
        (b"a: &x 1\nb: *x", "no anchors or aliases"),
        (b"a: !!python/object/apply:os.system ['true']", "no tags"),
        (b"", "an empty file"),
        (b"a: 1\n---\nb: 2", "a second one"),
        (b"a: [1, 2", "well-formed YAML"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\xef\xbb\xbfa: 1", "byte order mark"),
        (b"[1, 2]: 3", "a text as key"),
        (b"a: 1" + b" " * 1_000_001, "at most 1000000 bytes"),
        (b"[" * 5000, f"at most {MAX_DEPTH} levels"),
        (b"a: 1e+999", "a finite number"),
    ],
)
def test_refuses_with_place(text: bytes, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f")
    assert says in str(caught.value)
    assert str(caught.value).startswith("f")


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "[" * 200_000, "{", ""]
)
def test_json_is_strict_too(text: str) -> None:
    with pytest.raises(SpecError):
        parse_json(text, "f")


@given(PLAIN)
def test_json_goes_round(value: object) -> None:
    assert parse_json(pretty_json(value), "f") == value
    assert parse_json(canonical_json(value), "f") == value


@given(st.dictionaries(st.text(), st.integers()))
def test_canonical_json_ignores_order(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(PLAIN)
def test_json_is_yaml_where_keys_are_text(value: object) -> None:
    if (isinstance(value, float | int) and not isinstance(value, bool)) or value is None:
        return  # numbers alone may look like something else
    text = json.dumps({"value": value}, ensure_ascii=True)
    try:
        read = parse_yaml(text.encode(), "f")
    except SpecError as error:
        assert "one way only" in str(error) or "well-formed" in str(error) or "UTF-8" in str(error)
    else:
        assert (
            read == {"value": value} or "e" in text
        )  # 1e5 and the like differ by design and are refused
