"""Render the reports of a bundle: HTML by Jinja2, then PDF. Equal bundles give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from medpipe.errors import MissingDependency
from medpipe.evidence import Bundle, pack
from medpipe.formatting import agree, plural
from medpipe.progress import tell
from medpipe.report.card import card_context
from medpipe.report.context import audit_context
from medpipe.report.printable import printable
from medpipe.report.render import AttachedFile, render_pdf
from medpipe.report.report_data import ReportData, read_case
from medpipe.report.results import analysis_text, comparison_csv
from medpipe.signing.statement import EVIDENCE, VERDICTS

REPORT, CARD = "audit-report.pdf", "model-card.pdf"


def write_reports(bundle: Bundle, extra: Sequence[AttachedFile] = ()) -> dict[str, bytes]:
    """Unsigned ``audit-report.pdf`` (attached: ``evidence.zip``) and ``model-card.pdf``; to both
    ``verdicts.json`` and ``extra``.

    Raises `BundleError` for a bundle without verdicts or runs, `MissingDependency` without the
    extra "report".
    """
    case = read_case(bundle)
    verdicts = AttachedFile(
        VERDICTS, (bundle.folder / VERDICTS).read_bytes(), "Every verdict, for programs"
    )
    evidence = AttachedFile(
        EVIDENCE, pack(bundle), f"The evidence, root digest {case.root_digest}", "Source"
    )
    tell(0, 5, "writing the report")
    pages = audit_html(case)
    tell(1, 5, "laying out the report")
    report = _pdf(case, REPORT, pages, [evidence, verdicts, *extra])
    tell(4, 5, "writing the model card")
    return {REPORT: report, CARD: _pdf(case, CARD, card_html(case), [verdicts, *extra])}


def result_files(bundle: Bundle) -> dict[str, bytes]:
    """``<part>-comparison.csv`` and ``<part>-analysis.txt`` of each part with evidence."""
    case = read_case(bundle)
    parts = [p for p in case.parts if case.protocols_of(p)]
    return {
        name: content
        for part in parts
        for name, content in (
            (f"{part}-comparison.csv", comparison_csv(case, part)),
            (f"{part}-analysis.txt", analysis_text(case, part)),
        )
    }


def _pdf(case: ReportData, name: str, html: str, attachments: Sequence[AttachedFile]) -> bytes:
    identifier = sha256(f"{name} {case.root_digest}".encode()).digest()[:16]
    return render_pdf(html, identifier=identifier, created=case.created, attachments=attachments)


def audit_html(case: ReportData) -> str:
    """The audit report as HTML."""
    return to_html("audit-report.html", audit_context(case))


def card_html(case: ReportData) -> str:
    """The model card as HTML."""
    return to_html("model-card.html", card_context(case))


def to_html(template: str, context: Mapping[str, Any]) -> str:
    """One of the package's templates, filled. Raises `MissingDependency`."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingDependency("jinja2", "report", "writing a report") from error
    environment = Environment(
        loader=PackageLoader("medpipe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plural": plural, "agree": agree}
    style = files("medpipe.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(context, style=style)


def _text(value: Any) -> Any:
    """What Jinja2 prints of a value, before it escapes it; markup of our own templates stays as it
    is.
    """
    return printable(value) if type(value) is str else value
