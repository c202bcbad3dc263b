"""Audits that read records: selection, conditions, words, rankings, support, grids. Each finds what
was planted and passes its twin.
"""

from __future__ import annotations

from typing import Any

import pytest

from medpipe.audits.conditions import two_changes_at_once, unequal_conditions
from medpipe.audits.grid import grid_coverage
from medpipe.audits.judgements import judgement, ranking
from medpipe.audits.model_selection import selection_on_validation
from medpipe.audits.result import AuditResult
from medpipe.audits.support import credential, unmeasured_absence, unsupported

from .conftest import PAPER, build, one, quantity, relation

BEST_OF_FIVE = {
    "id": "chosen",
    "what": "the sorter of the paper",
    "reported": "q.accuracy",
    "chosen_on": "the autumn harvest",
    "reported_on": "the autumn harvest",
    "count": 5,
}


def chosen(**change: Any) -> list[AuditResult]:
    quantities = [
        quantity("accuracy", "78.94%", n=5000),
        quantity("second", "78.9%", n=5000),
        quantity("third", "79.10%", n=5000),
    ]
    return list(
        selection_on_validation(
            build(quantities=quantities, selections=[{**BEST_OF_FIVE, **change}])
        )
    )


def test_selection_on_the_reported_set_narrows_by_its_optimism() -> None:
    (seen,) = chosen()
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "selection_on_validation",
        "chosen",
        "narrows",
        True,
    )
    assert seen.bears_on == ("accuracy", "chosen")
    assert (
        seen.arithmetic
        == "standard error of 78.94% at n = 5,000: 0.58 points; mean of the largest of 5 standard"
        " normal values: 1.16; product: 0.67 points"
    )
    assert [s.severity for s in chosen(reported_on="the spring harvest")] == ["clean"]
    assert "no untouched data" in chosen(rule="last")[0].statement


def test_a_better_candidate_that_was_passed_over_is_named() -> None:
    taken, _ = chosen(candidates=["q.accuracy", "q.third"])
    assert (taken.key, taken.severity) == ("chosen.taken", "narrows")
    assert "79.10% (third of the sorter) is higher" in taken.statement
    assert [s.key for s in chosen(candidates=["q.accuracy", "q.second"])] == [
        "chosen"
    ]  # 78.9% may be less than 78.94%


def test_a_gap_of_figures_taken_under_different_conditions_is_undermined() -> None:
    def gap(light: str) -> AuditResult:
        return one(
            unequal_conditions,
            build(
                quantities=[
                    quantity("gap", "3%", kind="points"),
                    quantity("train", "84%", conditions={"light": "day", "crates": 3}),
                    quantity("test", "81%", conditions={"light": light, "crates": 3}),
                ],
                relations=[relation("difference", "gap", "train", "test")],
            ),
        )

    seen = gap("lamp")
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "unequal_conditions",
        "r.gap",
        "undermines",
        True,
    )
    assert seen.bears_on == ("gap", "r.gap")
    assert seen.arithmetic == "light: day against lamp"
    assert gap("day").severity == "clean"
    assert (
        list(
            unequal_conditions(
                build(
                    quantities=[quantity("gap", "3%"), quantity("a", "84%"), quantity("b", "81%")],
                    relations=[relation("difference", "gap", "a", "b")],
                )
            )
        )
        == []
    )


def credited(one_: dict[str, Any], other: dict[str, Any], *credits: str) -> AuditResult:
    return one(
        two_changes_at_once,
        build(
            quantities=[quantity("new", "84%"), quantity("old", "81%")],
            systems=[
                {"id": "s.new", "what": "the new sorter", "attributes": one_},
                {"id": "s.old", "what": "the old sorter", "attributes": other},
            ],
            comparisons=[
                {
                    "id": "better",
                    "said": "the lens does it",
                    **PAPER,
                    "first": "q.new",
                    "second": "q.old",
                    "better": "higher",
                    "systems": ["s.new", "s.old"],
                    **({"credits": list(credits)} if credits else {}),
                }
            ],
        ),
    )


def test_a_comparison_that_changes_more_than_it_credits_is_undermined() -> None:
    seen = credited({"lens": "wide", "belt": "slow"}, {"lens": "narrow", "belt": "fast"}, "lens")
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "two_changes_at_once",
        "better",
        "undermines",
        True,
    )
    assert seen.bears_on == ("better",)
    assert seen.arithmetic == "lens: wide against narrow; belt: slow against fast"
    assert "also differ in belt" in seen.statement
    assert (
        credited(
            {"lens": "wide", "belt": "slow"}, {"lens": "narrow", "belt": "slow"}, "lens"
        ).severity
        == "clean"
    )
    assert credited({"lens": "wide"}, {"lens": "narrow"}).severity == "clean"
    assert (
        credited({"lens": "wide", "belt": 1}, {"lens": "narrow", "belt": 2}).severity
        == "undermines"
    )


def test_credit_to_what_did_not_change_is_undermined() -> None:
    seen = credited({"lens": "wide", "belt": "slow"}, {"lens": "wide", "belt": "slow"}, "lens")
    assert (seen.severity, seen.statement) == (
        "undermines",
        "“the lens does it” credits lens; the new sorter and the old sorter do not differ in that.",
    )


def word(text: str, said: str = "it overfits", **more: Any) -> list[AuditResult]:
    record = {
        "id": "word",
        "said": said,
        **PAPER,
        "definition": "the gap is above one point.",
        "needs": [{"quantity": "q.gap", "is": "above", "value": 0.01}],
        **more,
    }
    return list(
        judgement(
            build(
                quantities=[
                    quantity("gap", text, kind="points"),
                    quantity("train", "84.1%", n=400),
                    quantity("test", "81.0%", n=400),
                    quantity("free", text, kind="points"),
                ],
                relations=[relation("difference", "gap", "train", "test")],
                judgements=[{k: v for k, v in record.items() if v is not None}],
            )
        )
    )


def test_a_word_that_its_number_contradicts_is_undermined() -> None:
    (seen,) = word("0.08 points")
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "judgement",
        "word",
        "undermines",
        True,
    )
    assert seen.bears_on == ("word",)
    assert seen.arithmetic == "needs gap of the sorter above 1 point; printed 0.08 points"
    (chance,) = word("3.1 points")
    assert (chance.severity, "cannot be told from chance" in chance.statement) == (
        "undermines",
        True,
    )
    assert "95 % interval -2.17 points to 8.36 points (Newcombe)" in chance.arithmetic
    (clean,) = word("3.1 points", needs=[{"quantity": "q.free", "is": "above", "value": 0.01}])
    assert clean.severity == "clean"


@pytest.mark.parametrize(
    ("text", "is_", "severity"),
    [
        ("1 points", "above", "clean"),
        ("0.4 points", "above", "undermines"),
        ("0.9 points", "at_least", "undermines"),
        ("<1 points", "below", "clean"),
        ("<1 points", "at_least", "clean"),
        ("<1 points", "above", "undermines"),
        ("-3 points", "below", "clean"),
        ("1.6 points", "at_most", "undermines"),
        ("1.5 points", "at_most", "undermines"),
        ("0", "below", "clean"),
    ],
)
def test_words_are_read_with_rounding_allowed_for(text: str, is_: str, severity: str) -> None:
    (seen,) = word(text, needs=[{"quantity": "q.free", "is": is_, "value": 0.01}])
    assert seen.severity == severity


def test_the_rule_in_the_code_is_held_against_the_word() -> None:
    rule = {"quantity": "q.gap", "is": "above", "value": 0.02, "says": "it overfits"}
    assert [s.severity for s in word("3.1 points", needs=None, rule_in_code=rule)] == ["clean"]
    (seen,) = word("0.8 points", needs=None, rule_in_code=rule)
    assert (seen.key, seen.severity) == ("word.rule", "undermines")
    assert "does not give “it overfits” for 0.8 points" in seen.statement
    (other,) = word("3.1 points", said="it fits", needs=None, rule_in_code=rule)
    assert "gives “it overfits” for 3.1 points" in other.statement


def best(*records: dict[str, Any], **texts: str) -> list[AuditResult]:
    texts = texts or {"wide": "84.1%", "narrow": "81.0%", "round": "84%"}
    base = {
        "id": "best",
        "said": "the wide lens is best",
        **PAPER,
        "best": ["q.wide"],
        "among": [f"q.{name}" for name in texts],
        "order": "highest",
    }
    return list(
        ranking(
            build(
                quantities=[quantity(name, text) for name, text in texts.items()],
                rankings=[{**base, **r} for r in records],
            )
        )
    )


def test_a_best_that_is_not_the_best_is_refuted() -> None:
    (seen,) = best({"best": ["q.narrow"]})
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "ranking",
        "best",
        "refutes",
        True,
    )
    assert seen.bears_on == ("best",)
    assert "wide of the sorter (84.1%) comes before narrow of the sorter (81.0%)" in seen.statement
    assert best({})[0].severity == "clean"
    assert best({"best": ["q.round"]})[0].severity == "clean"  # 84% may be 84.2
    assert best({"order": "lowest"})[0].severity == "refutes"
    assert best({"order": "lowest", "best": ["q.narrow"]})[0].severity == "clean"
    assert best({"order": "smallest_magnitude"}, wide="-0.4", narrow="0.2")[0].severity == "refutes"
    assert best({"order": "smallest_magnitude"}, wide="-0.1", narrow="0.2")[0].severity == "clean"


def test_two_bests_of_one_topic_contradict_each_other() -> None:
    found = best({"topic": "lens"}, {"id": "other", "topic": "lens", "best": ["q.round"]})
    assert [(s.key, s.severity) for s in found if s.severity != "clean"] == [
        ("best.other", "undermines")
    ]
    assert found[-1].bears_on == ("best", "other")
    assert {
        s.severity
        for s in best({"topic": "lens"}, {"id": "other", "topic": "belt", "best": ["q.round"]})
    } == {"clean"}


@pytest.mark.parametrize("made_by", ["constant", "unconditional_print", "nothing"])
def test_a_figure_that_nothing_computed_is_undermined(made_by: str) -> None:
    seen = one(
        unsupported,
        build(
            quantities=[
                quantity("accuracy", "100%", made_by=made_by, made_note="Line 12 prints it."),
                quantity("a", "1"),
            ]
        ),
    )
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "unsupported",
        "q.accuracy",
        "undermines",
        True,
    )
    assert seen.bears_on == seen.rests_on == ("accuracy",)
    assert seen.statement.endswith(". Line 12 prints it.")
    assert (
        list(unsupported(build(quantities=[quantity("accuracy", "100%", made_by="computation")])))
        == []
    )


def test_an_absence_that_nothing_measured_is_undermined() -> None:
    def absence(**more: Any) -> AuditResult:
        return one(
            unmeasured_absence,
            build(
                quantities=[quantity("bruises", "2")],
                absences=[{"id": "none", "said": "no bruises", **PAPER, "of": "bruises", **more}],
            ),
        )

    seen = absence()
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "unmeasured_absence",
        "none",
        "undermines",
        True,
    )
    assert seen.bears_on == ("none",)
    assert "nothing in what was published measures bruises" in seen.statement
    assert absence(measured_by=["q.bruises"]).severity == "clean"


def test_a_credential_is_told_once() -> None:
    seen = one(
        credential, build(disclosures=[{"id": "key", "what": "the key to the barn", **PAPER}])
    )
    assert (seen.audit, seen.key, seen.severity, seen.bears_on) == (
        "credential",
        "key",
        "narrows",
        ("key",),
    )
    assert (
        seen.statement
        == "orchard.pdf (table 2) holds the key to the barn. Whoever owns it should withdraw it."
    )
    assert list(credential(build(quantities=[quantity("a", "1")]))) == []


def grid(*cells: tuple[str, int]) -> AuditResult:
    systems = [
        {"id": f"s{i}", "what": "a sorter", "attributes": {"lens": lens, "speed": speed}}
        for i, (lens, speed) in enumerate(cells)
    ]
    return one(
        grid_coverage,
        build(
            systems=systems,
            grids=[
                {
                    "id": "grid",
                    "said": "a 2 × 2 grid",
                    **PAPER,
                    "axes": {"lens": ["wide", "narrow"], "speed": [1, 2]},
                    "systems": [s["id"] for s in systems],
                }
            ],
        ),
    )


def test_a_grid_with_empty_cells_is_refuted() -> None:
    seen = grid(("wide", 1), ("wide", 1), ("narrow", 1), ("round", 1))
    assert (seen.audit, seen.key, seen.severity, seen.certain, seen.bears_on) == (
        "grid_coverage",
        "grid",
        "refutes",
        True,
        ("grid",),
    )
    assert seen.arithmetic == "2 × 2 = 4 cells; 4 runs on record fill 2"
    assert (
        "lens wide, speed 1 more than once. Missing: lens wide, speed 2; lens narrow, speed 2."
        in seen.statement
    )
    assert grid(("wide", 1), ("wide", 2), ("narrow", 1), ("narrow", 2)).severity == "clean"
