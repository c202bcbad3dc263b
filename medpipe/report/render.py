"""Render HTML as one PDF/A-3a file with PDF/UA tags, attachments and an empty signature field.

Equal inputs give equal bytes. Nothing is fetched: the HTML carries its images as ``data:`` URLs,
the fonts come with medpipe. The claims "PDF/A-3a" and "PDF/UA-1" are declared and partly checked by
our tests; only veraPDF could certify them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from medpipe.errors import MedpipeError, MissingDependency
from medpipe.fonts import FACES, TEXT_STACK, font_css
from medpipe.signing.layout import MAX_ATTACHED_BYTES, SIGNATURE_FIELD, is_plain_name

SIGNATURE_ANCHOR: Final = "signature"
RELATIONSHIPS: Final = ("Source", "Data", "Alternative", "Supplement", "Unspecified")
_DEFAULT_BOX: Final = (
    51.0,
    12.0,
    301.0,
    60.0,
)  # PDF points, in the bottom margin: where the page keeps no place of its own
_BASE_CSS: Final = f"""
html {{ font-family: {TEXT_STACK} }}
img, svg {{ image-rendering: crisp-edges !important }}  /* PDF/A forbids /Interpolate true */
"""


class RenderError(MedpipeError):
    """The PDF cannot be made from what was given."""


class RenderWarning(UserWarning):
    """WeasyPrint dropped or replaced something: CSS it does not know, an unreadable image, a glyph
    no shipped font has.
    """


class MissingPango(MissingDependency):
    """The system libraries that WeasyPrint draws text with are absent."""

    def __init__(self) -> None:
        MedpipeError.__init__(
            self,
            "rendering a report needs the system library Pango, which was not found; "
            "run: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
        )
        self.package, self.extra = "pango", "report"


@dataclass(frozen=True)
class AttachedFile:
    """A file that travels inside the PDF. ``name`` is a plain basename; ``relationship`` is one of
    PDF/A-3's words.
    """

    name: str
    content: bytes
    description: str
    relationship: str = "Data"

    def __post_init__(self) -> None:
        if not is_plain_name(self.name):
            raise RenderError(
                f"expected a plain file name for an attachment, got {self.name!r}; leave out"
                " folders and odd characters"
            )
        if self.relationship not in RELATIONSHIPS:
            raise RenderError(
                f"attachment {self.name}: expected a relationship of {', '.join(RELATIONSHIPS)},"
                f" got {self.relationship!r}"
            )


def render_pdf(
    html: str,
    *,
    identifier: bytes,
    created: datetime,
    attachments: Sequence[AttachedFile] = (),
    signature_field: bool = True,
) -> bytes:
    """The PDF of ``html``: tagged, archivable, ready to be signed.

    ``html`` needs ``<html lang>`` and ``<title>``; families ``medpipe text``, ``medpipe mono`` and
    ``medpipe symbols`` are there. The signature goes into the box of the element with the id
    ``signature``, else into the bottom margin of page one. ``identifier`` names the document (16
    bytes, such as a digest's head), ``created`` is aware; both decide the bytes.

    Raises :class:`RenderError` for a reference to anything outside the HTML,
    :class:`MissingDependency` without WeasyPrint or Pango; warns :class:`RenderWarning` for
    everything that WeasyPrint had to drop.
    """
    if created.tzinfo is None or not identifier:
        raise RenderError(
            "expected an identifier and a creation time with a time zone, got an empty or naive one"
        )
    moment = created.astimezone(UTC).replace(microsecond=0)
    weasyprint = _weasyprint()
    from weasyprint.text.fonts import FontConfiguration

    with _complaints() as complaints:
        fetcher = _data_only_fetcher()
        fonts = FontConfiguration()
        css = weasyprint.CSS(string=font_css() + _BASE_CSS, font_config=fonts, url_fetcher=fetcher)
        page = weasyprint.HTML(string=html, url_fetcher=fetcher)
        document = page.render(font_config=fonts, stylesheets=[css], pdf_variant="pdf/a-3a")
        document.metadata.created = document.metadata.modified = moment.strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        if not document.metadata.title or not document.metadata.lang:
            raise RenderError(
                "expected HTML with a <title> and <html lang=…>, which PDF/UA asks for; add the"
                " missing one"
            )
        pdf: bytes = document.write_pdf(
            pdf_variant="pdf/a-3a",
            pdf_identifier=identifier.hex().encode("ascii"),
            attachments=_weasyprint_attachments(attachments, moment, fetcher),
            finisher=lambda drawn, file: _finish(drawn, file, len(attachments), signature_field),
        )
    if fetcher.refused:
        raise RenderError(
            "a report is rendered from itself alone, but its HTML asked for"
            f" {fetcher.refused[0]!r}; use a data: URL"
        )
    _warn(complaints, {font.family for font in document.fonts.values()})
    return pdf


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError as error:
        raise MissingDependency("weasyprint", "report", "rendering a report") from error
    except OSError as error:
        raise MissingPango from error
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = (
        False  # WeasyPrint's import turns it on for the whole process, the data loaders' too
    )
    return weasyprint


def _data_only_fetcher() -> Any:
    from weasyprint.urls import URLFetcher

    class DataOnly(URLFetcher):  # type: ignore[misc, unused-ignore]
        """Serves ``data:`` URLs; remembers every other one, because WeasyPrint goes on when a fetch
        fails.
        """

        def __init__(self) -> None:
            super().__init__(allowed_protocols=("data",), allow_redirects=False)
            self.refused: list[str] = []

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if not url.lower().startswith("data:"):
                self.refused.append(url[:200])
            return super().fetch(url, headers)

    return DataOnly()


def _weasyprint_attachments(
    attachments: Sequence[AttachedFile], moment: datetime, fetcher: Any
) -> list[Any]:
    from weasyprint import Attachment

    names = [file.name.lower() for file in attachments]
    if len(set(names)) < len(names):
        raise RenderError(
            f"expected attachments with different names, got {', '.join(sorted(names))}"
        )
    total = sum(len(file.content) for file in attachments)
    if total > MAX_ATTACHED_BYTES:
        raise RenderError(
            f"expected attachments of {MAX_ATTACHED_BYTES} bytes at most, got {total}; leave"
            " weights and images outside"
        )
    naive = moment.replace(tzinfo=None)  # WeasyPrint prints these with a Z whatever their zone
    return [
        Attachment(
            string=file.content,
            name=file.name,
            description=file.description,
            relationship=file.relationship,
            created=naive,
            modified=naive,
            url_fetcher=fetcher,
        )
        for file in sorted(attachments, key=lambda file: file.name)
    ]  # a name tree is sorted


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collects what WeasyPrint has to say, in place of its log on the terminal, and hushes the font
    library's chatter.
    """
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log, fonts = logging.getLogger("weasyprint"), logging.getLogger("fontTools")
    before = log.propagate, log.level, fonts.level
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.WARNING)
    fonts.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ResourceWarning
            )  # WeasyPrint leaves its colour profile open
            yield said
    finally:
        log.removeHandler(handler)
        log.propagate = before[0]
        log.setLevel(before[1])
        fonts.setLevel(before[2])


def _warn(complaints: Sequence[str], families: set[str]) -> None:
    foreign = families - {family for family, *_ in FACES}
    for text in complaints:
        warnings.warn(text, RenderWarning, stacklevel=3)
    if foreign:
        warnings.warn(
            f"expected glyphs of the shipped fonts only, got some of {', '.join(sorted(foreign))}: "
            "a character or family is not shipped, and the file depends on this machine",
            RenderWarning,
            stacklevel=3,
        )


def _finish(document: Any, pdf: Any, attached: int, signature_field: bool) -> None:
    """What WeasyPrint leaves undone: PDF/UA markers, each attachment named once in /AF, a tagged
    signature field.
    """
    specs = sum(isinstance(item, dict) and item.get("Type") == "/Filespec" for item in pdf.objects)
    if specs != attached:
        raise RenderError(
            f"expected {attached} attachments, got {specs}: the HTML attaches files of its own;"
            " remove rel=attachment"
        )
    if attached:
        pdf.catalog["AF"][:] = dict.fromkeys(pdf.catalog["AF"])
    _mark_as_pdf_ua(_object(pdf, pdf.catalog["Metadata"]))
    if signature_field:
        _add_signature_field(document, pdf)


def _object(pdf: Any, reference: Any) -> Any:
    return pdf.objects[int(reference.split()[0])]


def _mark_as_pdf_ua(metadata: Any) -> None:
    """Adds the PDF/UA identifier inside the one rdf:RDF, and the schema that PDF/A wants for every
    foreign property.
    """
    (xmp,) = metadata.stream
    if xmp.count(b"</rdf:RDF>") != 1:
        raise RenderError(
            "expected WeasyPrint's metadata with one rdf:RDF, got another shape; use the locked"
            " version of WeasyPrint"
        )
    metadata.stream = [xmp.replace(b"</rdf:RDF>", _PDF_UA + b"</rdf:RDF>")]
    metadata.compress = False  # archivists look for the metadata with a text editor


_PDF_UA: Final = b"""
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"><pdfuaid:part>1</pdfuaid:part></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource"><pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI><pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType><pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 that the file follows</pdfaProperty:description></rdf:li></rdf:Seq>
</pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""  # noqa: E501 - XML in which white space counts


def _add_signature_field(document: Any, pdf: Any) -> None:
    """A signature field that already stands in the structure tree: signing tools put untagged ones,
    which PDF/UA forbids.
    """
    import pydyf

    number, box = _signature_place(document)
    page = pdf.objects[pdf.pages["Kids"][3 * number]]
    tree = _object(pdf, pdf.catalog["StructTreeRoot"])
    parents = _object(pdf, tree["ParentTree"])["Nums"]
    root = _object(pdf, tree["K"][0])
    key = parents[-2] + 1
    width, height = box[2] - box[0], box[3] - box[1]
    look = pydyf.Stream(
        [], {"Type": "/XObject", "Subtype": "/Form", "BBox": pydyf.Array([0, 0, width, height])}
    )
    pdf.add_object(look)
    widget = pydyf.Dictionary(
        {
            "Type": "/Annot",
            "Subtype": "/Widget",
            "FT": "/Sig",
            "T": pydyf.String(SIGNATURE_FIELD),
            "TU": pydyf.String("Signature over this whole report"),
            "F": 132,  # print, locked
            "Rect": pydyf.Array(box),
            "P": page.reference,
            "StructParent": key,
            "AP": pydyf.Dictionary({"N": look.reference}),
        }
    )
    pdf.add_object(widget)
    link = pydyf.Dictionary({"Type": "/OBJR", "Obj": widget.reference, "Pg": page.reference})
    pdf.add_object(link)
    form = pydyf.Dictionary(
        {
            "Type": "/StructElem",
            "S": "/Form",
            "P": root.reference,
            "Pg": page.reference,
            "Alt": pydyf.String("Signature over this whole report"),
            "K": pydyf.Array([link.reference]),
        }
    )
    pdf.add_object(form)
    root["K"].append(form.reference)
    parents.extend([key, form.reference])
    page.setdefault("Annots", pydyf.Array()).append(widget.reference)
    page["Tabs"] = "/S"
    pdf.catalog["AcroForm"] = pydyf.Dictionary({"Fields": pydyf.Array([widget.reference])})


def _signature_place(document: Any) -> tuple[int, list[float]]:
    """Page index and box in PDF points (left, bottom, right, top) where the signature stands."""
    for number, page in enumerate(document.pages):
        if SIGNATURE_ANCHOR in page.anchors:
            left, top, right, bottom = page.anchors[SIGNATURE_ANCHOR]
            return number, [
                round(0.75 * v, 2) for v in (left, page.height - bottom, right, page.height - top)
            ]
    return 0, list(_DEFAULT_BOX)
