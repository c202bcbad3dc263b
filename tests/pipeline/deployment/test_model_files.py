"""What is given as a model: other kinds of file are named and never run, and so is what a network
takes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from medpipe.errors import DataError, SpecError
from medpipe.pipeline.deployment.backend_builder import build
from medpipe.pipeline.deployment.backends import Backend, Source
from medpipe.pipeline.deployment.model_files import channels_of, network_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.*` is deprecated", "ignore:.*TracerWarning"
)


class Runs:
    """What a stranger's pickle does when it is opened."""

    def __reduce__(self) -> Any:
        return Path("/tmp/medpipe-was-run").touch, ()


class Fixed(nn.Module):
    """It answers images of one size, ``batch`` at a time where that is given."""

    def __init__(self, channels: int, side: int, batch: int = 0) -> None:
        super().__init__()
        self.layer, self.batch = nn.Linear(channels * side * side, 3), batch

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layer(
            images.reshape(self.batch if self.batch > 0 else images.shape[0], -1)
        )
        return found


@pytest.fixture(autouse=True)
def _one_precision() -> None:
    """As bench sets it: exporters refuse convolutions and recurrent layers of different
    precision.
    """
    torch.backends.cudnn.allow_tf32 = False


def network(channels: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()


WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights.pth": (lambda p: torch.save(network().state_dict(), p), "weights alone"),
    "old.pth": (
        lambda p: torch.save(network().state_dict(), p, _use_new_zipfile_serialization=False),
        "weights alone",
    ),
    "whole.pth": (lambda p: torch.save(network(), p), "can run code"),
    "epoch.ckpt": (
        lambda p: torch.save({"weights": network().state_dict(), "epoch": 3}, p),
        "a checkpoint",
    ),
    "plain.pkl": (lambda p: p.write_bytes(pickle.dumps(Runs())), "can run code"),
    "torch.pt": (lambda p: torch.save(Runs(), p), "can run code"),
    "network.onnx": (
        lambda p: p.write_bytes(b"\x08\x09\x12\x07pytorch" + bytes(99)),
        "an ONNX file",
    ),
    "network.pt2": (
        lambda p: torch.export.save(torch.export.export(network(), (torch.zeros(1, 3, 9, 9),)), p),
        "an exported program",
    ),
    "w.safetensors": (lambda p: save_file(network().state_dict(), p), "a safetensors file"),
    "a.npz": (lambda p: np.savez(p, a=1), "a zip file without a network"),
    "k.h5": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n"), "an HDF5 file"),
    "text.py": (lambda p: p.write_text("import torch"), "no file of a network"),
    "empty.pt": (lambda p: p.write_bytes(b""), "no file of a network"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_another_kind_is_named_and_not_run(name: str, tmp_path: Path) -> None:
    write, kind = WRITERS[name]
    write(tmp_path / name)
    with pytest.raises(SpecError, match=kind) as refused:
        network_of(str(tmp_path / name))
    assert "corrupt" not in str(refused.value) and "\n" not in str(refused.value)
    assert not Path("/tmp/medpipe-was-run").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    start=st.sampled_from(
        [b"", b"PK\x03\x04", b"\x80\x02", b"\x08\x09\x12", b"\x89HDF", bytes(8) + b"{"]
    ),
    rest=st.binary(max_size=64),
)
def test_any_bytes_are_refused_in_one_sentence(start: bytes, rest: bytes, tmp_path: Path) -> None:
    (tmp_path / "any.pt").write_bytes(start + rest)
    with pytest.raises(SpecError) as refused:
        network_of(str(tmp_path / "any.pt"))
    assert "\n" not in str(refused.value)


def test_a_name_without_its_library_gets_the_whole_name() -> None:
    with pytest.raises(SpecError, match="give torchvision:resnet18"):
        network_of("resnet18")


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_and_grey_images_are_taken(channels: int) -> None:
    assert channels_of(network(channels), 33) == channels


@pytest.mark.parametrize(
    ("given_network", "said"),
    [
        (network(2), "images of 2 channels"),
        (Fixed(3, 64), "give --size 64"),
        (Fixed(1, 28), "1 x 28 x 28 pixels; give --size 28"),
        (Fixed(3, 33, batch=1), "one image at a time"),
        (nn.Sequential(nn.Flatten(0), nn.Linear(7, 2)), "RuntimeError"),
    ],
)
def test_what_a_network_takes_instead_is_named(given_network: nn.Module, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        channels_of(given_network, 33)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["script", "trace", "frozen"])
@pytest.mark.parametrize(("channels", "side"), [(3, 40), (1, 33)])
def test_graphs_are_traced_with_the_size_and_the_channels_asked_for(
    name: str, channels: int, side: int, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).standard_normal((4, channels, side, side)).astype(np.float32)
    of_size = Fixed(channels, side).eval()
    built = build(Backend(name, "fp32", "cpu"), Source(of_size, images, tmp_path))
    assert built.exported is not None, built.reason
    with torch.inference_mode():
        assert np.allclose(
            built.exported.at(1, side)(images[:1]),
            of_size(torch.from_numpy(images[:1])).numpy(),
            atol=1e-5,
        )


@pytest.mark.parametrize(
    ("name", "package"), [("onnxruntime", "onnxscript"), ("openvino", "openvino")]
)
def test_other_runtimes_take_a_network_of_one_size_and_channel(
    name: str, package: str, tmp_path: Path
) -> None:
    pytest.importorskip(package)
    images = np.random.default_rng(0).standard_normal((4, 1, 33, 33)).astype(np.float32)
    of_size = Fixed(1, 33).eval()
    built = build(Backend(name, "fp32", "cpu", name), Source(of_size, images, tmp_path))
    assert built.exported is not None, built.reason
    with torch.inference_mode():
        assert np.allclose(
            built.exported.at(1, 33)(images[:1]),
            of_size(torch.from_numpy(images[:1])).numpy(),
            atol=1e-4,
        )


def test_a_scripted_network_that_answers_with_a_tuple_gives_its_logits(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            logits = images.flatten(1)[:, :3]
            return logits, logits + 1

    images = np.random.default_rng(0).standard_normal((2, 3, 33, 33)).astype(np.float32)
    built = build(Backend("script", "fp32", "cpu"), Source(Pair(), images, tmp_path))
    assert built.exported is not None
    assert np.array_equal(built.exported.at(2, 33)(images), images.reshape(2, -1)[:, :3])
