"""Specifications are checked when they are loaded, and every refusal names its place."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from medpipe.errors import MedpipeError, SpecError, UnknownNameError
from medpipe.specs import load_specs
from medpipe.specs.loading import specs_from
from medpipe.specs.other_weights import with_checkpoint


def bend(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_loads(folder: Path) -> None:
    specs = load_specs(folder)
    claim = specs.claim("toy.model.accuracy")
    assert claim.criterion.region == pytest.approx((0.78, 0.82))
    assert claim.published.standard_error == pytest.approx(0.0179, abs=1e-4)
    assert claim.source.digest.startswith("sha256:0000")
    assert specs.profile("small").run_for("toy").change == {"training.epochs": 2}
    with pytest.raises(FrozenInstanceError):
        claim.id = "other"  # type: ignore[misc]


def test_project_specs_load_and_hold_every_claim_of_parts_1_and_2(repository: Path) -> None:
    specs = load_specs(repository / "specs")
    printed = {c.source.printed for c in specs.claims if c.counterpart_of is None}
    assert {
        "78.94%",
        "67.92%",
        "67.64%",
        "32.72%",
        "86.42%",
        "78.91%",
        "68.00%",
        "66.65%",
        "32.96%",
        "90.64%",
        "4.2M",
        "110M",
        "3,394,053",
        "108,314,117",
        "-0.03%",
        "+0.08%",
        "-0.99%",
        "+0.25%",
        "+4.22%",
        "+7.48%",
        "98.60%",
        "98.86%",
        "99.21%",
        "99.19%",
        "0.61%",
        "0.33%",
        "0.9887",
        "0.9886",
        "<2% between groups",
    } <= printed
    assert {"demonstration", "reduced", "published"} == set(specs.profiles)
    assert specs.profile("published").run_for("text.lstm").change == {}


def test_digest_ignores_layout_and_sees_values(folder: Path) -> None:
    before = load_specs(folder).digest
    bend(folder, "profiles/small", "title: Small", "title:    Small  # the same")
    assert load_specs(folder).digest == before
    bend(folder, "profiles/small", "training.epochs: 2", "training.epochs: 3")
    assert load_specs(folder).digest != before


def test_goes_round_through_its_files(folder: Path) -> None:
    specs = load_specs(folder)
    assert specs_from(specs.files, "copy") == specs


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "claims/toy",
            "margin: 0.02",
            "margin: -1",
            "claims[0].criterion.margin: expected minimum 0, got -1",
        ),
        ("claims/toy", "margin: 0.02", "margn: 0.02", "claims[0].criterion: expected only"),
        ("claims/toy", "unit: proportion", "unit: percent", "claims[0].criterion.unit"),
        ("claims/toy", "value: 0.8", 'value: "0.8"', "claims[0].published.value: expected type"),
        ("claims/toy", "n: 500", "n: 0", "claims[0].published.samples[0].n"),
        (
            "claims/toy",
            "    title: Accuracy of the toy\n",
            "",
            "claims[0]: expected the key 'title'",
        ),
        ("claims/toy", "id: toy.model.accuracy", "id: toy", "claims[0].id"),
        (
            "claims/toy",
            "metric: accuracy, run: toy, split: validation",
            "metric: accuracy, run: toy",
            "claims[0].measure",
        ),
        ("claims/toy", "version: 1", "version: 2", "version: expected format version 1, got 2"),
        ("claims/toy", "run: toy", "run: toi", "unknown protocol"),
        ("claims/toy", "metric: accuracy", "metric: acuracy", "did you mean accuracy"),
        ("claims/toy", "document: paper.pdf", "document: other.pdf", "unknown document"),
        (
            "claims/toy",
            "training.epochs]",
            "training.epoch]",
            "depends_on: expected a path of the parameters of toy",
        ),
        (
            "claims/toy",
            "depends_on:",
            "counterpart_of: toy.no.such\n    depends_on:",
            "unknown claim",
        ),
        ("profiles/small", "training.epochs", "training.epoch", "runs.toy.change"),
        ("profiles/small", "{toy:", "{toi:", "unknown protocol in"),
        ("profiles/small", "seeds: [0, 1]", "seeds: [1, 1]", "seeds: expected uniqueItems"),
        ("profiles/small", "seeds: [0, 1]", "seeds: []", "seeds: expected minItems 1"),
        ("protocols/toy", "toy_package:run", "toy_experiment", "unknown experiment"),
        ("subject", "sha256:00", "sha256:0", "documents.paper.pdf"),
    ],
)
def test_refuses_with_place(folder: Path, name: str, old: str, new: str, says: str) -> None:
    bend(folder, name, old, new)
    with pytest.raises(MedpipeError) as caught:
        load_specs(folder)
    assert says in str(caught.value)


def test_refuses_two_claims_of_one_id(folder: Path) -> None:
    text = (folder / "claims/toy.yaml").read_text(encoding="utf-8")
    (folder / "claims/more.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match="every id once"):
        load_specs(folder)


def test_refuses_a_folder_without_specifications(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"subject\.yaml"):
        load_specs(tmp_path)


def test_unknown_names_suggest(folder: Path) -> None:
    specs = load_specs(folder)
    with pytest.raises(UnknownNameError, match=r"did you mean toy\.model\.accuracy"):
        specs.claim("toy.model.accurracy")
    with pytest.raises(UnknownNameError, match="did you mean small"):
        specs.profile("smal")


def test_checkpoint_becomes_a_change_of_the_profile(repository: Path, folder: Path) -> None:
    specs = with_checkpoint(load_specs(repository / "specs"), "reduced", "some/folder")
    wanted = specs.profile("reduced").run_for("text.biobert")
    assert wanted.leave_out is None
    assert wanted.change["model.checkpoint"] == "some/folder"
    assert specs.profile("demonstration").run_for("text.biobert").leave_out
    with pytest.raises(SpecError, match="a protocol with the parameter"):
        with_checkpoint(load_specs(folder), "small", "x")
