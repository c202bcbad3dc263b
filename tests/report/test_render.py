"""HTML → PDF: equal inputs give equal bytes, nothing is fetched, the markers and the fonts are
there.
"""

from __future__ import annotations

import builtins
import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("weasyprint", reason="the extra 'report' is not installed")

from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils.reader import PdfFileReader

from medpipe.errors import MissingDependency
from medpipe.fonts import FACES, font_css, font_path
from medpipe.report import render
from medpipe.report.render import (
    AttachedFile,
    RenderError,
    RenderWarning,
    is_plain_name,
    render_pdf,
)

WHEN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MARKS = "– — ’ … × ± ≥ ≤ ≈ → ● ○ ◐ ▽ ◆ ✓ µ σ x² 10⁻³ κ ✗ µ Δ"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8Dw"
    "n4GBgYGJAQoAHxcCAn3E0acAAAAASUVORK5CYII="
)
BODY = f"""<h1>Report</h1><p>{MARKS} <b>{MARKS}</b> <i>plain italics</i>
<a href="https://example.org/">a link</a></p>
<p style="font-family: 'medpipe mono', 'medpipe symbols'">7f3a 9c2e ● ◐</p>
<p><img src="{PIXEL}" alt="four grey pixels"></p>
<table><thead><tr><th scope="col">n</th></tr></thead><tbody><tr><td>12</td></tr></tbody></table>"""


def page(body: str, head: str = "<title>A report</title>") -> str:
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def make(body: str = BODY, **options: Any) -> bytes:
    return render_pdf(page(body), **{"identifier": b"0123456789abcdef", "created": WHEN, **options})


FILES = (
    AttachedFile("verdicts.json", b"{}", "Verdicts"),
    AttachedFile("evidence.zip", b"PK", "Evidence", "Source"),
)


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return make(attachments=FILES)


@pytest.fixture(scope="module")
def reader(pdf: bytes) -> PdfFileReader:
    return PdfFileReader(io.BytesIO(pdf))


def objects(reader: PdfFileReader) -> Iterator[Any]:
    for ref in reader.xrefs.explicit_refs_in_revision(0):
        yield reader.get_object(ref)


def dictionaries(reader: PdfFileReader, **wanted: str) -> list[Any]:
    return [
        o
        for o in objects(reader)
        if isinstance(o, dict) and all(o.get(f"/{k}") == f"/{v}" for k, v in wanted.items())
    ]


def test_two_fresh_processes_make_the_same_bytes_whatever_zone_locale_and_hash_seed(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom datetime import UTC, datetime\nfrom hashlib import sha256\nfrom"
        " medpipe.report.render import AttachedFile, render_pdf\nfiles ="
        " [AttachedFile('verdicts.json', b'{}', 'Verdicts'),\n        "
        " AttachedFile('evidence.zip', b'PK', 'Evidence', 'Source')]\nwhen = datetime(2026, 11,"
        f" 23, 10, 0, tzinfo=UTC)\npdf = render_pdf({page(BODY)!r}, identifier=b'0123456789abcdef',"
        " created=when, attachments=files)\nsys.stdout.write(sha256(pdf).hexdigest())\n",
        encoding="utf-8",
    )
    worlds = [
        {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
        {"TZ": "America/Lima", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"},
    ]
    digests = {
        subprocess.run(
            [sys.executable, "-W", "error::UserWarning", str(script)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **world, "PYTHONPATH": str(Path(render.__file__).parents[2])},
        ).stdout
        for world in worlds
    }
    assert digests == {sha256(make(attachments=FILES)).hexdigest()}


def test_the_moment_counts_not_its_zone() -> None:
    tokyo = WHEN.astimezone(timezone(timedelta(hours=9)))
    assert make("<p>x", created=tokyo) == make("<p>x")
    assert make("<p>x", created=WHEN + timedelta(seconds=1)) != make("<p>x")


def test_identifier_and_content_change_the_bytes() -> None:
    assert len({make("<p>x"), make("<p>y"), make("<p>x", identifier=b"fedcba9876543210")}) == 3


def test_metadata_declares_pdf_a_3a_and_pdf_ua_1_once_each(reader: PdfFileReader) -> None:
    xmp = reader.root["/Metadata"].data
    assert b'pdfaid:part="3"' in xmp and b'pdfaid:conformance="A"' in xmp
    assert xmp.count(b"<pdfuaid:part>1</pdfuaid:part>") == 1
    assert xmp.count(b"</rdf:RDF>") == 1 and xmp.index(b"pdfaExtension:schemas") < xmp.index(
        b"</rdf:RDF>"
    )


def test_metadata_is_well_formed_xml(reader: PdfFileReader) -> None:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(reader.root["/Metadata"].data)
    assert root.find(".//{http://www.aiim.org/pdfa/ns/property#}valueType").text == "Integer"  # type: ignore[union-attr]


def test_structure_is_tagged_titled_and_in_a_language(reader: PdfFileReader) -> None:
    assert reader.root["/MarkInfo"]["/Marked"] and reader.root["/Lang"] == "en"
    assert reader.root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    assert all(p.get("/Tabs") == "/S" for p in dictionaries(reader, Type="Page"))
    assert dictionaries(reader, S="Figure")[0]["/Alt"] == "four grey pixels"


def test_no_image_asks_for_interpolation(reader: PdfFileReader) -> None:
    images = dictionaries(reader, Subtype="Image")
    assert images and not any(image.get("/Interpolate") for image in images)


def test_every_font_is_shipped_and_embedded(reader: PdfFileReader) -> None:
    fonts = dictionaries(reader, Type="FontDescriptor")
    families = {"-".join(str(f["/FontName"]).split("+")[1].split("-")[:2]) for f in fonts}
    assert families == {"medpipe-text", "medpipe-symbols", "medpipe-mono"}
    assert all({"/FontFile2", "/FontFile3"} & f.keys() for f in fonts)


def test_attachments_are_listed_once_with_relationship_and_time(reader: PdfFileReader) -> None:
    held = list.__iter__(reader.root["/Names"]["/EmbeddedFiles"]["/Names"])
    names, specs = list(held)[::2], [s.get_object() for s in reader.root["/AF"]]
    assert names == ["evidence.zip", "verdicts.json"] and len(specs) == 2
    assert {
        s["/UF"]: (s["/AFRelationship"], s["/EF"]["/F"].data, s["/EF"]["/F"]["/Params"]["/ModDate"])
        for s in specs
    } == {
        "evidence.zip": ("/Source", b"PK", "D:20261123100000Z"),
        "verdicts.json": ("/Data", b"{}", "D:20261123100000Z"),
    }


def test_signature_field_is_tagged_and_stands_in_its_place() -> None:
    body = (
        '<p>one</p><div style="position: absolute; left: 100px; top: 200px; width: 300px; height:'
        ' 60px" id="signature"></div>'
    )
    reader = PdfFileReader(
        io.BytesIO(
            make(f"<style>@page {{ size: A4; margin: 0 }} body {{ margin: 0 }}</style>{body}")
        )
    )
    widget = reader.root["/AcroForm"]["/Fields"][0]
    assert [float(v) for v in widget["/Rect"]] == pytest.approx(
        [75, 841.89 - 195, 300, 841.89 - 150], abs=0.02
    )
    assert widget["/FT"] == "/Sig" and widget["/TU"] and widget["/F"] == 132
    nums = list(reader.root["/StructTreeRoot"]["/ParentTree"]["/Nums"])
    form = nums[nums.index(widget["/StructParent"]) + 1].get_object()
    assert (
        form["/S"] == "/Form"
        and form["/Alt"]
        and form["/K"][0]["/Obj"]["/T"] == widget["/T"] == "MedpipeSignature"
    )
    assert len(set(nums[::2])) == len(nums[::2])


def test_without_a_place_the_field_goes_into_the_bottom_margin_and_can_be_left_out(
    reader: PdfFileReader,
) -> None:
    assert float(reader.root["/AcroForm"]["/Fields"][0]["/Rect"][3]) < 62  # 22 mm
    assert "/AcroForm" not in PdfFileReader(io.BytesIO(make("<p>x", signature_field=False))).root


@pytest.mark.parametrize(
    "body",
    [
        '<link rel="attachment" href="file:///etc/hostname">',
        '<a rel="attachment" href="file:///etc/hostname">x</a>',
        '<img src="file:///etc/hostname" alt="x">',
        '<img src="http://127.0.0.1:9/x.png" alt="x">',
        '<link rel="stylesheet" href="file:///etc/hostname">',
        '<style>@import "http://127.0.0.1:9/x.css";</style>',
        (
            "<style>@font-face{font-family:x;src:url(file:///etc/hostname)}</style><p"
            ' style="font-family:x">x'
        ),
        '<p style="background:url(ftp://127.0.0.1/x)">x',
        '<object data="file:///etc/hostname">x</object>',
        (
            '<svg xmlns="http://www.w3.org/2000/svg"><title>t</title><image'
            ' href="file:///etc/hostname"/></svg>'
        ),
        (
            '<img alt="x" src="data:image/svg+xml,<svg xmlns=\'http://www.w3.org/2000/svg\'><image'
            " href='file:///etc/hostname'/></svg>\">"
        ),
    ],
)
def test_nothing_is_fetched_and_the_attempt_is_named(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a socket was opened")

    opened: list[str] = []
    real_open = builtins.open
    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(
        builtins,
        "open",
        lambda file, *a, **k: (opened.append(str(file)), real_open(file, *a, **k))[1],
    )
    with pytest.raises(RenderError, match=r"asked for '(file|http|ftp)://"):
        make(body)
    assert "/etc/hostname" not in opened


@pytest.mark.parametrize(
    "body",
    [
        '<link rel="attachment" href="data:text/plain,x">',
        '<a rel="attachment" href="data:text/plain,x">x</a>',
    ],
)
def test_the_page_cannot_attach_files_of_its_own(body: str) -> None:
    with pytest.raises(RenderError, match="attaches files of its own"):
        make(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<p style="colour: red">x', "colour"),
        ("<p>漢", "漢|shipped"),
        ('<p style="font-family: DejaVu Serif">x', "DejaVu Serif"),
        ('<img alt="x" src="data:image/png;base64,AAAA">', "image"),
        (f'<img src="{PIXEL}">', "alt"),
    ],
)
def test_what_had_to_be_dropped_is_said(body: str, said: str) -> None:
    with pytest.warns(RenderWarning, match=said):
        make(body)


@pytest.mark.parametrize("head", ["", "<title></title>"])
def test_a_page_without_title_is_refused(head: str) -> None:
    with pytest.raises(RenderError, match="title"):
        render_pdf(page("x", head), identifier=b"x", created=WHEN)


@pytest.mark.parametrize("options", [{"created": datetime(2026, 1, 1)}, {"identifier": b""}])
def test_naive_times_and_empty_identifiers_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match="identifier and a creation time"):
        make("x", **options)


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "a\\b", "", ".hidden", "-rf", "a" * 101, "a b", "ü", "a\n", "a\x00", "C:x"],
)
def test_attachments_have_plain_names(name: str) -> None:
    with pytest.raises(RenderError, match="plain file name"):
        AttachedFile(name, b"", "x")


@given(st.text(max_size=8))
def test_a_plain_name_is_its_own_basename_on_every_system(name: str) -> None:
    from pathlib import PurePosixPath, PureWindowsPath

    if is_plain_name(name):
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name


def test_attachments_differ_in_name_and_have_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RenderError, match="different names"):
        make(
            "x", attachments=[AttachedFile("a.json", b"1", "x"), AttachedFile("A.json", b"2", "x")]
        )
    with pytest.raises(RenderError, match="relationship"):
        AttachedFile("a.json", b"", "x", "Friend")
    monkeypatch.setattr(render, "MAX_ATTACHED_BYTES", 3)
    with pytest.raises(RenderError, match="3 bytes at most, got 4"):
        make("x", attachments=[AttachedFile("a.json", b"1234", "x")])


def test_weasyprint_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(MissingDependency, match=r"medpipe\[report\]"):
        make("x")


def test_pango_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pango(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pango)
    with pytest.raises(
        MissingDependency,
        match=r"apt-get install libpango-1\.0-0 libpangoft2-1\.0-0 libharfbuzz-subset0$",
    ):
        make("x")


def test_fonts_cover_the_marks_with_tabular_digits_and_come_with_licences() -> None:
    from fontTools.ttLib import TTFont

    covered: dict[str, set[int]] = {}
    for family, _, _, name in FACES:
        with TTFont(font_path(name)) as font:
            cmap = font.getBestCmap()
            covered[family] = covered.get(family, set(cmap)) & set(cmap)
            if family != "medpipe symbols":
                assert len({font["hmtx"][cmap[ord(digit)]][0] for digit in "0123456789"}) == 1, name
    assert {
        c for c in MARKS if ord(c) not in covered["medpipe text"] | covered["medpipe symbols"]
    } == set()
    folder = font_path("MedpipeSymbols.ttf").parent
    assert {path.name for path in folder.glob("*.txt")} == {
        "SourceSans3-OFL.txt",
        "SourceCodePro-OFL.txt",
        "MedpipeSymbols-LICENSE.txt",
    }
    assert sum(path.stat().st_size for path in folder.glob("*.*tf")) < 1.5e6
    assert (
        font_css().count("@font-face") == len(FACES)
        and 'url("data:' in font_css()
        and "://" not in font_css()
    )
    with pytest.raises(ValueError, match="shipped"):
        font_path("../__init__.py")
