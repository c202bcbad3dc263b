"""The lock files: everything pinned, with hashes, from nowhere in particular, and in step with
pyproject.toml.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ["lock.txt", "bare.txt"]
ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+?))?(?P<hashes>(?:"
    r" --hash=sha256:[0-9a-f]{64})+)"
)
HEAVY = {"torch", "torchvision", "transformers", "accelerate", "weasyprint", "pyhanko", "pandas"}


def read(name: str) -> str:
    return (ROOT / "requirements" / name).read_text("utf-8")


def entries(text: str) -> dict[str, Version]:
    """Pinned versions by name. Raises `AssertionError` for a line that is not one package, one
    version and its hashes.
    """
    pinned: dict[str, Version] = {}
    for line in re.sub(r" \\\n +", " ", text).splitlines():
        match = ENTRY.fullmatch(line)
        assert match, f"not 'name==version --hash=sha256:…': {line[:100]}"
        name = canonicalize_name(match["name"])
        assert name not in pinned, f"{name} is pinned twice"
        pinned[name] = Version(match["version"])
    return pinned


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", LOCKS)
def test_everything_is_pinned_with_hashes(name: str) -> None:
    assert len(entries(read(name))) > 20


@pytest.mark.parametrize(
    "line",
    [
        "numpy>=2.0 --hash=sha256:" + "0" * 64,
        "numpy==2.0",
        "--index-url x",
        "numpy @ file:///x --hash=sha256:" + "0" * 64,
        "-e .",
    ],
)
def test_the_check_finds_what_it_is_for(line: str) -> None:
    with pytest.raises(AssertionError, match="not 'name==version"):
        entries(line + "\n")


def wanted(name: str) -> list[str]:
    told = project()
    if name == "bare.txt":
        return [*told["project"]["dependencies"], *told["dependency-groups"]["bare"]]
    extras = told["project"]["optional-dependencies"].values()
    return [
        *told["project"]["dependencies"],
        *(line for extra in extras for line in extra),
        *told["build-system"]["requires"],
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_meets_pyproject(name: str) -> None:
    pinned = entries(read(name))
    for requirement in map(Requirement, wanted(name)):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None and version in requirement.specifier, (
            f"{requirement}, but {name} has {version}: run make lock"
        )


def test_the_bare_lock_is_bare_and_agrees_with_the_whole_one() -> None:
    whole, bare = entries(read("lock.txt")), entries(read("bare.txt"))
    assert bare.items() <= whole.items()
    assert not HEAVY & bare.keys()
    assert whole.keys() >= HEAVY
