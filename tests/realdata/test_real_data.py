"""The product's own loaders on real data, and one short run on it. Skipped visibly where
``MEDPIPE_DATA`` names no such folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medpipe.documents import parse_yaml
from medpipe.errors import UnavailableError
from medpipe.pipeline.data.images import ImageData, load_images
from medpipe.pipeline.data.text import TextData, load_text
from medpipe.specs.inheritance import without_groups
from medpipe.specs.loading import load_specs

pytestmark = pytest.mark.skipif("MEDPIPE_DATA" not in os.environ, reason="MEDPIPE_DATA is not set")


@pytest.fixture(scope="module")
def sentences() -> TextData:
    """Sentences of real abstracts."""
    try:
        return load_text(["pubmed-rct-20k", "structured-abstracts"])
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def images() -> ImageData:
    """The real MRI slices."""
    try:
        return load_images("brain-tumor-mri-dataset")
    except UnavailableError as error:
        pytest.skip(str(error))


def test_sentences_have_five_labels_and_abstracts_of_their_own(sentences: TextData) -> None:
    parts = sentences.parts
    assert {"train", "dev", "test"} <= set(parts)
    for part in parts.values():
        assert set(np.unique(part.label)) == set(range(5))
        assert len(np.unique(part.sample_id)) == len(part.sentences) > 5_000
    if sentences.source == "structured-abstracts":
        assert {name: len(part.sentences) for name, part in parts.items()} == {
            "train": 36_559,
            "dev": 6_300,
            "test": 11_738,
        }
        assert not set(parts["test"].groups["abstract_id"]) & set(
            parts["train"].groups["abstract_id"]
        )


def test_images_are_those_of_the_published_data_set(images: ImageData) -> None:
    assert {name: len(part.label) for name, part in images.parts.items()} == {
        "Training": 5_712,
        "Testing": 1_311,
    }
    assert images.classes == ("glioma", "meningioma", "notumor", "pituitary")
    pixels = images.parts["Testing"].pixels(64)
    assert (pixels.shape, pixels.dtype) == ((1_311, 64, 64, 3), np.uint8)
    assert 10 < pixels.mean() < 120


def test_the_published_split_has_the_published_sizes(images: ImageData) -> None:
    pytest.importorskip("sklearn")
    from medpipe.pipeline.splits import split_by_image

    training, validation = split_by_image(images.parts["Training"], 0.2, 42)
    assert (len(training), len(validation)) == (4_569, 1_143)


def test_one_short_run_of_the_whole_chain(
    sentences: TextData, images: ImageData, tmp_path: Path, repository: Path
) -> None:
    """The reduced profile, shortened once more, from specifications to verdicts."""
    pytest.importorskip("torch")
    specs = load_specs(repository / "specs")
    for name, content in specs.files.items():
        (tmp_path / "specs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "specs" / name).write_bytes(content)
    profile = without_groups(parse_yaml(specs.files["profiles/reduced.yaml"], "reduced"))
    for protocol, run in profile["runs"].items():
        run["seeds"] = [0]
        if protocol.startswith("text.lstm") and "change" in run:
            run["change"] |= {
                "data.train_sample": 600,
                "data.dev_sample": 200,
                "model.length": 40,
                "training.epochs": 1,
            }
        if protocol == "imaging.resnet18":
            run["change"] |= {
                "training.resolution": 40,
                "training.epochs": 1,
                "observe.explained": 0,
            }
        kept = ("text.lstm", "text.lstm_masked", "imaging.resnet18")
        if protocol != "architecture" and protocol not in kept:
            profile["runs"][protocol] = {"leave_out": "Too long for a short run."}
        if "leave_out" in run:
            run.pop("seeds")
    (tmp_path / "specs/profiles/reduced.yaml").write_text(json.dumps(profile), encoding="utf-8")

    def medpipe(*words: str, stream: str = "stdout") -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": str(repository),
            "MEDPIPE_DATA": str(Path(os.environ["MEDPIPE_DATA"]).resolve()),
        }
        done = subprocess.run(
            [sys.executable, "-m", "medpipe.cli", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return str(getattr(done, stream))

    medpipe("run", "--profile", "reduced")
    found = json.loads(
        medpipe("judge", "--bundle", "reports/medical-ai-pipeline-reduced", "--json")
    )["verdicts"]
    verdicts = {v["claim"]: v for v in found}
    for claim in (
        "text.lstm.accuracy",
        "text.lstm_masked.accuracy_testing",
        "imaging.resnet18.accuracy",
    ):
        assert verdicts[claim]["grade"] == "reduced"
        assert verdicts[claim]["outcome"] == "inconclusive"
        assert verdicts[claim]["deviations"]
        assert verdicts[claim]["estimate"] > 0.2
    assert verdicts["text.lstm.parameters"]["outcome"] == "refuted"
    assert verdicts["fairness.gap.imaging_sex"]["outcome"] == "not-tested"
    assert verdicts["imaging.resnet50.accuracy"]["outcome"] == "not-tested"
    assert "0 to make" in medpipe("run", "--profile", "reduced", stream="stderr")
