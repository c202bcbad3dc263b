"""Networks counted by formula, against torch, and what is printed of them."""

from __future__ import annotations

from typing import Any

import pytest

from medpipe.audits.parameter_counts import architecture, count
from medpipe.audits.result import AuditResult
from medpipe.specs.figures import Layer

from .conftest import build, one, quantity

SORTER = [
    {"kind": "conv", "inputs": 3, "outputs": 64, "kernel": 3},
    {"kind": "conv", "inputs": 64, "outputs": 64, "kernel": 3, "times": 3},
    {"kind": "activation", "times": 4},
    {"kind": "linear", "inputs": 64, "outputs": 2},
]
PARAMETERS = 3 * 64 * 9 + 64 + 3 * (64 * 64 * 9 + 64) + 64 * 2 + 2


def network(text: str, what: str = "parameters") -> AuditResult:
    record: dict[str, Any] = {"id": "net", "what": "the sorter", "layers": SORTER}
    record |= {"saved_size": "q.size"} if what == "saved_size" else {"counts": {what: "q.size"}}
    return one(
        architecture,
        build(quantities=[quantity("size", text, kind="number")], architectures=[record]),
    )


def test_a_planted_number_of_parameters_is_refuted() -> None:
    assert PARAMETERS == 112_706
    seen = network("150k")
    assert (seen.audit, seen.key, seen.severity, seen.certain) == (
        "architecture",
        "net.size",
        "refutes",
        True,
    )
    assert seen.bears_on == seen.rests_on == ("size",)
    assert seen.arithmetic == "the sorter as coded: 112,706 parameters"
    assert network("112,706").severity == "clean"
    assert network("0.113M").severity == "clean"


@pytest.mark.parametrize(
    ("text", "what", "severity", "certain"),
    [
        ("112k", "parameters", "narrows", False),
        ("110k", "parameters", "narrows", False),
        ("100k", "parameters", "narrows", False),
        ("~100k", "parameters", "clean", True),
        ("<200k", "parameters", "clean", True),
        ("<100k", "parameters", "refutes", True),
        ("4", "conv", "clean", True),
        ("3", "conv", "refutes", True),
        ("0", "transposed_conv", "clean", True),
        ("2", "transposed_conv", "refutes", True),
        ("0.45 MB", "saved_size", "clean", True),
        ("0.46 MB", "saved_size", "clean", True),  # 450,824 bytes, and a container
        ("0.43 MB", "saved_size", "narrows", True),
        ("0.44 MiB", "saved_size", "clean", True),
        ("451k", "saved_size", "undermines", True),
        ("0.6 MB", "saved_size", "undermines", True),
        ("0.0005 GB", "saved_size", "clean", True),
        ("0.46 MiB", "saved_size", "narrows", True),
    ],
)
def test_what_is_printed_of_a_network(text: str, what: str, severity: str, certain: bool) -> None:
    seen = network(text, what)
    assert (seen.severity, seen.certain) == (severity, certain), (seen.statement, seen.arithmetic)


def test_the_example_of_the_page() -> None:
    layers = (
        Layer("embedding", rows=8000, width=128),
        Layer("lstm", inputs=128, hidden=256, layers=2, bidirectional=True),
        Layer("linear", inputs=512, outputs=5),
    )
    assert count(layers).parameters == 3_394_053


RESNET18 = [
    Layer("conv", inputs=3, outputs=64, kernel=7, bias=False),
    Layer("batch_norm", features=64),
    Layer("basic_block", inputs=64, outputs=64, times=2),
    *(
        layer
        for a, b in ((64, 128), (128, 256), (256, 512))
        for layer in (
            Layer("basic_block", inputs=a, outputs=b, downsample=True),
            Layer("basic_block", inputs=b, outputs=b),
        )
    ),
    Layer("linear", inputs=512, outputs=1000),
]
RESNET50 = [
    Layer("conv", inputs=3, outputs=64, kernel=7, bias=False),
    Layer("batch_norm", features=64),
    *(
        layer
        for i, w, o, times in (
            (64, 64, 256, 2),
            (256, 128, 512, 3),
            (512, 256, 1024, 5),
            (1024, 512, 2048, 2),
        )
        for layer in (
            Layer("bottleneck", inputs=i, width=w, outputs=o, downsample=True),
            Layer("bottleneck", inputs=o, width=w, outputs=o, times=times),
        )
    ),
    Layer("linear", inputs=2048, outputs=1000),
]
BUFFER_UNIT = 4
"""Buffers are counted in units of four bytes, as parameters are."""


def counted_by_torch(module: Any) -> tuple[int, int]:
    return (
        sum(p.numel() for p in module.parameters()),
        sum(b.numel() * b.element_size() for b in module.buffers()) // BUFFER_UNIT,
    )


def test_layers_against_torch() -> None:
    nn = pytest.importorskip("torch.nn")
    for layer, module in [
        (Layer("embedding", rows=80, width=12), nn.Embedding(80, 12)),
        (Layer("linear", inputs=7, outputs=5), nn.Linear(7, 5)),
        (Layer("linear", inputs=7, outputs=5, bias=False), nn.Linear(7, 5, bias=False)),
        (Layer("conv", inputs=3, outputs=8, kernel=5), nn.Conv2d(3, 8, 5)),
        (Layer("conv", inputs=3, outputs=8, kernel=5, bias=False), nn.Conv2d(3, 8, 5, bias=False)),
        (
            Layer("conv", inputs=3, outputs=8, kernel=4, stride=2, transposed=True),
            nn.ConvTranspose2d(3, 8, 4, stride=2),
        ),
        (Layer("batch_norm", features=9), nn.BatchNorm2d(9)),
        (Layer("layer_norm", features=9), nn.LayerNorm(9)),
        (Layer("activation"), nn.ReLU()),
        (Layer("dropout"), nn.Dropout()),
        (Layer("upsample"), nn.Upsample()),
        *(
            (
                Layer("lstm", inputs=6, hidden=4, layers=layers, bidirectional=both, bias=bias),
                nn.LSTM(6, 4, layers, bidirectional=both, bias=bias),
            )
            for layers in (1, 2, 3)
            for both in (False, True)
            for bias in (False, True)
        ),
    ]:
        ours = count((layer,))
        assert (ours.parameters, ours.buffers) == counted_by_torch(module), layer
        assert ours.layers.total() == 1


@pytest.mark.parametrize(
    ("name", "layers", "convs"), [("resnet18", RESNET18, 20), ("resnet50", RESNET50, 53)]
)
def test_residual_networks_against_torchvision(name: str, layers: list[Layer], convs: int) -> None:
    models = pytest.importorskip("torchvision.models")
    torch = pytest.importorskip("torch")
    with torch.device("meta"):  # counted, not filled
        reference = getattr(models, name)()
    ours = count(tuple(layers))
    assert (ours.parameters, ours.buffers) == counted_by_torch(reference)
    kinds = [type(m).__name__ for m in reference.modules()]
    assert ours.layers["conv"] == kinds.count("Conv2d") == convs
    assert ours.layers["batch_norm"] == kinds.count("BatchNorm2d")


def test_a_saved_file_is_as_large_as_is_said(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(3, 64, 3), *(nn.Conv2d(64, 64, 3) for _ in range(3)), nn.Linear(64, 2)
    )
    torch.save(module.state_dict(), tmp_path / "sorter.pt")
    size = (tmp_path / "sorter.pt").stat().st_size
    assert network(f"{size / 1e6:.2f} MB", "saved_size").severity == "clean"
    assert network(f"{size / 2**20:.2f} MiB", "saved_size").severity == "clean"
    assert network(f"{size / 2**20:.2f} MB", "saved_size").severity == "narrows"
