"""Signing: a certification that allows no change, over what medpipe has just rendered, with a stamp
that says what it means.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

pytest.importorskip("weasyprint", reason="the extra 'report' is not installed")
pytest.importorskip("pyhanko", reason="the extra 'report' is not installed")

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm

from medpipe.errors import MissingDependency, SignatureError
from medpipe.report.render import AttachedFile, render_pdf
from medpipe.signing.identity import Identity, local_identity
from medpipe.signing.sign_pdf import _stamp_text, sign_pdf

WHEN = datetime(2026, 11, 23, 10, 22, 7, tzinfo=UTC)
HTML = """<!doctype html><html lang="en"><head><title>t</title></head><body><p>one</p>
<div id="signature" style="height: 50px"></div></body></html>"""


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return local_identity(tmp_path_factory.mktemp("home") / "identity")


@pytest.fixture(scope="module")
def rendered() -> bytes:
    return render_pdf(
        HTML, identifier=b"x" * 16, created=WHEN, attachments=[AttachedFile("a.json", b"{}", "a")]
    )


@pytest.fixture(scope="module")
def signed(rendered: bytes, identity: Identity) -> bytes:
    return sign_pdf(
        rendered,
        identity,
        reason="I made this",
        location="Basel",
        when=WHEN.astimezone(timezone(timedelta(hours=9))),
    )


@pytest.fixture(scope="module")
def signature(signed: bytes) -> Any:
    (found,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    return found


def stamp(signature: Any) -> str:
    """The stamp's text as its appearance says it, line by line."""
    look = signature.sig_field["/AP"]["/N"].data.decode("latin-1")
    texts = re.findall(r"/ActualText \((.*?)\)\n>> BDC", look)
    return "\n".join(
        re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), text) for text in texts
    )


def test_the_rendered_bytes_stay_as_they_are(rendered: bytes, signed: bytes) -> None:
    assert signed.startswith(rendered)
    assert (
        PdfFileReader(io.BytesIO(signed)).root["/Metadata"].data
        == PdfFileReader(io.BytesIO(rendered)).root["/Metadata"].data
    )


def test_it_certifies_no_change_the_pades_way(
    signed: bytes, signature: Any, identity: Identity
) -> None:
    assert (
        signature.docmdp_level is MDPPerm.NO_CHANGES
        and signature.reader.root["/Perms"]["/DocMDP"] is not None
    )
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert (
        signature.sig_object["/Reason"] == "I made this"
        and signature.sig_object["/Name"] == identity.name
    )
    assert signature.self_reported_timestamp == WHEN
    start, before, behind, rest = signature.byte_range
    assert start == 0 and behind + rest == len(signed) and before < behind


def test_only_the_signer_travels_never_a_root(signature: Any, identity: Identity) -> None:
    assert (
        signature.other_embedded_certs == []
        and signature.signer_cert.sha256.hex() == identity.fingerprint
    )


def test_the_stamp_says_who_when_and_what_it_means(signature: Any, identity: Identity) -> None:
    lines = _stamp_text(identity, "I made this", "Basel", WHEN, 1000).split("\n")
    assert lines == [
        f"Signed by {identity.name}",
        "2026-11-23 10:22:07 UTC, Basel",
        "Meaning: I made this",
        "A self-issued local identity: shows that nothing changed since, not who signed.",
    ]
    assert stamp(signature).split() == " ".join(lines).split()


def test_a_real_identity_is_not_called_self_issued(identity: Identity) -> None:
    assert "self-issued local" not in _stamp_text(
        replace(identity, is_local=False, name="Dr R"), "x", None, WHEN, 300
    )


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("100 % (50 of 50) %(ts)s", "100 % (50 of 50) %(ts)s"),
        ("two\nlines\u202e\x07", "two"),
        ("漢字 ok", "?? ok"),
        ("ﬁne é", "ﬁne é"),
    ],
)
def test_odd_reasons_are_drawn_as_text(
    reason: str, shown: str, rendered: bytes, identity: Identity
) -> None:
    assert shown in _stamp_text(identity, reason, None, WHEN, 500)
    assert (
        PdfFileReader(io.BytesIO(sign_pdf(rendered, identity, reason=reason)))
        .embedded_signatures[0]
        .sig_object["/Reason"]
        == reason
    )


def test_long_reasons_wrap(identity: Identity) -> None:
    assert (
        max(len(line) for line in _stamp_text(identity, "word " * 50, None, WHEN, 200).split("\n"))
        <= 55
    )


def test_every_font_stays_embedded(signed: bytes) -> None:
    reader = PdfFileReader(io.BytesIO(signed))
    fonts = [
        o
        for revision in range(2)
        for ref in reader.xrefs.explicit_refs_in_revision(revision)
        if isinstance(o := reader.get_object(ref), dict) and o.get("/Type") == "/FontDescriptor"
    ]
    assert any("SourceSans3" in str(f["/FontName"]) for f in fonts)
    assert all({"/FontFile2", "/FontFile3"} & f.keys() for f in fonts)


def test_the_widget_keeps_its_tag(signed: bytes) -> None:
    widget = PdfFileReader(io.BytesIO(signed)).root["/AcroForm"]["/Fields"][0]
    assert "/StructParent" in widget and widget["/TU"]


def foreign_files(rendered: bytes, signed: bytes) -> dict[str, bytes]:
    writer = IncrementalPdfFileWriter(io.BytesIO(rendered))
    writer.root["/Changed"] = writer.root["/Lang"]
    writer.update_root()
    updated = io.BytesIO()
    writer.write(updated)
    return {
        "signed already": signed,
        "no field": render_pdf(HTML, identifier=b"x", created=WHEN, signature_field=False),
        "updated": updated.getvalue(),
        "empty": b"",
        "no pdf": b"hello",
        "cut": rendered[:-200],
    }


def test_only_what_was_just_rendered_is_signed(
    rendered: bytes, signed: bytes, identity: Identity
) -> None:
    for name, pdf in foreign_files(rendered, signed).items():
        with pytest.raises(SignatureError, match="just rendered"):
            sign_pdf(pdf, identity, reason="x")
            pytest.fail(f"signed: {name}")


@pytest.mark.parametrize(
    "options",
    [
        {"reason": ""},
        {"reason": " "},
        {"reason": "x" * 301},
        {"reason": "x", "when": datetime(2026, 1, 1)},
    ],
)
def test_a_signature_has_a_meaning_and_a_zone(
    options: dict[str, Any], rendered: bytes, identity: Identity
) -> None:
    with pytest.raises(SignatureError, match="reason of 1 to 300"):
        sign_pdf(rendered, identity, **options)


def test_nothing_is_printed(
    rendered: bytes,
    identity: Identity,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign_pdf(rendered, identity, reason="x")
    assert capfd.readouterr() == ("", "") and not [
        r for r in caplog.records if r.levelname != "INFO"
    ]


def test_pyhanko_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, rendered: bytes, identity: Identity
) -> None:
    monkeypatch.setitem(sys.modules, "pyhanko.sign", None)
    with pytest.raises(MissingDependency, match=r"medpipe\[report\]"):
        sign_pdf(rendered, identity, reason="x")
