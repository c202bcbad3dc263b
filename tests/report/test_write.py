"""Both documents as files: what is attached, what stands on which page, and that hostile values
stay text.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medpipe.errors import MissingDependency
from medpipe.evidence import Bundle, pack
from medpipe.report.render import AttachedFile
from medpipe.report.report_data import read_case
from medpipe.report.write import CARD, REPORT, audit_html, card_html, write_reports

pikepdf = pytest.importorskip("pikepdf", reason="reads the PDFs back")
pytest.importorskip("weasyprint", reason="renders the PDFs")

Maker = Callable[..., Bundle]
ClaimMaker = Callable[..., dict[str, Any]]
HOSTILE = "<link rel=attachment href=file:///etc/passwd> {{7*7}}"
needs_pdftotext = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not on PATH"
)


@pytest.fixture(scope="module")
def reports(small_bundle: Bundle) -> dict[str, bytes]:
    return write_reports(
        small_bundle, [AttachedFile("statement.json", b"{}", "A statement", "Supplement")]
    )


def pages(pdf: bytes, tmp_path: Path) -> list[str]:
    (tmp_path / "file.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "file.pdf"), "-"], capture_output=True, check=True
    )
    return done.stdout.decode().split("\f")[:-1]


def test_the_report_carries_the_evidence_and_the_card_verdicts(
    reports: dict[str, bytes], small_bundle: Bundle
) -> None:
    assert set(reports) == {REPORT, CARD}
    verdicts = (small_bundle.folder / "verdicts.json").read_bytes()
    with pikepdf.open(io.BytesIO(reports[REPORT])) as pdf:
        attached = {name: spec.get_file().read_bytes() for name, spec in pdf.attachments.items()}
        assert attached == {
            "evidence.zip": pack(small_bundle),
            "statement.json": b"{}",
            "verdicts.json": verdicts,
        }
        assert [len(p.get("/Annots", [])) for p in pdf.pages] == [1] + [0] * (
            len(pdf.pages) - 1
        )  # the signature's place, on page one
    with pikepdf.open(io.BytesIO(reports[CARD])) as pdf:
        assert {name: spec.get_file().read_bytes() for name, spec in pdf.attachments.items()} == {
            "statement.json": b"{}",
            "verdicts.json": verdicts,
        }
        assert 2 <= len(pdf.pages) <= 4


def test_without_its_attachments_a_report_is_small(
    reports: dict[str, bytes], small_bundle: Bundle
) -> None:
    assert len(reports[REPORT]) - len(pack(small_bundle)) < 1_000_000


def test_every_heading_is_a_bookmark(reports: dict[str, bytes]) -> None:
    with pikepdf.open(io.BytesIO(reports[REPORT])) as pdf, pdf.open_outline() as outline:
        titles = [item.title for item in outline.root]
    assert titles[0] == "A made-up pipeline"
    assert {
        "All claims",
        "Part text: Sentences of trials",
        "What was not done as published",
        "What is not known, and what would be needed",
        "Runs",
        "Provenance",
        "What a signature does and does not mean",
        "Glossary",
    } <= set(titles)


@needs_pdftotext
def test_page_one_says_what_one_needs(
    reports: dict[str, bytes], small_bundle: Bundle, tmp_path: Path
) -> None:
    first, *others = pages(reports[REPORT], tmp_path)
    for said in (
        "A made-up pipeline",
        "Revision abc1234",
        "May be relied",
        "May not be",
        "Not known",
        "Grade of evidence.",
        "Trust level.",
        "medpipe check-report FILE",
        "● supported",
        "○ refuted",
        "◐ inconclusive",
        "– not-tested",
        "◇ narrowed",
        "page 1 of",
    ):
        assert said in first
    digest = small_bundle.root_digest.removeprefix("sha256:")
    assert f"{digest[:4]} {digest[4:8]} {digest[8:12]}" in first
    assert "All claims" in others[0]
    assert digest in "".join(others)
    number = read_case(small_bundle).number
    for k, page in enumerate([first, *others], 1):
        assert f"No. {number} · evidence: published and reduced" in page
        assert f"page {k} of {len(others) + 1}" in page
        assert "demonstration data: not evidence" not in page


@needs_pdftotext
def test_demonstration_stands_on_every_page_of_both(bundle_maker: Maker, tmp_path: Path) -> None:
    for pdf in write_reports(bundle_maker(source="demonstration")).values():
        for page in pages(pdf, tmp_path):
            assert "demonstration data: not evidence" in page


@needs_pdftotext
def test_page_one_stays_one_page_however_crowded(
    bundle_maker: Maker, claim_maker: ClaimMaker, tmp_path: Path
) -> None:
    title = (
        "An uncommonly wordy title of a claim about sentences that fills each of its ninety marks"
    )
    claims = [
        claim_maker(
            f"text.toy.score{k}",
            f"{title} {k}"[:90],
            value=v,
            printed="a figure that somebody printed in words",
            run=protocol,
            metric="accuracy",
            split="validation",
            threats=("overlap",) if k % 2 else (),
        )
        for k, (v, protocol) in enumerate(
            [(v, p) for v in (0.8, 0.99, 0.6) for p in ("text.toy", "imaging.toy")] * 8
        )
    ]
    subject = (
        "version: 1\nid: long\nname: "
        + "A very long name of a pipeline " * 20
        + "\nrevision: "
        + "f" * 300
        + "\nabout: "
        + "It goes on and on " * 60
        + "\nparts: {text: "
        + "Sentences " * 30
        + ", imaging: Slices}\nnot_covered: ["
        + "Much of it " * 80
        + "]\ndocuments: {paper.pdf: 'sha256:"
        + "1" * 64
        + "'}\n"
    )
    found = pages(write_reports(bundle_maker(claims, subject=subject))[REPORT], tmp_path)
    assert "How to check this file" in found[0] and "page 1 of" in found[0]
    assert "All claims" in found[1].split("claim ")[0]


@needs_pdftotext
def test_hostile_values_stay_text(
    bundle_maker: Maker, claim_maker: ClaimMaker, tmp_path: Path
) -> None:
    on = {"run": "text.toy", "split": "validation"}
    claims = [
        claim_maker(
            "text.toy.accuracy", HOSTILE, printed="\u202e<b>80%</b>\x07", metric="accuracy", **on
        ),
        claim_maker("text.toy.emoji", "🧠 漢字 e\u0301", metric="macro_f1", **on),
    ]
    subject = (
        "version: 1\nid: hostile\nname: '</title><script>alert(1)</script>'\nrevision:"
        " 'url(http://127.0.0.1/x)'\nabout: '{% include \"x\" %}'\nparts: {text: '<img"
        " src=file:///etc/hostname>'}\ndocuments: {paper.pdf: 'sha256:" + "1" * 64 + "'}\n"
    )
    written = write_reports(bundle_maker(claims, subject=subject))
    with pikepdf.open(io.BytesIO(written[REPORT])) as pdf:
        assert set(pdf.attachments) == {"evidence.zip", "verdicts.json"}
    text = " ".join("".join(pages(written[REPORT], tmp_path)).split())
    assert (
        "<script>alert(1)</script>" in text
        and "{{7*7}}" in text
        and "<b>80%</b>" in text
        and "{% include" in text
    )
    assert "root:" not in text and "\u202e" not in text and "\x07" not in text
    assert "? ?? é" in text  # what no shipped font draws
    html = audit_html(read_case(Bundle.open(tmp_path / "bundle"))) + card_html(
        read_case(Bundle.open(tmp_path / "bundle"))
    )
    assert "<script" not in html and "<link rel" not in html and "<img src=file" not in html


SCRIPT = """
import sys, hashlib, pathlib
from medpipe.evidence import Bundle
from medpipe.report.write import write_reports
for name, pdf in write_reports(Bundle.open(pathlib.Path(sys.argv[1]))).items():
    print(name, hashlib.sha256(pdf).hexdigest())
"""


def test_equal_bundles_give_equal_bytes_in_another_process(
    small_bundle: Bundle, repository: Path
) -> None:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONPATH": str(repository),
    }
    command = [sys.executable, "-c", SCRIPT, str(small_bundle.folder)]
    done = subprocess.run(command, capture_output=True, check=True, env=environment, text=True)
    here = {
        name: hashlib.sha256(pdf).hexdigest() for name, pdf in write_reports(small_bundle).items()
    }
    assert dict(line.split() for line in done.stdout.splitlines()) == here


def test_without_jinja_the_message_names_the_extra(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(
        MissingDependency,
        match=r"needs jinja2, which is not installed; run: pip install 'medpipe\[report\]'",
    ):
        write_reports(small_bundle)
