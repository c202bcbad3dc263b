"""Issue a self-signed identity: a throw-away root, one signer and a key for statements."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from medpipe.errors import MissingDependency

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateBuilder

LOCAL_MARKER: Final = "self-issued"
_YEARS: Final = 20


def cryptography_package() -> Any:
    """The package ``cryptography`` with all parts in use loaded; it comes with the extra
    "report".
    """
    try:
        import cryptography.exceptions
        import cryptography.hazmat.primitives.asymmetric.ec
        import cryptography.hazmat.primitives.asymmetric.ed25519
        import cryptography.hazmat.primitives.asymmetric.rsa
        import cryptography.hazmat.primitives.hashes
        import cryptography.hazmat.primitives.serialization.pkcs12
        import cryptography.x509
    except ImportError as error:
        raise MissingDependency("cryptography", "report", "signing") from error
    return cryptography


def new_identity_files() -> dict[str, bytes]:
    """The files of a new local identity by name: keys, certificate and root."""
    crypto = cryptography_package()
    x509, asymmetric = crypto.x509, crypto.hazmat.primitives.asymmetric
    hashes, serialization = crypto.hazmat.primitives.hashes, crypto.hazmat.primitives.serialization
    root_key, key = (
        asymmetric.ec.generate_private_key(asymmetric.ec.SECP256R1()) for _ in range(2)
    )
    name = (  # no user or host name leaves the machine
        f"medpipe local identity {secrets.token_hex(4)} ({LOCAL_MARKER})"
    )
    root_name, leaf_name = _subject(name + " root"), _subject(name)
    root = (
        _certificate(root_name, root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _certificate(leaf_name, root_name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage("digital_signature", "content_commitment"), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "signing-key.pem": key.private_bytes(*plain),
        "signing-cert.pem": pem(leaf).encode(),
        "root-cert.pem": pem(root).encode(),
        "attest-key.pem": asymmetric.ed25519.Ed25519PrivateKey.generate().private_bytes(*plain),
    }


def pem(certificate: Certificate) -> str:
    """``certificate`` in PEM."""
    return certificate.public_bytes(
        cryptography_package().hazmat.primitives.serialization.Encoding.PEM
    ).decode("ascii")


def _subject(name: str) -> Any:
    x509 = cryptography_package().x509
    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])


def _certificate(subject: Any, issuer: Any, key: Any) -> CertificateBuilder:
    x509 = cryptography_package().x509
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(
        days=1
    )  # readers' clocks may be slow
    builder: CertificateBuilder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=366 * _YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder


def _key_usage(*allowed: str) -> Any:
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
    return cryptography_package().x509.KeyUsage(**{word: word in allowed for word in words})
