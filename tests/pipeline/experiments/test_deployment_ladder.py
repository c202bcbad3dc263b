"""The ladder on the package's own images: parity of every form, times by round, and what is not
there is listed.
"""

from __future__ import annotations

import ast
import copy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.errors import DataError
from medpipe.pipeline.deployment import backend_builder, backends
from medpipe.pipeline.experiments import deployment_ladder
from medpipe.running import provenance
from medpipe.running.experiment import ExperimentResult, RunContext
from medpipe.running.provenance import code_of
from medpipe.specs import load_specs

SPECS = Path(__file__).parents[3] / "specs"
NAMED = ["eager_grad", "eager_no_grad", "eager", "script", "frozen"]


def small() -> dict[str, Any]:
    parameters: dict[str, Any] = copy.deepcopy(
        dict(load_specs(SPECS).protocols["deployment.ladder"].parameters)
    )
    parameters["data"]["source"] = "demonstration"
    parameters["model"] |= {"kind": "resnet18", "weights": "none"}
    parameters["training"] |= {"resolution": 33, "epochs": 1}
    parameters["timing"] = {
        "resolution": 33,
        "batches": [1, 2],
        "rounds": 20,
        "rungs": NAMED,
        "evaluated": 40,
        "calibrated": 8,
    }
    return parameters


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ExperimentResult:
    return deployment_ladder.run(small(), 0, RunContext(tmp_path_factory.mktemp("ladder"), "cpu"))


def test_every_form_answers_the_same_images(result: ExperimentResult) -> None:
    seen = result.observations
    others = [slug for slug in NAMED if slug != "eager"]
    assert {s for s in seen if s.startswith("parity")} == {
        "parity",
        *(f"parity_{slug}" for slug in others),
    }
    for slug in others:
        o = seen[f"parity_{slug}"]
        assert len(o) == 40 and np.array_equal(o["sample_id"], seen["parity"]["sample_id"])
        assert np.array_equal(o["y_pred"], o["reference_pred"]) and o["difference"].max() < 1e-4
        timed = seen[f"timed_parity_{slug}"]
        assert (
            np.unique(timed["batch"], return_counts=True)[1].tolist() == [40, 40]
            and len(np.unique(timed["sample_id"])) == 80
        )
        assert (
            np.array_equal(timed["y_pred"], timed["reference_pred"])
            and timed["difference"].max() < 1e-4
        )


def test_times_are_by_round_and_the_rest_is_listed(result: ExperimentResult) -> None:
    seen = result.observations
    assert all(len(seen[f"speed_{slug}"]) == 20 for slug in NAMED) and len(seen["same_again"]) == 20
    assert seen["speed_eager_no_grad"]["ratio"].tolist() == [1.0] * 20 and set(
        seen["latency"]["batch"].tolist()
    ) == {1, 2}
    latency = seen["latency"]
    files = latency.take(latency["scope"] == "from_file")
    assert set(files["slug"].tolist()) == {*NAMED, "decoding"} and len(
        np.unique(latency["sample_id"])
    ) == len(latency)
    assert set(latency["slug"][latency["scope"] == "kernel"].tolist()) == set(NAMED)
    script = latency.take((latency["slug"] == "script") & (latency["scope"] == "end_to_end"))
    assert np.unique(script["batch"], return_counts=True)[1].tolist() == [
        20,
        10,
    ]  # larger batches take fewer rounds
    ladder = seen["ladder"]
    assert set(ladder["slug"][ladder["state"] == "built"].tolist()) == set(NAMED)
    assert (ladder["reason"][ladder["state"] != "built"] != "").all() and result.scalars[
        "rungs_known"
    ] == len(ladder)
    assert result.scalars["size_mb_script"] > 40 and (seen["device"]["per_second"] > 0).all()
    assert any("threads" in note for note in result.notes)
    assert result.scalars["first_answer_s_script"] > 0


def test_guards_were_asked_about_every_form(result: ExperimentResult) -> None:
    guards = ("remembers_", "does_not_wait_", "tracks_gradients_")
    found = {name: value for name, value in result.scalars.items() if name.startswith(guards)}
    assert len(found) == 3 * len(NAMED) and [name for name, value in found.items() if value] == [
        "tracks_gradients_eager_grad"
    ]


def test_given_weights_are_read_or_refused(
    tmp_path: Path, result: ExperimentResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(deployment_ladder.WEIGHTS, str(result.files["weights"]))
    again = deployment_ladder.run(
        small()
        | {"timing": small()["timing"] | {"rungs": ["eager_no_grad", "eager"], "rounds": 10}},
        0,
        RunContext(tmp_path / "again", "cpu"),
    )
    assert np.allclose(
        again.observations["parity"]["y_prob"], result.observations["parity"]["y_prob"], atol=2e-3
    )
    assert any("digest sha256:" in note for note in again.notes)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    monkeypatch.setenv(deployment_ladder.WEIGHTS, str(tmp_path / "broken.safetensors"))
    with pytest.raises(DataError, match="expected weights of a resnet18 with 4 classes"):
        deployment_ladder.run(small(), 0, RunContext(tmp_path / "no", "cpu"))


def test_a_form_that_is_not_installed_or_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = backends.Source(
        deployment_ladder.build_resnet(
            "resnet18", classes=2, weights="none", head_dropout=0.0
        ).eval(),
        np.zeros((1, 3, 33, 33), np.float32),
        tmp_path,
    )
    absent = backend_builder.build(
        backends.Backend("openvino", "fp32", "cpu", "openvino", ("no_such_package",)), source
    )
    assert (absent.state, absent.reason) == ("not_installed", "needs no_such_package")
    failed = backend_builder.build(backends.Backend("unheard_of", "fp32", "cpu"), source)
    assert failed.state == "failed" and "unheard_of" in failed.reason
    assert backend_builder.build(backends.Backend("eager", "fp32", "cuda"), source).state in (
        "not_supported",
        "built",
    )


def test_evidence_is_bound_to_what_makes_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the code of any builder changes the digest, and packages that a builder imports
    when it runs are named if installed.
    """
    here = {
        name
        for name in ("openvino", "nncf", "onnx", "onnxruntime", "onnxscript")
        if find_spec(name)
    }
    before, packages = code_of(deployment_ladder.__name__)
    assert here <= packages.keys() and "torch" in packages
    plain = provenance._without_documentation
    for name in ("onnx_backends", "openvino_backends", "torch_backends"):
        text = plain(
            ast.parse(Path(backend_builder.__file__).with_name(f"{name}.py").read_text("utf-8"))
        )
        monkeypatch.setattr(
            provenance,
            "_without_documentation",
            lambda tree, text=text: plain(tree) + "#" * (plain(tree) == text),
        )
        provenance._parsed.cache_clear()
        assert code_of(deployment_ladder.__name__)[0] != before, name
    provenance._parsed.cache_clear()


def test_the_ladder_is_there_without_the_packages_of_its_forms() -> None:
    """In a fresh process that cannot import them."""
    text = (
        "import sys\nfor n in ('onnx', 'onnxscript', 'onnxruntime', 'openvino', 'nncf'):"
        " sys.modules[n] = None\n"
        "from medpipe.pipeline.deployment.backend_builder import build\n"
        "from medpipe.pipeline.experiments import deployment_ladder"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_was_trained_in_bf16_answers_in_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = small()
    parameters["training"]["precision"] = "bf16"
    parameters["timing"]["rungs"] = ["eager_no_grad", "eager"]
    made = deployment_ladder.run(parameters, 0, RunContext(tmp_path / "trained", "cpu"))
    monkeypatch.setenv(deployment_ladder.WEIGHTS, str(made.files["weights"]))
    given = deployment_ladder.run(parameters, 0, RunContext(tmp_path / "given", "cpu"))
    trained, read = (r.observations["parity"]["y_prob"].astype(float) for r in (made, given))
    assert np.abs(trained - read).max() < 1e-3  # autocast would be off by more
