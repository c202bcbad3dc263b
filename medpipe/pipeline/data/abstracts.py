"""Demonstration abstracts: sentences that sound like those of trial reports, made from templates.

They describe no trial, no drug and no patient, and no number computed from them is evidence about
any model, method or claim. They exist so that the whole chain can be tried without data. They are
the same on every machine with the same random generator of numpy.

They are meant to be hard enough that a model errs: about a fifth of the sentences could stand in
either of two sections. Site C is planted to be harder (there it is about half), so that an audit by
group has something to find.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

COUNTS = {"train": 250, "dev": 60, "test": 60}
"""Abstracts by part."""

_SEED = 20_240_607
_AMBIGUOUS = {"A": 0.22, "B": 0.22, "C": 0.5}
"""Share of sentences by site whose wording fits two sections."""

_LENGTHS = {
    "BACKGROUND": (0, 3),
    "OBJECTIVE": (0, 1),
    "METHODS": (2, 5),
    "RESULTS": (2, 5),
    "CONCLUSIONS": (1, 2),
}
"""Fewest and most sentences of each section, in the order of an abstract."""


@dataclass(frozen=True)
class Abstract:
    """One made abstract: its id, its population (``sex``, ``age_band``, ``site``) and ``(label,
    sentence)`` in order.
    """

    abstract_id: str
    population: dict[str, str]
    sentences: tuple[tuple[str, str], ...]


def make(part: str, count: int) -> tuple[Abstract, ...]:
    """``count`` abstracts of a part, deterministic; a longer list begins with the shorter one."""
    return tuple(_abstract(part, number) for number in range(count))


def _abstract(part: str, number: int) -> Abstract:
    rng = np.random.default_rng([_SEED, zlib.crc32(part.encode()), number])
    population = {
        "sex": _pick(rng, ("female", "male", "both", "both")),
        "age_band": _pick(rng, ("child", "adult", "adult", "older")),
        "site": _pick(rng, ("A", "A", "B", "B", "C")),
    }
    theme = {slot: _pick(rng, words) for slot, words in _THEME.items()}
    theme["people"] = _pick(rng, _PEOPLE[population["sex"], population["age_band"]])
    sentences: list[tuple[str, str]] = []
    for label, (fewest, most) in _LENGTHS.items():
        own = list(rng.permutation(_OWN[label]))
        for _ in range(int(rng.integers(fewest, most + 1))):
            shared = rng.random() < _AMBIGUOUS[population["site"]]
            template = _pick(rng, _SHARED[label]) if shared else str(own.pop())
            sentences.append((label, _fill(rng, template, theme)))
    return Abstract(f"demonstration-{part}-{number:04d}", population, tuple(sentences))


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _fill(rng: np.random.Generator, template: str, theme: dict[str, str]) -> str:
    """Replace ``{slot}``: words of the theme stay the same through an abstract, others are drawn
    each time.
    """
    text = re.sub(
        r"\{(\w+)\}", lambda slot: theme.get(slot[1]) or _pick(rng, _WORDS[slot[1]]), template
    )
    return text[0].upper() + text[1:]


_THEME = {
    "drug": (
        "velatrine",
        "ostimab",
        "low-dose corvelin",
        "nasal tiprazine",
        "oral merodan",
        "supervised walking",
        "a telephone coaching programme",
        "early mobilisation",
        "intravenous dalofen",
        "a salt-reduced diet",
    ),
    "control": (
        "placebo",
        "usual care",
        "a sham procedure",
        "standard treatment",
        "written advice alone",
    ),
    "condition": (
        "chronic low back pain",
        "moderate asthma",
        "type @ diabetes",
        "knee osteoarthritis",
        "heart failure",
        "recurrent migraine",
        "postoperative nausea",
        "mild depression",
        "atrial fibrillation",
        "iron-deficiency anaemia",
    ),
    "outcome": (
        "pain intensity",
        "quality of life",
        "hospital admission",
        "walking distance",
        "systolic blood pressure",
        "symptom burden",
        "sleep duration",
        "days free of symptoms",
        "time to relapse",
        "grip strength",
    ),
    "span": ("@ weeks", "@ months", "@ days", "one year"),
}
_WORDS = {
    "effect": ("lower", "higher", "better", "shorter", "less frequent", "more common"),
    "hedge": ("may", "might", "could", "can"),
    "stat": (
        "( @.@ vs @.@ , p = @.@ )",
        "( p < @.@ )",
        "( mean difference @.@ , @ % CI @.@ to @.@ )",
        "( hazard ratio @.@ , @ % CI @.@ to @.@ )",
        "( @ % vs @ % )",
        "( odds ratio @.@ )",
    ),
    "place": (
        "a teaching hospital",
        "@ general practices",
        "two outpatient clinics",
        "@ centres",
        "a community clinic",
    ),
    "harm": ("dizziness", "injection-site soreness", "headache", "nausea", "fatigue"),
    "also": ("also", "further", "in addition ,", "moreover ,"),
}
_PEOPLE = {
    ("female", "child"): ("girls", "school-aged girls"),
    ("male", "child"): ("boys", "school-aged boys"),
    ("both", "child"): ("children", "school-aged children", "adolescents"),
    ("female", "adult"): ("women", "adult women"),
    ("male", "adult"): ("men", "adult men"),
    ("both", "adult"): ("adults", "patients"),
    ("female", "older"): ("older women", "women over @ years"),
    ("male", "older"): ("older men", "men over @ years"),
    ("both", "older"): ("older adults", "nursing home residents"),
}
_OWN = {
    "BACKGROUND": (
        "{condition} is a common cause of disability in {people} .",
        "little is known about how {drug} works in {people} with {condition} .",
        "current treatments for {condition} {hedge} be poorly tolerated .",
        "earlier reports on {drug} were small and gave conflicting answers .",
        "many {people} with {condition} do not reach adequate control of {outcome} .",
        "guidelines disagree on the place of {drug} in {condition} .",
        "the burden of {condition} on health services continues to grow .",
    ),
    "OBJECTIVE": (
        "to determine whether {drug} improves {outcome} in {people} with {condition} .",
        "to compare {drug} with {control} for {condition} in {people} .",
        "we aimed to assess the effect of {drug} on {outcome} over {span} .",
        "the purpose of this trial was to test {drug} against {control} .",
        "our primary aim was to learn whether {outcome} differs between {drug} and {control} .",
    ),
    "METHODS": (
        (
            "in this randomised trial , @ {people} with {condition} were assigned to {drug} or"
            " {control} for {span} ."
        ),
        "participants were recruited from {place} and allocated in a ratio of @ : @ .",
        "the primary outcome was {outcome} at {span} .",
        "secondary outcomes included {outcome} and adverse events .",
        "allocation was concealed and assessors were masked to treatment .",
        "analyses followed the intention-to-treat principle with mixed models .",
        "{people} completed questionnaires at baseline and after {span} .",
        "a sample of @ was planned to detect a difference of @.@ with @ % power .",
    ),
    "RESULTS": (
        "{outcome} was {effect} with {drug} than with {control} {stat} .",
        "of @ {people} randomised , @ ( @ % ) completed follow-up .",
        "no significant difference in {outcome} was found between groups {stat} .",
        "{harm} occurred in @ % of the {drug} group and @ % of the {control} group .",
        "the mean change in {outcome} at {span} was @.@ {stat} .",
        "subgroup analysis showed a {effect} value in those with severe {condition} {stat} .",
        "adherence was @ % in the {drug} arm .",
        "serious adverse events were reported in @ {people} .",
    ),
    "CONCLUSIONS": (
        "{drug} {hedge} be a useful option for {people} with {condition} .",
        "these findings do not support the routine use of {drug} in {condition} .",
        "compared with {control} , {drug} improved {outcome} and was well tolerated .",
        "clinicians should consider {drug} when {control} is not enough .",
        "larger trials are required before {drug} is recommended for {people} .",
    ),
}
_BACKGROUND_OBJECTIVE = (
    "this study examined {drug} in {people} with {condition} .",
    "whether {drug} affects {outcome} in {condition} is unclear .",
    "we studied {drug} as an alternative to {control} .",
)
_BACKGROUND_CONCLUSIONS = (
    "{drug} {hedge} reduce {outcome} in {people} with {condition} .",
    "more evidence on {drug} in {people} is needed .",
    "{drug} has been proposed as a safe treatment for {condition} .",
)
_METHODS_RESULTS = (
    "the groups were followed for {span} .",
    "a total of @ {people} were included .",
    "data from @ {people} were analysed .",
    "baseline characteristics were compared between groups .",
    "{also} {outcome} was measured in both groups at {span} .",
)
_RESULTS_CONCLUSIONS = (
    "{drug} improved {outcome} compared with {control} .",
    "{drug} was safe and well tolerated .",
    "{outcome} did not differ between {drug} and {control} .",
)
_SHARED = {
    "BACKGROUND": (*_BACKGROUND_OBJECTIVE, *_BACKGROUND_CONCLUSIONS),
    "OBJECTIVE": _BACKGROUND_OBJECTIVE,
    "METHODS": _METHODS_RESULTS,
    "RESULTS": (*_METHODS_RESULTS, *_RESULTS_CONCLUSIONS),
    "CONCLUSIONS": (*_BACKGROUND_CONCLUSIONS, *_RESULTS_CONCLUSIONS),
}
