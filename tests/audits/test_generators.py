"""The evidence of a generator becomes findings about the claims that measure its protocol; made-up
data says nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import claim_data
from made_up_generators import CLASSES, memory, named, quality, scored

from medpipe import registry
from medpipe.audits import collapse, memorisation
from medpipe.audits.bundles import findings_in, keep_findings, known_audits
from medpipe.audits.diversity import modes, support
from medpipe.audits.generators import protocols_by_run
from medpipe.audits.images import duplicates
from medpipe.evidence import Bundle, Evidence, Failure, Observations, Provenance, Run
from medpipe.evidence.finding import Finding
from medpipe.metrics.generator_splits import COPY
from medpipe.specs.claim import Claim, claim_from
from medpipe.specs.loading import Specs, specs_from

N = 400
RNG = np.random.default_rng(0)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Every test draws the same numbers, whichever ran before it."""
    RNG.bit_generator.state = START


REAL = {"resolved": {"data": {"source": "real"}}}


def claims() -> tuple[Claim, ...]:
    def about(name: str, threat: str, run: str | None = "plain") -> Claim:
        change: dict[str, Any] = (
            {"measure": {"metric": "kid", "run": run, "split": "quality"}}
            if run
            else {
                "measure": None,
                "criterion": None,
                "published": None,
                "depends_on": None,
                "unmeasured": "words",
            }
        )
        return claim_from(claim_data(id=name, threats=[threat], **change), {})

    return (
        about("synthesis.a.collapse", "mode_collapse"),
        about("synthesis.a.words", "mode_collapse", None),
        about("synthesis.a.other", "mode_collapse", "provoked"),
        about("synthesis.a.private", "memorisation"),
        about("imaging.a.b", "mode_collapse"),
    )


def seen(*labels: str, each: int = 100) -> Observations:
    return Observations(
        {
            "sample_id": np.array(named("training", len(labels) * each)),
            "label": np.repeat(labels, each),
        }
    )


def evidence(
    splits: dict[str, Observations],
    seed: int = 0,
    source: str = "real",
    failure: Failure | None = None,
) -> Evidence:
    return Evidence(
        Run("image_synthesis", {"data": {"source": source}}, seed),
        {"data": {"source": source}},
        Provenance("sha256:0", {}, {}),
        splits,
        failure=failure,
    )


def audited(splits: dict[str, Observations], **change: Any) -> dict[str, Finding]:
    e = evidence(splits, **change)
    protocols = {e.run.key: ("plain",)}
    found = (
        *collapse.collapse([e], claims(), protocols),
        *memorisation.memorisation([e], claims(), protocols),
    )
    return {f.id: f for f in found}


def pictured(called: Any = None) -> Observations:
    return quality(
        RNG.normal(0, 1, (N, 6)), RNG.normal(0, 1, (N, 6)), RNG.normal(0, 1, (N, 6)), called=called
    )


def test_classes_never_shown_come_out_by_themselves() -> None:
    found = audited({"quality": pictured(np.arange(N) % 2), "seen": seen("glioma", "meningioma")})
    shown = found["mode_collapse:plain.shown"]
    assert shown.severity == "narrows"
    assert (
        "Only 2 of 4 classes were shown to the generator (glioma 100 and meningioma 100), never"
        " notumor and pitu" in shown.statement
    )
    assert (
        found["mode_collapse:plain.classes"].severity == "clean"
    )  # of what it was shown, it makes all
    assert (
        audited({"quality": pictured(), "seen": seen(*CLASSES)})[
            "mode_collapse:plain.shown"
        ].severity
        == "clean"
    )


def test_a_class_shown_and_not_made_undermines_and_n_is_said() -> None:
    found = audited({"quality": pictured(np.arange(N) % 3), "seen": seen(*CLASSES)})[
        "mode_collapse:plain.classes"
    ]
    assert found.severity == "undermines" and found.statement.endswith(
        "less than a quarter as often as shown: pituitary."
    )
    assert (found.figures["covered"], found.figures["shown"], found.figures["n"]) == (3, 4, N)
    clean = audited({"quality": pictured(), "seen": seen(*CLASSES)})["mode_collapse:plain.classes"]
    assert (
        clean.severity == "clean"
        and "one with a share of 0.75 % or more would have been seen (95 %)" in clean.statement
    )
    some = pictured()
    blind = Observations(
        {**some.arrays, "y_pred": RNG.integers(0, 4, len(some))}, CLASSES
    )  # a network that cannot tell classes
    assert (
        audited({"quality": blind, "seen": seen(*CLASSES)})["mode_collapse:plain.classes"].severity
        == "narrows"
    )


def test_findings_bear_on_the_claims_that_measure_the_protocol() -> None:
    found = audited({"quality": pictured(), "seen": seen(*CLASSES), "memory": unremarkable()})
    assert set(found["mode_collapse:plain.classes"].claims) == {
        "synthesis.a.collapse",
        "synthesis.a.words",
    }
    assert found["memorisation:plain.pixels"].claims == ("synthesis.a.private",)
    e = evidence({"quality": pictured()})
    assert {f.claims for f in collapse.collapse([e], claims(), {e.run.key: ("unclaimed",)})} == {()}
    assert collapse.collapse([e], claims(), {}) == ()  # no plan names the run


def test_what_was_made_up_or_failed_says_nothing() -> None:
    assert audited({"quality": pictured()}, source="demonstration") == {}
    assert audited({"quality": pictured()}, failure=Failure("failed", "x")) == {}


def test_the_worst_of_several_runs_is_told() -> None:
    runs = [
        evidence({"quality": pictured(np.arange(N) % k), "seen": seen(*CLASSES)}, seed)
        for seed, k in enumerate((4, 1, 4))
    ]
    found = {
        f.id: f for f in collapse.collapse(runs, claims(), {e.run.key: ("plain",) for e in runs})
    }
    assert found["mode_collapse:plain.classes"].severity == "undermines"
    assert found["mode_collapse:plain.classes"].statement.endswith(
        "The worst of 3 runs; 1 with this verdict."
    )


def test_of_runs_with_one_verdict_the_one_with_the_worst_figure_is_told() -> None:
    def scores(shift: float) -> Observations:
        values = np.linspace(-1, 1, 1000)
        return scored("training", values + shift, "held_out", values, "discriminator", "generator")

    splits = [
        {"membership": scores(shift), "memory": nearest_reaching(reach)}
        for shift, reach in ((0.01, 0.92), (0.03, 0.95), (0.02, 0.93))
    ]
    runs = [evidence(s, seed) for seed, s in enumerate(splits)]
    found = {
        f.id: f
        for f in memorisation.memorisation(runs, claims(), {e.run.key: ("plain",) for e in runs})
    }
    area = found["memorisation:plain.membership.generator"]
    assert area.figures["area"] == max(
        memorisation.membership(s["membership"], "generator")[0].value for s in splits
    )
    assert (
        "the nearest pair reaches 0.950. The worst of 3 runs; 3 with this verdict."
        in found["memorisation:plain.copies"].statement
    )


def nearest_reaching(reach: float) -> Observations:
    o = unremarkable()
    return Observations(
        {
            **o.arrays,
            "nearest_training": np.where(np.arange(len(o)) == 0, reach, o["nearest_training"]),
        }
    )


def unremarkable(n: int = 1000) -> Observations:
    return memory(
        (RNG.uniform(0.3, 0.9, n), RNG.uniform(0.3, 0.9, n)),
        (RNG.uniform(0.3, 0.9, n), RNG.uniform(0.3, 0.9, n)),
    )


def copying(count: int, n: int = 1000) -> Observations:
    towards = RNG.uniform(0.3, 0.9, n)
    towards[:count] = 0.999 - np.arange(count) / 1e6
    return memory(
        (towards, RNG.uniform(0.3, 0.9, n)), (RNG.uniform(0.3, 0.9, n), RNG.uniform(0.3, 0.9, n))
    )


def test_copies_are_counted_and_the_worst_named_with_what_they_copy() -> None:
    found = audited({"memory": copying(20)})["memorisation:plain.copies"]
    assert found.severity == "undermines" and found.figures["copies"] == 20
    assert list(found.samples)[:4] == [
        "generated/00000",
        "training/00000",
        "generated/00001",
        "training/00001",
    ]
    few = audited({"memory": copying(2)})["memorisation:plain.copies"]
    assert few.severity == "narrows" and "up to 0.72 % are not excluded" in few.statement
    assert audited({"memory": unremarkable()})["memorisation:plain.copies"].severity == "clean"


def test_what_was_compared_with_is_said_and_what_it_would_be_of_all_that_was_seen() -> None:
    """1,000 of 4,000 training images in ``memory``: none of their copies says little of copies of
    all, until ``worst`` says it.
    """
    splits = {"memory": unremarkable(), "seen": seen(*CLASSES, each=1000)}
    found = audited(splits)
    copies = found["memorisation:plain.copies"]
    assert copies.severity == "narrows" and copies.figures["high"] == pytest.approx(
        4 * 0.003682, rel=1e-3
    )
    assert "with one of the 1,000 of 4,000 training images compared" in copies.statement
    assert "which is 1.5 % of all 4,000 if they are copied alike" in copies.statement
    pixels = found["memorisation:plain.pixels"]
    assert pixels.figures["high_of_all"] == pytest.approx(4 * pixels.figures["high"])
    assert (
        "share memorised from the 1,000 of 4,000 training images compared" in pixels.statement
        and pixels.severity == "narrows"
    )
    least = audited({**splits, "worst": worst(*np.linspace(0.9, 0.8, 10))})[
        "memorisation:plain.copies"
    ]
    assert (
        least.severity == "clean"
        and "correlate 0.99 or more with one of all 4,000 training images" in least.statement
    )
    assert least.statement.endswith(
        "more than 0.37 % are excluded; the nearest pair reaches 0.900."
    )


def worst(*likeness: float) -> Observations:
    n = len(likeness)
    return Observations(
        {
            "sample_id": np.array(named("generated", n)),
            "training_id": np.array(named("training", n)),
            "likeness": np.array(likeness),
        }
    )


@pytest.mark.parametrize(
    ("copies", "severity", "words"),
    [
        (2, "narrows", "2 of 1,000 generated"),
        (9, "undermines", "9 of 1,000 generated"),
        (10, "undermines", "At least 10 of 1,000 generated"),
    ],
)
def test_the_worst_pairs_tell_copies_of_images_that_were_not_compared_with(
    copies: int, severity: str, words: str
) -> None:
    pairs = worst(*([0.995] * copies + [0.9] * (10 - copies)))
    found = audited({"memory": unremarkable(), "seen": seen(*CLASSES, each=1000), "worst": pairs})[
        "memorisation:plain.copies"
    ]
    assert found.severity == severity and found.statement.startswith(words)
    assert (found.figures["high"] == 1) == (
        copies == 10
    )  # of ten copies among ten pairs there may be any number more


def test_one_image_copied_by_all_of_the_worst_pairs_excludes_nothing() -> None:
    pairs = worst(*[0.995] * 10)
    same = Observations({**pairs.arrays, "training_id": np.repeat("training/00000", 10)})
    found = audited({"memory": unremarkable(), "seen": seen(*CLASSES, each=1000), "worst": same})[
        "memorisation:plain.copies"
    ]
    assert found.severity == "narrows" and "no share of copies is excluded" in found.statement


def test_held_out_images_may_be_of_the_same_patients() -> None:
    assert audited({"memory": unremarkable()})["memorisation:plain.patients"].severity == "narrows"


def test_one_picture_over_and_over_shows_one_real_picture_not_a_thousand() -> None:
    o = copying(0)
    made = o["origin"] == "generated"
    same = {
        "nearest_training": np.where(made, 0.9, o["nearest_training"]),
        "nearest_held_out": np.where(made, 0.2, o["nearest_held_out"]),
        "nearest_training_id": np.where(made, "training/00000", o["nearest_training_id"]),
    }
    found = audited({"memory": Observations({**o.arrays, **same})})["memorisation:plain.pixels"]
    assert found.severity == "narrows"
    assert (
        found.figures["share"] == 1 and found.figures["low"] < 0 and found.figures["towards"] == 1
    )


@pytest.mark.parametrize(
    ("attack", "shift", "severity"),
    [
        ("generator", 0.0, "clean"),
        ("generator", 0.15, "narrows"),
        ("generator", 1.0, "undermines"),
        ("discriminator", 1.0, "narrows"),
        ("discriminator", 0.0, "clean"),
    ],
)
def test_membership_is_weighed_by_who_can_use_it(attack: str, shift: float, severity: str) -> None:
    rng = np.random.default_rng(0)
    o = scored(
        "training",
        rng.normal(shift, 1, 1000),
        "held_out",
        rng.normal(0, 1, 1000),
        "discriminator",
        "generator",
    )
    found = audited({"membership": o})[f"memorisation:plain.membership.{attack}"]
    assert (
        found.severity == severity
        and found.figures["low"] < found.figures["area"] < found.figures["high"]
    )
    assert ("guessing is excluded" in found.statement) == (shift == 0.15)
    assert ("single images may still be told" in found.statement) == (shift < 1)


@pytest.mark.parametrize(
    ("excess", "severity"), [(0.0, "clean"), (0.1, "narrows"), (0.4, "undermines")]
)
def test_pairs_that_are_more_alike(excess: float, severity: str) -> None:
    o = scored(
        "generated",
        RNG.normal(0.3 + excess, 0.1, 500),
        "training",
        RNG.normal(0.3, 0.1, 500),
        "ms_ssim",
    )
    assert audited({"pairs": o})["mode_collapse:plain.likeness"].severity == severity


@pytest.mark.parametrize("images", [10, 100, 2000])
def test_the_support_is_that_of_the_birthday_test(images: int) -> None:
    """Over 200 draws of 300 from equally likely images the interval holds their number."""
    held = 0
    for draw in range(200):
        features = np.random.default_rng([images, draw]).integers(0, images, (300, 1)).astype(float)
        found = support(features, 0.25)
        held += found.low <= images <= found.high
    assert held >= 185


def test_without_coincidence_the_support_has_a_lower_bound_alone() -> None:
    found = support(np.arange(500, dtype=float)[:, None], 0.25)
    assert found.low == pytest.approx(500 * 499 / 2 / 3.689, rel=1e-3)
    assert found.high == found.estimate == float("inf")


def test_modes_are_kept_lost_or_open_as_planted() -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 20, (5, 4))

    def drawn(*shares: float) -> Any:
        return centres[rng.choice(5, 1000, p=shares)] + rng.normal(0, 0.5, (1000, 4))

    even = [0.2] * 5
    twin = modes(drawn(*even), drawn(*even), drawn(*even))
    assert not twin.lost.any() and twin.open_share < 0.02
    short = modes(drawn(0.25, 0.25, 0.25, 0.25, 0.0), drawn(*even), drawn(*even))
    assert short.lost_share == pytest.approx(0.2, abs=0.03) and 0.02 < short.smallest < 0.05


def test_the_threshold_of_copies_is_that_of_the_audit_of_images() -> None:
    assert COPY == duplicates.COPY


def test_a_bundle_keeps_them_by_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN["experiment"], "image_synthesis", "made_up:run")
    parameters = {"data": {"source": "real"}}
    protocol = {
        "version": 1,
        "id": "plain",
        "experiment": "image_synthesis",
        "title": "x",
        "source": "x",
        "parameters": parameters,
    }
    documents: dict[str, Any] = {
        "subject.yaml": {
            "version": 1,
            "id": "made-up",
            "name": "x",
            "revision": "1",
            "about": "x",
            "parts": {"synthesis": "x"},
            "documents": {"paper.pdf": "sha256:" + "0" * 64},
        },
        "claims/x.yaml": {
            "version": 1,
            "claims": [
                claim_data(
                    id="synthesis.a.collapse",
                    threats=["mode_collapse"],
                    depends_on=["data"],
                    measure={"metric": "kid", "run": "plain", "split": "quality"},
                )
            ],
        },
        "profiles/small.yaml": {"version": 1, "id": "small", "title": "x", "seeds": [0]},
        "protocols/plain.yaml": protocol,
    }
    specs: Specs = specs_from({n: json.dumps(d).encode() for n, d in documents.items()}, "made-up")
    bundle = Bundle.create(tmp_path / "bundle", "made-up", "small")
    e = evidence({"quality": pictured(np.arange(N) % 3), "seen": seen(*CLASSES)})
    assert protocols_by_run(specs, "small") == {e.run.key: ("plain",)}
    bundle.put(e)
    bundle.put(
        replace(e, run=Run("image_synthesis", {"data": {"source": "real"}, "more": 1}, 0))
    )  # of no plan
    bundle.seal()
    keep_findings(bundle, specs)
    found = {f.id: f for f in findings_in(bundle, specs)}
    assert found["mode_collapse:plain.classes"].claims == ("synthesis.a.collapse",)
    assert all(".plain" in i or ":plain." in i for i in found)
    assert {"mode_collapse", "memorisation"} <= known_audits()
