"""The signer's identity: a local one made on first use, or one from a PKCS#12 file.

A local identity proves "unchanged since", never "who": its certificate says *self-issued*, and a
reader has to be told its fingerprint by another way. It lives in one folder (mode 0700)::

    signing-key.pem    P-256, PKCS#8, mode 0600       signs reports
    signing-cert.pem   keyUsage digitalSignature + contentCommitment, issued by
    root-cert.pem      a root whose key was thrown away: nobody can issue a second signer under it
    attest-key.pem     Ed25519, PKCS#8, mode 0600     signs statements about evidence
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medpipe.errors import SignatureError
from medpipe.signing.certificates import LOCAL_MARKER, cryptography_package, new_identity_files, pem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509 import Certificate

MIN_RSA_BITS: Final = 2048
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_FILES: Final = ("signing-key.pem", "signing-cert.pem", "root-cert.pem", "attest-key.pem")


@dataclass(frozen=True)
class Identity:
    """A signer: ``fingerprint`` is the SHA-256 of the certificate's DER in lower-case hex,
    ``chain`` its issuers, root last.
    """

    name: str
    certificate: Certificate
    fingerprint: str
    key: Any
    chain: tuple[Certificate, ...]
    is_local: bool
    attest_key: Ed25519PrivateKey


def local_identity(folder: Path | None = None) -> Identity:
    """The local identity in ``folder``, made on first use.

    Default: ``$MEDPIPE_IDENTITY``, else ``$XDG_CONFIG_HOME/medpipe/identity``, else
    ``~/.config/medpipe/identity``. Several processes may come at once: one makes it, all get the
    same. Raises :class:`SignatureError` for a damaged folder.
    """
    folder = folder or _default_folder()
    try:
        if not folder.is_dir() or not any(folder.iterdir()):
            _create(folder)
        return _load(folder)
    except OSError as error:
        raise SignatureError(
            f"the signing identity in {folder} can be neither read nor made:"
            f" {error.strerror or error}; set MEDPIPE_IDENTITY to a folder of your own"
        ) from error


def existing_identity(folder: Path | None = None) -> Identity | None:
    """The local identity in ``folder`` where there is one, else None: nothing is made."""
    folder = folder or _default_folder()
    try:
        return _load(folder) if folder.is_dir() and any(folder.iterdir()) else None
    except OSError as error:
        raise SignatureError(
            f"the signing identity in {folder} cannot be read: {error.strerror or error}; "
            "set MEDPIPE_IDENTITY to a folder of your own"
        ) from error


def pkcs12_identity(path: Path, passphrase: str | None, *, folder: Path | None = None) -> Identity:
    """The identity in a PKCS#12 file. Statements about evidence are signed by the Ed25519 key of
    the local identity in ``folder``.
    """
    pkcs12 = cryptography_package().hazmat.primitives.serialization.pkcs12
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SignatureError(
            f"expected a PKCS#12 file at {path}, got: {error.strerror or error}"
        ) from error
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(
            data, passphrase.encode() if passphrase else None
        )
    except ValueError as error:
        raise SignatureError(
            f"{path} does not open: the passphrase is wrong or the file is no PKCS#12 file; "
            "try: openssl pkcs12 -info -noout -in FILE"
        ) from error
    if key is None or certificate is None:
        raise SignatureError(
            f"expected a private key and its certificate in {path}, got no"
            f" {'key' if key is None else 'certificate'}; export both together"
        )
    _check_usable(certificate, key, str(path))
    return _identity(
        certificate, key, tuple(_issuers(certificate, others)), local_identity(folder).attest_key
    )


def public_record(identity: Identity) -> dict[str, str]:
    """What may be published about a signer: name, fingerprint, certificate, root (PEM), public key
    for statements (hex).
    """
    root = identity.chain[-1] if identity.chain else identity.certificate
    return {
        "name": identity.name,
        "fingerprint": identity.fingerprint,
        "certificate": pem(identity.certificate),
        "root": pem(root),
        "attest_public_key": identity.attest_key.public_key().public_bytes_raw().hex(),
    }


def _default_folder() -> Path:
    if own := os.environ.get("MEDPIPE_IDENTITY"):
        return Path(own).expanduser()
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "medpipe" / "identity"


def _create(folder: Path) -> None:
    """Makes the identity beside ``folder`` and moves it there in one step; where another process
    was faster, its one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".identity-", dir=folder.parent))  # mode 0700
    try:
        for name, content in new_identity_files().items():
            mode = 0o600 if "key" in name else 0o644
            with open(
                os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb"
            ) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        try:
            draft.rename(folder)
        except OSError:
            if not any(folder.iterdir()):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _load(folder: Path) -> Identity:
    crypto = cryptography_package()
    serialization, ed25519 = (
        crypto.hazmat.primitives.serialization,
        crypto.hazmat.primitives.asymmetric.ed25519,
    )
    try:
        for name in _FILES:
            if (
                "key" in name
                and os.name == "posix"
                and stat.S_IMODE((folder / name).stat().st_mode) & 0o077
            ):
                raise SignatureError(
                    f"{folder / name} can be read by other users; run: chmod 600 {folder / name}"
                )
        files = [(folder / name).read_bytes() for name in _FILES]
        key = serialization.load_pem_private_key(files[0], None)
        certificate, root = (crypto.x509.load_pem_x509_certificate(data) for data in files[1:3])
        attest_key = serialization.load_pem_private_key(files[3], None)
        certificate.verify_directly_issued_by(root)
    except (
        FileNotFoundError,
        ValueError,
        TypeError,
        crypto.exceptions.InvalidSignature,
        crypto.exceptions.UnsupportedAlgorithm,
    ) as error:
        raise _damaged(folder) from error
    if not isinstance(attest_key, ed25519.Ed25519PrivateKey):
        raise _damaged(folder)
    _check_usable(certificate, key, str(folder))
    return _identity(certificate, key, (root,), attest_key)


def _damaged(folder: Path) -> SignatureError:
    return SignatureError(
        f"the signing identity in {folder} is damaged: expected {', '.join(_FILES)} that belong"
        " together; restore the folder, or move it away and a new identity is made"
    )


def _identity(
    certificate: Certificate,
    key: Any,
    chain: tuple[Certificate, ...],
    attest_key: Ed25519PrivateKey,
) -> Identity:
    crypto = cryptography_package()
    common = certificate.subject.get_attributes_for_oid(crypto.x509.oid.NameOID.COMMON_NAME)
    name = str(common[0].value) if common else certificate.subject.rfc4514_string()
    return Identity(
        name=name,
        certificate=certificate,
        key=key,
        chain=chain,
        attest_key=attest_key,
        fingerprint=certificate.fingerprint(crypto.hazmat.primitives.hashes.SHA256()).hex(),
        is_local=LOCAL_MARKER in certificate.subject.rfc4514_string().lower(),
    )


def _check_usable(certificate: Certificate, key: Any, where: str) -> None:
    """Refuses at once what a strict reader would refuse later."""
    crypto = cryptography_package()
    asymmetric, x509 = crypto.hazmat.primitives.asymmetric, crypto.x509
    if key.public_key() != certificate.public_key():
        raise SignatureError(
            f"{where}: expected a key and its certificate, got a certificate of another key; "
            "restore the pair that belongs together"
        )
    strong = (
        isinstance(key, asymmetric.ec.EllipticCurvePrivateKey) and key.curve.name in CURVES
    ) or (isinstance(key, asymmetric.rsa.RSAPrivateKey) and key.key_size >= MIN_RSA_BITS)
    if not strong:
        raise SignatureError(
            f"{where}: expected an RSA key of {MIN_RSA_BITS} bits or more, or P-256, P-384 or"
            " P-521; use another certificate"
        )
    try:
        committed = certificate.extensions.get_extension_for_class(
            x509.KeyUsage
        ).value.content_commitment
    except x509.ExtensionNotFound:
        committed = False
    if not committed:
        raise SignatureError(
            f"{where}: expected a certificate with key usage contentCommitment (nonRepudiation),"
            " which readers of signed documents ask for; get a certificate for document signing"
        )
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        raise SignatureError(
            f"{where}: the certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to"
            f" {certificate.not_valid_after_utc:%Y-%m-%d}, which is not now; get a new one"
        )


def _issuers(certificate: Certificate, others: list[Certificate]) -> Any:
    """The certificates of ``others`` that lead from ``certificate`` upwards, in order."""
    invalid = cryptography_package().exceptions.InvalidSignature
    left = list(others)
    while left and certificate.issuer != certificate.subject:
        for issuer in left:
            try:
                certificate.verify_directly_issued_by(issuer)
            except (ValueError, TypeError, invalid):
                continue
            yield issuer
            left.remove(issuer)
            certificate = issuer
            break
        else:
            return
