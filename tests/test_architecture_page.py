"""``docs/architecture.md`` shows the packages that the layer test enforces, and every file on the
way from a claim to its verdict and from an image to a figure in a report.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

import architecture_page
import pytest
from architecture_page import files_run_by, follow_a_claim, follow_an_image, listed_files, part
from test_layers import LAYERS

from medpipe import formatting

COMMAND = "run: python tests/architecture_page.py"


@pytest.fixture(scope="module")
def page() -> str:
    return architecture_page.PAGE.read_text(encoding="utf-8")


def test_the_table_of_packages_is_that_of_the_layer_test(page: str) -> None:
    assert part(page, "packages") == architecture_page.packages_table(LAYERS), COMMAND


def test_every_package_says_in_one_sentence_what_it_contains(page: str) -> None:
    rows = part(page, "packages").splitlines()[2:]
    assert len(rows) > 10
    assert [row for row in rows if not row.split("|")[3].strip().endswith(".")] == []


@pytest.mark.parametrize(
    ("name", "follow"), [("claim", follow_a_claim), ("image", follow_an_image)]
)
def test_the_page_lists_every_file_that_runs(
    page: str, name: str, follow: Callable[[], list[str]]
) -> None:
    if name == "image":
        for package in ("cv2", "weasyprint", "pyhanko"):
            pytest.importorskip(package)
    ran = follow()
    sys.stdout.write("\n  ".join([f"\nfollow one {name}: {len(ran)} files", *ran, ""]))
    listed = listed_files(page, name)
    assert [file for file in ran if file not in listed] == [], f"ran, not listed; {COMMAND}"
    assert [file for file in listed if file not in ran] == [], f"listed, did not run; {COMMAND}"
    assert len(listed) == len(set(listed))


def test_the_trace_counts_functions_and_not_imports() -> None:
    assert files_run_by(lambda: importlib.reload(formatting)) == []
    assert files_run_by(lambda: formatting.plural(2, "claim")) == ["formatting.py"]


def test_a_file_that_the_page_lacks_is_missed(page: str) -> None:
    assert "judging/judge.py" in listed_files(page, "claim")
    without = page.replace("`judging/judge.py`", "`judging/other.py`")
    assert "judging/judge.py" not in listed_files(without, "claim")
