"""A small made-up bundle to report on: one claim of each fate, over two protocols and two parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.audits.bundles import keep_findings
from medpipe.documents import pretty_json
from medpipe.evidence import Bundle, Evidence, Observations, Provenance, Run
from medpipe.evidence.finding import Finding, store_findings
from medpipe.evidence.ledger import append
from medpipe.judging.judge import judge_bundle, verdicts_document
from medpipe.signing.identity import Identity, local_identity
from medpipe.specs.loading import specs_from
from medpipe.specs.protocol import planned

SUBJECT = """\
version: 1
id: made-up
name: A made-up pipeline
revision: abc1234
about: "A pipeline that stands nowhere: made for tests."
parts: {text: Sentences of trials, imaging: Slices of phantoms}
not_covered: ["Speed: nothing measures it."]
documents: {paper.pdf: "sha256:1111111111111111111111111111111111111111111111111111111111111111"}
"""
PROTOCOL = """\
version: 1
id: %s
experiment: made_up.module:run
title: %s
source: paper.pdf
parameters:
  data: {source: real}
  model: {kind: toy, weights: imagenet}
  training: {epochs: 3}
unstated: {training.epochs: "The number of epochs is read off a figure."}
"""
PROFILE = """\
version: 1
id: small
title: Small enough for a test
seeds: [0, 1]
runs:
  imaging.toy: {change: {training.epochs: 2}, because: "Time is short."}
"""
FIGURES = """\
version: 1
quantities:
  - id: train
    what: training accuracy
    kind: proportion
    n: 900
    printed: [{id: paper.train, document: paper.pdf, place: table 1, text: "85.0%"}]
  - id: validation
    what: validation accuracy
    kind: proportion
    n: 900
    printed: [{id: paper.validation, document: paper.pdf, place: table 1, text: "80.0%"}]
  - {id: gap, what: the gap between them, kind: points,
     printed: [{id: paper.gap, document: paper.pdf, place: table 2, text: "+2.0%"}]}
  - id: size
    what: number of parameters
    kind: count
    printed:
      - {id: paper.size, document: paper.pdf, place: table 1, text: "1000"}
      - {id: paper.size_again, document: paper.pdf, place: appendix, text: "1000"}
relations:
  - {id: gap.again, kind: difference, result: gap, of: [train, validation]}
"""
"""Figures of which one contradicts the others, and one agrees wherever it stands."""
CLASSES = ("benign", "malignant", "other")


def claim(
    claim_id: str,
    title: str,
    *,
    value: float = 0.8,
    unit: str = "proportion",
    kind: str = "within",
    margin: float = 0.08,
    printed: str = "80%",
    threats: tuple[str, ...] = (),
    **measure: Any,
) -> dict[str, Any]:
    """A claim as its file holds it."""
    published: dict[str, Any] = {"value": value}
    if unit == "proportion":
        published["samples"] = [{"proportion": value, "n": 900}]
    return {
        "id": claim_id,
        "title": title,
        "statement": f"{title} is {printed}.",
        "source": {"document": "paper.pdf", "place": "table 1", "printed": printed},
        "published": published,
        "measure": measure,
        "criterion": {
            "kind": kind,
            "value": value,
            "margin": margin,
            "unit": unit,
            "rationale": "A smaller difference would change nothing.",
        },
        "depends_on": ["data", "training"] if "scalar" not in measure else [],
        "threats": list(threats),
    }


CLAIMS = [
    claim(
        "text.toy.accuracy",
        "Accuracy on sentences",
        run="text.toy",
        metric="accuracy",
        split="validation",
        threats=("overlap",),
    ),
    claim(
        "text.toy.parameters",
        "Number of parameters",
        value=1000,
        margin=5,
        unit="count",
        printed="1000",
        run="text.toy",
        scalar="parameters",
    ),
    claim(
        "imaging.toy.accuracy",
        "Accuracy on slices",
        run="imaging.toy",
        metric="accuracy",
        split="validation",
    ),
    claim(
        "imaging.toy.gap",
        "Gap between sites",
        value=0.02,
        margin=0,
        kind="at_most",
        unit="points",
        printed="<2%",
        run="imaging.toy",
        metric="accuracy",
        split="validation",
        by="site",
    ),
]
FINDING = Finding(
    "overlap",
    "narrows",
    "3 of 900 sentences stand on both sides.",
    ["text.toy.accuracy"],
    {"sentences": 3},
)


def observations(n: int, accuracy: float, seed: int, prefix: str) -> Observations:
    """Predictions that are right about as often as asked, with probabilities."""
    rng = np.random.default_rng(seed)
    y_true = np.random.default_rng(7).integers(0, len(CLASSES), n)
    y_pred = np.where(rng.random(n) < accuracy, y_true, (y_true + 1) % len(CLASSES))
    p = rng.random((n, len(CLASSES))) * 0.3
    p[np.arange(n), y_pred] = 0.35 + 0.6 * rng.random(n)
    return Observations(
        {
            "sample_id": np.char.add(prefix, np.arange(n).astype(str)),
            "y_true": y_true,
            "y_pred": y_pred,
            "y_prob": p / p.sum(axis=1, keepdims=True),
        },
        CLASSES,
    )


def evidence_of(run: Run, accuracy: float = 0.8, **change: Any) -> Evidence:
    """Evidence of one run of the made-up experiment."""
    history = [
        {
            "epoch": e,
            "train_loss": 1 / e,
            "train_accuracy": accuracy - 0.1 / e,
            "validation_loss": 1.1 / e,
            "validation_accuracy": accuracy - 0.05 / e,
        }
        for e in range(1, run.parameters["training"]["epochs"] + 1)
    ]
    fields: dict[str, Any] = {
        "resolved": run.parameters,
        "history": history,
        "scalars": {"parameters": 1234.0},
        "provenance": Provenance(
            "sha256:" + "2" * 64,
            {"numpy": "2.0"},
            {"made-up data": "sha256:" + "3" * 64},
            revision="feed",
            dirty=True,
            started="2026-11-23T10:00:00+00:00",
            duration_s=75.0,
        ),
        "observations": {"validation": observations(900, accuracy, run.seed, "v")},
        **change,
    }
    return Evidence(run, **fields)


def make_bundle(
    folder: Path, claims: list[dict[str, Any]] | None = None, *, source: str = "real", **specs: str
) -> Bundle:
    """A sealed, judged bundle. ``source`` is the data that was used; ``specs`` replaces documents
    (``subject``, ``profile``).
    """
    contents = {
        "subject.yaml": specs.get("subject", SUBJECT).encode(),
        "profiles/small.yaml": specs.get("profile", PROFILE).encode(),
        "protocols/text.yaml": (PROTOCOL % ("text.toy", "Toy text model")).encode(),
        "protocols/imaging.yaml": (PROTOCOL % ("imaging.toy", "Toy image model")).encode(),
        "claims/all.yaml": pretty_json({"version": 1, "claims": claims or CLAIMS}),
    }
    if "figures" in specs:
        contents["figures/all.yaml"] = specs["figures"].encode()
    loaded = specs_from(contents, "made up")
    bundle = Bundle.create(folder, "made-up", "small")
    bundle.write_specs(contents)
    for protocol in loaded.protocols.values():
        for planned_run in planned(protocol, loaded.profile("small")):
            run = Run(*planned_run)
            append(bundle.ledger_path, "started", run.key)
            resolved = {**run.parameters, "data": {"source": source}}
            bundle.put(
                evidence_of(run, 0.8 if protocol.id == "text.toy" else 0.6, resolved=resolved)
            )
            append(bundle.ledger_path, "finished", run.key)
    append(bundle.ledger_path, "started", "run-000000000000-s9")
    store_findings(bundle, [FINDING], [FINDING.audit])
    keep_findings(bundle, loaded)
    judged, verdicts = judge_bundle(bundle)
    bundle.write("verdicts.json", verdicts_document(judged, "small", verdicts))
    bundle.seal()
    return bundle


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One claim supported and narrowed, one refuted, one only indicated, one not tested. Not to be
    changed.
    """
    return make_bundle(tmp_path_factory.mktemp("bundles") / "small")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A signer."""
    return local_identity(tmp_path_factory.mktemp("identity") / "own")


@pytest.fixture
def bundle_maker(tmp_path: Path) -> Callable[..., Bundle]:
    """`make_bundle` in a folder of the test's own."""
    return lambda *args, **kwargs: make_bundle(tmp_path / "bundle", *args, **kwargs)


@pytest.fixture
def claim_maker() -> Callable[..., dict[str, Any]]:
    """`claim`."""
    return claim


@pytest.fixture
def evidence_maker() -> Callable[..., Evidence]:
    """`evidence_of`, with seed and epochs in place of a run."""

    def make(seed: int = 0, epochs: int = 3, **change: Any) -> Evidence:
        return evidence_of(
            Run(
                "made_up.module:run",
                {"data": {"source": "real"}, "training": {"epochs": epochs}},
                seed,
            ),
            **change,
        )

    return make
