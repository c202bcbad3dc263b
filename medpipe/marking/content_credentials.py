"""A C2PA manifest in an image file: a signed statement that the image was created by a trained
algorithm.

Signing and reading take the package c2pa-python (extra "c2pa"); whether a file carries a C2PA
manifest at all is seen without it. Works offline: no time stamp is asked for, nothing is fetched.
It is metadata: saving the image again in any other program removes it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from medpipe.errors import MissingDependency, SignatureError, SpecError

CREATED: Final = "c2pa.created"
SOURCE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_SETTINGS: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


@dataclass(frozen=True)
class ContentSigner:
    """``chain``: PEM certificates, the signer's first; ``key``: its private key, PEM, PKCS#8,
    P-256; it is in no ``repr``.
    """

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """What a file's C2PA manifest says. ``state``: ``"trusted"``, ``"valid"`` (unchanged since it
    was signed, by whomever), ``"invalid"``, ``"damaged"`` or ``"unread"`` (c2pa-python is not
    installed). ``signer``: the common name in the certificate, which anybody can choose.
    ``synthetic``: whether it says that a trained algorithm created the image. ``problems``: codes
    of C2PA.
    """

    state: str
    signer: str = ""
    synthetic: bool = False
    problems: tuple[str, ...] = ()


def read_signer(chain: Path, key: Path) -> ContentSigner:
    """A signer from two PEM files. Raises `SpecError` where one cannot be read or is no PEM
    file.
    """
    contents = []
    for path, what in ((chain, b"CERTIFICATE"), (key, b"PRIVATE KEY")):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SpecError(
                str(path), "a readable PEM file", error.strerror or str(error)
            ) from error
        if b"-----BEGIN " + what not in content or b"\0" in content:
            raise SpecError(str(path), f"a PEM file with {what.decode()}", "something else")
        contents.append(content)
    return ContentSigner(*contents)


def sign_content(content: bytes, signer: ContentSigner) -> bytes:
    """An image file (PNG or JPEG) with a C2PA manifest in it; its pixels stay the same.

    The certificate needs P-256, extended key usage emailProtection and an issuer in the chain.
    Raises `MissingDependency`, `SignatureError`.
    """
    c2pa = _package("signing an image with C2PA")
    action = {"action": CREATED, "digitalSourceType": SOURCE}
    manifest = {
        "claim_generator_info": [{"name": "medpipe"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    signed = io.BytesIO()
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Builder(manifest, context=context) as builder,
            c2pa.Signer.from_info(
                c2pa.C2paSignerInfo(b"es256", signer.chain, signer.key, None)
            ) as private,
        ):
            builder.sign(private, _kind(content), io.BytesIO(content), signed)
    except c2pa.C2paError as error:
        raise SignatureError(
            "C2PA: expected a P-256 key and its certificate with extended key usage"
            f" emailProtection and its issuer, got: {error}"
        ) from error
    return signed.getvalue()


def read_credentials(content: bytes) -> Credentials | None:
    """The C2PA manifest of an image file, None where there is none. Without c2pa-python: only that
    there is one.
    """
    if not _carries(content):
        return None
    try:
        c2pa = _package("reading a C2PA manifest")
    except MissingDependency:
        return Credentials("unread")
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Reader(_kind(content), io.BytesIO(content), context=context) as reader,
        ):
            state, active = reader.get_validation_state(), reader.get_active_manifest() or {}
            results = reader.get_validation_results() or {}
    except c2pa.C2paError as error:
        return Credentials("damaged", problems=(str(error).partition(":")[0],))
    failures = tuple(
        str(f.get("code")) for f in results.get("activeManifest", {}).get("failure", ())
    )
    signer = str(active.get("signature_info", {}).get("common_name", ""))
    return Credentials(str(state).lower(), signer, _says_synthetic(active), failures)


def _says_synthetic(manifest: Any) -> bool:
    actions = [
        a
        for found in manifest.get("assertions", ())
        if str(found.get("label", "")).startswith("c2pa.actions")
        for a in found.get("data", {}).get("actions", ())
    ]
    return any(a.get("action") == CREATED and a.get("digitalSourceType") == SOURCE for a in actions)


def _carries(content: bytes) -> bool:
    """Whether there is a JUMBF box labelled c2pa, as both PNG (chunk caBX) and JPEG (APP11) hold
    it.
    """
    return content.startswith((_PNG, _JPEG)) and b"jumb" in content and b"c2pa" in content


def _kind(content: bytes) -> str:
    return "image/png" if content.startswith(_PNG) else "image/jpeg"


def _package(purpose: str) -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingDependency("c2pa-python", "c2pa", purpose) from error
    return c2pa
