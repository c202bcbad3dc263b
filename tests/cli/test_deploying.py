"""`medpipe bench` and `medpipe export` on a small classifier, and wrong wishes in one sentence."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import warnings
from functools import partial
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from medpipe.cli import main, show
from medpipe.errors import DataError
from medpipe.pipeline.deployment import bench, certifying, model_files
from medpipe.pipeline.deployment.latency import measure

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated")


SIZE = 33


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call takes one second by a clock of the test's own: no verdict hangs on what else the
    machine does."""
    ticks = itertools.count()
    monkeypatch.setattr(bench, "measure", partial(measure, clock=lambda: float(next(ticks))))
    monkeypatch.setattr(show.console, "stderr", False)  # --json of another test leads it elsewhere


def unsteady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls take longer and longer, as on a machine that gets busier: no warm-up becomes stable."""
    ticks = (1.3**k for k in itertools.count())
    monkeypatch.setattr(
        bench,
        "measure",
        partial(measure, clock=lambda: min(next(ticks), 1e200), most_warm_up_s=1e3),
    )


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """Tells red from green and from blue images by the mean of each channel."""
    torch.manual_seed(0)
    network = layers()
    with torch.no_grad():
        network[1].weight.copy_(torch.eye(3)[:, :, None, None])
        network[4].weight.copy_(torch.eye(3))
    return saved(network, tmp_path / "classifier.pt")


def layers() -> nn.Sequential:
    return nn.Sequential(
        nn.Identity(), nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    )


def saved(network: nn.Module, path: Path) -> Path:
    torch.jit.script(network.eval()).save(str(path))  # type: ignore[no-untyped-call]  # torch has no types there
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for kind, name in enumerate(("blue", "green", "red")):
        folder = tmp_path / "images" / "Testing" / name
        folder.mkdir(parents=True)
        for k in range(12):
            pixels = draw.integers(0, 60, (SIZE, SIZE, 3))
            pixels[..., 2 - kind] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
    return tmp_path / "images"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["medpipe", *arguments])
    main()


def test_forms_are_timed_and_the_winner_is_kept(
    classifier: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = [
        "--models",
        str(classifier),
        "--size",
        str(SIZE),
        "--rounds",
        "20",
        "--rungs",
        "eager,eager_grad,frozen",
    ]
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "bench", *few, "--images", str(images), "--json")
    assert not done.value.code
    told = json.loads(capsys.readouterr().out)
    assert {f["form"] for f in told["forms"]} | set(told["not_built"]) == {
        "eager",
        "eager_grad",
        "frozen",
    }
    assert (
        all((f["flipped"], f["answers"], f["n"]) == (0, "the same", 27) for f in told["forms"])
        and "in the file" in told["weights"]
    )
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "export", *few, "--images", str(images), "--out", str(tmp_path / "kept"))
    assert not done.value.code, capsys.readouterr().out
    certificate = json.loads((tmp_path / "kept" / "certificate.json").read_text())
    for name, digest in certificate["files"].items():
        assert (
            digest
            == "sha256:" + hashlib.sha256((tmp_path / "kept" / name).read_bytes()).hexdigest()
        )
    assert certificate["parity"]["images"] == "27 images of images, 9 others for int8"
    assert certificate["form"] in {"eager", "eager_grad", "frozen"}


@pytest.mark.parametrize("forms", ["script", "frozen,eager"])
def test_timing_that_is_unsteady_never_blames_the_answers(
    forms: str,
    classifier: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unsteady(monkeypatch)
    with pytest.raises(SystemExit) as done:
        run(
            monkeypatch,
            "export",
            "--models",
            str(classifier),
            "--size",
            str(SIZE),
            "--rounds",
            "20",
            "--rungs",
            forms,
            "--images",
            str(images),
            "--out",
            str(tmp_path / "kept"),
        )
    said = capsys.readouterr().out
    assert not done.value.code, said
    certificate = json.loads((tmp_path / "kept" / "certificate.json").read_text())
    assert certificate["form"] == forms.split(",")[-1] and not certificate["speed"]["fastest"]
    assert any("did not become stable" in why for why in certificate["speed"]["not_ranked"])
    assert (
        "too unsteady to find the fastest backend; the predictions are not affected" in said
        and "and run this again" in said
    )


def test_a_quick_answer_says_that_it_is_quick(
    classifier: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        run(
            monkeypatch,
            "bench",
            "--models",
            str(classifier),
            "--size",
            str(SIZE),
            "--quick",
            "--backends",
            "script",
        )
    said = capsys.readouterr()
    assert (
        not done.value.code
        and "Quick and less precise: 20 rounds of script." in said.out
        and "32 images of noise" in said.out
    )


def test_the_screen_stays_clean_of_what_libraries_write(
    classifier: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def loud(*_: object, **__: object) -> None:
        os.write(1, b"NOISE from C\n")
        os.write(2, b"NOISE from C\n")
        print("NOISE from Python")  # noqa: T201
        logging.getLogger("loud").warning("NOISE from a logger")
        warnings.warn("NOISE by warning", stacklevel=1)
        raise DataError("something is wrong")

    monkeypatch.setattr(bench, "bench", loud)
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "bench", "--models", str(classifier), "--size", str(SIZE))
    told = capfd.readouterr()
    assert (
        done.value.code == 3
        and "NOISE" not in told.out + told.err
        and "something is wrong" in told.err
    )
    log = Path(told.err.partition("wrote about it: ")[2].splitlines()[0])
    text = log.read_text()
    log.unlink()
    assert (
        text.count("NOISE from C") == 2
        and "NOISE from Python" in text
        and "NOISE by warning" in text
    )


def test_noise_of_one_class_leaves_answers_open(
    classifier: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = torch.jit.load(str(classifier))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        network.state_dict()["4.bias"].copy_(torch.tensor([9.0, 0, 0]))
    network.save(str(classifier))
    with pytest.raises(SystemExit):
        run(
            monkeypatch,
            "bench",
            "--models",
            str(classifier),
            "--size",
            str(SIZE),
            "--rounds",
            "20",
            "--rungs",
            "eager,frozen",
            "--json",
        )
    forms = json.loads(capsys.readouterr().out)["forms"]
    assert all(f["one_class"] and f["answers"] == "open" and not f["same_answers"] for f in forms)


@pytest.mark.parametrize(("form", "broken"), [("script", False), ("eager", True)])
def test_a_kept_file_that_answers_otherwise_is_not_certified(
    form: str,
    broken: bool,
    classifier: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = layers()
    with torch.no_grad():
        other[4].bias.copy_(torch.tensor([99.0, 0, 0]))
    wrong = b"no weights" if broken else saved(other, tmp_path / "other.pt").read_bytes()

    def swapped(source: Path, target: Path) -> Path:
        target.write_bytes(wrong)
        return target

    monkeypatch.setattr(certifying.shutil, "copyfile", swapped)
    with pytest.raises(SystemExit) as done:
        run(
            monkeypatch,
            "export",
            "--models",
            str(classifier),
            "--size",
            str(SIZE),
            "--rounds",
            "20",
            "--rungs",
            form,
            "--images",
            str(images),
            "--out",
            str(tmp_path / "kept"),
        )
    error = capsys.readouterr().err.replace("\n", " ")
    assert (
        done.value.code == 3
        and "to answer as eager does" in error
        and not list((tmp_path / "kept").iterdir())
    )


def test_int8_is_calibrated_on_images_of_every_class_that_answers_are_not_compared_on() -> None:
    label = np.repeat([0, 1, 2], [60, 10, 30])
    pixels = np.broadcast_to(np.arange(100, dtype=np.float32)[:, None, None, None], (100, 3, 2, 2))
    asked = bench.asked_of(pixels, label, "images")
    chosen, rest = (x[:, 0, 0, 0].astype(int) for x in (asked.calibration, asked.images))
    assert sorted([*chosen, *rest]) == list(range(100)) and np.unique(
        label[chosen], return_counts=True
    )[1].tolist() == [9, 8, 8]
    assert asked.label is not None and np.array_equal(asked.label, label[rest])


def test_new_weights_are_the_same_each_time_and_are_said_to_be_new() -> None:
    (first, told), (second, _) = (
        model_files.network_of("torchvision:squeezenet1_1") for _ in range(2)
    )
    assert (
        all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
        and "learnt nothing" in told
    )


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (nn.Linear(3, 1), "got shape (2, 1)"),
        (nn.Sequential(nn.Linear(3, 2), nn.Flatten(0)), "got shape (4,)"),
    ],
)
def test_what_is_no_classifier_is_refused(
    outputs: nn.Module,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = saved(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), outputs), tmp_path / "no_classifier.pt"
    )
    with pytest.raises(SystemExit) as done:
        run(monkeypatch, "bench", "--models", str(path), "--size", str(SIZE), "--rounds", "20")
    error = capsys.readouterr().err.replace("\n", " ")
    assert done.value.code == 3 and said in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (["--out", "FILE", "--images", "IMAGES"], "is a file"),
        (["--out", "kept"], "noise cannot certify parity"),
    ],
)
def test_export_refuses_before_it_measures(
    wish: list[str],
    said: str,
    classifier: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench, "bench", lambda *_, **__: pytest.fail("it measured"))
    places = {"FILE": str(classifier), "IMAGES": str(images), "kept": str(tmp_path / "kept")}
    with pytest.raises(SystemExit) as done:
        run(
            monkeypatch,
            "export",
            "--models",
            str(classifier),
            "--size",
            str(SIZE),
            *(places.get(w, w) for w in wish),
        )
    error = capsys.readouterr().err.replace("\n", " ")
    assert done.value.code == 2 and said in error and "Traceback" not in error


def test_a_network_that_needs_a_download_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(name: str) -> nn.Module:
        raise URLError("no network")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(SystemExit) as done:
        run(
            monkeypatch,
            "bench",
            "--models",
            "torchvision:fasterrcnn_resnet50_fpn",
            "--size",
            str(SIZE),
            "--rounds",
            "20",
        )
    error = capsys.readouterr().err.replace("\n", " ")
    assert done.value.code == 2 and "without a download" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (["--models", "torchvision:no_such_net"], "expected a model that torchvision has"),
        (["--models", "nothing.pt"], "expected torchvision:NAME, timm:NAME or a TorchScript file"),
        (["--models", "CLASSIFIER", "--rungs", "warp"], "expected some of eager_grad"),
    ],
)
def test_wrong_wishes_get_one_sentence(
    wish: list[str],
    said: str,
    classifier: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as done:
        run(
            monkeypatch,
            "bench",
            "--size",
            str(SIZE),
            "--rounds",
            "20",
            *(str(classifier) if w == "CLASSIFIER" else w for w in wish),
        )
    error = capsys.readouterr().err
    assert done.value.code == 2 and said in error and "Traceback" not in error
