from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from medpipe.pipeline.models.dcgan import UpsampledConv2d, build_discriminator, build_generator


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def layers(network: nn.Module) -> Counter[str]:
    return Counter(type(layer).__name__ for layer in network.modules())


@pytest.mark.parametrize(
    ("upsampling", "convolution"), [("nearest", nn.Conv2d), ("transposed", nn.ConvTranspose2d)]
)
def test_the_published_generator(upsampling: Any, convolution: type[nn.Module]) -> None:
    with torch.device("meta"):
        network = build_generator(upsampling=upsampling)
    assert parameters(network) == 4_861_955
    assert sum(isinstance(layer, convolution) for layer in network.modules()) == 4
    assert (
        sum(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in network.modules()) == 4
    )
    assert (
        layers(network)["BatchNorm2d"] == 4
        and layers(network)["ReLU"] == 3
        and layers(network)["Tanh"] == 1
    )


def test_the_published_discriminator() -> None:
    with torch.device("meta"):
        network = build_discriminator()
    assert parameters(network) == 1_560_961
    assert layers(network) == {
        "Conv2d": 4,
        "LeakyReLU": 4,
        "Dropout2d": 4,
        "BatchNorm2d": 3,
        "Linear": 1,
        "Flatten": 2,
        "Sequential": 1,
    }
    assert {layer.p for layer in network.modules() if isinstance(layer, nn.Dropout2d)} == {0.25}
    assert {
        layer.negative_slope for layer in network.modules() if isinstance(layer, nn.LeakyReLU)
    } == {0.2}


def test_upsampling_and_convolving_at_once_is_the_same_as_one_after_the_other() -> None:
    torch.manual_seed(0)
    layer, x = (
        UpsampledConv2d(3, 5, 3, padding=1).double(),
        torch.randn(2, 3, 7, 6, dtype=torch.float64, requires_grad=True),
    )
    plain = functional.conv2d(
        functional.interpolate(x, scale_factor=2, mode="nearest"),
        layer.weight,
        layer.bias,
        padding=1,
    )
    assert layer(x).shape == (2, 5, 14, 12) and torch.allclose(layer(x), plain, atol=1e-12)
    for wanted in (x, layer.weight):
        one, other = (
            torch.autograd.grad(y.pow(3).sum(), wanted, retain_graph=True)[0]
            for y in (layer(x), plain)
        )
        assert torch.allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_images_of_64_pixels_and_one_logit_each(upsampling: Any) -> None:
    made = build_generator(width=2, upsampling=upsampling)(torch.randn(3, 100))
    assert made.shape == (3, 3, 64, 64) and made.abs().max() <= 1
    assert build_discriminator(width=2)(made).shape == (3,)


def test_every_stabiliser_has_a_switch() -> None:
    bare = build_discriminator(width=2, dropout=0.0, activation="sigmoid", normalisation="none")
    assert layers(bare) == {"Conv2d": 4, "Sigmoid": 4, "Linear": 1, "Flatten": 2, "Sequential": 1}
    linear = layers(build_generator(width=2, output="none", normalisation="none"))
    assert "Tanh" not in linear and "BatchNorm2d" not in linear


def test_spectral_normalisation_keeps_the_count_and_bounds_every_weight() -> None:
    network = build_discriminator(width=4, spectral=True)
    assert parameters(network) == parameters(build_discriminator(width=4))
    network.train()
    for _ in range(30):  # the power iteration goes on with every pass in training
        network(torch.randn(2, 3, 64, 64))
    weights = [
        layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    assert len(weights) == 5
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_initialisation() -> None:
    torch.manual_seed(0)
    network = build_discriminator(width=32, spectral=True)
    stored = dict(network.named_parameters())
    assert stored["3.parametrizations.weight.original"].std().item() == pytest.approx(
        0.02, rel=0.05
    )
    batch = next(
        layer for layer in build_generator(width=32).modules() if isinstance(layer, nn.BatchNorm2d)
    )
    assert 0.01 < batch.weight.std().item() < 0.03 and batch.weight.mean().item() == pytest.approx(
        1, abs=0.01
    )
    plain = next(
        layer
        for layer in build_generator(width=32, initialisation="torch").modules()
        if isinstance(layer, nn.BatchNorm2d)
    )
    assert (plain.weight == 1).all()
