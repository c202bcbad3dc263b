"""`medpipe bench` and `medpipe export` on a small classifier, and wrong wishes in one sentence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from medpipe.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated")


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).eval()
    path = tmp_path / "classifier.pt"
    torch.jit.script(network).save(str(path))  # type: ignore[no-untyped-call]  # torch has no types there
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["medpipe", *arguments])
    main()


def test_forms_are_timed_and_the_winner_is_kept(classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--models", str(classifier), "--size", "33", "--rounds", "20", "--rungs", "eager,eager_grad,frozen"]
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "bench", *few, "--json")
    assert not done.value.code
    told = json.loads(capsys.readouterr().out)
    assert {f["form"] for f in told["forms"]} | set(told["not_built"]) == {"eager", "eager_grad", "frozen"}
    assert all(f["flipped"] == 0 for f in told["forms"])
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "export", *few, "--out", str(tmp_path / "kept"))
    assert not done.value.code, capsys.readouterr().out
    certificate = json.loads((tmp_path / "kept" / "certificate.json").read_text())
    for name, digest in certificate["files"].items():
        assert digest == "sha256:" + hashlib.sha256((tmp_path / "kept" / name).read_bytes()).hexdigest()
    assert certificate["parity"]["images"] == "256 images of noise" and certificate["form"] in {"eager", "eager_grad", "frozen"}


@pytest.mark.parametrize(("wish", "said"), [
    (["--models", "torchvision:no_such_net"], "expected a model that torchvision has"),
    (["--models", "nothing.pt"], "expected torchvision:NAME, timm:NAME or a TorchScript file"),
    (["--models", "CLASSIFIER", "--rungs", "warp"], "expected some of eager_grad")])
def test_wrong_wishes_get_one_sentence(wish: list[str], said: str, classifier: Path, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "bench", "--size", "33", "--rounds", "20", *(str(classifier) if w == "CLASSIFIER" else w for w in wish))
    error = capsys.readouterr().err
    assert done.value.code == 2 and said in error and "Traceback" not in error
