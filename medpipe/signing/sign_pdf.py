"""Sign a report: PAdES baseline B-B, certified against any change, with a visible stamp.

Only a PDF that medpipe has just rendered is signed, never one handed in from elsewhere: what was
prepared before signing (hidden layers, scripts, switchable content) would be certified with it.
"""

from __future__ import annotations

import io
import logging
import textwrap
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from medpipe.errors import MissingDependency, SignatureError
from medpipe.fonts import font_path
from medpipe.signing.identity import Identity
from medpipe.signing.layout import SIGNATURE_FIELD

_STAMP_FONT: Final = "SourceSans3-Regular.otf"
_FONT_SIZE, _LEADING, _MARGIN = 8, 10, 4  # of the stamp, in points
_MAX_TEXT: Final = 300


def sign_pdf(
    pdf: bytes,
    identity: Identity,
    *,
    reason: str,
    location: str | None = None,
    when: datetime | None = None,
) -> bytes:
    """``pdf`` (from ``render_pdf``) certified by ``identity``: any later change breaks the
    signature.

    ``reason`` is the meaning of the signature in words and stands in the stamp beside name and time
    (``when``: aware, default now). Raises :class:`SignatureError` for a PDF that medpipe did not
    render or that is signed already.
    """
    when = when or datetime.now(UTC)
    if when.tzinfo is None or not reason.strip() or len(reason) > _MAX_TEXT:
        raise SignatureError(
            f"expected a reason of 1 to {_MAX_TEXT} characters and an aware time, got"
            f" {reason[:40]!r} at {when}"
        )
    try:
        from pyhanko.sign import fields, signers
    except ImportError as error:
        raise MissingDependency("pyhanko[opentype]", "report", "signing a report") from error
    writer = _writer(pdf)
    metadata = signers.PdfSignatureMetadata(
        field_name=SIGNATURE_FIELD,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        reason=reason,
        location=location,
        name=identity.name,
    )
    out = io.BytesIO()
    with _quiet_fonts():
        signer = _pdf_signer_at(when.astimezone(UTC).replace(microsecond=0))(
            metadata, _simple_signer(identity), stamp_style=_stamp_style()
        )
        signer.sign_pdf(
            writer,
            existing_fields_only=True,
            output=out,
            appearance_text_params={
                "stamp": _stamp_text(identity, reason, location, when, _field_width(writer))
            },
        )
    return out.getvalue()


def _writer(pdf: bytes) -> Any:
    """An incremental writer over ``pdf`` that leaves its metadata alone; refuses what medpipe did
    not just render.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign.fields import enumerate_sig_fields

    class KeepsMetadata(IncrementalPdfFileWriter):
        """pyHanko rewrites XMP and Info while signing; the rendered ones carry the PDF/A and PDF/UA
        claims.
        """

        def _update_meta(self) -> None:
            return

    foreign = SignatureError(
        "expected a PDF that medpipe has just rendered, with its empty signature field, got another"
        " file; render the report again and sign that"
    )
    try:
        writer = KeepsMetadata(io.BytesIO(pdf))
        signature_fields = [(name, value) for name, value, _ in enumerate_sig_fields(writer.prev)]
        producer = str(writer.prev.trailer["/Info"]["/Producer"])
    except (PdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise foreign from error
    if (
        signature_fields != [(SIGNATURE_FIELD, None)]
        or not producer.startswith("WeasyPrint")
        or writer.prev.xrefs.total_revisions != 1
    ):
        raise foreign
    return writer


def _simple_signer(identity: Identity) -> Any:
    from asn1crypto.keys import PrivateKeyInfo
    from asn1crypto.x509 import Certificate
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    store = SimpleCertificateStore()
    store.register_multiple(
        Certificate.load(issuer.public_bytes(Encoding.DER)) for issuer in identity.chain
    )
    # a root from inside the file would prove nothing, and could be changed unseen
    return SimpleSigner(
        signing_cert=Certificate.load(identity.certificate.public_bytes(Encoding.DER)),
        cert_registry=store,
        embed_roots=False,
        signing_key=PrivateKeyInfo.load(
            identity.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ),
    )


def _pdf_signer_at(when: datetime) -> Any:
    from pyhanko.sign.signers import PdfSigner

    class SignsAt(PdfSigner):
        def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> Any:
            session = super().init_signing_session(pdf_out, existing_fields_only)
            session.system_time = when
            return session

    return SignsAt


def _stamp_style() -> Any:
    from pyhanko.pdf_utils.font.api import FontEngineFactory
    from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
    from pyhanko.pdf_utils.layout import AxisAlignment, InnerScaling, Margins, SimpleBoxLayoutRule
    from pyhanko.pdf_utils.text import TextBoxStyle
    from pyhanko.stamp import TextStampStyle

    def left(margin: int) -> SimpleBoxLayoutRule:
        return SimpleBoxLayoutRule(
            x_align=AxisAlignment.ALIGN_MIN,
            y_align=AxisAlignment.ALIGN_MID,
            margins=Margins.uniform(margin),
            inner_content_scaling=InnerScaling.SHRINK_TO_FIT,
        )

    class Shipped(FontEngineFactory):
        """pyHanko's own factory leaves the font file open."""

        def create_font_engine(self, writer: Any, obj_stream: Any = None) -> GlyphAccumulator:
            return GlyphAccumulator(
                writer, io.BytesIO(font_path(_STAMP_FONT).read_bytes()), _FONT_SIZE
            )

    return TextStampStyle(
        stamp_text="%(stamp)s",
        border_width=0,
        text_box_style=TextBoxStyle(
            font=Shipped(), font_size=_FONT_SIZE, leading=_LEADING, box_layout_rule=left(0)
        ),
        inner_content_layout=left(_MARGIN),
    )


def _field_width(writer: Any) -> float:
    from pyhanko.sign.fields import enumerate_sig_fields

    ((_, _, field),) = enumerate_sig_fields(writer.prev)
    left, _, right, _ = (float(value) for value in field.get_object()["/Rect"])
    return right - left


def _stamp_text(
    identity: Identity, reason: str, location: str | None, when: datetime, width: float
) -> str:
    """The stamp's lines, wrapped at about ``width`` points; what is wider all the same is shrunk to
    fit.
    """
    characters = max(40, int((width - 2 * _MARGIN) / (0.43 * _FONT_SIZE)))
    lines = [
        f"Signed by {identity.name}",
        f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC{f', {location}' if location else ''}",
        f"Meaning: {reason}",
    ]
    if identity.is_local:
        lines.append(
            "A self-issued local identity: shows that nothing changed since, not who signed."
        )
    return "\n".join(part for line in lines for part in textwrap.wrap(_printable(line), characters))


def _printable(text: str) -> str:
    """``text`` without control and direction characters, and with ``?`` for what the stamp's font
    lacks.
    """
    from fontTools.ttLib import TTFont

    with TTFont(font_path(_STAMP_FONT), lazy=True) as font:
        known = font.getBestCmap()
    clean = (
        c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) not in ("Cc", "Cf")
    )
    return "".join(c if ord(c) in known else "?" for c in clean)


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """Hushes the font tools, which tell the terminal about every table they leave out."""
    loggers = [logging.getLogger(name) for name in ("fontTools", "pyhanko.pdf_utils.font.opentype")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
