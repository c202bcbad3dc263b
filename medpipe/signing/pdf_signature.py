"""The signature of a PDF as bytes: where it stands, what it covers, whether it holds. No PDF parser
takes part.

So a changed byte is called a changed byte, even where it makes the rest of the file unreadable.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

from medpipe.errors import SignatureError
from medpipe.signing.identity import CURVES, MIN_RSA_BITS

STRONG_DIGESTS: Final = ("sha256", "sha384", "sha512")
LIBRARY_ERRORS: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    EOFError,
    MemoryError,
    zlib.error,
    struct.error,
)
_KNOWN_DIGESTS: Final = (*STRONG_DIGESTS, "sha1", "sha224", "md5")
_BYTE_RANGE: Final = re.compile(
    rb"/ByteRange\s*\[\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]"
)
_ALTERED: Final = "get the file again from its signer"


class Refusal(SignatureError):
    """One step of the policy says no: ``code`` for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Seal:
    """A signature found in a file: its ByteRange, its CMS object (DER, and parsed by asn1crypto),
    the certificate that made it.
    """

    byte_range: tuple[int, int, int, int]
    der: bytes
    signer_info: Any
    certificates: tuple[Any, ...]
    signer: Any

    @property
    def end(self) -> int:
        """First byte behind what the signature covers."""
        return self.byte_range[2] + self.byte_range[3]

    @property
    def digest_algorithm(self) -> str:
        return str(self.signer_info["digest_algorithm"]["algorithm"].native)


def find_seals(data: bytes) -> list[Seal]:
    """All signatures whose bytes can be made out, the one that covers least first."""
    ranges = [
        tuple(int(number) for number in match.groups()) for match in _BYTE_RANGE.finditer(data)
    ]
    if not ranges and b"/ByteRange" in data:
        raise Refusal(
            "altered",
            f"the file was altered: its signature does not say what it covers; {_ALTERED}",
        )
    return [_seal(data, (a, b, c, d)) for a, b, c, d in sorted(ranges, key=lambda r: r[2] + r[3])]


def _seal(data: bytes, byte_range: tuple[int, int, int, int]) -> Seal:
    start, before, behind, rest = byte_range
    hole = data[before:behind]
    if (
        start == 0
        and before < behind <= len(data) < behind + rest
        and not data.rstrip().endswith(b"%%EOF")
    ):
        raise Refusal(
            "unreadable",
            f"expected a file of {behind + rest} bytes, as its signature says, got {len(data)}: it"
            " was cut off, perhaps in a download; get the whole file from its signer",
        )
    if (
        start
        or not before < behind <= behind + rest <= len(data)
        or not re.fullmatch(rb"<(?:[0-9A-F]{2})+>", hole)
    ):
        raise Refusal(
            "altered",
            "the file was cut or altered: its signature does not stand where its ByteRange "
            f"{list(byte_range)} says, in a file of {len(data)} bytes; {_ALTERED}",
        )
    try:
        return _parse(bytes.fromhex(hole[1:-1].decode("ascii")), byte_range)
    except LIBRARY_ERRORS as error:
        raise Refusal(
            "altered",
            "the file was altered, or signed by another tool: its signature object is damaged or"
            f" holds what no signature covers; {_ALTERED}",
        ) from error


def _parse(content: bytes, byte_range: tuple[int, int, int, int]) -> Seal:
    from asn1crypto import cms, parser
    from pyhanko.sign.general import extract_certificate_info

    der = content[: parser.peek(content)]
    if content[len(der) :].strip(b"\0"):
        raise ValueError("padding is not zero")
    signed = cms.ContentInfo.load(der, strict=True)["content"]
    (info,) = signed["signer_infos"]
    certificates = extract_certificate_info(signed)
    bound = "signing_certificate_v2" in {
        attribute["type"].native for attribute in info["signed_attrs"]
    }
    if not bound or _only_what_counts(signed, info, certificates.signer_cert) != der:
        raise ValueError("parts that no signature covers")
    return Seal(byte_range, der, info, tuple(certificates.other_certs), certificates.signer_cert)


def _only_what_counts(signed: Any, info: Any, signer: Any) -> bytes:
    """The CMS object made again from the parts that the signature covers or that are checked
    against it: nothing else may be there.
    """
    from asn1crypto import cms

    who = cms.IssuerAndSerialNumber(
        {"issuer": signer.issuer, "serial_number": signer.serial_number}
    )  # names match whatever their case
    again = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": who}),
            **{
                key: info[key]
                for key in ("digest_algorithm", "signed_attrs", "signature_algorithm", "signature")
            },
        }
    )
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [info["digest_algorithm"]],
            "encap_content_info": {"content_type": "data"},
            "certificates": signed["certificates"],
            "signer_infos": [again],
        }
    )
    return bytes(
        cms.ContentInfo({"content_type": "signed_data", "content": data}).dump(force=False)
    )


def is_intact(data: bytes, seal: Seal) -> bool:
    """Whether the covered bytes are those that were signed, and the signature is by the key of its
    certificate.
    """
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    if seal.digest_algorithm not in _KNOWN_DIGESTS:
        return False
    _, before, behind, rest = seal.byte_range
    view = memoryview(data)
    digest = hashlib.new(seal.digest_algorithm, view[:before], usedforsecurity=False)
    digest.update(view[behind : behind + rest])
    try:
        return all(validate_sig_integrity(seal.signer_info, seal.signer, "data", digest.digest()))
    except LIBRARY_ERRORS:
        return False


def require_intact(data: bytes, seal: Seal) -> str:
    """Step: nothing changed since it was signed."""
    if not is_intact(data, seal):
        raise Refusal(
            "altered",
            "the file was altered after it was signed: its bytes do not fit its signature;"
            f" {_ALTERED}",
        )
    return f"{seal.digest_algorithm} over {seal.byte_range[1] + seal.byte_range[3]} bytes"


def require_strength(seal: Seal) -> str:
    """Step: digest and key are strong enough to mean something."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_der_x509_certificate

    key = load_der_x509_certificate(seal.signer.dump()).public_key()
    name = type(key).__name__
    if isinstance(key, EllipticCurvePublicKey):
        name, strong = key.curve.name, key.curve.name in CURVES
    elif isinstance(key, RSAPublicKey):
        name, strong = f"RSA {key.key_size}", key.key_size >= MIN_RSA_BITS
    else:
        strong = False
    if not strong or seal.digest_algorithm not in STRONG_DIGESTS:
        raise Refusal(
            "weak-signature",
            f"expected a signature with SHA-256 or better and RSA {MIN_RSA_BITS} or P-256 or"
            f" better, got {seal.digest_algorithm} with {name}; ask for a report signed anew",
        )
    return f"{seal.digest_algorithm}, {name}"
