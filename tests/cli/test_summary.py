"""The end of `verify` and `judge`: one plain screen with the claims of the report's first page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from medpipe.cli import show, summary
from medpipe.evidence import Bundle
from medpipe.judging import Verdict, stored_verdicts
from medpipe.report.page_one import page_one
from medpipe.report.report_data import read_case
from medpipe.specs import Specs
from medpipe.specs.loading import specs_from


@pytest.fixture(scope="module")
def bundle(repository: Path) -> Bundle:
    return Bundle.open(repository / "reports" / "medical-ai-pipeline-reduced")


@pytest.fixture(scope="module")
def specs(bundle: Bundle) -> Specs:
    return specs_from(bundle.specs(), "specs")


@pytest.fixture(scope="module")
def verdicts(bundle: Bundle) -> Sequence[Verdict]:
    return stored_verdicts(bundle)


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Console:
    made = Console(
        file=io.StringIO(), width=60, highlight=False, color_system=None, force_terminal=True
    )
    monkeypatch.setattr(show, "console", made)
    return made


def printed(out: Console) -> list[str]:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(60, 28), (80, 24)])
def test_the_end_is_one_plain_screen(
    specs: Specs, verdicts: Sequence[Verdict], out: Console, width: int, height: int
) -> None:
    out.width = width
    bundle = Bundle(Path("reports/medical-ai-pipeline-reduced"))
    summary.print_verdicts(specs, verdicts, every=False)
    reports = [bundle.folder / name for name in ("audit-report.pdf", "model-card.pdf")]
    summary.print_reports(bundle, reports)
    summary.print_next(bundle, every=False, signed=True)
    lines = printed(out)
    assert len(lines) <= height
    assert all(line == line.rstrip() and "\x1b" not in line for line in lines)
    assert all(len(line) <= width or " " not in line.strip() for line in lines)
    assert f"--bundle {bundle.folder} --all" in " ".join(lines)


def test_the_claims_are_those_of_the_reports_first_page(
    bundle: Bundle, specs: Specs, verdicts: Sequence[Verdict], out: Console
) -> None:
    summary.print_verdicts(specs, verdicts, every=False)
    first = {item.claim.title for item in page_one(read_case(bundle), "0").headline}
    shown = [line.partition(": ")[2] for line in printed(out) if line[:1] in "●○◐–" and line]
    assert len(shown) == summary.MOST_CLAIMS
    for title in shown:  # a long title goes on in the next line
        assert any(full.startswith(title) for full in first), title


@pytest.mark.parametrize("every", [True, False])
def test_every_claim_is_counted_once_by_outcome_and_once_by_validity(
    specs: Specs, verdicts: Sequence[Verdict], out: Console, every: bool
) -> None:
    summary.print_verdicts(specs, verdicts, every=every)
    text = " ".join(printed(out))
    for start in (f"{len(verdicts)} claims: ", "Validity: "):
        counts = text.rpartition(start)[2].partition(".")[0]
        assert sum(int(part.split()[0]) for part in counts.split(", ")) == len(verdicts)


def test_all_prints_a_row_for_every_claim(
    specs: Specs, verdicts: Sequence[Verdict], out: Console
) -> None:
    summary.print_verdicts(specs, verdicts, every=True)
    lines = set(printed(out))
    assert {v.claim for v in verdicts} <= lines
    assert "Headline claims:" not in lines
