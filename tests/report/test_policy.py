"""The strict policy: clean files are accepted, and every attack on them is refused with its own
name.
"""

from __future__ import annotations

import io
import random
import shutil
import socket
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("weasyprint", reason="the extra 'report' is not installed")
pytest.importorskip("pyhanko", reason="the extra 'report' is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name as name
from pyhanko.pdf_utils.generic import pdf_string as string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers

from medpipe.report.render import AttachedFile, render_pdf
from medpipe.signing import pdf_contents, policy
from medpipe.signing.identity import Identity, local_identity, public_record
from medpipe.signing.layout import SIGNATURE_FIELD
from medpipe.signing.policy import (
    CODES,
    PolicyViolation,
    SignedPdf,
    TrustedSigner,
    check_signed_pdf,
)
from medpipe.signing.sign_pdf import _pdf_signer_at, _simple_signer, sign_pdf
from medpipe.signing.signers import trusted_from

WHEN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
FILES = (
    AttachedFile("evidence.zip", b"PK" + bytes(2000), "Evidence", "Source"),
    AttachedFile("verdicts.json", b'{"a": 1}', "Verdicts"),
)
HTML = """<!doctype html><html lang="en"><head><title>t</title></head><body><h1>Report</h1>
<p>accuracy 0.95</p><p><a href="https://example.org/">a link is no action</a></p>
<div id="signature" style="height: 50px"></div></body></html>"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def identity(home: Path) -> Identity:
    return local_identity(home / "identity")


@pytest.fixture(scope="module")
def stranger(home: Path) -> Identity:
    return local_identity(home / "stranger")


@pytest.fixture(scope="module")
def rendered() -> bytes:
    return render_pdf(HTML, identifier=b"x" * 16, created=WHEN, attachments=FILES)


@pytest.fixture(scope="module")
def clean(rendered: bytes, identity: Identity) -> bytes:
    return sign_pdf(rendered, identity, reason="I made this", when=WHEN)


@pytest.fixture(scope="module")
def trusted(identity: Identity) -> dict[str, TrustedSigner | bytes]:
    return {identity.fingerprint: trusted_from(identity)}


def refusal(data: bytes, trusted: Any) -> PolicyViolation:
    with pytest.raises(PolicyViolation) as caught:
        check_signed_pdf(data, trusted=trusted)
    violation = caught.value
    assert (
        violation.code in CODES
        and str(violation) == violation.step.detail
        and "\n" not in str(violation)
    )
    assert [step.ok for step in violation.steps] == [True] * (len(violation.steps) - 1) + [False]
    return violation


def updated(pdf: bytes, change: Callable[[Any], None]) -> bytes:
    """``pdf`` with an incremental update that makes ``change`` through a writer."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    writer._update_meta = lambda: None
    change(writer)
    writer._force_write_when_empty = True
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def signed_by_any_means(
    pdf: bytes,
    identity: Identity,
    *,
    field: str = SIGNATURE_FIELD,
    md: str = "sha256",
    when: datetime = WHEN,
    **meta: Any,
) -> bytes:
    """A signature as somebody else's tool would make it, with none of medpipe's refusals."""
    options = {
        "certify": True,
        "docmdp_permissions": fields.MDPPerm.NO_CHANGES,
        "subfilter": fields.SigSeedSubFilter.PADES,
        **meta,
    }
    signer = _pdf_signer_at(when)(
        signers.PdfSignatureMetadata(
            field_name=field, md_algorithm=md, signer_key_usage=set(), **options
        ),
        _simple_signer(identity),
    )
    signer._enforce_certification_constraints = lambda reader: None
    out = io.BytesIO()
    signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), output=out)
    return out.getvalue()


# ---- clean files


def test_a_clean_file_is_accepted_with_all_steps(
    clean: bytes, trusted: Any, identity: Identity
) -> None:
    signed = check_signed_pdf(clean, trusted=trusted)
    assert [step.number for step in signed.steps] == list(range(1, 11)) and all(
        step.ok and step.detail for step in signed.steps
    )
    assert (signed.signer_name, signed.fingerprint, signed.signed_at) == (
        identity.name,
        identity.fingerprint,
        WHEN,
    )
    assert signed.is_local_marker and signed.attachments == {
        file.name: file.content for file in FILES
    }


def test_clean_files_are_always_accepted(rendered: bytes, identity: Identity, trusted: Any) -> None:
    for number in range(5):  # ECDSA signatures differ each time, in length too
        assert check_signed_pdf(
            sign_pdf(rendered, identity, reason=f"number {number}"), trusted=trusted
        )


def test_a_root_in_pem_will_do_as_a_pin(clean: bytes, identity: Identity) -> None:
    assert check_signed_pdf(
        clean, trusted={identity.fingerprint: public_record(identity)["root"].encode()}
    )
    assert check_signed_pdf(
        clean, trusted={identity.fingerprint: public_record(identity)["certificate"].encode()}
    )


def test_a_report_without_attachments_and_with_active_looking_text_is_accepted(
    identity: Identity, trusted: Any
) -> None:
    html = HTML.replace(
        "accuracy 0.95", "/JavaScript /OpenAction /AA << /S /Launch >> /ByteRange [0 1 2 3]"
    ).replace("<title>t", "<title>/JS /ByteRange (x)")
    pdf = render_pdf(html, identifier=b"x", created=WHEN)
    assert (
        check_signed_pdf(sign_pdf(pdf, identity, reason="/JavaScript"), trusted=trusted).attachments
        == {}
    )


def test_no_network_is_touched(clean: bytes, trusted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *a: pytest.fail("a socket was opened"))
    assert check_signed_pdf(clean, trusted=trusted)


@pytest.mark.skipif(
    shutil.which("pdfsig") is None, reason="pdfsig (poppler-utils) is not installed"
)
def test_poppler_agrees_on_clean_and_altered(clean: bytes, tmp_path: Path) -> None:
    def said(data: bytes) -> str:
        (tmp_path / "f.pdf").write_bytes(data)
        run = subprocess.run(
            ["pdfsig", "-nocert", str(tmp_path / "f.pdf")], capture_output=True, check=False
        )
        return run.stdout.decode(errors="replace")

    assert "Signature is Valid" in said(clean) and "Total document signed" in said(clean)
    assert "Digest Mismatch" in said(clean.replace(b"%PDF-1.7", b"%PDF-1.6"))
    assert "Not total document signed" in said(clean + b"\n")


# ---- the signer


def test_without_pins_all_else_is_checked_and_the_rest_is_given(
    clean: bytes, identity: Identity
) -> None:
    violation = refusal(clean, {})
    assert (
        violation.code == "unknown-signer"
        and identity.fingerprint in str(violation)
        and violation.step.number == 10
    )
    assert isinstance(violation.signed, SignedPdf) and violation.signed.attachments == {
        file.name: file.content for file in FILES
    }
    assert refusal(clean + b"\n", {}).code == "appended-update"


def test_signed_anew_by_somebody_else(rendered: bytes, stranger: Identity, trusted: Any) -> None:
    violation = refusal(sign_pdf(rendered, stranger, reason="x"), trusted)
    assert (
        violation.code == "foreign-signer"
        and stranger.fingerprint in str(violation)
        and next(iter(trusted)) in str(violation)
    )


def issued(
    subject: str,
    issuer: str,
    key: Any,
    issuer_key: Any,
    *,
    days: tuple[int, int] = (-30, 300),
    usage: bool = True,
    ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    by, of = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
        for text in (issuer, subject)
    )
    return (
        x509.CertificateBuilder()
        .subject_name(of)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, usage, False, False, False, ca, ca, False, False), critical=True
        )
        .sign(issuer_key, hashes.SHA256())
    )


def person(
    identity: Identity, subject: str = "Dr R", key: Any = None, root: Any = None, **options: Any
) -> Identity:
    """An identity under a made-up authority, ``root`` = (key, certificate)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    root_key, root_certificate = root or authority()
    leaf = issued(
        subject,
        root_certificate.subject.rfc4514_string().removeprefix("CN="),
        key,
        root_key,
        **options,
    )
    return replace(
        identity,
        name=subject,
        certificate=leaf,
        key=key,
        chain=(root_certificate,),
        is_local=False,
        fingerprint=sha256(leaf.public_bytes(Encoding.DER)).hexdigest(),
    )


def authority() -> tuple[Any, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, issued("Hospital CA", "Hospital CA", key, key, ca=True)


def pin(identity: Identity) -> dict[str, TrustedSigner | bytes]:
    return {identity.fingerprint: trusted_from(identity)}


def test_a_real_signer_is_accepted_and_is_no_local_one(rendered: bytes, identity: Identity) -> None:
    doctor = person(identity, key=rsa.generate_private_key(65537, 2048))
    signed = check_signed_pdf(sign_pdf(rendered, doctor, reason="x"), trusted=pin(doctor))
    assert signed.signer_name == "Dr R" and not signed.is_local_marker


def test_a_test_key_is_marked(rendered: bytes, identity: Identity) -> None:
    tester = person(identity, "TEST ONLY - NOT FOR SUBMISSION")
    assert check_signed_pdf(
        sign_pdf(rendered, tester, reason="x"), trusted=pin(tester)
    ).is_local_marker


def test_an_intermediate_travels_and_leads_to_the_root(rendered: bytes, identity: Identity) -> None:
    root_key, root = authority()
    middle_key = ec.generate_private_key(ec.SECP256R1())
    middle = issued("Ward CA", "Hospital CA", middle_key, root_key, ca=True)
    doctor = replace(person(identity, root=(middle_key, middle)), chain=(middle, root))
    pdf = sign_pdf(rendered, doctor, reason="x")
    assert check_signed_pdf(pdf, trusted=pin(doctor))
    leaf_only: dict[str, TrustedSigner | bytes] = {
        doctor.fingerprint: public_record(doctor)["certificate"].encode()
    }
    assert (
        refusal(pdf, leaf_only).code == "unfit-certificate"
    )  # the intermediate has no part in a path that ends at the leaf
    assert refusal(pdf, {}).code == "unknown-signer"


def test_another_signer_under_the_same_root_is_foreign(rendered: bytes, identity: Identity) -> None:
    root = authority()
    doctor, colleague = person(identity, root=root), person(identity, "Dr S", root=root)
    assert refusal(sign_pdf(rendered, colleague, reason="x"), pin(doctor)).code == "foreign-signer"


def test_the_same_name_is_not_the_same_signer(
    rendered: bytes, identity: Identity, trusted: Any
) -> None:
    twin = person(identity, identity.name)
    assert (
        refusal(sign_pdf(rendered, replace(twin, is_local=True), reason="x"), trusted).code
        == "foreign-signer"
    )


def test_a_pin_whose_root_does_not_lead_to_the_signer(
    clean: bytes, identity: Identity, stranger: Identity
) -> None:
    assert (
        refusal(clean, {identity.fingerprint: public_record(stranger)["root"].encode()}).code
        == "unfit-certificate"
    )


def test_revoked_expired_unfit_and_weak_signers(
    rendered: bytes, identity: Identity, clean: bytes
) -> None:
    revoked = replace(trusted_from(identity), revoked=date(2026, 1, 1))
    assert refusal(clean, {identity.fingerprint: revoked}).code == "revoked-signer"
    later = replace(revoked, revoked=datetime.now(UTC).date() + timedelta(days=2))
    assert check_signed_pdf(clean, trusted={identity.fingerprint: later})
    expired = person(identity, days=(-30, -2))
    then = WHEN - timedelta(days=9)
    assert (
        refusal(signed_by_any_means(rendered, expired, when=then), pin(expired)).code
        == "expired-signer"
    )
    assert refusal(signed_by_any_means(rendered, expired), pin(expired)).code == "unfit-certificate"
    unfit = person(identity, usage=False)
    assert refusal(signed_by_any_means(rendered, unfit), pin(unfit)).code == "unfit-certificate"
    weak = person(identity, key=rsa.generate_private_key(65537, 1024))
    assert refusal(signed_by_any_means(rendered, weak), pin(weak)).code == "weak-signature"
    assert (
        refusal(signed_by_any_means(rendered, identity, md="sha1"), pin(identity)).code
        == "weak-signature"
    )


# ---- bytes


def hole(data: bytes) -> tuple[int, int]:
    found = policy.pdf_signature.find_seals(data)[0]
    return found.byte_range[1], found.byte_range[2]


def test_every_flipped_byte_is_refused(clean: bytes, trusted: Any) -> None:
    dice = random.Random(20261123)
    start, stop = hole(clean)
    places = [
        *dice.sample(range(len(clean)), 400),
        *range(start - 12, start + 90),
        *range(stop - 2, stop + 90),
    ]
    for place in places:
        changed = bytearray(clean)
        changed[place] ^= dice.choice((1, 2, 4, 8, 16, 32, 64, 128, 255))
        assert refusal(bytes(changed), trusted).code == "altered", place


def test_no_digit_of_the_signature_object_is_idle(clean: bytes, trusted: Any) -> None:
    """Not even one that turns a letter of the issuer's name into a capital, which names that match
    do not mind.
    """
    start, _ = hole(clean)
    for place in range(
        start + 1, start + 1 + 2 * len(policy.pdf_signature.find_seals(clean)[0].der)
    ):
        changed = bytearray(clean)
        changed[place] ^= 2 if clean[place] in b"4567" else 1
        assert refusal(bytes(changed), trusted).code == "altered", place - start


@settings(max_examples=150)
@given(st.data())
def test_no_mutation_is_accepted_or_crashes(
    clean: bytes, trusted: Any, data: st.DataObject
) -> None:
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(clean))] * 2)))
    piece = data.draw(
        st.sampled_from(
            [
                b"",
                b"\0",
                b"<<",
                b"%%EOF",
                b"\n/ByteRange [0 1 2 3]",
                clean[:50],
                clean[start:stop][::-1],
                clean,
            ]
        )
    )
    if (changed := clean[:start] + piece + clean[stop:]) != clean:
        refusal(changed, trusted)


@given(st.binary(max_size=300))
def test_rubbish_is_refused(data: bytes) -> None:
    assert refusal(b"%PDF-1.7\n" + data, {}).code in ("unreadable", "altered", "not-signed")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unreadable"),
        (b"PK\x03\x04", "unreadable"),
        (b"%PDF-1.7\n", "unreadable"),
        (b"%PDF-1.7\n" + b"[" * 50_000, "unreadable"),
        (b"%PDF-1.7\n/ByteRange [0 1 2 3]", "altered"),
        (b"%PDF-1.7\n/ByteRange [0 99999 999999 999999999999]", "altered"),
    ],
)
def test_what_is_no_report(data: bytes, code: str, trusted: Any) -> None:
    assert refusal(data, trusted).code == code


def test_too_large_a_file_is_not_even_looked_at(
    clean: bytes, trusted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "MAX_PDF_BYTES", 1000)
    violation = refusal(clean, trusted)
    assert violation.code == "unreadable" and violation.step.number == 1


def test_stripped_cut_and_unsigned(clean: bytes, rendered: bytes, trusted: Any) -> None:
    assert refusal(rendered, trusted).code == "not-signed"
    assert refusal(clean[: len(rendered)], trusted).code == "not-signed"
    assert refusal(clean[:-1], trusted).code == "altered", "it still ends as a PDF does"
    for cut in (2, 100, 1000, 5000):
        assert refusal(clean[:-cut], trusted).code == "unreadable"
    for share in (0.1, 0.5):
        assert refusal(clean[: int(len(clean) * share)], trusted).code in (
            "unreadable",
            "not-signed",
        )
    no_field = render_pdf(HTML, identifier=b"x", created=WHEN, signature_field=False)
    assert refusal(no_field, trusted).code == "not-signed"


def test_padding_and_spelling_of_the_signature(clean: bytes, trusted: Any) -> None:
    start, stop = hole(clean)
    padding = clean[: stop - 9] + b"1" + clean[stop - 8 :]
    small = clean[:start] + clean[start:stop].lower() + clean[stop:]
    spaced = clean[: stop - 9] + b" " + clean[stop - 8 :]
    for changed in (padding, small, spaced):
        assert len(changed) == len(clean) and refusal(changed, trusted).code == "altered"


def test_byte_range_tricks(clean: bytes, trusted: Any) -> None:
    a, b = hole(clean)
    text = clean[clean.index(b"/ByteRange [") :].split(b"]")[0] + b"]"
    rest = len(clean) - b
    others = [
        b"/ByteRange [0 0 0 0]",
        b"/ByteRange null",
        b"/ByteRange []",
        b"/ByteRange [0 %d]" % a,
        b"/ByteRange [0 -1 %d %d]" % (b, rest),
        b"/ByteRange [1 %d %d %d]" % (a - 1, b, rest),
        b"/ByteRange [0 %d %d %d]" % (a, b, rest - 9),
        b"/Nothing_ [0 1 2 3]",
        b"/ByteRange [0 %d %d %d]" % (a - 1, b, rest),
        b"/ByteRange [0 %d %d %d]" % (a, b + 1, rest - 1),
    ]
    for other in others:
        assert refusal(clean.replace(text, other.ljust(len(text))), trusted).code == "altered", (
            other
        )
    contents_null = clean[:a] + b"null".ljust(b - a) + clean[b:]
    contents_zero = clean[:a] + b"<" + b"0" * (b - a - 2) + b">" + clean[b:]
    moved = clean.replace(text, (b"/ByteRange [0 %d %d %d]" % (a, b + 500, rest)).ljust(len(text)))
    wrapped = moved[:b] + b"\n%" + b"x" * 497 + b"\n" + moved[b:]
    for changed in (contents_null, contents_zero, wrapped):
        assert refusal(changed, trusted).code == "altered"


# ---- updates behind the signature


def page_replaced(writer: Any) -> None:
    stream = writer.root["/Pages"]["/Kids"][0].get_object()["/Contents"]
    stream._data, stream._encoded_data = stream.data.replace(b"Tj", b"TJ") + b" ", None
    writer.mark_update(stream.container_ref)


def annotated(writer: Any) -> None:
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    note = generic.DictionaryObject(
        {
            name("/Type"): name("/Annot"),
            name("/Subtype"): name("/FreeText"),
            name("/Contents"): string("0.99"),
            name("/Rect"): generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 99, 99)]),
        }
    )
    page["/Annots"].append(writer.add_object(note))
    writer.update_container(page["/Annots"])


def attachment_replaced(writer: Any) -> None:
    spec = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][3].get_object()
    spec["/EF"][name("/F")] = writer.add_object(generic.StreamObject(stream_data=b'{"a": 2}'))
    writer.update_container(spec)


def attachment_content_replaced(writer: Any) -> None:
    stream = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][3].get_object()["/EF"]["/F"]
    stream._data, stream._encoded_data = b'{"a": 2}', None
    writer.mark_update(stream.container_ref)


def xmp_replaced(writer: Any) -> None:
    metadata = writer.root["/Metadata"]
    metadata._data, metadata._encoded_data = (
        metadata.data.replace(b"WeasyPrint", b"Somebody  "),
        None,
    )
    writer.mark_update(metadata.container_ref)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda writer: None, "appended-update"),
        (page_replaced, "appended-update"),
        (annotated, "appended-update"),
        (xmp_replaced, "appended-update"),
        (attachment_replaced, "attachment-replaced"),
        (attachment_content_replaced, "attachment-replaced"),
    ],
)
def test_updates_are_refused_and_named(
    clean: bytes, trusted: Any, change: Callable[[Any], None], code: str
) -> None:
    violation = refusal(updated(clean, change), trusted)
    assert violation.code == code
    assert ("verdicts.json" in str(violation)) == (
        code == "attachment-replaced"
    ) and "evidence.zip" not in str(violation)


@pytest.mark.parametrize(
    "tail", [b"\n", b" ", b"\0", b"%%EOF\n", b"x" * 240, b"PK\x05\x06" + bytes(18)]
)
def test_bytes_behind_the_end_are_refused(clean: bytes, trusted: Any, tail: bytes) -> None:
    assert refusal(clean + tail, trusted).code == "appended-update"


def test_an_update_over_altered_bytes_is_called_altered(clean: bytes, trusted: Any) -> None:
    assert refusal(clean.replace(b"%PDF-1.7", b"%PDF-1.6") + b"\n", trusted).code == "altered"


def test_a_second_signature_is_refused(clean: bytes, trusted: Any, stranger: Identity) -> None:
    twice = signed_by_any_means(
        clean,
        stranger,
        field="Another",
        certify=False,
        docmdp_permissions=fields.MDPPerm.FILL_FORMS,
    )
    violation = refusal(twice, trusted)
    assert violation.code == "appended-update" and "signature" in str(violation)


# ---- signed by the right one, but not what a report is


@pytest.mark.parametrize(
    "meta",
    [
        {"docmdp_permissions": fields.MDPPerm.FILL_FORMS},
        {"docmdp_permissions": fields.MDPPerm.ANNOTATE},
        {"certify": False},
        {"subfilter": fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED},
    ],
)
def test_anything_but_a_certification_without_change(
    rendered: bytes, identity: Identity, trusted: Any, meta: dict[str, Any]
) -> None:
    violation = refusal(signed_by_any_means(rendered, identity, **meta), trusted)
    assert violation.code == "not-certified" or (
        "subfilter" in meta and violation.code == "altered"
    )


def test_another_field_name(identity: Identity, trusted: Any) -> None:
    pdf = render_pdf(HTML, identifier=b"x", created=WHEN, signature_field=False)
    assert (
        refusal(signed_by_any_means(pdf, identity, field="Mine"), trusted).code == "not-certified"
    )


def test_a_second_empty_field(rendered: bytes, identity: Identity, trusted: Any) -> None:
    two = updated(
        rendered,
        lambda writer: fields.append_signature_field(writer, fields.SigFieldSpec("Another")),
    )
    assert refusal(signed_by_any_means(two, identity), trusted).code == "not-certified"


def dictionary(**entries: Any) -> Any:
    return generic.DictionaryObject({name(f"/{key}"): value for key, value in entries.items()})


def set_root(key: str, value: Any) -> Callable[[Any], None]:
    def change(writer: Any) -> None:
        writer.root[name(key)] = value
        writer.update_root()

    return change


def on_page(key: str, value: Any) -> Callable[[Any], None]:
    def change(writer: Any) -> None:
        page = writer.root["/Pages"]["/Kids"][0].get_object()
        page[name(key)] = value
        writer.update_container(page)

    return change


SCRIPT = dictionary(S=name("/JavaScript"), JS=string("app.alert(1)"))


@pytest.mark.parametrize(
    "change",
    [
        set_root("/OpenAction", SCRIPT),
        set_root("/AA", dictionary(WC=SCRIPT)),
        on_page("/AA", dictionary(O=SCRIPT)),
        set_root("/OCProperties", dictionary(OCGs=generic.ArrayObject())),
        set_root(
            "/Names",
            dictionary(JavaScript=dictionary(Names=generic.ArrayObject([string("x"), SCRIPT]))),
        ),
        on_page(
            "/Annots",
            generic.ArrayObject(
                [
                    dictionary(
                        Subtype=name("/Link"), A=dictionary(S=name("/Launch"), F=string("calc.exe"))
                    )
                ]
            ),
        ),
        on_page("/Annots", generic.ArrayObject([dictionary(Subtype=name("/RichMedia"))])),
        lambda writer: (
            writer.add_object(dictionary(A=generic.ArrayObject([generic.ArrayObject([SCRIPT])])))
            and None
        ),
    ],
)
def test_active_content_is_refused_wherever_it_hides(
    rendered: bytes, identity: Identity, trusted: Any, change: Callable[[Any], None]
) -> None:
    assert (
        refusal(signed_by_any_means(updated(rendered, change), identity), trusted).code
        == "active-content"
    )


def test_forms_of_the_other_kind_are_refused(
    rendered: bytes, identity: Identity, trusted: Any
) -> None:
    def change(writer: Any) -> None:
        writer.root["/AcroForm"][name("/XFA")] = string("<xdp/>")
        writer.update_container(writer.root["/AcroForm"])

    assert (
        refusal(signed_by_any_means(updated(rendered, change), identity), trusted).code
        == "active-content"
    )


def attached(
    writer: Any,
    file_name: str,
    data: bytes,
    *,
    in_af: bool = True,
    in_tree: bool = True,
    other_name: str | None = None,
) -> None:
    stream = generic.StreamObject(stream_data=data)
    spec = writer.add_object(
        dictionary(
            Type=name("/Filespec"),
            F=string(file_name),
            UF=string(other_name or file_name),
            EF=dictionary(F=writer.add_object(stream)),
        )
    )
    if in_tree:
        tree = writer.root["/Names"]["/EmbeddedFiles"]
        tree["/Names"] += [string(file_name), spec]
        writer.update_container(tree)
    if in_af:
        writer.root["/AF"].append(spec)
        writer.update_container(writer.root["/AF"])


def bomb(writer: Any) -> None:
    attached(writer, "bomb.bin", b"")
    spec = writer.root["/AF"][-1].get_object()
    stream = spec["/EF"]["/F"]
    stream[name("/Filter")] = name("/FlateDecode")
    stream._data, stream._encoded_data = None, zlib.compress(bytes(70 * 2**20), 9)


@pytest.mark.parametrize(
    "change",
    [
        lambda writer: attached(writer, "verdicts.json", b"{}"),
        lambda writer: attached(writer, "Verdicts.JSON", b"{}"),
        lambda writer: attached(writer, "../../x", b"x"),
        lambda writer: attached(writer, "/etc/x", b"x"),
        lambda writer: attached(writer, "a\\b", b"x"),
        lambda writer: attached(writer, "x", b"x", in_af=False),
        lambda writer: attached(writer, "x", b"x", in_tree=False),
        lambda writer: attached(writer, "x", b"x", in_af=False, in_tree=False),
        lambda writer: attached(writer, "x", b"x", other_name="y"),
        bomb,
        set_root("/AF", generic.ArrayObject()),
    ],
)
def test_doubtful_attachments_are_refused(
    rendered: bytes, identity: Identity, trusted: Any, change: Callable[[Any], None]
) -> None:
    assert (
        refusal(signed_by_any_means(updated(rendered, change), identity), trusted).code
        == "bad-attachments"
    )


def test_attachments_together_have_a_cap(clean: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = pdf_contents.open_pdf(clean)
    monkeypatch.setattr(pdf_contents, "MAX_ATTACHED_BYTES", 2005)
    with pytest.raises(policy.pdf_signature.Refusal, match="2005 bytes in all"):
        pdf_contents.read_attachments(reader, pdf_contents.survey(reader))


def test_packed_objects_are_all_looked_at(clean: bytes) -> None:
    reader = pdf_contents.open_pdf(clean)
    refs = {
        ref
        for revision in range(reader.xrefs.total_revisions)
        for ref in reader.xrefs.explicit_refs_in_revision(revision)
    }
    one_by_one = sum(isinstance(reader.get_object(ref), dict) for ref in refs)
    assert sum(isinstance(item, dict) for item in pdf_contents._objects(reader)) >= one_by_one > 20


def test_every_code_is_explained_and_used() -> None:
    source = "".join(
        Path(module.__file__ or "").read_text("utf-8")
        for module in (policy, pdf_contents, policy.pdf_signature)
    )
    assert all(source.count(f'"{code}"') >= 2 for code in CODES if code != "unreadable")
