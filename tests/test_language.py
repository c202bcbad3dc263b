"""What readers see uses no invented words: README, docs, templates and the help of commands.

`OLD_NAMES` exempts old names of modules and keys that still exist. It can only shrink: a test fails
if a name on it is no longer used. ``tests/report/test_report_language.py`` reads rendered reports.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from plain_english import RAW, coinages, without_markup

from medpipe.report.labels import GLOSSARY

ROOT = Path(__file__).resolve().parents[1]
OLD_NAMES = frozenset(
    {
        "deployment.ladder",
        "deployment_ladder",
        "likeness",
        "medpipe/audits/leakage_effect.py",
        "relatives",
    }
)
"""Modules, experiments, splits and keys, in code spans."""
OLD_LABELS = frozenset(
    {
        "above the commonest class, 4 even classes",
        "above the commonest class, 60 clusters of 5",
        "effect of relatives, 1 run",
        "effect of relatives, 3 runs",
    }
)
"""Names of simulations, from which their seeds follow, in tables of stored results."""


def pages() -> list[Path]:
    """README, CONTRIBUTING and all pages of docs; records of decisions keep their wording."""
    return [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]


def templates() -> list[Path]:
    return sorted((ROOT / "medpipe/report/templates").glob("*.html"))


def without_code(text: str) -> tuple[str, set[str]]:
    """A page without blocks of code and exempt names, and the exemptions that it used."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    exempt = {f"`{name}`": name for name in OLD_NAMES} | {f"| {n} |": n for n in OLD_LABELS}
    used = {name for written, name in exempt.items() if written in text}
    for written in exempt:
        text = text.replace(written, "")
    return text, used


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.name)
def test_pages_use_no_invented_words(page: Path) -> None:
    assert coinages(without_code(page.read_text(encoding="utf-8"))[0]) == []


@pytest.mark.parametrize("template", templates(), ids=lambda p: p.name)
def test_templates_use_no_invented_words(template: Path) -> None:
    assert coinages(without_markup(template.read_text(encoding="utf-8"))) == []


def test_every_exemption_is_still_needed() -> None:
    used = set().union(*(without_code(p.read_text(encoding="utf-8"))[1] for p in pages()))
    assert used == OLD_NAMES | OLD_LABELS


COMMANDS = (
    *("", "verify", "plan", "run", "judge", "report", "sign", "signer", "check-report"),
    *("audit-figures", "audit-data", "bench", "export", "mark", "forensics"),
    *("data|status", "data|fetch", "reader-study|make", "reader-study|score"),
)
PRINT_HELP = """
import sys
from typer.main import get_command
from medpipe.cli import _with_commands
command = get_command(_with_commands())
for words in sys.argv[1:]:
    try:
        command.main([*filter(None, words.split("|")), "--help"], "medpipe", standalone_mode=False)
    except SystemExit:
        pass
"""


def test_the_help_of_commands_uses_no_invented_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_HELP, *COMMANDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("Usage: ") == len(COMMANDS), done.stderr
    assert coinages(done.stdout.replace("--rungs", "")) == []  # the old name of --backends


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Not as published: training.epochs 2 for 3.", "a path of parameters"),
        ("the scalar size_mb_script is not there", "a key with underscores"),
        ("KeyError: 'site'", "a Python exception"),
        ("expected observations of the split", "a technical message"),
    ],
)
def test_a_planted_raw_key_is_found(text: str, kind: str) -> None:
    assert RAW[kind].search(text)


def test_a_planted_coinage_is_found_and_its_standard_twin_passes() -> None:
    assert coinages("every rung of the ladder leaves an innocent reading")
    assert coinages("every backend could have a harmless explanation") == []
    assert without_markup("<p>a {{ b_c }} <i class='x'>d</i></p>").split() == ["a", "d"]


def terms() -> list[str]:
    """The terms of the glossary, in the order of the page."""
    page = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    return re.findall(r"^\| ([^|]+) \| \S", page, re.MULTILINE)[1:]


def test_the_glossary_defines_each_term_once_in_order() -> None:
    found = [term.casefold().replace("-", " ") for term in terms()]
    assert len(found) > 50 and len(found) == len(set(found))
    assert found == sorted(found)


def test_the_glossary_defines_the_terms_of_the_report_and_every_verdict() -> None:
    from medpipe.judging.verdict import Outcome, Validity

    defined = {term.replace("-", " ") for term in terms()}
    printed = {part.strip() for term, _ in GLOSSARY for part in term.split(",")}
    values = {value.value.replace("-", " ") for kind in (Outcome, Validity) for value in kind}
    assert (printed | values) - defined == set()
