"""The model card, after the fields of the CHAI Applied Model Card v0.2: a cell cites its evidence,
or is left to the author.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from medpipe.audits.gallery_choice import SPLIT
from medpipe.evidence import Evidence, Observations
from medpipe.formatting import plural
from medpipe.judging.wording import show_interval
from medpipe.report.context import frame, line
from medpipe.report.labels import as_sentence, spans, value
from medpipe.report.report_data import ClaimResult, ReportData
from medpipe.report.sentences import headline_order, may_be_relied_on, may_not_be_relied_on, named
from medpipe.specs.protocol import flatten

AUTHOR = "Author must answer."
MOST_RESULTS = 6


@dataclass(frozen=True)
class Cell:
    """One field: its name in the schema, sentences, and the evidence they rest on. Without
    sentences the author must answer.
    """

    field: str
    said: tuple[str, ...] = ()
    cites: str = ""

    @property
    def is_open(self) -> bool:
        return not self.said


def card_context(case: ReportData) -> dict[str, Any]:
    """Everything that ``model-card.html`` shows."""
    sections = [(title, [_cell(case, field) for field in fields]) for title, fields in SECTIONS]
    cells = [cell for _, section in sections for cell in section]
    return {
        **frame(case),
        "title": shorten(case.specs.subject.name, 110, placeholder=" …"),
        "revision": shorten(case.specs.subject.revision, 60, placeholder=" …"),
        "author": AUTHOR,
        "sections": sections,
        "resources": [_cell(case, f) for f in RESOURCES],
        "open": sum(c.is_open for c in cells),
        "fields": len(cells),
        "metrics": _metrics(case),
        "not_for": _not_for(case),
    }


def _cell(case: ReportData, field: str) -> Cell:
    fill = FILLED.get(field)
    said, cites = fill(case) if fill else ([], "")
    return Cell(field, tuple(said), cites if said else "")


Filled = tuple[list[str], str]


def _models(case: ReportData) -> tuple[str, ...]:
    """The protocols that make a model that was claimed: what a published claim measures by itself,
    else all with observations, else all with evidence. What was trained only to be compared with it
    is no model that anybody would use.
    """
    made = [p for p in case.specs.protocols if case.made(p)]
    claimed = {
        i.claim.measure.run
        for i in case.items
        if i.claim.counterpart_of is None and i.claim.measure.minus is None
    }
    seen = [p for p in made if case.made(p)[0].observations]
    return tuple([p for p in seen if p in claimed] or seen or made)


def _first_keys(case: ReportData) -> str:
    keys = [case.made(p)[0].run.key for p in _models(case)]
    return (
        f"{keys[0]}"
        + (
            f" and the first run of {plural(len(keys) - 1, 'other protocol')}"
            if len(keys) > 1
            else ""
        )
        if keys
        else ""
    )


def _model_names(case: ReportData) -> Filled:
    return [case.specs.protocols[p].title for p in _models(case)], "specs/protocols"


def _version_of(case: ReportData) -> Filled:
    return [case.specs.subject.revision], "specs/subject.yaml"


def _summary(case: ReportData) -> Filled:
    return [as_sentence(case.specs.subject.about)], "specs/subject.yaml"


def _keywords(case: ReportData) -> Filled:
    return [", ".join(case.specs.subject.parts)], "specs/subject.yaml"


def _out_of_scope(case: ReportData) -> Filled:
    return [
        "See the box above. The author must add the settings that the evidence does not cover."
    ], "verdicts.json"


def _risks(case: ReportData) -> Filled:
    said = [
        f"{i.claim.title}: {i.verdict.outcome.value}, {i.verdict.validity.value}."
        for i in case.items
        if may_not_be_relied_on(i)
    ]
    said += dict.fromkeys(
        as_sentence(f.statement) for f in case.findings if f.severity != "clean" and f.certain
    )
    return said[:MOST_RESULTS], "verdicts.json, findings.json"


def _biases(case: ReportData) -> Filled:
    gaps = [i for i in case.items if i.claim.measure.by is not None]
    tested = [
        f"{i.claim.title}: {show_interval(i.verdict.interval, i.verdict.unit)},"
        f" {i.verdict.outcome.value}, grade {i.verdict.grade}."
        for i in gaps
        if i.verdict.interval is not None
    ]
    left = len(gaps) - len(tested)
    if left:
        tested.append(
            f"{plural(left, 'claim')} about gaps between groups {'was' if left == 1 else 'were'}"
            " not tested, so it is not known whether there is a gap."
        )
    return tested, "verdicts.json"


def _outputs(case: ReportData) -> Filled:
    said = []
    for p in _models(case):
        said.append(f"{case.specs.protocols[p].title}: {_answer(case.made(p)[0])}.")
    return list(dict.fromkeys(said)), _first_keys(case)


def _answer(e: Evidence) -> str:
    """What a model gives back, as its observations show."""
    if "quality" in e.observations:
        return "images"
    o = next((o for o in e.observations.values() if o.classes), None)
    if o is None:
        return "no classes"
    return f"{'a probability for each of' if 'y_prob' in o else 'one of'} {', '.join(o.classes)}"


def _types(case: ReportData) -> Filled:
    said = []
    for p in _models(case):
        model = case.made(p)[0].resolved.get("model")
        if isinstance(model, dict):
            said.append(
                f"{case.specs.protocols[p].title}: "
                + ", ".join(f"{k} {value(v)}" for k, v in flatten(model))
                + "."
            )
    return said, _first_keys(case)


def _foundation(case: ReportData) -> Filled:
    said = []
    for p in _models(case):
        published, used = (
            dict(flatten(case.specs.protocols[p].parameters)),
            dict(flatten(case.made(p)[0].resolved)),
        )
        said += [
            f"{case.specs.protocols[p].title}: published {value(published[k])}, used"
            f" {value(used.get(k))}."
            for k in published
            if k.rpartition(".")[2] in ("weights", "checkpoint")
        ]
    return said, _first_keys(case)


def _sources(case: ReportData) -> Filled:
    data = {pair for e in case.evidence.values() for pair in e.provenance.data_digests.items()}
    return [
        f"{name}, {digest[:23]}…" for name, digest in sorted(data)
    ], "digests in full in the audit report, “Provenance”"


def _of_data(o: Observations) -> bool:
    """Whether a split is of samples with a truth: not of timed calls, generated images, or a form's
    answers to the samples of another.
    """
    return bool({"y_true", "label"} & set(o.arrays)) and not {"origin", "reference_pred"} & set(
        o.arrays
    )


def _development(case: ReportData) -> Filled:
    said = []
    for p in _models(case):
        splits = [
            (name, o)
            for name, o in case.made(p)[0].observations.items()
            if name != SPLIT and _of_data(o)
        ]
        groups = sorted({g for _, o in splits for g in o.groups})
        if splits:
            known = (
                f"columns {', '.join(groups)}" if groups else "no information about the patients"
            )
            sizes = ", ".join(f"{name} {len(o):,}" for name, o in splits)
            said.append(f"{case.specs.protocols[p].title}: {sizes} samples; {known}.")
    return said, _first_keys(case)


def _transparency(case: ReportData) -> Filled:
    return [
        f"Audit report No. {case.number}, with evidence attached."
    ], f"root digest {case.root_digest.removeprefix('sha256:')[:16]}…"


def _references(case: ReportData) -> Filled:
    return [f"medpipe audit report No. {case.number}."], "audit-report.pdf"


def _documents(case: ReportData) -> Filled:
    return [
        "The documents whose claims were audited: " + ", ".join(case.specs.subject.documents) + "."
    ], "specs/subject.yaml"


FILLED: dict[str, Callable[[ReportData], Filled]] = {
    "ModelName": _model_names,
    "ReleaseVersion": _version_of,
    "Summary": _summary,
    "Keywords": _keywords,
    "CautionedOutOfScopeSettings": _out_of_scope,
    "KnownRisksAndLimitations": _risks,
    "KnownBiasesOrEthicalConsiderations": _biases,
    "OutcomesAndOutputs": _outputs,
    "ModelType": _types,
    "FoundationModels": _foundation,
    "InputDataSource": _sources,
    "DevelopmentDataCharacterization": _development,
    "Transparency": _transparency,
    "EvaluationReferences": _references,
    "Bibliography": _documents,
}

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("BasicInfo", ("ModelName", "ModelDeveloper", "DeveloperContact")),
    (
        "ReleaseInfo",
        (
            "ReleaseStage",
            "ReleaseDate",
            "ReleaseVersion",
            "GlobalAvailability",
            "EHRCompatibility",
            "RegulatoryApproval",
        ),
    ),
    ("ModelSummary", ("Summary", "Keywords")),
    (
        "UsesAndDirections",
        (
            "IntendedUseAndWorkflow",
            "PrimaryIntendedUsers",
            "HowToUse",
            "TargetedPatientPopulation",
            "CautionedOutOfScopeSettings",
        ),
    ),
    (
        "Warnings",
        ("KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"),
    ),
    (
        "TrustIngredients: AISystemFacts",
        (
            "OutcomesAndOutputs",
            "ModelType",
            "FoundationModels",
            "InputDataSource",
            "OutputAndInputDataTypes",
            "DevelopmentDataCharacterization",
            "BiasMitigationApproaches",
            "OngoingMaintenance",
            "Security",
            "Transparency",
        ),
    ),
    (
        "TrustIngredients: TransparencyInformation",
        ("FundingSource", "ThirdPartyInformation", "StakeholdersConsulted"),
    ),
)
RESOURCES = (
    "EvaluationReferences",
    "ClinicalTrial",
    "PeerReviewedPublications",
    "ReimbursementStatus",
    "PatientConsentOrDisclosure",
    "Bibliography",
)


def _metrics(case: ReportData) -> list[dict[str, Any]]:
    """The three groups of KeyMetrics: how good, how even between groups, how steady."""
    scores = [
        i
        for i in case.items
        if i.claim.measure.metric
        and not i.claim.measure.minus
        and not i.claim.measure.by
        and not (i.claim.measure.split or "").startswith("train")
    ]
    gaps = [i for i in case.items if i.claim.measure.by]
    steady = [i for i in case.items if i.claim.measure.minus is not None]
    return [
        _group(case, *g)
        for g in (
            ("UsefulnessUsabilityEfficacy", scores),
            ("FairnessEquity", gaps),
            ("SafetyReliability", steady),
        )
    ]


def _group(case: ReportData, title: str, items: Sequence[ClaimResult]) -> dict[str, Any]:
    tested = [i for i in items if i.verdict.interval is not None]
    shown = sorted(headline_order(tested)[:MOST_RESULTS], key=lambda i: i.number)
    goals = dict.fromkeys(as_sentence(i.claim.criterion.rationale) for i in shown)
    splits = sorted({s for i in shown for m in i.claim.measure.parts() for s in [m.split] if s})
    methods = dict.fromkeys(
        as_sentence(i.verdict.interval.method) for i in shown if i.verdict.interval is not None
    )
    return {
        "title": title,
        "rows": [line(case, i) for i in shown],
        "left": _left(len(items), len(tested), len(shown)),
        "goals": list(goals)[:2],
        "test": (
            "Retrospective: the published figures were measured again on stored predictions."
            if methods
            else ""
        ),
        "data": f"Splits {', '.join(splits)}." if splits else "",
        "validation": list(methods)[:2],
    }


def _left(claims: int, tested: int, shown: int) -> str:
    """What a group leaves out, in a sentence."""
    if not claims:
        return "No claim of this kind was audited."
    said = [
        f"{tested - shown} more tested" if tested > shown else "",
        f"{claims - tested} not tested" if claims > tested else "",
    ]
    left = " and ".join(filter(None, said))
    return (
        f"{left[:1].upper()}{left[1:]}, of {plural(claims, 'claim')} of this kind: see the audit"
        " report."
        if left
        else ""
    )


def _not_for(case: ReportData) -> list[str]:
    """The box: what the evidence forbids, then what it leaves open."""
    said = ["The care of patients. No claim about clinical use was tested."]
    if case.is_demonstration:
        said.append(
            "Any statement about these models. The runs used demonstration data, which is not"
            " evidence about a claim."
        )
    failed = [i for i in case.items if may_not_be_relied_on(i)]
    if failed:
        said.append(
            f"Decisions that rest on claims that were refuted or undermined: {named(failed, 4)}."
        )
    held = sum(may_be_relied_on(i) for i in case.items)
    rest = [i for i in case.items if not may_be_relied_on(i) and not may_not_be_relied_on(i)]
    if rest:
        said.append(
            f"Decisions that rest on {plural(len(rest), 'claim')} not known to be true (numbers"
            f" {spans(i.number for i in rest)} of the audit report). You may rely on {held} of"
            f" {plural(len(case.items), 'claim')}."
        )
    return said
