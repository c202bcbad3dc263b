"""Figure records: the schema and the records agree, references are checked, and audits never meet
what they cannot compute with.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from medpipe.audits.parameter_counts import LAYERS, count
from medpipe.errors import SpecError
from medpipe.specs import figures as records
from medpipe.specs.figure_reading import figures_from
from medpipe.specs.figures import Figures, Layer
from medpipe.specs.loading import schema, validate

PAPER = {"document": "orchard.pdf", "place": "table 2"}


def quantity(name: str, text: str = "0.5", kind: str = "number", **more: Any) -> dict[str, Any]:
    return {
        "id": f"q.{name}",
        "what": name,
        "kind": kind,
        "printed": [{"id": name, **PAPER, "text": text}],
        **more,
    }


A, B, WORDS = quantity("a"), quantity("b"), quantity("w", "words", "fact")


def build(digests: dict[str, str] | None = None, **sections: list[Any]) -> Figures:
    data = {"version": 1, **sections}
    validate(data, "figures", "f.yaml")
    return figures_from({"f.yaml": data}, digests or {})


TYPES = {
    "quantities": records.Quantity,
    "relations": records.Relation,
    "systems": records.System,
    "repeats": records.Repeats,
    "comparisons": records.Comparison,
    "selections": records.Selection,
    "judgements": records.Judgement,
    "rankings": records.Ranking,
    "absences": records.Absence,
    "scores": records.Scores,
    "architectures": records.Architecture,
    "grids": records.Grid,
    "disclosures": records.Disclosure,
}


ONLY_FROM_TABLES = {
    "quantities": {"unless", "other_scale", "interval"},
    "relations": {"weights", "between"},
    "comparisons": {"verbatim"},
    "scores": {"balanced_accuracy", "youden", "auc", "runs", "folds"},
}
"""What records of a results table hold besides; a file of figure records states one reading."""


def test_schema_and_records_have_the_same_fields() -> None:
    """What the schema accepts, the records take; what they have, can be written."""
    sections = dict(schema("figures")["properties"])
    sections.pop("version")
    assert sections.keys() == TYPES.keys()

    def names(kind: type) -> set[str]:
        return {f.name.rstrip("_") for f in fields(kind)}

    for section, kind in TYPES.items():
        recorded = names(kind) - ONLY_FROM_TABLES.get(section, set())
        assert sections[section]["items"]["properties"].keys() == recorded, section
    printing = sections["quantities"]["items"]["properties"]["printed"]["items"]["properties"]
    assert printing.keys() == names(records.Printing) - {"digest"}
    layer = sections["architectures"]["items"]["properties"]["layers"]["items"]["properties"]
    assert layer.keys() == names(Layer)
    assert set(layer["kind"]["enum"]) == LAYERS.keys()
    countable = {
        kind
        for name in LAYERS
        for kind in count((Layer(name, transposed=True), Layer(name))).layers
    }
    assert set(
        sections["architectures"]["items"]["properties"]["counts"]["propertyNames"]["enum"]
    ) == countable | {"parameters"}


def test_records_keep_what_was_written() -> None:
    made = build(
        {"orchard.pdf": "sha256:0"},
        quantities=[
            A,
            quantity("b", "about 12 apples", "count", n=5, conditions={"light": None}),
            {**WORDS, "printed": [{**WORDS["printed"][0], "as": "code", "means": "x"}]},
        ][:1],
        grids=[
            {"id": "g", "said": "s", **PAPER, "axes": {"x": [1, "two", None]}, "systems": ["s"]}
        ],
        systems=[{"id": "s", "what": "s", "attributes": {"x": 1}}],
        architectures=[
            {
                "id": "n",
                "what": "n",
                "layers": [{"kind": "linear", "inputs": 2, "outputs": 3}],
                "counts": {"parameters": "q.a"},
            }
        ],
    )
    assert made.quantity("q.a").printed[0].digest == "sha256:0"
    assert made.grids[0].axes == {"x": (1, "two", None)}
    assert made.architectures[0].layers == (Layer("linear", inputs=2, outputs=3),)
    assert made.ids() == {"q.a", "a", "g", "s", "n"}
    assert made
    assert not Figures()


def relation(kind: str, *of: str) -> dict[str, Any]:
    return {"id": "r", "kind": kind, "result": "q.a", "of": list(of)}


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"quantities": [A, A]}, "every id once among all records and printings, got 'q.a' twice"),
        (
            {"quantities": [A, {**B, "printed": [{"id": "q.a", **PAPER, "text": "1"}]}]},
            "'q.a' twice",
        ),
        (
            {"quantities": [A], "relations": [relation("sum", "q.a", "q.z")]},
            "relations r: expected the id of one of the quantities, got 'q.z'",
        ),
        (
            {"quantities": [A], "relations": [relation("difference", "q.a", "q.a", "q.a")]},
            "two quantities for a difference, got 3",
        ),
        (
            {"quantities": [A, WORDS], "relations": [relation("sum", "q.a", "q.w")]},
            "quantities that are numbers, got the fact 'q.w'",
        ),
        (
            {
                "quantities": [A, WORDS],
                "judgements": [
                    {
                        "id": "j",
                        "said": "s",
                        **PAPER,
                        "definition": "d",
                        "needs": [{"quantity": "q.w", "is": "above", "value": 1}],
                    }
                ],
            },
            "judgements j: expected quantities that are numbers",
        ),
        (
            {
                "quantities": [A],
                "judgements": [
                    {
                        "id": "j",
                        "said": "s",
                        **PAPER,
                        "definition": "d",
                        "needs": [{"quantity": "q.z", "is": "above", "value": 1}],
                    }
                ],
            },
            "got 'q.z'",
        ),
        (
            {
                "quantities": [A],
                "comparisons": [
                    {
                        "id": "c",
                        "said": "s",
                        **PAPER,
                        "first": "q.a",
                        "second": "q.a",
                        "better": "higher",
                        "repeats": "r",
                    }
                ],
            },
            "one of the repeats, got 'r'",
        ),
        (
            {
                "quantities": [A],
                "scores": [
                    {
                        "id": "s",
                        "what": "s",
                        "n": 5,
                        "average": "macro",
                        "classes": {"x": 2, "y": 4},
                        "f1": "q.a",
                    }
                ],
            },
            "scores s: classes: expected counts that add up to n = 5, got 6",
        ),
        (
            {
                "quantities": [A],
                "scores": [
                    {
                        "id": "s",
                        "what": "s",
                        "n": 5,
                        "average": "binary",
                        "classes": {"x": 2, "y": 3},
                        "positive": "z",
                        "f1": "q.a",
                    }
                ],
            },
            "scores s: positive: expected one of the classes (x, y), got 'z'",
        ),
        ({"quantities": [quantity("a", "about 5")]}, "one printed number"),
        ({"quantities": [{**A, "colour": "red"}]}, "the unknown key 'colour'"),
        ({"quantities": [quantity("a", kind="share")]}, "quantities[0].kind"),
    ],
)
def test_what_the_audits_could_not_compute_with_is_refused(
    sections: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecError) as caught:
        build(**sections)
    assert says in str(caught.value)
    assert str(caught.value).startswith("f.yaml")


def test_a_document_must_be_one_of_the_subject() -> None:
    with pytest.raises(
        SpecError, match=r"a document of the subject \(paper.pdf\), got 'orchard.pdf'"
    ):
        build({"paper.pdf": "sha256:0"}, quantities=[A])


def test_an_absence_may_rest_on_a_fact() -> None:
    made = build(
        quantities=[WORDS],
        absences=[{"id": "n", "said": "none", **PAPER, "of": "bruises", "measured_by": ["q.w"]}],
    )
    assert made.absences[0].measured_by == ("q.w",)
