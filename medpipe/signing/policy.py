"""The strict policy: what a signed report must be to be believed.

Neither "signature valid" of other tools is enough: they accept bytes appended behind the signature,
updates that replace pages or attachments, and any signer under a known root. Here a report carries
exactly one signature, over the whole file, that certifies "no change allowed", by a signer whose
fingerprint the reader has pinned; and it holds nothing that acts. No network is used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from medpipe.errors import MissingDependency, SignatureError
from medpipe.formatting import agree, plural
from medpipe.signing import pdf_contents, pdf_signature
from medpipe.signing.certificates import LOCAL_MARKER
from medpipe.signing.layout import SIGNATURE_FIELD
from medpipe.signing.signers import TrustedSigner, dump_signer, load_signers, plain_text

__all__ = [
    "CODES",
    "PolicyViolation",
    "SignedPdf",
    "Step",
    "TrustedSigner",
    "check_signed_pdf",
    "dump_signer",
    "load_signers",
]

MAX_PDF_BYTES: Final = 256 * 2**20
CODES: Final = {
    "unreadable": "no PDF, too large, or beyond reading",
    "not-signed": "never signed, or the signature was removed",
    "altered": "signed bytes, or the signature itself, changed or cut",
    "appended-update": "something was added behind the signature",
    "attachment-replaced": "an update behind the signature changes an attachment",
    "not-certified": "signed, but not as a certification that allows no change",
    "unfit-certificate": (
        "the signer's certificate may not sign documents, or does not lead to the pinned root"
    ),
    "weak-signature": "digest or key too weak",
    "active-content": "scripts, actions, layers, encryption",
    "bad-attachments": "doubtful names, duplicates, too much, or not listed as they should be",
    "unknown-signer": "all else is in order, but no signer is pinned",
    "foreign-signer": "all else is in order, but the signer is not among the pinned ones",
    "revoked-signer": "the signer was revoked",
    "expired-signer": "the signer's certificate has expired",
}


@dataclass(frozen=True)
class Step:
    """One numbered step of the check and what came of it."""

    number: int
    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class SignedPdf:
    """A signed PDF: ``signed_at`` is what the signer claims; ``is_local_marker``: the subject calls
    itself self-issued or a test.
    """

    steps: tuple[Step, ...]
    signer_name: str
    fingerprint: str
    signed_at: datetime | None
    is_local_marker: bool
    attachments: Mapping[str, bytes]


class PolicyViolation(SignatureError):
    """The PDF breaks the policy: ``code`` (see ``CODES``), the failed ``step`` and all ``steps`` up
    to it.

    ``signed`` holds the rest where only the signer was not accepted, so that a reader can go on
    looking, with that said.
    """

    def __init__(self, code: str, steps: tuple[Step, ...], signed: SignedPdf | None) -> None:
        super().__init__(steps[-1].detail)
        self.code, self.step, self.steps, self.signed = code, steps[-1], steps, signed


@dataclass
class _Case:
    """What the steps find out, one after the other."""

    data: bytes
    trusted: Mapping[str, TrustedSigner | bytes]
    seal: Any = None
    reader: Any = None
    signature: Any = None
    survey: Any = None
    signed_at: datetime | None = None
    attachments: dict[str, bytes] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return str(self.seal.signer.sha256.hex())

    @property
    def signer_name(self) -> str:
        subject = self.seal.signer.subject
        return plain_text(str(subject.native.get("common_name") or subject.human_friendly))

    def summary(self, steps: tuple[Step, ...]) -> SignedPdf:
        subject = str(self.seal.signer.subject.human_friendly).lower()
        return SignedPdf(
            steps=steps,
            signer_name=self.signer_name,
            fingerprint=self.fingerprint,
            signed_at=self.signed_at,
            is_local_marker=LOCAL_MARKER in subject or "test only" in subject,
            attachments=dict(self.attachments),
        )


def check_signed_pdf(data: bytes, *, trusted: Mapping[str, TrustedSigner | bytes]) -> SignedPdf:
    """Checks one signed PDF by every step of the policy.

    ``trusted``: accepted signers by fingerprint (64 hex digits): a :class:`TrustedSigner`, or the
    PEM of the issuers to trust. Raises :class:`PolicyViolation` at the first step that fails; the
    signer is judged last.
    """
    try:
        import pyhanko.sign.validation  # noqa: F401
    except ImportError as error:
        raise MissingDependency("pyhanko", "report", "checking a signed report") from error
    case = _Case(data, trusted)
    steps: tuple[Step, ...] = ()
    errors = pdf_contents.library_errors()
    with _hushed():
        for number, (name, check) in enumerate(_STEPS, 1):
            try:
                steps = (*steps, Step(number, name, True, check(case)))
            except pdf_signature.Refusal as refusal:
                failed = (*steps, Step(number, name, False, str(refusal)))
                last = number == len(_STEPS)
                raise PolicyViolation(
                    refusal.code, failed, case.summary(failed) if last else None
                ) from None
            except errors as error:
                text = (
                    f"the file cannot be read as a PDF ({type(error).__name__}:"
                    f" {plain_text(str(error))}); get it again from its signer"
                )
                raise PolicyViolation(
                    "unreadable", (*steps, Step(number, name, False, text)), None
                ) from error
    return case.summary(steps)


def _readable(case: _Case) -> str:
    if len(case.data) > MAX_PDF_BYTES:
        raise pdf_signature.Refusal(
            "unreadable", f"expected a PDF of {MAX_PDF_BYTES} bytes at most, got {len(case.data)}"
        )
    if not case.data.startswith(b"%PDF-1."):
        for found in pdf_signature.find_seals(case.data):
            pdf_signature.require_intact(case.data, found)
        raise pdf_signature.Refusal(
            "unreadable", f"expected a PDF, got a file that begins with {case.data[:8]!r}"
        )
    return f"{len(case.data)} bytes"


def _signed_once(case: _Case) -> str:
    seals = pdf_signature.find_seals(case.data)
    if not seals:
        raise _no_seal(case.data)
    case.seal = seals[0]
    if len(seals) > 1:
        pdf_signature.require_intact(case.data, case.seal)
        raise pdf_signature.Refusal(
            "appended-update",
            "the file was changed after it was signed: "
            f"{plural(len(seals) - 1, 'more signature')} {agree(len(seals) - 1, 'was', 'were')} "
            "added; "
            "get the file again from its signer",
        )
    return "one signature"


def _no_seal(data: bytes) -> pdf_signature.Refusal:
    """Why there is no signature: none was made, it was taken away, or a changed byte hides it."""
    from pyhanko.sign.fields import enumerate_sig_fields

    filled = [
        value
        for _, value, _ in enumerate_sig_fields(pdf_contents.open_pdf(data))
        if value is not None
    ]
    if filled:
        return pdf_signature.Refusal(
            "altered",
            "the file was altered: its signature object is damaged; get the file again from its"
            " signer",
        )
    return pdf_signature.Refusal(
        "not-signed",
        "the file is not signed: its signature was removed or never made; ask for the signed"
        " report",
    )


def _covers_all(case: _Case) -> str:
    if case.seal.end == len(case.data):
        return "from the first byte to the last"
    pdf_signature.require_intact(case.data, case.seal)
    added = len(case.data) - case.seal.end
    advice = "get the file again from its signer"
    if names := pdf_contents.changed_attachments(case.data[: case.seal.end], case.data):
        raise pdf_signature.Refusal(
            "attachment-replaced",
            f"the attachment {plain_text(', '.join(names))} was replaced after signing, "
            f"by an update of {added} bytes behind the signature; {advice}",
        )
    raise pdf_signature.Refusal(
        "appended-update",
        f"{added} bytes were added behind the signature, which covers {case.seal.end}; {advice}",
    )


def _certified(case: _Case) -> str:
    from pyhanko.sign.fields import MDPPerm, enumerate_sig_fields

    case.reader = pdf_contents.open_pdf(case.data)
    if case.reader.encrypted:
        raise pdf_signature.Refusal(
            "active-content",
            "expected a report that anybody can read, got an encrypted PDF; ask for it without a"
            " password",
        )
    fields = [name for name, _, _ in enumerate_sig_fields(case.reader)]
    signatures = case.reader.embedded_signatures
    if fields != [SIGNATURE_FIELD] or len(signatures) != 1:
        raise pdf_signature.Refusal(
            "not-certified",
            f"expected one signature field {SIGNATURE_FIELD}, got "
            f"{plain_text(', '.join(fields)) or 'none'}; the file was not made by medpipe",
        )
    case.signature = signatures[0]
    if tuple(
        case.signature.byte_range
    ) != case.seal.byte_range or not case.signature.pkcs7_content.startswith(case.seal.der):
        raise pdf_signature.Refusal(
            "altered",
            "the signature that readers see is not the one that covers the file; get it again from"
            " its signer",
        )
    permissions = case.reader.root.get("/Perms", {})
    certifies = list(permissions) == ["/DocMDP"] and permissions.raw_get(
        "/DocMDP"
    ) == case.signature.sig_field.raw_get("/V")
    level = case.signature.docmdp_level
    if (
        not certifies
        or level != MDPPerm.NO_CHANGES
        or case.signature.sig_object.get("/SubFilter") != "/ETSI.CAdES.detached"
    ):
        got = f"P={level.value}" if certifies and level else "an approval signature"
        raise pdf_signature.Refusal(
            "not-certified",
            f"expected a PAdES certification that allows no change (P=1), got {got}; "
            "ask for a certified report",
        )
    return "P=1, no change allowed"


def _valid(case: _Case) -> str:
    """pyHanko's own verdict, with the path to the pinned root; without a pin the signer stands for
    himself until the last step.
    """
    from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    case.signed_at = case.signature.self_reported_timestamp
    pin = case.trusted.get(case.fingerprint)
    context = ValidationContext(
        trust_roots=_roots(pin) if pin else [case.seal.signer],
        other_certs=list(case.seal.certificates),
        allow_fetching=False,
        moment=case.signed_at or datetime.now(UTC),
    )
    status = validate_pdf_signature(case.signature, signer_validation_context=context)
    if not (
        status.intact
        and status.valid
        and status.coverage is SignatureCoverageLevel.ENTIRE_FILE
        and status.docmdp_ok
    ):
        raise pdf_signature.Refusal(
            "altered", "the file was altered after it was signed; get it again from its signer"
        )
    if not (status.trusted and status.bottom_line and status.validation_path):
        raise pdf_signature.Refusal(
            "unfit-certificate",
            f"the certificate of {case.signer_name} may not sign documents, was not valid when it "
            "signed, or does not lead to the pinned root; ask the signer for a report signed anew",
        )
    path = {certificate.sha256 for certificate in status.validation_path}
    if pin and any(certificate.sha256 not in path for certificate in case.seal.certificates):
        raise pdf_signature.Refusal(
            "unfit-certificate",
            "the signature carries certificates that have no part in it; ask for a report signed"
            " anew",
        )
    return "digest, signature and certificate hold"


def _roots(pin: TrustedSigner | bytes) -> list[Any]:
    from asn1crypto import pem, x509

    data = pin.root if isinstance(pin, TrustedSigner) else pin
    return [x509.Certificate.load(der) for _, _, der in pem.unarmor(data, multiple=True)]


def _inert(case: _Case) -> str:
    case.survey = pdf_contents.survey(case.reader)
    return pdf_contents.require_inert(case.survey)


def _attached(case: _Case) -> str:
    case.attachments = pdf_contents.read_attachments(case.reader, case.survey)
    return ", ".join(sorted(case.attachments)) or "none"


def _known_signer(case: _Case) -> str:
    signer = f"{case.signer_name} ({case.fingerprint})"
    if not case.trusted:
        raise pdf_signature.Refusal(
            "unknown-signer",
            f"the file is whole, but nothing says whether its signer {signer} is to be believed; "
            "get the signer's record by another way and name it",
        )
    pin = case.trusted.get(case.fingerprint)
    if pin is None:
        expected = ", ".join(
            f"{entry.name} ({key})" if isinstance(entry, TrustedSigner) else key
            for key, entry in case.trusted.items()
        )
        raise pdf_signature.Refusal(
            "foreign-signer",
            f"expected a report signed by {expected}, got one signed by {signer}; names can be"
            " chosen freely, only the fingerprint counts",
        )
    if isinstance(pin, TrustedSigner) and pin.revoked and pin.revoked <= datetime.now(UTC).date():
        raise pdf_signature.Refusal(
            "revoked-signer",
            f"the signer {signer} was revoked on {pin.revoked}, and a signature's own date proves "
            "nothing; ask for a report by another signer",
        )
    if (until := case.seal.signer.not_valid_after) < datetime.now(UTC):
        raise pdf_signature.Refusal(
            "expired-signer",
            f"the certificate of {signer} expired on {until:%Y-%m-%d}; ask for a report signed"
            " anew",
        )
    return signer


@contextmanager
def _hushed() -> Iterator[None]:
    """The libraries tell the log what they refuse; the reader hears it from the step."""
    loggers = [logging.getLogger(name) for name in ("pyhanko", "pyhanko_certvalidator")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


_STEPS: Final[tuple[tuple[str, Callable[[_Case], str]], ...]] = (
    ("file readable", _readable),
    ("signed once", _signed_once),
    ("nothing added after signing", _covers_all),
    (
        "nothing changed since signing",
        lambda case: pdf_signature.require_intact(case.data, case.seal),
    ),
    ("certified, no change allowed", _certified),
    ("signature strong", lambda case: pdf_signature.require_strength(case.seal)),
    ("signature valid", _valid),
    ("nothing active inside", _inert),
    ("attachments in order", _attached),
    ("signer accepted", _known_signer),
)
