"""A small folder of specifications to bend."""

from __future__ import annotations

from pathlib import Path

import pytest

SUBJECT = """
version: 1
id: made-up
name: A made-up classifier
revision: "1"
about: For tests.
parts: {toy: The toy part}
documents: {paper.pdf: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
"""
CLAIMS = """
version: 1
claims:
  - id: toy.model.accuracy
    title: Accuracy of the toy
    statement: The toy is right in 80 % of cases.
    source: {document: paper.pdf, place: table 1, printed: "80%"}
    published: {value: 0.8, samples: [{proportion: 0.8, n: 500}]}
    measure: {metric: accuracy, run: toy, split: validation}
    criterion: {kind: within, margin: 0.02, rationale: small, unit: proportion}
    depends_on: [data, training.epochs]
"""
PROTOCOL = """
version: 1
id: toy
experiment: "toy_package:run"
title: The toy
source: table 1
parameters: {data: {source: toy-data}, training: {epochs: 5, rate: 0.1}}
"""
PROFILE = """
version: 1
id: small
title: Small
seeds: [0, 1]
runs: {toy: {change: {training.epochs: 2}, because: Short.}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A valid folder of specifications."""
    for name, text in (
        ("subject", SUBJECT),
        ("claims/toy", CLAIMS),
        ("protocols/toy", PROTOCOL),
        ("profiles/small", PROFILE),
    ):
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path
