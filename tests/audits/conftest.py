"""Records of a made-up paper on telling apples from pears, to plant contradictions in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from medpipe.audits.result import AuditResult
from medpipe.specs.figure_reading import figures_from
from medpipe.specs.figures import Figures
from medpipe.specs.loading import validate

Record = dict[str, Any]
PAPER = {"document": "orchard.pdf", "place": "table 2"}


def build(**sections: list[Record]) -> Figures:
    """Records of any sections, held against the schema first."""
    data = {"version": 1, **sections}
    validate(data, "figures", "orchard.yaml")
    return figures_from({"orchard.yaml": data}, {})


def quantity(
    name: str, *texts: str, kind: str = "proportion", document: str = "orchard.pdf", **more: Any
) -> Record:
    """A quantity ``q.<name>`` with the printings ``<name>``, ``<name>.2`` …; ``text@document``
    stands in another document.
    """
    printed = []
    for number, text in enumerate(texts, 1):
        words, _, other = text.partition("@")
        printed.append(
            {
                "id": name if number == 1 else f"{name}.{number}",
                "document": other or document,
                "place": "table 2",
                "text": words,
            }
        )
    return {
        "id": f"q.{name}",
        "what": f"{name} of the sorter",
        "kind": kind,
        "printed": printed,
        **more,
    }


def relation(kind: str, result: str, *of: str) -> Record:
    return {
        "id": f"r.{result}",
        "kind": kind,
        "result": f"q.{result}",
        "of": [f"q.{name}" for name in of],
    }


def one(audit: Callable[[Figures], Iterator[AuditResult]], figures: Figures) -> AuditResult:
    """The one result of an audit on some records."""
    (seen,) = audit(figures)
    return seen
