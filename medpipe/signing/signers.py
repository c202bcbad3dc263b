"""Whose signature a reader accepts: ``signers.toml``, got from the signers by another way than the
report.

::

    [[signer]] name = "medpipe local identity 7f3a9c2e (self-issued)" fingerprint = "…"            #
    SHA-256 of the certificate's DER, 64 hex digits certificate = '''…'''        # PEM root =
    '''…'''               # PEM of the issuer to trust; the certificate itself where there is none
    attest_public_key = "…"      # Ed25519, 32 bytes in hex: signs statements about evidence revoked
    = 2027-01-31         # optional: from then on no signature of this signer is accepted
"""

from __future__ import annotations

import json
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from medpipe.documents import read_file
from medpipe.errors import MissingDependency, SignatureError, SpecError
from medpipe.signing.identity import Identity, public_record

MAX_LIST_BYTES: Final = 2**20
_REQUIRED: Final = {"name", "fingerprint", "certificate", "root", "attest_public_key"}


@dataclass(frozen=True)
class TrustedSigner:
    """An accepted signer: certificate and trusted issuer in PEM, the raw Ed25519 key for
    statements, and when it was revoked.
    """

    name: str
    fingerprint: str
    certificate: bytes
    root: bytes
    attest_public_key: bytes
    revoked: date | None = None


def load_signers(path: Path) -> dict[str, TrustedSigner]:
    """The accepted signers of a ``signers.toml`` by fingerprint. Raises :class:`SignatureError`
    naming file, entry and fault.
    """
    try:
        document = tomllib.loads(read_file(path, MAX_LIST_BYTES).decode("utf-8-sig"))
    except SpecError as error:
        raise SignatureError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise SignatureError(
            f"{path}: expected TOML with [[signer]] tables, got: {str(error)[:200]}"
        ) from error
    entries = document.get("signer")
    if set(document) - {"signer"} or not isinstance(entries, list):
        raise SignatureError(
            f"{path}: expected [[signer]] tables only, got"
            f" {', '.join(sorted(document)) or 'an empty file'}"
        )
    signers: dict[str, TrustedSigner] = {}
    for number, entry in enumerate(entries, 1):
        signer = _signer(entry, f"{path}: signer {number}")
        if signer.fingerprint in signers:
            raise SignatureError(
                f"{path}: signer {number}: expected each fingerprint once, got {signer.fingerprint}"
                " twice"
            )
        signers[signer.fingerprint] = signer
    return signers


def dump_signer(identity: Identity) -> str:
    """The ``[[signer]]`` table of ``identity``, to be given to readers by another way than the
    report.
    """
    record = public_record(identity)
    record["name"] = plain_text(record["name"])
    lines = [
        (
            f"{key} = '''\n{value}'''"
            if value.startswith("-----")
            else f"{key} = {json.dumps(value, ensure_ascii=False)}"
        )
        for key, value in record.items()
    ]
    return "\n".join(["[[signer]]", *lines, ""])


def trusted_from(identity: Identity) -> TrustedSigner:
    """``identity`` as an accepted signer: a machine believes its own signature."""
    record = public_record(identity)
    return TrustedSigner(
        name=plain_text(record["name"]),
        fingerprint=record["fingerprint"],
        certificate=record["certificate"].encode(),
        root=record["root"].encode(),
        attest_public_key=bytes.fromhex(record["attest_public_key"]),
    )


def plain_text(text: str, limit: int = 120) -> str:
    """``text`` for one line on a terminal: control and direction characters left out, cut at
    ``limit`` characters.
    """
    return "".join(
        c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp", "Cs")
    )[:limit]


def _signer(entry: Any, where: str) -> TrustedSigner:
    if not isinstance(entry, dict) or not _REQUIRED <= set(entry) <= _REQUIRED | {"revoked"}:
        got = ", ".join(sorted(entry)) if isinstance(entry, dict) else type(entry).__name__
        raise SignatureError(
            f"{where}: expected the keys {', '.join(sorted(_REQUIRED))} and optionally revoked, got"
            f" {got}"
        )
    if not all(isinstance(entry[key], str) for key in _REQUIRED):
        raise SignatureError(
            f"{where}: expected text for {', '.join(sorted(_REQUIRED))}, got another type"
        )
    revoked = entry.get("revoked")
    if revoked is not None and (not isinstance(revoked, date) or isinstance(revoked, datetime)):
        raise SignatureError(
            f"{where}: expected revoked as a date such as 2027-01-31, got {revoked!r}"
        )
    try:
        attest_key = bytes.fromhex(entry["attest_public_key"])
    except ValueError:
        attest_key = b""
    if len(attest_key) != 32:
        raise SignatureError(
            f"{where}: expected attest_public_key as 64 hex digits, got"
            f" {entry['attest_public_key'][:80]!r}"
        )
    certificate, root = entry["certificate"].encode(), entry["root"].encode()
    _check_certificates(certificate, root, entry["fingerprint"], where)
    return TrustedSigner(
        name=plain_text(entry["name"]),
        fingerprint=entry["fingerprint"],
        certificate=certificate,
        root=root,
        attest_public_key=attest_key,
        revoked=revoked,
    )


def _check_certificates(certificate: bytes, root: bytes, fingerprint: str, where: str) -> None:
    try:
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509 import load_pem_x509_certificates
    except ImportError as error:
        raise MissingDependency("cryptography", "report", "reading a list of signers") from error
    try:
        (leaf,), (_,) = load_pem_x509_certificates(certificate), load_pem_x509_certificates(root)
    except ValueError as error:
        raise SignatureError(
            f"{where}: expected one PEM certificate each as certificate and root, got:"
            f" {str(error)[:120]}"
        ) from error
    found = sha256(leaf.public_bytes(Encoding.DER)).hexdigest()
    if found != fingerprint:
        raise SignatureError(
            f"{where}: expected the certificate with the fingerprint {fingerprint[:80]!r}, got one"
            f" with {found}"
        )
