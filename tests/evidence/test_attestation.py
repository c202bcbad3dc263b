"""Signed statements: what was signed comes back, anything else is refused, the type included."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="the extra 'report' is not installed")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import MissingDependency, SignatureError
from medpipe.signing.attestation import (
    PAYLOAD_TYPE,
    STATEMENT_TYPE,
    key_id,
    open_statement,
    pre_authentication_encoding,
    sign_statement,
)

SIGNER = SimpleNamespace(attest_key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
PUBLIC = SIGNER.attest_key.public_key().public_bytes_raw()
KEYS = {key_id(PUBLIC): PUBLIC}
STATEMENT = {
    "_type": STATEMENT_TYPE,
    "subject": [{"name": "bundle", "digest": {"sha256": "ab" * 32}}],
    "predicateType": "x",
    "predicate": {"n": 1},
}
NUMBERS = st.integers(-(2**63 - 1), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def envelope(**changes: Any) -> dict[str, Any]:
    return {**sign_statement(STATEMENT, SIGNER), **changes}


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def signed_body(body: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """A well-signed envelope around any bytes."""
    sig = SIGNER.attest_key.sign(pre_authentication_encoding(payload_type, body))
    return dumped(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": b64encode(body).decode(),
            "signatures": [
                {"keyid": key_id(PUBLIC), "sig": b64encode(sig).decode(), "publicKey": PUBLIC.hex()}
            ],
        }
    )


def test_pre_authentication_encoding_is_that_of_the_protocol() -> None:
    assert (
        pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_was_signed_comes_back(predicate: dict[str, Any]) -> None:
    statement = {**STATEMENT, "predicate": predicate}
    assert open_statement(dumped(sign_statement(statement, SIGNER)), KEYS) == (
        statement,
        key_id(PUBLIC),
    )


def test_equal_statements_give_equal_envelopes() -> None:
    assert sign_statement(dict(reversed(STATEMENT.items())), SIGNER) == sign_statement(
        STATEMENT, SIGNER
    )


@given(st.data())
def test_no_other_bytes_carry_another_statement(data: st.DataObject) -> None:
    whole = dumped(envelope())
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    for keys in (KEYS, None):
        try:
            found = open_statement(bytes(changed), keys)
        except SignatureError:
            continue
        assert changed.split() == whole.split(), (
            "only white space between keys and values may differ"
        )
        assert found == open_statement(whole, keys)


def test_key_has_to_be_known_unless_the_reader_says_so() -> None:
    with pytest.raises(SignatureError, match="0 accepted keys"):
        open_statement(dumped(envelope()), {})
    assert open_statement(dumped(envelope()), None)[0] == STATEMENT


def test_a_key_under_another_name_is_refused() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(SignatureError, match="with the id"):
        open_statement(dumped(envelope()), {key_id(PUBLIC): other})


def test_types_cannot_be_confused() -> None:
    body = json.dumps(STATEMENT).encode()
    with pytest.raises(SignatureError, match="payloadType"):
        open_statement(dumped(envelope(payloadType="application/json")), KEYS)
    with pytest.raises(SignatureError, match="altered"):  # signed as one type, presented as another
        open_statement(signed_body(body, "application/json"), KEYS)
    with pytest.raises(SignatureError, match="_type"):
        open_statement(signed_body(b'{"_type": "https://in-toto.io/Link/v1"}'), KEYS)
    with pytest.raises(SignatureError, match="_type"):
        open_statement(signed_body(b'["https://in-toto.io/Statement/v1"]'), KEYS)


@pytest.mark.parametrize(
    "body",
    [
        b'{"_type": "x", "_type": "y"}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"",
        b"{",
    ],
)
def test_signed_but_sloppy_json_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError, match="the signed statement: expected"):
        open_statement(signed_body(body), KEYS)


def test_sloppy_envelopes_are_refused() -> None:
    good = envelope()
    signature = good["signatures"][0]
    spaced = good["payload"][:4] + "\n" + good["payload"][4:]
    bad = [
        [],
        None,
        "x",
        {**good, "extra": 1},
        {k: v for k, v in good.items() if k != "payload"},
        {**good, "signatures": []},
        {**good, "signatures": [signature, signature]},
        {**good, "signatures": [{**signature, "extra": 1}]},
        {**good, "payload": 3},
        {**good, "payload": spaced},
        {**good, "payload": "é"},
        {**good, "signatures": [{**signature, "sig": ""}]},
        {**good, "signatures": [{**signature, "publicKey": "zz"}]},
        {**good, "signatures": [{**signature, "keyid": 1}]},
        {**good, "signatures": "x"},
    ]
    for value in bad:
        with pytest.raises(SignatureError):
            open_statement(dumped(value), KEYS)
    with pytest.raises(SignatureError, match="every key once"):
        open_statement(dumped(good).replace(b"{", b'{"payload": "", ', 1), KEYS)
    with pytest.raises(SignatureError, match="at most 16777216 bytes"):
        open_statement(b" " * (16 * 2**20 + 1), KEYS)


@pytest.mark.parametrize("signature", ["x", "cut"])
def test_a_second_spelling_of_base64_is_refused(signature: str) -> None:
    good = envelope()
    sig = good["signatures"][0]["sig"]
    other = sig[:-3] + chr(ord(sig[-3]) + 1) + "==" if signature == "x" else sig.rstrip("=")
    with pytest.raises(SignatureError, match="Base64"):
        open_statement(
            dumped({**good, "signatures": [{**good["signatures"][0], "sig": other}]}), KEYS
        )


@pytest.mark.parametrize(
    "statement",
    [{}, {"_type": "x"}, {**STATEMENT, "n": float("nan")}, {**STATEMENT, "n": object()}],
)
def test_only_statements_are_signed(statement: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        sign_statement(statement, SIGNER)


def test_cryptography_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dumped(envelope())
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(MissingDependency, match=r"medpipe\[report\]"):
        open_statement(whole, KEYS)
