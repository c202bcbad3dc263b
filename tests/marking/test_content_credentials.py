"""C2PA manifests: signed, read, refused; presence is seen without the package."""

from __future__ import annotations

import datetime
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.errors import MissingDependency, SignatureError, SpecError
from medpipe.marking.content_credentials import (
    ContentSigner,
    Credentials,
    read_credentials,
    read_signer,
    sign_content,
)

Image = pytest.importorskip("PIL.Image")
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)


def saved(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, kind)
    return stream.getvalue()


def issued(*, purpose: str = "EMAIL_PROTECTION", curve: str = "SECP256R1") -> ContentSigner:
    """A certificate for one purpose, issued by a root of its own."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    words = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    root_key, key = (ec.generate_private_key(getattr(ec, curve)()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, public: Any, allowed: str, *extensions: tuple[Any, bool]) -> bytes:
        names = [
            x509.Name(
                [
                    x509.NameAttribute(x509.NameOID.COMMON_NAME, n),
                    x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "test"),
                ]
            )
            for n in (name, "root")
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )
        usage = x509.KeyUsage(**{word: word == allowed for word in words})
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        for extension, critical in ((usage, True), (authority, False), *extensions):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    leaf = certificate(
        "leaf",
        key.public_key(),
        "digital_signature",
        (x509.BasicConstraints(False, None), True),
        (x509.ExtendedKeyUsage([getattr(x509.ExtendedKeyUsageOID, purpose)]), False),
    )
    root = certificate(
        "root", root_key.public_key(), "key_cert_sign", (x509.BasicConstraints(True, 0), True)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ContentSigner(leaf + root, private)


@pytest.fixture
def package() -> None:
    pytest.importorskip("c2pa", reason="c2pa-python (extra c2pa) is not installed")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_signed_image_says_what_it_is_and_keeps_its_pixels(kind: str) -> None:
    content = saved(kind)
    signed = sign_content(content, issued())
    assert (
        np.asarray(Image.open(io.BytesIO(signed))) == np.asarray(Image.open(io.BytesIO(content)))
    ).all()
    assert read_credentials(content) is None
    assert read_credentials(signed) == Credentials(
        "valid", "leaf", True, ("signingCredential.untrusted",)
    )
    assert len(signed) - len(content) < 20_000


@pytest.mark.usefixtures("package")
def test_a_changed_image_is_invalid_and_a_resaved_one_has_lost_it() -> None:
    signed = sign_content(saved("PNG"), issued())
    place = signed.index(b"IDAT") + 20
    changed = read_credentials(signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :])
    assert (
        changed is not None
        and changed.state == "invalid"
        and "assertion.dataHash.mismatch" in changed.problems
    )
    stream = io.BytesIO()
    Image.open(io.BytesIO(signed)).save(stream, "PNG")
    assert read_credentials(stream.getvalue()) is None


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_cut_file_is_damaged_not_a_traceback(cut: float) -> None:
    signed = sign_content(saved("PNG"), issued())
    found = read_credentials(signed[: int(cut * len(signed))])
    assert found is None or found.state in ("damaged", "invalid")


@pytest.mark.usefixtures("package")
def test_signers_that_do_not_fit_are_refused() -> None:
    good, other = issued(), issued()
    for signer in (
        ContentSigner(good.chain, b"-----BEGIN PRIVATE KEY-----\n"),
        ContentSigner(b"-----BEGIN CERTIFICATE-----\n", good.key),
        issued(purpose="SERVER_AUTH"),
        issued(curve="SECP384R1"),
        ContentSigner(good.chain, other.key),
    ):
        with pytest.raises(SignatureError, match="expected a P-256 key"):
            sign_content(saved("PNG"), signer)


def test_without_the_package_presence_is_still_seen_and_signing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    content = saved("PNG")
    carrying = (
        content[:33] + b"\0\0\0\x20caBX\0\0\0\x20jumb\0\0\0\x18jumdc2pa" + bytes(16) + content[33:]
    )
    assert read_credentials(content) is None
    assert read_credentials(carrying) == Credentials("unread")
    with pytest.raises(
        MissingDependency,
        match=r"needs c2pa-python, which is not installed; run: pip install 'medpipe\[c2pa\]'",
    ):
        sign_content(content, ContentSigner(b"", b""))


def test_a_signer_is_read_from_two_files(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    key.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    assert read_signer(chain, key) == ContentSigner(chain.read_bytes(), key.read_bytes())
    assert "PRIVATE" not in repr(read_signer(chain, key))
    for wrong in ((key, key), (chain, chain), (chain, tmp_path / "none")):
        with pytest.raises(SpecError, match="PEM file"):
            read_signer(*wrong)
