"""Signed statements about evidence: in-toto Statement v1 in a DSSE envelope, signed with Ed25519.

DSSE signs the pre-authentication encoding ``"DSSEv1" SP len(type) SP type SP len(body) SP body``:
the type is signed with the bytes, and nothing is parsed before the signature over exactly those
bytes has been verified. The envelope is strict: one signature, one type, canonical Base64, no
unknown keys, no repeated keys. Beside the standard fields a signature carries its public key, so
that a reader without the signer's record can still see whether the statement is whole.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

from medpipe.documents import canonical_json, parse_json
from medpipe.errors import MissingDependency, SignatureError, SpecError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"


class StatementSigner(Protocol):
    """Whoever holds the Ed25519 key for statements, such as
    ``medpipe.signing.identity.Identity``.
    """

    @property
    def attest_key(self) -> Ed25519PrivateKey: ...


def sign_statement(statement: Mapping[str, Any], identity: StatementSigner) -> dict[str, Any]:
    """The DSSE envelope of ``statement``, ready for ``json.dumps``; equal statements and keys give
    equal envelopes.

    Raises :class:`SignatureError` for what is no in-toto Statement v1 or cannot be written as JSON
    (NaN, infinities).
    """
    _require_statement(statement)
    try:
        body = canonical_json(statement)
    except (TypeError, ValueError, RecursionError) as error:
        raise SignatureError(
            f"expected a statement of finite JSON values, got one that cannot be written: {error}"
        ) from error
    public = identity.attest_key.public_key().public_bytes_raw()
    signature = identity.attest_key.sign(pre_authentication_encoding(PAYLOAD_TYPE, body))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": b64encode(body).decode("ascii"),
        "signatures": [
            {
                "keyid": key_id(public),
                "sig": b64encode(signature).decode("ascii"),
                "publicKey": public.hex(),
            }
        ],
    }


def open_statement(
    envelope: bytes, public_keys: Mapping[str, bytes] | None
) -> tuple[dict[str, Any], str]:
    """The verified statement in ``envelope`` and the id of the key that signed it.

    ``public_keys``: accepted Ed25519 keys (32 raw bytes) by key id. With ``None`` the key in the
    envelope is used: then the statement is only known to be whole, *not* by whom it is, and the
    caller has to say so. Raises :class:`SignatureError` with the reason.
    """
    body, signature, keyid, carried = _take_apart(envelope)
    if public_keys is None:
        public = carried
    elif keyid in public_keys:
        public = public_keys[keyid]
    else:
        raise SignatureError(
            f"expected a statement signed by one of {len(public_keys)} accepted keys, got key"
            f" {keyid}; ask the signer for their record"
        )
    if key_id(public) != keyid:
        raise SignatureError(
            f"expected a public key with the id {keyid}, got one with the id {key_id(public)}"
        )
    _verify(public, signature, pre_authentication_encoding(PAYLOAD_TYPE, body))
    statement = _strict_json(body, "the signed statement")
    _require_statement(statement)
    return statement, keyid


def key_id(public_key: bytes) -> str:
    """The name of an Ed25519 public key: SHA-256 of its 32 raw bytes, in hex."""
    return sha256(public_key).hexdigest()


def pre_authentication_encoding(payload_type: str, body: bytes) -> bytes:
    """The bytes that DSSE signs."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def _take_apart(envelope: bytes) -> tuple[bytes, bytes, str, bytes]:
    outer = _record(
        _strict_json(envelope, "the envelope"),
        {"payloadType", "payload", "signatures"},
        "the envelope",
    )
    if outer["payloadType"] != PAYLOAD_TYPE:
        raise SignatureError(
            f"expected an envelope with payloadType {PAYLOAD_TYPE}, got {outer['payloadType']!r}"
        )
    signatures = outer["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise SignatureError("expected an envelope with exactly one signature")
    inner = _record(signatures[0], {"keyid", "sig", "publicKey"}, "its signature")
    texts = (outer["payload"], inner["sig"], inner["keyid"], inner["publicKey"])
    if not all(isinstance(text, str) for text in texts):
        raise SignatureError(
            "expected payload, sig, keyid and publicKey of the envelope as text, got another type"
        )
    payload, sig, keyid, public = texts
    try:
        carried = bytes.fromhex(public)
    except ValueError:
        carried = b""
    if carried.hex() != public or key_id(carried) != keyid:
        raise SignatureError(
            "expected publicKey of the envelope in lower-case hex, with keyid as its digest, got"
            " another pair"
        )
    return _base64(payload), _base64(sig), keyid, carried


def _record(value: object, keys: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        got = (
            ", ".join(sorted(map(str, value))) if isinstance(value, dict) else type(value).__name__
        )
        raise SignatureError(
            f"expected {what} with exactly {', '.join(sorted(keys))}, got {got[:200]}"
        )
    return value


def _base64(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise SignatureError("expected Base64 in the envelope, got another text") from error
    if b64encode(data).decode("ascii") != text:
        raise SignatureError(
            "expected canonical Base64 in the envelope, got another spelling of the same bytes"
        )
    return data


def _strict_json(data: bytes, what: str) -> Any:
    """``data`` as strict JSON. Raises `SignatureError`."""
    try:
        return parse_json(data, what)
    except SpecError as error:
        raise SignatureError(str(error)) from error


def _require_statement(statement: object) -> None:
    if not isinstance(statement, Mapping) or statement.get("_type") != STATEMENT_TYPE:
        got = statement.get("_type") if isinstance(statement, Mapping) else type(statement).__name__
        raise SignatureError(
            f"expected an in-toto statement with _type {STATEMENT_TYPE}, got {got!r}"
        )


def _verify(public: bytes, signature: bytes, message: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise MissingDependency("cryptography", "report", "verifying a statement") from error
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(
            "the statement was altered after it was signed: its signature does not fit its bytes; "
            "get the file again from its signer"
        ) from error
